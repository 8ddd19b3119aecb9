"""What the end of its jobs means for a schedule: failures in a row are counted, and too many of them pause it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, or_, select, update

from services.database.tables import jobs, occurrences, schedules
from services.jobs.rows import iso
from services.jobs.states import State
from services.schedules.overlap import BACKFILL
from services.schedules.rows import ended, pause_schedule
from services.schedules.schedule import OccurrenceState
from services.webhooks.outbox import enqueue

FAILURES = frozenset({State.FAILED, State.CRASHED})
PAUSED_EVENT = "schedule.paused"
MAX_COUNTED = 1000
"""How many failures in a row are counted: more than any schedule asks for."""


def endings(schedule_id: str) -> Select[Any]:
    """The schedule's jobs that have ended and are not counted."""
    return ended().where(occurrences.c.schedule_id == schedule_id)


def count_endings(connection: Connection, schedule_id: str, now: datetime) -> None:
    """Count the jobs of a schedule that have ended. Those of backfills say nothing. A retry makes a job's end one that
    is not counted: so what is repaired later repairs the count."""
    rows = connection.execute(endings(schedule_id)).all()
    for row in rows:
        connection.execute(
            update(occurrences)
            .where(
                occurrences.c.schedule_id == schedule_id,
                occurrences.c.occurrence == row.occurrence,
                occurrences.c.kind == row.kind,
            )
            .values(is_counted=True)
        )
    if any(not row.kind.startswith(BACKFILL) for row in rows):
        count_failures(connection, schedule_id, now)


def count_failures(connection: Connection, schedule_id: str, now: datetime) -> None:
    """Count the latest occurrences that failed, as they stand, up to one that succeeded; pause the schedule, and tell
    the project's webhooks, when they are as many as it allows."""
    row = connection.execute(select(schedules).where(schedules.c.id == schedule_id)).mappings().one()
    failures = _failures(connection, row)
    connection.execute(update(schedules).where(schedules.c.id == schedule_id).values(failures=failures))
    allowed = row["pause_after_failures"]
    if row["paused"] is None and allowed is not None and failures >= allowed:
        reason = f"{failures} jobs failed in a row"
        pause_schedule(connection, schedule_id, reason, now)
        told = {"id": schedule_id, "name": row["name"], "recipe_name": row["recipe_name"], "reason": reason}
        payload = {"type": PAUSED_EVENT, "timestamp": iso(now), "data": told}
        enqueue(connection, row["project_id"], PAUSED_EVENT, payload)


def _failures(connection: Connection, schedule: RowMapping) -> int:
    """How many failed since the last that succeeded; a job that was cancelled, or goes on, is passed over."""
    table = occurrences.c
    told = (
        select(jobs.c.state)
        .select_from(occurrences.outerjoin(jobs, jobs.c.id == table.job_id))
        .where(
            table.schedule_id == schedule["id"],
            table.kind.not_like(f"{BACKFILL}%"),
            or_(table.state == OccurrenceState.FAILED, jobs.c.state.in_([*FAILURES, State.SUCCEEDED])),
        )
        .order_by(table.occurrence.desc(), table.kind.desc())
        .limit(MAX_COUNTED)
    )
    if schedule["counted_from"] is not None:
        told = told.where(table.occurrence > schedule["counted_from"])
    states = list(connection.execute(told).scalars())  # None for an occurrence that came to no job
    return states.index(State.SUCCEEDED) if State.SUCCEEDED in states else len(states)
