"""Trio's scheduling, made a function of a seed.

Trio shuffles the tasks that are ready, so that nobody relies on their order. The switch and the random source below
belong to `trio._core._run`; they are what Hypothesis's own integration uses, and there is no public way (python-trio
issue 890 asks for one). They are named here alone, and `check_supported` fails loudly when a release moves them.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Final

import trio

RUN_MODULE: Final = import_module("trio._core._run")
SWITCH: Final = "_ALLOW_DETERMINISTIC_SCHEDULING"
SOURCE: Final = "_r"


def check_supported(run_module: ModuleType = RUN_MODULE) -> None:
    """Raise `RuntimeError` where the installed trio no longer has what deterministic scheduling needs."""
    switch, source = getattr(run_module, SWITCH, None), getattr(run_module, SOURCE, None)
    if isinstance(switch, bool) and isinstance(source, random.Random):
        return
    raise RuntimeError(
        f"trio {trio.__version__} moved {run_module.__name__}.{SWITCH} or .{SOURCE}: runs in virtual time "
        f"would no longer repeat; install a trio release that this version of routeproof was tested with"
    )


@contextmanager
def deterministic_scheduling(seed: int | str) -> Generator[None]:
    """Make every `trio.run` within the block a function of *seed*; what was before is restored.

    The garbage collector is off within: it would close abandoned generators, and with them connections, at moments
    that depend on everything the process did before. Whoever runs long calls `gc.collect` at moments of the run.
    """
    check_supported()
    source: random.Random = getattr(RUN_MODULE, SOURCE)
    state, switch, collecting = source.getstate(), getattr(RUN_MODULE, SWITCH), gc.isenabled()
    gc.disable()
    setattr(RUN_MODULE, SWITCH, True)
    source.seed(str(seed))  # a text is hashed by SHA-512, whatever PYTHONHASHSEED says
    try:
        yield
    finally:
        source.setstate(state)
        setattr(RUN_MODULE, SWITCH, switch)
        if collecting:
            gc.enable()
