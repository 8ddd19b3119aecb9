"""How a job is made: once for an idempotency key, however often and from wherever it is asked."""

from __future__ import annotations

from sqlalchemy import Connection, RowMapping, insert, select
from sqlalchemy.exc import IntegrityError

from services.database import new_id
from services.database.tables import idempotency, job_labels, jobs
from services.database.types import clock
from services.errors import Conflict, OtherBody
from services.jobs.changes import lock
from services.jobs.job import NewJob
from services.jobs.states import State

ROUTE = "submit_job"


def submit(
    connection: Connection, project_id: str, new: NewJob, by: str, *, key: str | None, body_sha256: str
) -> tuple[str, bool]:
    """The id of the job, and whether it is new."""
    now = connection.execute(select(clock())).scalar_one()
    job_id = new_id("job", now)
    if key is not None:
        taken = _earlier(connection, project_id, key) or _reserve(connection, project_id, key, body_sha256, job_id)
        if taken is not None:
            return _same(connection, project_id, taken, body_sha256), False
    connection.execute(
        insert(jobs).values(
            **new.model_dump(),
            id=job_id,
            project_id=project_id,
            state=State.QUEUED.value,
            conditions=[],
            progress=[],
            created=now,
            created_by=by,
            queued=now,
            updated=now,
        )
    )
    if new.labels:
        rows = [{"job_id": job_id, "key": name, "value": value} for name, value in new.labels.items()]
        connection.execute(insert(job_labels), rows)
    lock(connection, project_id, job_id).announce(by)
    return job_id, True


def earlier(connection: Connection, project_id: str, key: str, body_sha256: str) -> str | None:
    """The id of the job that this key has made, if it has. Raises OtherBody and Conflict."""
    found = _earlier(connection, project_id, key)
    return None if found is None else _same(connection, project_id, found, body_sha256)


def _earlier(connection: Connection, project_id: str, key: str) -> RowMapping | None:
    return (
        connection.execute(
            select(idempotency).where(
                idempotency.c.project_id == project_id, idempotency.c.route == ROUTE, idempotency.c.key == key
            )
        )
        .mappings()
        .one_or_none()
    )


def _reserve(connection: Connection, project_id: str, key: str, body_sha256: str, job_id: str) -> RowMapping | None:
    """Take the key for this job; or what somebody else has taken it for, once that is committed."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(idempotency).values(
                    project_id=project_id,
                    route=ROUTE,
                    key=key,
                    body_sha256=body_sha256,
                    job_id=job_id,
                    created=clock(),
                )
            )
    except IntegrityError:
        taken = _earlier(connection, project_id, key)
        if taken is None:
            raise
        return taken
    return None


def _same(connection: Connection, project_id: str, taken: RowMapping, body_sha256: str) -> str:
    if taken["body_sha256"] != body_sha256:
        raise OtherBody("the idempotency key has made another job, with another body; choose a new key")
    job_id: str = taken["job_id"]
    alive = select(jobs.c.id).where(jobs.c.id == job_id, jobs.c.project_id == project_id, jobs.c.deleted.is_(None))
    if connection.execute(alive).one_or_none() is None:
        raise Conflict(f"the idempotency key has made {job_id}, which was deleted; choose a new key")
    return job_id
