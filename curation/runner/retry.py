"""When a failed try is made again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Retry:
    """How often an item is tried, and how long to wait between tries: twice as long each time, up to a cap."""

    max_tries: int = 3
    first_wait_s: float = 0.2
    longest_wait_s: float = 5.0

    def wait_s(self, tries: int) -> float:
        """The seconds to wait after this many tries (from 1) have failed."""
        return float(min(self.longest_wait_s, self.first_wait_s * 2 ** (tries - 1)))
