"""Processor time of work, for the figures that compare one thread's speed."""

from __future__ import annotations

import time
from collections.abc import Callable

REPEATS = 3


def once(work: Callable[[], object]) -> float:
    """The processor time of a run, in seconds."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def seconds(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """The least processor time of a few runs."""
    return min(once(work) for _ in range(repeats))
