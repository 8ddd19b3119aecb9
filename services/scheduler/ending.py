"""What the end of its jobs means for a schedule: failures are counted in a row, and too many of them pause it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from services.database.tables import jobs, occurrences, schedules
from services.jobs.rows import iso
from services.jobs.states import State
from services.schedules.overlap import BACKFILL
from services.schedules.rows import ended, pause_schedule
from services.webhooks.outbox import enqueue

FAILURES = frozenset({State.FAILED, State.CRASHED})
PAUSED_EVENT = "schedule.paused"


def count_endings(connection: Connection, schedule_id: str, now: datetime) -> None:
    """Count the jobs of a schedule that have ended, in the order of their end; each once. A job that was cancelled says
    nothing, and neither do those of backfills."""
    wanted = ended().where(occurrences.c.schedule_id == schedule_id).order_by(jobs.c.finished, jobs.c.id)
    rows = connection.execute(wanted).all()
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
    counted = [State(row.state) for row in rows if not row.kind.startswith(BACKFILL)]
    count_states(connection, schedule_id, counted, now)


def count_states(connection: Connection, schedule_id: str, states: Sequence[State], now: datetime) -> None:
    """Count how jobs ended; pause the schedule, and tell the project's webhooks, when so many failed in a row as it
    allows."""
    if not states:
        return
    row = connection.execute(select(schedules).where(schedules.c.id == schedule_id)).mappings().one()
    failures, is_too_many = row["failures"], False
    for state in states:
        failures = failures + 1 if state in FAILURES else 0 if state is State.SUCCEEDED else failures
        is_too_many |= row["pause_after_failures"] is not None and failures >= row["pause_after_failures"]
    connection.execute(update(schedules).where(schedules.c.id == schedule_id).values(failures=failures))
    if is_too_many and row["paused"] is None:
        reason = f"{failures} jobs failed in a row"
        pause_schedule(connection, schedule_id, reason, now)
        told = {"id": schedule_id, "name": row["name"], "recipe_name": row["recipe_name"], "reason": reason}
        payload = {"type": PAUSED_EVENT, "timestamp": iso(now), "data": told}
        enqueue(connection, row["project_id"], PAUSED_EVENT, payload)
