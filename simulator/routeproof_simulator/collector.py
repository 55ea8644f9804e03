"""The garbage collector of a process that serves and does nothing else."""

from __future__ import annotations

import gc
from typing import Final

#: How many objects may come before the young are looked at, and how many such looks before the middle-aged and the old
#: are. With Python's own (700, 10, 10) a thousand streams are held up for 50 to 120 ms every few seconds.
THRESHOLDS: Final = (4_000, 4, 1000)


def collect_seldom() -> None:
    """Look for garbage less often from now on, and never again among what is there at this moment.

    For whoever owns the process: call it once, when all is set up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
