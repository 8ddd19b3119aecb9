"""What has happened to jobs: events, log lines, and how they are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Select,
    Table,
    delete,
    exists,
    insert,
    select,
    true,
    tuple_,
    update,
)

from services.database import Database
from services.database.tables import idempotency, job_events, job_logs, jobs
from services.errors import Gone, NotFound
from services.jobs.job import Event, LogLine, NewLogLine
from services.jobs.rows import plain
from services.jobs.states import FINAL

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
BATCH = 5_000
"""How many rows one transaction forgets, so that others get their turn."""

JOBS_AT_ONCE = 20
"""How many jobs one transaction forgets, or their log lines."""

DAY = timedelta(days=1)


def events(connection: Connection, project_id: str, job_id: str, after: int, limit: int) -> Sequence[Event]:
    last = connection.execute(_own(jobs.c.last_event, project_id, job_id)).scalar_one_or_none()
    if last is None:
        raise NotFound(f"there is no job {job_id!r} in this project")
    columns = [job_events.c[name] for name in Event.model_fields]
    rows = connection.execute(
        select(*columns)
        .where(job_events.c.job_id == job_id, job_events.c.sequence > after)
        .order_by(job_events.c.sequence)
        .limit(limit)
    ).mappings()
    found = [Event.model_construct(**row) for row in rows]
    if after < last and (not found or found[0].sequence != after + 1):
        kept = found[0].sequence if found else last + 1
        raise Gone(f"the events {after + 1} to {kept - 1} have been trimmed; go on after {kept - 1}", after=kept - 1)
    return found


def logs(
    connection: Connection, project_id: str, job_id: str, after: int, limit: int, level: str | None
) -> Sequence[LogLine]:
    _expect_job(connection, project_id, job_id)
    columns = [job_logs.c[name] for name in LogLine.model_fields]
    asked = select(*columns).where(job_logs.c.job_id == job_id, job_logs.c.sequence > after)
    asked = _of_level(asked, level)
    rows = connection.execute(asked.order_by(job_logs.c.sequence).limit(limit)).mappings()
    return [LogLine.model_construct(**row) for row in rows]


def latest_events(
    connection: Connection, project_id: str, job_id: str, before: int | None, limit: int
) -> Sequence[Event]:
    _expect_job(connection, project_id, job_id)
    rows = connection.execute(_latest(job_events, Event, job_id, before, limit)).mappings()
    return [Event.model_construct(**row) for row in rows]


def latest_logs(
    connection: Connection, project_id: str, job_id: str, before: int | None, limit: int, level: str | None
) -> Sequence[LogLine]:
    _expect_job(connection, project_id, job_id)
    asked = _of_level(_latest(job_logs, LogLine, job_id, before, limit), level)
    return [LogLine.model_construct(**row) for row in connection.execute(asked).mappings()]


def write_logs(connection: Connection, job_id: str, lines: Sequence[NewLogLine], keep: int) -> None:
    """Number the lines and append them; drop what is beyond `keep` lines."""
    last = connection.execute(
        update(jobs)
        .where(jobs.c.id == job_id, jobs.c.deleted.is_(None))
        .values(last_log=jobs.c.last_log + len(lines))
        .returning(jobs.c.last_log)
    ).scalar_one_or_none()
    if last is None:
        raise NotFound(f"there is no job {job_id!r}")
    rows = [
        {
            **line.model_dump(),
            "job_id": job_id,
            "sequence": sequence,
            "logger": plain(line.logger, 120),
            "message": plain(line.message),
        }
        for sequence, line in enumerate(lines, last - len(lines) + 1)
    ]
    connection.execute(insert(job_logs), rows[-keep:])
    connection.execute(delete(job_logs).where(job_logs.c.job_id == job_id, job_logs.c.sequence <= last - keep))


def trim(database: Database, before: datetime) -> int:
    """Forget events and idempotency keys older than `before` (keys are kept for a day at least), and jobs that were
    deleted a day ago; how many rows."""
    day_ago = database.now() - DAY
    return sum(
        _in_batches(database, forget) for forget in (_events(before), _keys(min(before, day_ago)), _jobs(day_ago))
    )


def forget_logs(database: Database, before: datetime) -> int:
    """Drop the log lines of jobs that ended before this; how many."""
    has_logs = exists().where(job_logs.c.job_id == jobs.c.id)
    return _of_ended(database, before, has_logs, lambda ids: delete(job_logs).where(job_logs.c.job_id.in_(ids)))


def forget_jobs(database: Database, before: datetime) -> int:
    """Drop jobs that ended before this, with all that belongs to them; how many."""
    return _of_ended(database, before, true(), lambda ids: delete(jobs).where(jobs.c.id.in_(ids)))


def _of_ended(
    database: Database, before: datetime, which: ColumnElement[bool], forget: Callable[[Sequence[str]], Delete]
) -> int:
    """A few jobs a transaction, for each may have many rows; what another process is at is left to it."""
    some = select(jobs.c.id).where(jobs.c.state.in_(FINAL), jobs.c.finished < before, which)
    some = some.limit(JOBS_AT_ONCE).with_for_update(skip_locked=True, of=jobs)
    total = 0
    while True:
        with database.transaction() as connection:
            ids = connection.execute(some).scalars().all()
            if ids:
                total += connection.execute(forget(ids)).rowcount
        if len(ids) < JOBS_AT_ONCE:
            return total


def _in_batches(database: Database, forget: Delete) -> int:
    total = 0
    while True:
        with database.transaction() as connection:
            done = connection.execute(forget).rowcount
        total += done
        if done < BATCH:
            return total


def _events(before: datetime) -> Delete:
    old = (
        select(job_events.c.job_id, job_events.c.sequence)
        .where(job_events.c.at < before)
        .order_by(job_events.c.at, job_events.c.job_id, job_events.c.sequence)
        .limit(BATCH)
    )
    return delete(job_events).where(tuple_(job_events.c.job_id, job_events.c.sequence).in_(old))


def _keys(before: datetime) -> Delete:
    key = (idempotency.c.project_id, idempotency.c.route, idempotency.c.key)
    old = select(*key).where(idempotency.c.created < before).limit(BATCH)
    return delete(idempotency).where(tuple_(*key).in_(old))


def _jobs(before: datetime) -> Delete:
    old = select(jobs.c.id).where(jobs.c.deleted < before).limit(BATCH)
    return delete(jobs).where(jobs.c.id.in_(old))


def _latest(
    table: Table, shown: type[Event] | type[LogLine], job_id: str, before: int | None, limit: int
) -> Select[Any]:
    """The newest rows before a sequence, newest first."""
    asked = select(*(table.c[name] for name in shown.model_fields)).where(table.c.job_id == job_id)
    if before is not None:
        asked = asked.where(table.c.sequence < before)
    return asked.order_by(table.c.sequence.desc()).limit(limit)


def _of_level(asked: Select[Any], level: str | None) -> Select[Any]:
    return asked if level is None else asked.where(job_logs.c.level.in_(LEVELS[LEVELS.index(level) :]))


def _expect_job(connection: Connection, project_id: str, job_id: str) -> None:
    if connection.execute(_own(jobs.c.id, project_id, job_id)).scalar_one_or_none() is None:
        raise NotFound(f"there is no job {job_id!r} in this project")


def _own(column: Any, project_id: str, job_id: str) -> Any:
    return select(column).where(jobs.c.id == job_id, jobs.c.project_id == project_id, jobs.c.deleted.is_(None))
