"""Forgetting what is older than the settings keep, in small transactions. Any number of schedulers may do it at once:
what another one is at is left to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, or_, select, tuple_, update

from services.database import Database
from services.database.tables import deliveries, jobs, occurrences, webhooks
from services.jobs.history import forget_jobs, forget_logs
from services.jobs.store import JobStore
from services.schedules.schedule import OccurrenceState
from services.settings import Settings
from services.webhooks.webhook import DeliveryState

BATCH = 1000
"""Rows a transaction."""
NOT_STARTED = (OccurrenceState.SKIPPED, OccurrenceState.MISSED)
PAUSED_LONG = "its webhook was paused, or is gone, for as long as deliveries are kept"


def trim(database: Database, store: JobStore, settings: Settings) -> int:
    """How many rows were forgotten."""
    now = database.now()
    events = now - timedelta(days=settings.keep_events_days)
    ended = now - timedelta(days=settings.keep_jobs_days)
    trimmed = store.trim(events)
    trimmed += forget_logs(database, now - timedelta(days=settings.keep_logs_days))
    trimmed += forget_jobs(database, ended)
    trimmed += _in_batches(database, deliveries, _old_deliveries(events))
    _in_batches(database, deliveries, _hopeless_deliveries(events), {"state": DeliveryState.DEAD, **_GIVEN_UP})
    return trimmed + _in_batches(database, occurrences, _old_occurrences(events, ended))


_GIVEN_UP: dict[str, object] = {"next_at": None, "lease_until": None, "last_error": PAUSED_LONG}


def _old_deliveries(before: datetime) -> ColumnElement[bool]:
    return (deliveries.c.created < before) & (deliveries.c.state != DeliveryState.PENDING)


def _hopeless_deliveries(before: datetime) -> ColumnElement[bool]:
    """Those that wait for a webhook that is paused or deleted."""
    stopped = select(webhooks.c.id).where(or_(webhooks.c.paused.is_not(None), webhooks.c.deleted.is_not(None)))
    is_old = (deliveries.c.created < before) & (deliveries.c.state == DeliveryState.PENDING)
    return is_old & deliveries.c.webhook_id.in_(stopped)


def _old_occurrences(before: datetime, ended: datetime) -> ColumnElement[bool]:
    """What was left out goes early; what became a job goes with it, what failed when its job would have."""
    table = occurrences.c
    has_job = exists().where(jobs.c.id == table.job_id)
    is_failed = (table.state == OccurrenceState.FAILED) & (table.created < ended)
    is_over = (table.state == OccurrenceState.STARTED) & (table.created < ended) & ~has_job
    return or_(table.state.in_(NOT_STARTED) & (table.created < before), is_failed, is_over)


def _in_batches(
    database: Database, table: Table, which: ColumnElement[bool], values: dict[str, object] | None = None
) -> int:
    """Delete these rows, or give them values; how many."""
    key = list(table.primary_key.columns)
    total = 0
    while True:
        with database.transaction() as connection:
            some = select(*key).where(which).limit(BATCH).with_for_update(skip_locked=True, of=table)
            found: Sequence[Any] = connection.execute(some).all()
            if found:
                its = tuple_(*key).in_([tuple(row) for row in found])
                connection.execute(
                    delete(table).where(its) if values is None else update(table).where(its).values(values)
                )
        total += len(found)
        if len(found) < BATCH:
            return total
