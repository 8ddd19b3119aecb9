"""What may start now, of the occurrences that wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.schedules.schedule import Overlap

SCHEDULED = "schedule"
MANUAL = "manual:"
BACKFILL = "backfill:"
"""How the kinds of occurrences are written."""


@dataclass(frozen=True)
class Waiting:
    """An occurrence that is due."""

    occurrence: datetime
    kind: str
    position: int = 0
    max_parallel: int = 1


@dataclass(frozen=True)
class Active:
    """A job of the schedule that is not final."""

    job_id: str
    kind: str
    may_be_cancelled: bool = True
    """Not one that is being cancelled already, or publishes."""


@dataclass(frozen=True)
class Turn:
    """What is to be done now. What is in none of these waits on."""

    start: tuple[Waiting, ...] = ()
    skip: tuple[tuple[Waiting, str], ...] = ()
    cancel: tuple[str, ...] = ()
    """Jobs."""


def plan_turn(policy: Overlap, waiting: Sequence[Waiting], active: Sequence[Active]) -> Turn:
    """Triggers start at once. Backfills keep to their own number of parallel jobs, and the policy is not about them;
    it is about scheduled occurrences, beside scheduled and triggered jobs."""
    triggered = [w for w in waiting if w.kind.startswith(MANUAL)]
    running = [a for a in active if not a.kind.startswith(BACKFILL)]
    scheduled = sorted((w for w in waiting if w.kind == SCHEDULED), key=lambda w: w.occurrence)
    turn = _overlapping(policy, scheduled, running, free=not running and not triggered)
    return Turn(start=(*triggered, *turn.start, *_backfilling(waiting, active)), skip=turn.skip, cancel=turn.cancel)


def _overlapping(policy: Overlap, due: Sequence[Waiting], running: Sequence[Active], *, free: bool) -> Turn:
    if not due:
        return Turn()
    match policy:
        case Overlap.ALLOW:
            return Turn(start=tuple(due))
        case Overlap.SKIP:
            others = due[1:] if free else due
            return Turn(tuple(due[:1]) if free else (), tuple((w, "an earlier job is not done") for w in others))
        case Overlap.QUEUE_ALL:
            return Turn(start=tuple(due[:1]) if free else ())
        case Overlap.QUEUE_ONE:
            rest = due[1:] if free else due
            return Turn(tuple(due[:1]) if free else (), _replaced(rest))
        case Overlap.CANCEL_OTHER:
            cancel = tuple(a.job_id for a in running if a.may_be_cancelled)
            return Turn(tuple(due[-1:]) if free else (), _replaced(due), cancel)


def _replaced(due: Sequence[Waiting]) -> tuple[tuple[Waiting, str], ...]:
    """All but the latest."""
    return tuple((w, f"replaced by {due[-1].occurrence:%Y-%m-%dT%H:%M:%SZ}") for w in due[:-1])


def _backfilling(waiting: Sequence[Waiting], active: Sequence[Active]) -> list[Waiting]:
    start: list[Waiting] = []
    for kind in sorted({w.kind for w in waiting if w.kind.startswith(BACKFILL)}):
        queue = sorted((w for w in waiting if w.kind == kind), key=lambda w: w.position)
        room = queue[0].max_parallel - sum(a.kind == kind for a in active)
        start += queue[: max(0, room)]
    return start
