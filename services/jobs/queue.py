"""The queue: which job is next, and how exactly one runner gets it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, func, insert, or_, select
from sqlalchemy.exc import IntegrityError

from services.database import Database
from services.database.tables import job_attempts, jobs, projects
from services.database.types import clock
from services.failpoints import reach
from services.jobs.changes import LockedJob, lock_if
from services.jobs.job import Claim, Lease
from services.jobs.states import LEASED, State
from services.settings import Settings

CANDIDATES = 32
"""How many jobs a claim looks at; those that others take meanwhile are passed over."""
UNRECORDED = frozenset({"look", "erase"})
"""The steps that leave no records in the folder of a run."""


def claim(database: Database, settings: Settings, owner: str) -> Claim | None:
    """Take the next job. Each candidate is looked at again under its lock: the list may be old by then."""
    for candidate in _candidates(database, settings.max_running_per_project):
        try:
            with database.transaction() as connection:
                taken = _take(connection, settings, candidate, owner)
                reach("store.claim.changed")
        except IntegrityError:  # another job of the corpus was claimed first: uq_jobs_corpus_url_leased
            continue
        if taken is not None:
            reach("store.claim.committed")
            return taken
    return None


def _candidates(database: Database, limit: int) -> Sequence[RowMapping]:
    """The next jobs of corpora that nobody works on, of projects below their limit; nearest first."""
    leased = jobs.alias("leased")
    is_leased = leased.c.state.in_(_values(LEASED))
    full = select(leased.c.project_id).where(is_leased).group_by(leased.c.project_id).having(func.count() >= limit)
    asked = (
        select(jobs.c.id, jobs.c.project_id)
        .where(
            *_is_due(),
            jobs.c.corpus_url.not_in(select(leased.c.corpus_url).where(is_leased)),
            jobs.c.project_id.not_in(full),
        )
        .order_by(jobs.c.priority.desc(), jobs.c.queued, jobs.c.id)
        .limit(CANDIDATES)
    )
    with database.reading() as connection:
        return connection.execute(asked).mappings().all()


def _is_due() -> tuple[Any, ...]:
    due = or_(jobs.c.not_before.is_(None), jobs.c.not_before <= clock())
    return jobs.c.state == State.QUEUED.value, jobs.c.deleted.is_(None), due


def _take(connection: Connection, settings: Settings, candidate: RowMapping, owner: str) -> Claim | None:
    job = lock_if(connection, candidate["id"], *_is_due())
    if job is None or not _has_room(connection, candidate["project_id"], settings.max_running_per_project):
        return None
    lease = Lease(job_id=job.id, epoch=job.row["lease_epoch"] + 1, owner=owner)
    attempt = job.row["attempt"] + 1
    taken = {
        "lease_owner": owner,
        "lease_epoch": lease.epoch,
        "lease_until": job.in_seconds(settings.lease_s),
        "attempt": attempt,
        "not_before": None,
        "progressed": job.now,
        "kill_after": None,
    }
    job.change(State.STARTING, values=taken)
    connection.execute(
        insert(job_attempts).values(job_id=job.id, attempt=attempt, epoch=lease.epoch, owner=owner, started=job.now)
    )
    return _claim(connection, job, lease)


def _has_room(connection: Connection, project_id: str, limit: int) -> bool:
    """Whether the project may run one more. Claims of one project take turns, so that none miscounts."""
    turn: Select[Any] = select(projects.c.id).where(projects.c.id == project_id).with_for_update(key_share=True)
    connection.execute(turn).one()
    running = select(func.count()).where(jobs.c.project_id == project_id, jobs.c.state.in_(_values(LEASED)))
    return connection.execute(running).scalar_one() < limit


def _claim(connection: Connection, job: LockedJob, lease: Lease) -> Claim:
    row = job.row
    large = connection.execute(select(jobs.c.recipe, jobs.c.progress, jobs.c.takedown).where(jobs.c.id == job.id)).one()
    return Claim(
        lease=lease,
        project_id=row["project_id"],
        attempt=row["attempt"],
        generation=row["generation"],
        mode=row["mode"],
        redo=row["redo"],
        takedown=large.takedown,
        by=row["created_by"],
        recipe=large.recipe,
        hold=row["hold"],
        approved=row["held_digest"] if row["approved"] else None,
        has_begun=any(step["step"] not in UNRECORDED for step in large.progress),
        permitted=row["permitted"],
        workers=row["workers"],
        traceparent=row["traceparent"],
    )


def _values(states: frozenset[State]) -> list[str]:
    return sorted(state.value for state in states)
