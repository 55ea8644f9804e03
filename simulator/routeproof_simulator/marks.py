"""The decorator by which a test says what its providers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, overload

from routeproof_simulator.algebra import Behaviour

if TYPE_CHECKING:
    import pytest


@overload
def faults(behaviour: Behaviour, /) -> pytest.MarkDecorator: ...


@overload
def faults(provider: str, behaviour: Behaviour, /) -> pytest.MarkDecorator: ...


def faults(*arguments: str | Behaviour) -> pytest.MarkDecorator:
    """Let a provider behave so in the test below: the first one of the fixture `fleet`, or the one that is named first.

    It is the mark `pytest.mark.faults`, with types: a behaviour can be called, and pytest's own decorator would tell a
    type checker that it is what is being decorated.
    """
    import pytest  # noqa: PLC0415 - for tests alone: the rest of the package starts without it

    return pytest.mark.faults.with_args(*arguments)
