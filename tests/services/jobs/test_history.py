"""Events, progress and log lines, and how they are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from services.database import Database
from services.database.tables import deliveries, job_events, jobs, webhooks
from services.database.types import clock, later
from services.errors import Gone, NotFound, ServiceError
from services.jobs.job import Condition, Ending, NewLogLine, StepProgress
from services.jobs.states import State
from services.jobs.store import JobStore
from tests.services.jobs.conftest import OTHER, PROJECT, claimed, new_job

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def step(shards: int, **values: object) -> StepProgress:
    """How far the filter is."""
    known = {"step": "filter", "shards_done": shards, "shards_total": 9, "started": NOW, "updated": NOW}
    return StepProgress.model_validate({**known, **values})


def line(message: str, level: str = "INFO") -> NewLogLine:
    """A log line."""
    return NewLogLine.model_validate({"at": NOW, "level": level, "logger": "curation", "message": message})


def test_a_jobs_life_in_events(store: JobStore) -> None:
    claim = claimed(store, State.PUBLISHING)
    made = Condition(type="Published", is_true=True, at=NOW, reason="committed")
    store.finish(claim.lease, Ending(state=State.SUCCEEDED, conditions=(made, made)))
    events = store.events(PROJECT, claim.lease.job_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    told = [event.data.get("state") or event.data.get("what") or event.data.get("type") for event in events]
    assert told == ["submit", "QUEUED", "STARTING", "RUNNING", "PUBLISHING", "Published", "SUCCEEDED"]
    assert store.events(PROJECT, claim.lease.job_id, after=2, limit=2) == events[2:4]
    assert store.events(PROJECT, claim.lease.job_id, after=99) == []
    assert store.last_events([claim.lease.job_id, "job_none"]) == {claim.lease.job_id: len(events)}


def test_events_have_no_gaps_however_many_write(store: JobStore) -> None:
    claim = claimed(store, State.RUNNING)
    job_id = claim.lease.job_id

    def disturb(number: int) -> None:
        for turn in range(5):
            try:
                if number == 0:
                    store.cancel(PROJECT, job_id, "ada", force=bool(turn % 2))
                elif number == 1:
                    store.pause(PROJECT, job_id, "ada")
                else:
                    store.heartbeat(claim.lease, [step(number * 10 + turn)])
            except ServiceError:
                pass  # one of the others was first: that is what is tried here

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(disturb, range(6)))
    events = store.events(PROJECT, job_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert [event.at for event in events] == sorted(event.at for event in events)


def test_progress_is_kept_and_told_at_most_once_a_second(store: JobStore, database: Database) -> None:
    claim = claimed(store, State.RUNNING)
    job_id = claim.lease.job_id
    store.heartbeat(claim.lease, [step(1)])
    store.heartbeat(claim.lease, [step(2, left_s=(1.5, 3.0))])
    assert store.get(PROJECT, job_id).progress == (step(2, left_s=(1.5, 3.0)),)
    assert [event.kind for event in store.events(PROJECT, job_id)].count("progress") == 1
    with database.transaction() as connection:
        connection.execute(job_events.update().values(at=later(-2)))
    store.heartbeat(claim.lease, [step(2, documents_per_s=5.0)])
    store.heartbeat(claim.lease, [step(2, documents_per_s=6.0)])
    told = [event.data["steps"] for event in store.events(PROJECT, job_id) if event.kind == "progress"]
    assert [steps[0]["shards_done"] for steps in told] == [1, 2]
    assert store.get(PROJECT, job_id).progress[0].documents_per_s == 6.0
    store.heartbeat(claim.lease)
    assert store.get(PROJECT, job_id).progress[0].shards_done == 2


def test_a_condition_keeps_its_time_while_it_is_the_same(store: JobStore, make_due: Callable[[], None]) -> None:
    claim = claimed(store, State.RUNNING)
    seen = Condition(type="InputListed", is_true=True, at=NOW, reason="listed", message="9 shards")
    store.finish(claim.lease, Ending(state=State.QUEUED, conditions=(seen,)))
    again = store.claim("runner-1")
    assert again is not None
    later_on = seen.model_copy(update={"at": NOW + timedelta(hours=1)})
    more = later_on.model_copy(update={"type": "Deduplicated"})
    job = store.finish(again.lease, Ending(state=State.QUEUED, conditions=(later_on, more)))
    assert job.conditions == (seen, more)
    kinds = [event.kind for event in store.events(PROJECT, job.id)]
    assert kinds.count("condition") == 2


def test_log_lines_are_numbered_and_the_oldest_dropped(store_with: Callable[..., JobStore]) -> None:
    store = store_with(log_lines=100)
    job_id = store.submit(PROJECT, new_job(), "ada")[0].id
    for start in range(0, 120, 40):
        store.log(job_id, [line(f"line {number}") for number in range(start, start + 40)])
    lines = store.logs(PROJECT, job_id)
    assert [found.sequence for found in lines] == list(range(21, 121))
    assert lines[0].message == "line 20"
    store.log(job_id, [line("x")] * 250)
    assert [found.sequence for found in store.logs(PROJECT, job_id)] == list(range(271, 371))
    assert [found.sequence for found in store.logs(PROJECT, job_id, after=300, limit=2)] == [301, 302]
    store.log(job_id, [])
    with pytest.raises(NotFound):
        store.log("job_none", [line("x")])
    with pytest.raises(NotFound):
        store.logs(OTHER, job_id)


def test_what_happened_last_is_read_backwards(store: JobStore) -> None:
    claim = claimed(store, State.RUNNING)
    job_id = claim.lease.job_id
    events = store.events(PROJECT, job_id)
    assert store.latest_events(PROJECT, job_id) == list(reversed(events))
    assert [event.sequence for event in store.latest_events(PROJECT, job_id, before=3, limit=1)] == [2]
    store.log(job_id, [line(f"line {number}", "ERROR" if number % 3 == 0 else "INFO") for number in range(1, 11)])
    assert [found.sequence for found in store.latest_logs(PROJECT, job_id, limit=3)] == [10, 9, 8]
    assert [found.sequence for found in store.latest_logs(PROJECT, job_id, before=9, level="WARNING")] == [6, 3]
    assert store.latest_logs(PROJECT, job_id, before=1) == []
    for ask in (store.latest_events, store.latest_logs):
        with pytest.raises(NotFound):
            ask(OTHER, job_id)


def test_lines_are_kept_whatever_is_in_them(store: JobStore) -> None:
    job_id = store.submit(PROJECT, new_job(), "ada")[0].id
    store.log(job_id, [line("a\x00b\ud800c", "ERROR"), line("long" * 10_000), line("fine", "DEBUG")])
    first, second, _ = store.logs(PROJECT, job_id)
    assert first.message == "a\N{REPLACEMENT CHARACTER}b?c"
    assert len(second.message) == 10_000
    assert [found.level for found in store.logs(PROJECT, job_id, level="INFO")] == ["ERROR", "INFO"]


def test_many_may_write_log_lines_at_once(store: JobStore) -> None:
    job_id = store.submit(PROJECT, new_job(), "ada")[0].id
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda n: store.log(job_id, [line(str(n))] * 5), range(8)))
    assert [found.sequence for found in store.logs(PROJECT, job_id)] == list(range(1, 41))


def test_trimmed_events_are_gone(store: JobStore, database: Database) -> None:
    claim = claimed(store, State.RUNNING)
    job_id = claim.lease.job_id
    with database.transaction() as connection:
        connection.execute(job_events.update().where(job_events.c.sequence <= 3).values(at=later(-3600)))
    assert store.trim(database.now() - timedelta(minutes=1)) == 3
    with pytest.raises(Gone, match="go on after 3"):
        store.events(PROJECT, job_id)
    with pytest.raises(Gone):
        store.events(PROJECT, job_id, after=2)
    assert [event.sequence for event in store.events(PROJECT, job_id, after=3)] == [4]
    store.trim(database.now() + timedelta(minutes=1))
    with pytest.raises(Gone, match="go on after 4"):
        store.events(PROJECT, job_id, after=3)
    assert store.events(PROJECT, job_id, after=4) == []


def test_keys_are_kept_for_a_day_and_deleted_jobs_too(store: JobStore, database: Database) -> None:
    job_id = store.submit(PROJECT, new_job(), "ada", idempotency_key="k", body_sha256="b")[0].id
    store.cancel(PROJECT, job_id, "ada")
    store.log(job_id, [line("x")])
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    store.delete(PROJECT, job_id, "ada")
    assert store.trim(long_ago) == 0
    with database.transaction() as connection:
        connection.execute(jobs.update().values(deleted=later(-90_000)))
    assert store.trim(long_ago) == 1
    with database.reading() as connection:
        assert connection.execute(job_events.select()).all() == []
    assert store.trim(database.now()) == 0, "the key is of today"


def test_every_change_is_handed_to_the_webhooks_that_want_it(store: JobStore, database: Database) -> None:
    hooks = {"wh_all": [], "wh_done": ["job.succeeded", "job.failed"], "wh_gone": [], "wh_other": []}
    with database.transaction() as connection:
        for webhook_id, events in hooks.items():
            connection.execute(
                webhooks.insert().values(
                    id=webhook_id,
                    project_id=OTHER if webhook_id == "wh_other" else PROJECT,
                    name=webhook_id,
                    url="https://example.org",
                    events=events,
                    created=clock(),
                    created_by="ada",
                    deleted=clock() if webhook_id == "wh_gone" else None,
                )
            )
    claim = claimed(store, State.PUBLISHING, labels={"team": "a"})
    job = store.finish(claim.lease, Ending(state=State.SUCCEEDED, version=4, published=True))
    with database.reading() as connection:
        rows = connection.execute(deliveries.select().order_by(deliveries.c.created, deliveries.c.id)).all()
    assert [(row.webhook_id, row.event) for row in rows if row.webhook_id == "wh_all"] == [
        ("wh_all", "job.queued"),
        ("wh_all", "job.running"),
        ("wh_all", "job.succeeded"),
    ]
    (done,) = (row for row in rows if row.webhook_id == "wh_done")
    assert (done.state, done.project_id, done.event) == ("PENDING", PROJECT, "job.succeeded")
    assert done.payload["type"] == "job.succeeded"
    assert datetime.fromisoformat(done.payload["timestamp"]) == job.updated
    assert done.payload["data"] == {
        "id": job.id,
        "project": "web",
        "recipe_name": "web",
        "corpus": "books",
        "state": "SUCCEEDED",
        "reason": "",
        "message": "",
        "version": 4,
        "published": True,
        "labels": {"team": "a"},
    }
    assert {row.webhook_id for row in rows} == {"wh_all", "wh_done"}
