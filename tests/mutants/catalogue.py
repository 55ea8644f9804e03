"""All wrong gateways, and all right but different ones, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.mutants.attempts import ATTEMPTS
from tests.mutants.breaks import BREAKS, Break
from tests.mutants.edge_answers import ANSWERS
from tests.mutants.edge_doors import DOORS
from tests.mutants.edge_legal import LEGAL
from tests.mutants.hardening import HARDENING
from tests.mutants.health import HEALTH, VARIANTS
from tests.mutants.limits import LIMITS
from tests.mutants.operating import OPERATING
from tests.mutants.streams import STREAMS
from tests.mutants.timeouts import TIMEOUTS

_ALL = (*BREAKS.values(), *DOORS, *ANSWERS, *ATTEMPTS, *STREAMS, *HEALTH, *OPERATING, *LIMITS, *HARDENING, *TIMEOUTS)

MUTANTS: Final[Mapping[str, Break]] = {each.name: each for each in _ALL}

#: What turns the reference into the gateway of that name.
CHANGES: Final[Mapping[str, Callable[[], None]]] = {
    **{name: each.apply for name, each in MUTANTS.items()},
    **LEGAL,
    **VARIANTS,
}

assert len(MUTANTS) == len(_ALL), "two mutants have the same name"
