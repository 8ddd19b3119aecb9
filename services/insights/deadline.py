"""How long an answer may take that is made while somebody waits."""

from __future__ import annotations

import time

from services.errors import Invalid


class Deadline:
    """From now on so many seconds; to be called at every step of the work."""

    def __init__(self, limit_s: float, instead: str) -> None:
        """`instead` says what to ask where that is not enough."""
        self._limit_s = limit_s
        self._end = time.monotonic() + limit_s
        self._instead = instead

    def __call__(self) -> None:
        """Raises Invalid once it has passed."""
        if time.monotonic() > self._end:
            raise Invalid(f"found no answer within {self._limit_s:g} seconds, which is the limit; {self._instead}")
