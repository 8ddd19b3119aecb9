"""How jobs are made, shown and found."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.database import Database
from services.errors import Conflict, NotFound, OtherBody
from services.jobs.job import Ending, JobFilter, Mode
from services.jobs.states import State
from services.jobs.store import JobStore
from tests.services.jobs.conftest import OTHER, PROJECT, claimed, new_job


def test_a_job_is_shown_as_it_was_submitted(store: JobStore) -> None:
    occurrence = datetime(2026, 3, 29, 2, 30, tzinfo=UTC)
    values: dict[str, Any] = {"labels": {"team": "a"}, "priority": 7, "hold": True, "workers": 3, "recipe_revision": 2}
    new = new_job(**values, mode=Mode.REFRESH, redo=True, occurrence=occurrence)
    job, is_new = store.submit(PROJECT, new, "ada")
    assert is_new
    assert job == store.get(PROJECT, job.id) == store.list(PROJECT, JobFilter())[0]
    assert (job.project, job.created_by, job.state, job.attempts) == ("web", "ada", State.QUEUED, ())
    for name in (*values, "mode", "redo", "occurrence", "corpus", "recipe_name"):
        assert getattr(job, name) == getattr(new, name), name
    assert store.recipe(PROJECT, job.id) == new.recipe
    assert job.created.utcoffset() == timedelta(0)


def test_the_same_key_makes_one_job_however_many_ask_at_once(store: JobStore) -> None:
    def submit(_: int) -> tuple[str, bool]:
        job, is_new = store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")
        return job.id, is_new

    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(submit, range(8)))
    assert len({job_id for job_id, _ in made}) == 1
    assert sum(is_new for _, is_new in made) == 1
    assert len(store.list(PROJECT, JobFilter())) == 1


def test_a_key_belongs_to_one_body_and_one_project(store: JobStore) -> None:
    first, _ = store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")
    with pytest.raises(OtherBody):
        store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="c")
    other, is_new = store.submit(OTHER, new_job(), "eve", idempotency_key="k", body_sha256="c")
    assert is_new
    assert other.id != first.id


def test_the_same_key_later_gives_the_job_as_it_is_now(store: JobStore) -> None:
    first, _ = store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")
    store.cancel(PROJECT, first.id, "ada")
    again, is_new = store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")
    assert (again.id, again.state, is_new) == (first.id, State.CANCELLED, False)
    store.delete(PROJECT, first.id, "ada")
    with pytest.raises(Conflict, match="deleted"):
        store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")


def test_a_submission_belongs_to_its_callers_transaction(store: JobStore, database: Database) -> None:
    def submit_and_fail() -> None:
        with database.transaction() as connection:
            store.submit(PROJECT, new_job(), "scheduler", idempotency_key="k", connection=connection)
            raise KeyError("the caller's own trouble")

    with pytest.raises(KeyError):
        submit_and_fail()
    assert store.list(PROJECT, JobFilter()) == []
    with database.transaction() as connection:
        job, is_new = store.submit(PROJECT, new_job(), "scheduler", idempotency_key="k", connection=connection)
    assert is_new
    assert store.get(PROJECT, job.id) == job


def test_a_list_goes_through_every_job_once_newest_first(store: JobStore) -> None:
    made = [store.submit(PROJECT, new_job(), "ada")[0].id for _ in range(7)]
    seen: list[str] = []
    while page := store.list(PROJECT, JobFilter(), after=seen[-1] if seen else None, limit=3):
        seen += [job.id for job in page]
        assert len(page) <= 3
    assert seen == sorted(made, reverse=True)


def test_a_list_shows_what_every_filter_allows(store: JobStore) -> None:
    books = store.submit(PROJECT, new_job(labels={"team": "a", "tier": "1"}, recipe_name="r"), "ada")[0]
    store.cancel(PROJECT, books.id, "ada")
    laws = store.submit(PROJECT, new_job("laws", mode=Mode.REFRESH, labels={"team": "a", "tier": "2"}), "ada")[0]
    webs = claimed(store, State.RUNNING, corpus="webs", priority=5).lease.job_id
    soon, long_ago = laws.created + timedelta(hours=1), datetime(1960, 1, 1, tzinfo=UTC)
    asked: list[tuple[JobFilter, set[str]]] = [
        (JobFilter(), {books.id, laws.id, webs}),
        (JobFilter(states=(State.CANCELLED,)), {books.id}),
        (JobFilter(states=(State.CANCELLED, State.QUEUED, State.CANCELLED)), {books.id, laws.id}),
        (JobFilter(states=(State.CANCELLED, State.QUEUED), corpus="laws"), {laws.id}),
        (JobFilter(mode=Mode.REFRESH), {laws.id}),
        (JobFilter(mode=Mode.RUN, labels={"team": "a"}), {books.id}),
        (JobFilter(recipe="r"), {books.id}),
        (JobFilter(corpus="webs"), {webs}),
        (JobFilter(corpus="webs", recipe="r"), set()),
        (JobFilter(labels={"team": "a"}), {books.id, laws.id}),
        (JobFilter(labels={"team": "a", "tier": "2"}), {laws.id}),
        (JobFilter(labels={"team": "a"}, states=(State.QUEUED, State.RUNNING)), {laws.id}),
        (JobFilter(labels={"team": "b"}), set()),
        (JobFilter(created_after=laws.created), {laws.id, webs}),
        (JobFilter(created_before=laws.created), {books.id}),
        (JobFilter(created_after=long_ago, created_before=soon), {books.id, laws.id, webs}),
        (JobFilter(created_after=soon), set()),
        (JobFilter(created_before=long_ago), set()),
        (JobFilter(finished_after=long_ago), {books.id}),
        (JobFilter(finished_after=long_ago, finished_before=soon, labels={"team": "a"}), {books.id}),
        (JobFilter(finished_after=soon), set()),
        (JobFilter(finished_before=long_ago), set()),
        (JobFilter(schedule_id="sch_none"), set()),
    ]
    if laws.created == books.created:  # SQLite's clock counts milliseconds
        asked = [
            (which, ids) for which, ids in asked if laws.created not in (which.created_after, which.created_before)
        ]
    for which, ids in asked:
        everything = store.list(PROJECT, which)
        assert [job.id for job in everything] == sorted(ids, reverse=True), which
        first = store.list(PROJECT, which, limit=1)
        rest = store.list(PROJECT, which, after=first[-1].id) if first else []
        assert [*first, *rest] == list(everything), which


def test_active_jobs_of_a_schedule_are_those_that_are_not_final(store: JobStore, schedule_id: str) -> None:
    jobs = [store.submit(PROJECT, new_job(f"c{n}", schedule_id=schedule_id), "scheduler")[0].id for n in range(3)]
    claim = store.claim("runner-1")
    assert claim is not None
    store.finish(claim.lease, Ending(state=State.SUCCEEDED))
    assert [job.id for job in store.active(schedule_id)] == [j for j in jobs if j != claim.lease.job_id]
    assert store.active("sch_none") == []


def test_what_is_not_there_is_not_found(store: JobStore) -> None:
    for job_id in ("job_none", "", "x" * 300):
        with pytest.raises(NotFound):
            store.get(PROJECT, job_id)
