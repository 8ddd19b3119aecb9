"""Whether what a schedule refreshes is as new as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from services.jobs.states import FINAL, State
from services.schedules.schedule import Occurrence, OccurrenceState, Schedule

PATIENCE = timedelta(minutes=5)
"""How long after its time an occurrence may be started before it is late."""


class Standing(StrEnum):
    """How a schedule stands with its last time."""

    FRESH = "FRESH"
    """Its last job succeeded, whether it found anything new or not."""
    LATE = "LATE"
    """Its last time has brought nothing: it failed, was missed, or nobody has started it."""
    HELD = "HELD"
    """Its last job waits for approval."""
    RUNNING = "RUNNING"
    """Its last job is in the queue or at work."""
    WAITING = "WAITING"
    """Its last time waits for an earlier job, or for its jitter."""
    SKIPPED = "SKIPPED"
    """Its last time was left out on purpose."""
    PAUSED = "PAUSED"
    NEW = "NEW"
    """It had no time yet."""
    UNKNOWN = "UNKNOWN"
    """Its last job was deleted."""


@dataclass(frozen=True)
class Freshness:
    """How a schedule stands, since when, and what there is to say of it."""

    standing: Standing
    since: datetime | None = None
    why: str = ""


def freshness(schedule: Schedule, latest: Occurrence | None, now: datetime) -> Freshness:
    """`latest` is the schedule's latest occurrence that has passed, if there is one."""
    if schedule.paused is not None:
        return Freshness(Standing.PAUSED, schedule.paused, schedule.pause_reason)
    if schedule.next is not None and now - schedule.next > PATIENCE:
        return Freshness(Standing.LATE, schedule.next, "no scheduler has taken note of this time")
    if latest is None:
        return Freshness(Standing.NEW)
    if latest.state is OccurrenceState.STARTED:
        return _of_job(latest)
    return Freshness(_WITHOUT_JOB[latest.state], latest.due, latest.reason)


_WITHOUT_JOB = {
    OccurrenceState.WAITING: Standing.WAITING,
    OccurrenceState.SKIPPED: Standing.SKIPPED,
    OccurrenceState.MISSED: Standing.LATE,
    OccurrenceState.FAILED: Standing.LATE,
}


def _of_job(latest: Occurrence) -> Freshness:
    state, message = latest.job_state, latest.job_message or ""
    if state is None:
        return Freshness(Standing.UNKNOWN, latest.due, "its last job was deleted")
    if state is State.SUCCEEDED:
        return Freshness(Standing.FRESH, latest.due, message)
    if state is State.HELD:
        return Freshness(Standing.HELD, latest.due, message)
    if state in FINAL:
        return Freshness(Standing.LATE, latest.due, f"{state}: {message}" if message else state)
    return Freshness(Standing.RUNNING, latest.due, message)
