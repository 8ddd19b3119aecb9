"""Health, readiness, metrics and status over HTTP: they tell the truth, also when the database is taken away."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import insert

from services.control_plane.plane import Plane
from services.database import new_id
from services.database.presence import Presence
from services.database.tables import schedules
from services.database.types import clock
from services.identity.keys import NewKey
from services.identity.principal import Role
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import migrated_app
from tests.services.postgres import PostgresServer
from tests.services.webhooks.receivers import make_project

NOW = {"created": clock(), "updated": clock(), "cursor": clock()}


def schedule(project_id: str) -> dict[str, object]:
    """A row of a schedule that is active."""
    names = {"id": new_id("sch"), "project_id": project_id, "name": "nightly", "recipe_name": "demo"}
    when = {"cron": "0 3 * * *", "timezone": "UTC", "jitter_s": 0, "skip_dates": []}
    policy = {"overlap": "skip", "misfire": "skip", "max_catch_up": 1, "catch_up_window_s": 60}
    return {**names, **when, **policy, "labels": {}, "created_by": "test"}


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, raise_server_exceptions=False)


def key(app: FastAPI, project: str | None = None) -> dict[str, str]:
    """The header of a new key: a viewer's of a new project, or an admin's of the installation."""
    plane: Plane = app.state.plane
    if project is None:
        project_id = plane.projects.ensure_default().id
        new = NewKey(name="root", role=Role.ADMIN, is_installation_admin=True)
    else:
        project_id, new = make_project(plane.database, project), NewKey(name="viewer", role=Role.VIEWER)
    return {"Authorization": f"Bearer {plane.keys.create(project_id, new, 'test')[1]}"}


def test_it_is_alive_and_ready_without_a_key(client: TestClient, app: FastAPI) -> None:
    assert client.get("/livez").status_code == 200
    answer = client.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["state"]) == (200, "degraded")
    states = {name: component["state"] for name, component in body["components"].items()}
    assert states.pop("scheduler") == states.pop("runner") == "degraded"
    assert set(states.values()) == {"ok"}
    assert set(states) == {"database", "schema", "secret_key", "clock", "disk"}


def test_it_is_ready_when_scheduler_and_runner_have_been_seen(client: TestClient, app: FastAPI) -> None:
    plane: Plane = app.state.plane
    for role in ("scheduler", "runner"):
        Presence(plane.database, role, "here").beat()
    assert client.get("/readyz").json()["state"] == "ok"


def test_a_database_that_is_taken_away_is_told(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    app = migrated_app(make_settings(tmp_path, url))
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/readyz").status_code == 200
    postgres.drop(url)
    answer = client.get("/readyz")
    body = answer.json()
    assert (answer.status_code, body["state"]) == (503, "down")
    assert body["components"]["database"] == {"state": "down", "detail": "the database does not answer"}
    assert client.get("/livez").status_code == 200
    assert b"curation_database_up 0.0" in app.state.metrics.render()
    app.state.plane.close()


@pytest.mark.parametrize(
    ("change", "status", "state"),
    [
        ("DELETE FROM alembic_version", 503, "down"),
        ("UPDATE alembic_version SET version_num = '9999'", 200, "degraded"),
    ],
)
def test_a_schema_that_is_not_at_head_is_told(
    app: FastAPI, client: TestClient, change: str, status: int, state: str
) -> None:
    """A newer one is borne by processes that run already, while they are exchanged."""
    plane: Plane = app.state.plane
    with plane.database.transaction() as connection:
        connection.exec_driver_sql(change)
    answer = client.get("/readyz")
    assert answer.status_code == status
    assert answer.json()["components"]["schema"]["state"] == state


def test_metrics_need_a_key_unless_the_settings_say_otherwise(client: TestClient, app: FastAPI, tmp_path: Path) -> None:
    assert client.get("/metrics").status_code == 401
    assert client.get("/metrics", headers={"Authorization": "Bearer nonsense"}).status_code == 401
    answer = client.get("/metrics", headers=key(app))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "# HELP curation_jobs Jobs by state." in answer.text
    public = migrated_app(make_settings(tmp_path, f"sqlite:///{tmp_path / 'public.db'}", metrics_public=True))
    assert TestClient(public).get("/metrics").status_code == 200
    public.state.plane.close()


def test_a_project_does_not_see_another_s_series(client: TestClient, app: FastAPI) -> None:
    plane: Plane = app.state.plane
    headers = key(app, "mine")
    other = make_project(plane.database, "other")
    for project_id in (plane.projects.by_name("mine").id, other):
        with plane.database.transaction() as connection:
            connection.execute(insert(schedules).values(**schedule(project_id), **NOW))
    mine = client.get("/metrics", headers=headers).text
    assert 'curation_schedules{project="mine",state="active"} 1.0' in mine
    assert "other" not in mine
    assert 'curation_schedules{project="other",state="active"} 1.0' in client.get("/metrics", headers=key(app)).text


def test_requests_are_counted_by_operation_and_not_by_path(client: TestClient, app: FastAPI) -> None:
    client.get("/livez")
    client.get("/nowhere/secret-path")
    client.get("/metrics")
    text = app.state.metrics.render().decode()
    assert 'curation_http_requests_total{method="GET",operation="get_liveness",status="200"} 1.0' in text
    assert 'curation_http_requests_total{method="GET",operation="unknown",status="404"} 1.0' in text
    assert 'curation_http_requests_total{method="GET",operation="get_metrics",status="401"} 1.0' in text
    assert 'curation_http_request_duration_seconds_count{operation="get_liveness"} 1.0' in text
    assert "secret-path" not in text


def test_status_names_the_processes(client: TestClient, app: FastAPI) -> None:
    plane: Plane = app.state.plane
    Presence(plane.database, "runner", "runner-1").beat()
    assert client.get("/v1/status").status_code == 401
    body = client.get("/v1/status", headers=key(app)).json()
    assert [(process["role"], process["name"]) for process in body["processes"]] == [("runner", "runner-1")]
    assert body["database"] == plane.database.engine.dialect.name


def test_a_server_ends_when_what_it_does_in_threads_has_ended(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing uses the database once it is closed: the connection would be lost, open."""
    happened: list[str] = []
    is_beating = threading.Event()

    def beat(presence: Presence, _: object) -> None:
        with app.state.plane.database.reading():
            is_beating.set()
            time.sleep(0.3)
        happened.append("beat")

    monkeypatch.setattr(Presence, "beat", beat)
    monkeypatch.setattr(Presence, "leave", lambda _: happened.append("left"))
    with TestClient(app):
        assert is_beating.wait(10)
    assert happened == ["beat", "left"]
