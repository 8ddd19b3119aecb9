"""Schedules and their occurrences as they lie in the tables."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

from sqlalchemy import Connection, RowMapping, Select, select, update

from services.database.tables import jobs, occurrences, schedules
from services.errors import NotFound
from services.jobs.states import FINAL, State
from services.schedules.cron import Cron
from services.schedules.overlap import SCHEDULED
from services.schedules.schedule import Kind, NewSchedule, Occurrence, OccurrenceState, Schedule
from services.schedules.timetable import MICROSECOND, Timetable


def find_schedule(connection: Connection, project_id: str, which: str, *, lock: bool = False) -> RowMapping:
    """A schedule of the project by its id or its name. Raises NotFound."""
    wanted = select(schedules).where(
        schedules.c.project_id == project_id,
        schedules.c.deleted.is_(None),
        (schedules.c.id == which) | (schedules.c.name == which),
    )
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise NotFound(f"there is no schedule {which!r}")
    return row


def schedule_of(row: RowMapping) -> Schedule:
    """The schedule of a row."""
    values = {name: row[name] for name in Schedule.model_fields if name in row}
    timetable = Timetable(definition_of(row))
    following = row["next_at"] and timetable.next(row["next_at"] - MICROSECOND)
    local = following and timetable.cron.local(following)
    return Schedule.model_validate({**values, "next": following, "next_local": local})


def definition_of(row: RowMapping) -> NewSchedule:
    """What was asked for, of a row."""
    return NewSchedule.model_validate({name: row[name] for name in NewSchedule.model_fields})


def definition_values(new: NewSchedule) -> dict[str, Any]:
    """The columns that hold what was asked for."""
    dates = [day.isoformat() for day in sorted(set(new.skip_dates))]
    return {**{name: getattr(new, name) for name in NewSchedule.model_fields}, "skip_dates": dates}


def occurrence_rows(schedule_id: str) -> Select[Any]:
    """A schedule's occurrences, each with what there is to say of its job."""
    return (
        select(occurrences, jobs.c.state.label("job_state"), jobs.c.message.label("job_message"))
        .outerjoin(jobs, jobs.c.id == occurrences.c.job_id)
        .where(occurrences.c.schedule_id == schedule_id)
    )


def occurrence_of(row: RowMapping, cron: Cron) -> Occurrence:
    """The occurrence of a row of `occurrence_rows`."""
    kind, _, run = row["kind"].partition(":")
    return Occurrence(
        occurrence=row["occurrence"],
        local=cron.local(row["occurrence"]),
        kind=cast(Kind, kind),
        run=run or None,
        state=OccurrenceState(row["state"]),
        due=row["due"],
        reason=row["reason"],
        job_id=row["job_id"],
        job_state=row["job_state"] and State(row["job_state"]),
        job_message=row["job_message"],
    )


def ended() -> Select[tuple[str, datetime, str, str]]:
    """The schedule, occurrence and kind of every job that has ended and is not counted, and how it ended."""
    table = occurrences.c
    return (
        select(table.schedule_id, table.occurrence, table.kind, jobs.c.state)
        .join(jobs, jobs.c.id == table.job_id)
        .where(table.state == OccurrenceState.STARTED, table.is_counted.is_(False), jobs.c.state.in_(FINAL))
    )


def new_occurrence(
    schedule_id: str, occurrence: datetime, kind: str, state: OccurrenceState, now: datetime, **values: Any
) -> dict[str, Any]:
    """A row for the table; due at its occurrence unless `values` says otherwise."""
    row = {"due": occurrence, "reason": "", "position": 0, "max_parallel": 1, **values}
    return {"schedule_id": schedule_id, "occurrence": occurrence, "kind": kind, "state": state, "created": now, **row}


def skip_waiting(connection: Connection, schedule_id: str, reason: str, *, only_scheduled: bool) -> None:
    """Leave out what waits: all of it, or what the cron expression brought."""
    wanted = update(occurrences).where(
        occurrences.c.schedule_id == schedule_id, occurrences.c.state == OccurrenceState.WAITING
    )
    if only_scheduled:
        wanted = wanted.where(occurrences.c.kind == SCHEDULED)
    connection.execute(wanted.values(state=OccurrenceState.SKIPPED, reason=reason))


def pause_schedule(connection: Connection, schedule_id: str, reason: str, now: datetime) -> None:
    """Stop the cron expression; what it brought and still waits is left out."""
    connection.execute(
        update(schedules)
        .where(schedules.c.id == schedule_id)
        .values(paused=now, pause_reason=reason, next_at=None, updated=now, revision=schedules.c.revision + 1)
    )
    skip_waiting(connection, schedule_id, "the schedule was paused", only_scheduled=True)
