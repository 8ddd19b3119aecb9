"""From rows to models: which columns a job is shown by, and what is kept of texts and conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, select

from services.database.tables import job_attempts, jobs, projects
from services.jobs.job import Attempt, Condition, Job

_OWN = (
    "id",
    "state",
    "reason",
    "message",
    "conditions",
    "mode",
    "redo",
    "recipe_name",
    "recipe_revision",
    "corpus",
    "corpus_url",
    "labels",
    "priority",
    "hold",
    "workers",
    "created",
    "created_by",
    "started",
    "finished",
    "updated",
    "attempt",
    "generation",
    "progress",
    "version",
    "published",
    "documents_read",
    "documents_kept",
    "schedule_id",
    "occurrence",
    "revision",
)
"""What a job is shown by, of its own row; never the recipe, which can be large."""


@cache
def shown() -> Select[Any]:
    """The jobs that exist, with everything that they are shown by."""
    columns = [jobs.c[name] for name in _OWN]
    # Not a join: with one project in it, SQLite would begin at that table, and sort every job.
    project = select(projects.c.name).where(projects.c.id == jobs.c.project_id).scalar_subquery()
    return select(*columns, project.label("project")).where(jobs.c.deleted.is_(None))  # built once, for it takes time


def job_of(row: RowMapping, attempts: tuple[Attempt, ...] = ()) -> Job:
    """The job of a row of `shown`."""
    own = dict(row)
    run = run_id(own["id"], own.pop("generation"))
    return Job.model_validate({**own, "run": run, "attempts": attempts})


def run_id(job_id: str, generation: int) -> str:
    """The id of a job's run."""
    return f"{job_id}-{generation}"


def conditions_of(values: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """Conditions as `model_dump(mode="json")` wrote them."""
    return tuple(Condition.model_validate(value) for value in values)


def attempts_of(connection: Connection, job_id: str) -> tuple[Attempt, ...]:
    """A job's attempts, oldest first."""
    rows = connection.execute(_attempts().where(job_attempts.c.job_id == job_id)).mappings()
    return tuple(Attempt.model_validate(dict(row)) for row in rows)


@cache
def _attempts() -> Select[Any]:
    return select(*(job_attempts.c[name] for name in Attempt.model_fields)).order_by(job_attempts.c.attempt)


def merged(old: Sequence[Condition], new: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions, one of a type: a newer one takes the place of an older, but keeps the older's time while nothing
    about it is new."""
    by_type = {condition.type: condition for condition in old}
    for condition in new:
        before = by_type.get(condition.type)
        if before is None or _content(before) != _content(condition):
            by_type[condition.type] = condition
    return tuple(by_type.values())


def _content(condition: Condition) -> tuple[bool, str, str]:
    return condition.is_true, condition.reason, condition.message


def plain(text: str, limit: int = 10_000) -> str:
    """Text that both databases keep: no NUL, no half characters, not longer than `limit` characters."""
    kept = text[:limit].replace("\x00", "\N{REPLACEMENT CHARACTER}")
    return kept.encode("utf-8", "replace").decode("utf-8")


def iso(moment: datetime) -> str:
    """As pydantic writes it into JSON: `2026-11-22T01:02:03.456789Z`."""
    return moment.isoformat().replace("+00:00", "Z")
