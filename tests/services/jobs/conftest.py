"""A store over each database, with a project to put jobs into."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.database import Database
from services.database.tables import jobs, projects, schedules
from services.database.types import clock
from services.jobs.job import Claim, NewJob
from services.jobs.states import State
from services.jobs.store import JobStore
from services.settings import Settings

PROJECT, OTHER = "prj_web", "prj_other"


def make_projects(database: Database) -> None:
    """Two projects, `web` and `other`."""
    with database.transaction() as connection:
        for project_id in (PROJECT, OTHER):
            name = project_id.removeprefix("prj_")
            connection.execute(
                projects.insert().values(id=project_id, name=name, roots=[], created=clock(), created_by="test")
            )


def new_job(corpus: str = "books", **values: Any) -> NewJob:
    """A job of a corpus."""
    return NewJob(
        **{"recipe": {"corpus": corpus}, "recipe_name": "web", "corpus": corpus, "corpus_url": f"/{corpus}", **values}
    )


@pytest.fixture
def store(database: Database, settings: Settings) -> JobStore:
    """The store of the settings."""
    make_projects(database)
    return JobStore(database, settings)


@pytest.fixture
def store_with(database: Database, settings: Settings, store: JobStore) -> Callable[..., JobStore]:
    """Makes a store over the same database with other settings."""
    return lambda **changes: JobStore(database, settings.model_copy(update=changes))


def claimed(store: JobStore, state: State = State.STARTING, **values: Any) -> Claim:
    """A new job's claim, its driver as far as the state."""
    store.submit(PROJECT, new_job(**values), "ada")
    claim = store.claim("runner-1")
    assert claim is not None
    job_id = claim.lease.job_id
    if state is not State.STARTING:
        store.begin(claim.lease)
    if state is State.PUBLISHING:
        store.permit(claim.lease, 1, "digest")
    elif state is State.PAUSING:
        store.pause(PROJECT, job_id, "ada")
    elif state is State.CANCELLING:
        store.cancel(PROJECT, job_id, "ada")
    assert store.get(PROJECT, job_id).state is state
    return claim


@pytest.fixture
def make_due(database: Database, store: JobStore) -> Callable[[], None]:
    """Makes every job's time to wait over."""

    def forget() -> None:
        with database.transaction() as connection:
            connection.execute(jobs.update().values(not_before=None))

    return forget


@pytest.fixture
def schedule_id(database: Database, store: JobStore) -> str:
    """A schedule of the project."""
    values: dict[str, Any] = {"id": "sch_1", "project_id": PROJECT, "name": "nightly", "recipe_name": "web"}
    values |= {"cron": "0 2 * * *", "timezone": "Europe/Berlin", "jitter_s": 0, "overlap": "skip", "misfire": "skip"}
    values |= {"max_catch_up": 1, "catch_up_window_s": 60, "skip_dates": [], "labels": {}, "created_by": "ada"}
    with database.transaction() as connection:
        connection.execute(schedules.insert().values(**values, cursor=clock(), created=clock(), updated=clock()))
    return "sch_1"
