"""Metrics say what the tables say; each has a unit, a help and a place in the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from services.database import Database, new_id
from services.database.tables import deliveries, jobs, schedules
from services.database.types import clock, later
from services.jobs.states import State
from services.metrics import Metrics
from services.settings import Settings
from services.webhooks.store import WebhookStore
from services.webhooks.webhook import NewWebhook
from tests.services.webhooks.receivers import make_project

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "operations.md"
COUNTED = {"curation_jobs", "curation_leases_expiring", "curation_schedules", "curation_webhook_deliveries"}


def add_job(database: Database, project_id: str, state: State, **values: Any) -> None:
    about = {"recipe": {}, "recipe_name": "demo", "corpus": "web", "corpus_url": new_id("url"), "created_by": "test"}
    empty: dict[str, Any] = {"conditions": [], "labels": {}, "progress": []}
    when = {"created": clock(), "queued": clock(), "updated": clock()}
    row = {"id": new_id("job"), "project_id": project_id, "state": state, **about, **empty, **when, **values}
    with database.transaction() as connection:
        connection.execute(insert(jobs).values(**row))


def samples(metrics: Metrics, project: str | None = None) -> Mapping[tuple[str, frozenset[str]], float]:
    """Every sample by its name and the values of its labels."""
    families = text_string_to_metric_families(metrics.render(project).decode())
    return {(s.name, frozenset(s.labels.values())): s.value for family in families for s in family.samples}


def test_jobs_are_counted_by_state_and_project(database: Database, settings: Settings) -> None:
    web, code = make_project(database, "web"), make_project(database, "code")
    for state in (State.QUEUED, State.QUEUED, State.RUNNING):
        add_job(database, web, state, queued=later(-100))
    add_job(database, code, State.QUEUED)
    add_job(database, web, State.QUEUED, deleted=clock(), queued=later(-10_000))
    found = samples(Metrics(database, settings))
    assert found["curation_jobs", frozenset({"web", "QUEUED"})] == 2
    assert found["curation_jobs", frozenset({"web", "RUNNING"})] == 1
    assert found["curation_jobs", frozenset({"code", "QUEUED"})] == 1
    assert 99 < found["curation_oldest_queued_job_age_seconds", frozenset({"web"})] < 200
    assert found["curation_database_up", frozenset()] == 1
    assert not any("code" in labels for _name, labels in samples(Metrics(database, settings), "web"))


def test_ends_of_the_last_day_are_added_up(database: Database, settings: Settings) -> None:
    web = make_project(database, "web")
    ended = {"documents_read": 100, "documents_kept": 40}
    add_job(database, web, State.SUCCEEDED, started=later(-60), finished=later(-30), **ended)
    add_job(database, web, State.SUCCEEDED, started=later(-100), finished=later(-90), **ended)
    add_job(database, web, State.SUCCEEDED, started=later(-200_000), finished=later(-100_000), **ended)
    add_job(database, web, State.FAILED, finished=later(-5))
    found = samples(Metrics(database, settings))
    labels = frozenset({"web", "SUCCEEDED"})
    assert found["curation_jobs_ended_last_day", labels] == 2
    assert found["curation_job_duration_seconds_last_day", labels] == pytest.approx(40, abs=1)
    assert found["curation_longest_job_duration_seconds_last_day", labels] == pytest.approx(30, abs=1)
    assert found["curation_documents_read_last_day", frozenset({"web"})] == 200
    assert found["curation_documents_kept_last_day", frozenset({"web"})] == 80
    assert found["curation_jobs_ended_last_day", frozenset({"web", "FAILED"})] == 1


def test_leases_corpora_schedules_and_deliveries(database: Database, settings: Settings) -> None:
    web = make_project(database, "web")
    add_job(database, web, State.RUNNING, lease_until=later(1))
    add_job(database, web, State.RUNNING, lease_until=later(29))
    for version, kept in ((1, 10), (2, 25)):
        add_job(
            database, web, State.SUCCEEDED, id=f"job_{version}", version=version, documents_kept=kept, finished=clock()
        )
    names = {"project_id": web, "recipe_name": "demo", "cron": "* * * * *", "timezone": "UTC", "created_by": "test"}
    policy = {"jitter_s": 0, "overlap": "skip", "misfire": "skip", "max_catch_up": 1, "catch_up_window_s": 60}
    when = {"cursor": clock(), "created": clock(), "updated": clock(), "next_at": later(-50)}
    store = WebhookStore(database, b"x" * 32, settings, resolver=lambda host, port: ["93.184.215.14"])
    hook = store.create(web, NewWebhook(name="hook", url="https://hooks.example.com/"), "test")
    store.ping(web, hook.id)
    with database.transaction() as connection:
        row = {**names, **policy, **when, "skip_dates": [], "labels": {}}
        connection.execute(insert(schedules).values(id="sch_1", name="late", **row))
        connection.execute(insert(schedules).values(id="sch_2", name="paused", paused=clock(), **row))
        about = {"webhook_id": hook.id, "project_id": web, "event": "job.failed", "payload": {}, "created": clock()}
        connection.execute(insert(deliveries).values(id="msg_1", state="DEAD", **about))
        connection.execute(insert(deliveries).values(id="msg_2", state="DELIVERED", **about))
    found = samples(Metrics(database, settings))
    assert found["curation_leases_expiring", frozenset({"web"})] == 1
    assert found["curation_corpus_version", frozenset({"web"})] == 2
    assert found["curation_corpus_documents", frozenset({"web"})] == 25
    assert 49 < found["curation_schedule_late_seconds", frozenset({"web"})] < 120
    assert found["curation_schedules", frozenset({"web", "active"})] == 1
    assert found["curation_schedules", frozenset({"web", "paused"})] == 1
    assert found["curation_webhook_deliveries", frozenset({"web", "DEAD"})] == 1
    assert found["curation_webhook_deliveries", frozenset({"web", "PENDING"})] == 1
    assert found["curation_processes", frozenset({"runner"})] == 0


def test_every_metric_has_help_and_a_unit_and_is_documented(database: Database, settings: Settings) -> None:
    names = Metrics(database, settings).names()
    documented = DOCUMENTATION.read_text()
    for name, help_ in names.items():
        assert name.startswith("curation_")
        assert help_.endswith(".")
        assert f"| `{name}` |" in documented, name
        assert not name.endswith(("_ms", "_minutes", "_mb", "_kb", "_hours"))
    for line in documented.splitlines():
        if line.startswith("| `curation_"):
            assert line.split("`")[1] in names, line
