"""Which occurrences are run, of those that have passed since a scheduler last looked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.schedules.schedule import Misfire

GRACE = timedelta(seconds=60)
"""How long after it was due an occurrence still counts as punctual."""


@dataclass(frozen=True)
class Passed:
    """An occurrence that has passed, and when it was due."""

    occurrence: datetime
    due: datetime


@dataclass(frozen=True)
class Missed:
    passed: Passed
    reason: str


@dataclass(frozen=True)
class Verdict:
    """Both in the order of time; together they are all that passed."""

    kept: tuple[Passed, ...]
    missed: tuple[Missed, ...]


def decide_misfires(
    passed: Sequence[Passed], now: datetime, policy: Misfire, max_catch_up: int, window: timedelta
) -> Verdict:
    """Punctual occurrences are kept. Late ones within the window are what the policy is about; `passed` is in order."""
    late = [p for p in passed if now - p.due > GRACE]
    punctual = [p for p in passed if now - p.due <= GRACE]
    fresh = [p for p in late if now - p.occurrence <= window]
    made_up = set(_made_up(fresh, policy, max_catch_up, any_punctual=bool(punctual)))
    outside, on_time = set(late) - set(fresh), set(punctual)
    return Verdict(
        kept=tuple(p for p in passed if p in made_up or p in on_time),
        missed=tuple(Missed(p, _reason(p in outside, policy)) for p in late if p not in made_up),
    )


def _made_up(fresh: Sequence[Passed], policy: Misfire, max_catch_up: int, *, any_punctual: bool) -> Sequence[Passed]:
    match policy:
        case Misfire.SKIP:
            return ()
        case Misfire.RUN_LATEST:
            return () if any_punctual else fresh[-1:]
        case Misfire.RUN_ALL:
            return fresh[-max_catch_up:]


def _reason(is_outside: bool, policy: Misfire) -> str:
    return "older than the catch-up window" if is_outside else f"the misfire policy is {policy}"
