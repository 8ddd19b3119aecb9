"""Jobs as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from services.dashboard.links import corpus_page, job_page
from services.dashboard.tables import Column
from services.jobs.job import Job
from services.jobs.states import LEASED

RUN_COLUMNS = (
    Column("state", "State", "state"),
    Column("id", "Job", "code", job_page),
    Column("recipe", "Recipe"),
    Column("mode", "Mode"),
    Column("corpus", "Corpus", "text", corpus_page),
    Column("created", "Submitted", "time"),
    Column("took_s", "Took", "duration"),
    Column("documents_read", "Read", "count"),
    Column("documents_kept", "Kept", "count"),
    Column("message", "Why"),
)


def run_rows(jobs: Iterable[Job], now: datetime) -> list[dict[str, Any]]:
    """Rows of `RUN_COLUMNS`, and what other columns of jobs may show."""
    return [
        {
            "state": job.state,
            "id": job.id,
            "recipe": job.recipe_name,
            "mode": job.mode,
            "corpus": job.corpus,
            "created": job.created,
            "finished": job.finished,
            "took_s": took_s(job, now),
            "waits_s": (now - job.updated).total_seconds(),
            "documents_read": job.documents_read,
            "documents_kept": job.documents_kept,
            "labels": ", ".join(f"{key}={value}" for key, value in sorted(job.labels.items())),
            "message": job.message or job.reason,
        }
        for job in jobs
    ]


def took_s(job: Job, now: datetime) -> float | None:
    """How long from its first attempt to its end, to now where it is at work, or to where it waits; None before."""
    if job.started is None:
        return None
    ends = job.finished or (now if job.state in LEASED else job.updated)
    return (ends - job.started).total_seconds()
