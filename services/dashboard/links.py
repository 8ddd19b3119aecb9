"""Where the cells of tables lead."""

from __future__ import annotations

from urllib.parse import urlencode

from services.dashboard.pages import segment
from services.dashboard.session import ROOT
from services.dashboard.tables import Row


def job_page(row: Row) -> str | None:
    """The page of the job `id`."""
    return f"{ROOT}/jobs/{segment(row['id'])}" if row.get("id") else None


def job_page_of(row: Row) -> str | None:
    """The page of the job `job_id`, of rows that are about something else."""
    return job_page({"id": row.get("job_id")})


def corpus_page(row: Row) -> str | None:
    """The page of the corpus `corpus`."""
    return f"{ROOT}/corpora/{segment(row['corpus'])}" if row.get("corpus") else None


def version_page(row: Row) -> str | None:
    """The funnel of `version` of `corpus`."""
    if not row.get("corpus") or row.get("version") is None:
        return None
    return f"{ROOT}/corpora/{segment(row['corpus'])}/funnel?version={segment(row['version'])}"


def version_home(corpus: str, version: object) -> str:
    """The page of a version of a corpus."""
    return f"{ROOT}/corpora/{segment(corpus)}?version={segment(version)}"


def recipe_page(row: Row) -> str | None:
    """The page of the recipe `recipe`."""
    return f"{ROOT}/recipes/{segment(row['recipe'])}" if row.get("recipe") else None


def schedule_page(row: Row) -> str | None:
    """The page of the schedule `schedule`."""
    return f"{ROOT}/schedules/{segment(row['schedule'])}" if row.get("schedule") else None


def explain_page(row: Row) -> str | None:
    """What is known about the document `id` of `source` in `version` of `corpus`."""
    if not row.get("corpus") or row.get("id") is None:
        return None
    asked = {name: row[name] for name in ("version", "id", "source") if row.get(name)}
    return f"{ROOT}/corpora/{segment(row['corpus'])}/explain?{urlencode(asked)}"


def cluster_page(row: Row) -> str | None:
    """The document `id` of `source`, read from record `row` of `shard`, and its copies in `version` of `corpus`."""
    if not row.get("corpus") or row.get("id") is None:
        return None
    names = ("version", "id", "source", "shard", "row")
    asked = {name: row[name] for name in names if row.get(name) not in {None, ""}}
    return f"{ROOT}/corpora/{segment(row['corpus'])}/duplicates/cluster?{urlencode(asked)}"
