"""`/v1/schedules` over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.control_plane.plane import Plane
from services.identity.principal import Role
from services.scheduler.scheduler import Scheduler
from tests.services.control_plane.conftest import client_of
from tests.services.schedules.world import BY, recipe

NIGHTLY = {"name": "nightly", "recipe_name": "docs", "cron": "30 2 * * *", "timezone": "Europe/London"}


@pytest.fixture
def client(one_app: FastAPI, tmp_path: Path) -> TestClient:
    plane: Plane = one_app.state.plane
    plane.recipes.create(plane.projects.ensure_default().id, "docs", recipe(tmp_path), BY)
    return client_of(one_app, Role.OPERATOR)


def test_a_schedule_from_its_making_to_its_end(client: TestClient) -> None:
    made = client.post("/v1/schedules", json=NIGHTLY)
    assert made.status_code == 201
    where = made.headers["Location"]
    assert where == f"/v1/schedules/{made.json()['id']}"
    assert client.get(where).json() == client.get("/v1/schedules/nightly").json() == made.json()
    assert client.post("/v1/schedules", json=NIGHTLY).status_code == 409
    assert [found["name"] for found in client.get("/v1/schedules").json()["items"]] == ["nightly"]

    assert client.patch(where, json={"priority": 3}).status_code == 428
    assert client.patch(where, json={"priority": 3}, headers={"If-Match": '"9"'}).status_code == 412
    changed = client.patch(where, json={"priority": 3}, headers={"If-Match": made.headers["ETag"]})
    assert (changed.status_code, changed.json()["priority"]) == (200, 3)
    assert client.patch(where, json={"cron": None}, headers={"If-Match": changed.headers["ETag"]}).status_code == 422

    paused = client.post(f"{where}/pause")
    assert paused.json()["next"] is None
    resumed = client.post(f"{where}/resume")
    assert resumed.json()["paused"] is None
    assert client.delete(where).status_code == 428
    assert client.delete(where, headers={"If-Match": resumed.headers["ETag"]}).status_code == 204
    assert client.get(where).status_code == 404


def test_a_trigger_becomes_a_job(client: TestClient, one_app: FastAPI) -> None:
    client.post("/v1/schedules", json=NIGHTLY)
    asked = client.post("/v1/schedules/nightly/trigger")
    assert (asked.status_code, asked.json()["state"]) == (202, "WAITING")
    plane: Plane = one_app.state.plane
    assert Scheduler(plane.settings, plane.database, plane.jobs, plane.intake, plane.schedules).tick() == 1
    (found,) = client.get("/v1/schedules/nightly/occurrences").json()["items"]
    assert found["state"] == "STARTED"
    assert client.get(f"/v1/jobs/{found['job_id']}").json()["schedule_id"] is not None


def test_previews_and_backfills(client: TestClient) -> None:
    shown = client.post("/v1/schedules/preview", params={"n": 3}, json=NIGHTLY)
    assert [entry["local"][11:16] for entry in shown.json()["items"]] == ["02:30"] * 3
    assert client.get("/v1/schedules").json()["items"] == []
    client.post("/v1/schedules", json=NIGHTLY)
    assert client.get("/v1/schedules/nightly/preview").json()["items"][:3] == shown.json()["items"]
    asked = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-07T00:00:00Z"}
    dry = client.post("/v1/schedules/nightly/backfill", json={**asked, "dry_run": True}).json()
    plan = client.post("/v1/schedules/nightly/backfill", json=asked).json()
    assert (dry["id"], dry["will_run"], dry["entries"]) == (None, 6, plan["entries"])
    first = client.get("/v1/schedules/nightly/occurrences", params={"page_size": 4}).json()
    rest = client.get("/v1/schedules/nightly/occurrences", params={"page_size": 4, "page": first["next_page"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_page"]) == (4, 2, None)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cron": "0 0 30 2 *"}, "cron"),
    ({"cron": "0 0 * * *\x00"}, "cron"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"recipe_name": "nothing"}, "recipe_name"),
    ({"jitter_s": -1}, "jitter_s"),
    ({"start": "9999-12-31T23:59:59Z"}, "start"),
    ({"start": "2026-01-01T00:00:00"}, "start"),
    ({"skip_dates": ["2026-02-30"]}, "skip_dates.0"),
    ({"nonsense": 1}, "nonsense"),
]


@pytest.mark.parametrize(("changes", "path"), WRONG)
def test_what_is_wrong_is_named_by_its_path(client: TestClient, changes: dict[str, Any], path: str) -> None:
    answer = client.post("/v1/schedules", json={**NIGHTLY, **changes})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_who_may_only_read_changes_nothing(client: TestClient, one_app: FastAPI) -> None:
    client.post("/v1/schedules", json=NIGHTLY)
    viewer = client_of(one_app, Role.VIEWER)
    assert viewer.get("/v1/schedules/nightly").status_code == 200
    assert viewer.get("/v1/schedules/nightly/preview").status_code == 200
    for path in ("", "/nightly/pause", "/nightly/resume", "/nightly/trigger"):
        assert viewer.post(f"/v1/schedules{path}", json=NIGHTLY).status_code == 403
