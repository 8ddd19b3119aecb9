"""Webhooks over HTTP: ETags, pages, secrets that are shown once, and problems where they are due."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.control_plane.plane import Plane
from services.identity.keys import NewKey
from services.identity.principal import Role
from tests.services.webhooks.receivers import make_project

NEW = {"name": "hook", "url": "https://93.184.215.14/hook", "events": ["job.failed"]}


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    """An operator of the project `web`."""
    plane: Plane = app.state.plane
    key = plane.keys.create(make_project(plane.database, "web"), NewKey(name="test", role=Role.OPERATOR), "test")[1]
    return TestClient(app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {key}"})


def test_a_webhook_s_life(client: TestClient) -> None:
    made = client.post("/v1/webhooks", json=NEW)
    assert made.status_code == 201, made.text
    assert made.json()["secret"].startswith("whsec_")
    url = made.headers["location"]
    got = client.get(url)
    assert "secret" not in got.json()
    assert got.headers["etag"] == made.headers["etag"]
    assert client.patch(url, json={"name": "renamed"}).status_code == 428
    changed = client.patch(url, json={"name": "renamed"}, headers={"If-Match": got.headers["etag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "renamed")
    assert client.patch(url, json={}, headers={"If-Match": got.headers["etag"]}).status_code == 412
    rotated = client.post(f"{url}/rotate")
    assert rotated.json()["secret"] != made.json()["secret"]
    assert client.delete(url).status_code == 428
    assert client.delete(url, headers={"If-Match": rotated.headers["etag"]}).status_code == 204
    assert client.get(url).status_code == 404


def test_deliveries_are_listed_and_replayed(client: TestClient) -> None:
    url = client.post("/v1/webhooks", json=NEW).headers["location"]
    sent = [client.post(f"{url}/test").json()["id"] for _ in range(3)]
    first = client.get(f"{url}/deliveries", params={"page_size": 2, "state": "PENDING"}).json()
    token = {"page": first["next_page"], "page_size": 2}
    rest = client.get(f"{url}/deliveries", params={**token, "state": "PENDING"}).json()
    assert sorted(item["id"] for item in first["items"] + rest["items"]) == sorted(sent)
    assert rest["next_page"] is None
    assert client.get(f"{url}/deliveries", params=token).status_code == 400
    assert client.get(f"{url}/deliveries/{sent[0]}").json()["state"] == "PENDING"
    assert client.post(f"{url}/deliveries/{sent[0]}/replay").status_code == 200
    assert client.get(f"{url}/deliveries/msg_none").status_code == 404
    assert client.post(f"{url}/replay").json() == {"count": 0}
    assert client.post(f"{url}/pause").json()["paused"] is not None
    assert client.post(f"{url}/test").status_code == 409
    assert client.post(f"{url}/resume").json()["paused"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://93.184.215.14/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://169.254.169.254/latest/meta-data/"},
        {"url": "https://x\x00.example.com/"},
        {"url": "https://" + "a" * 3000 + ".example.com/"},
        {"name": "a\x00b"},
        {"name": ""},
        {"name": "a\n"},
        {"events": ["job.nosuch"]},
        {"secret": "mine"},
    ],
)
def test_a_wrong_webhook_is_422(client: TestClient, change: dict[str, object]) -> None:
    answer = client.post("/v1/webhooks", json={**NEW, **change})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("webhook_id", ["whk_none", "%00", "a" * 100, "..%2f..", "WHK"])
def test_what_is_no_webhook_is_404_or_422(client: TestClient, webhook_id: str) -> None:
    assert client.get(f"/v1/webhooks/{webhook_id}").status_code in {404, 422}


def test_another_project_s_webhook_is_not_found_and_an_editor_may_not_look(client: TestClient, app: FastAPI) -> None:
    url = client.post("/v1/webhooks", json=NEW).headers["location"]
    plane: Plane = app.state.plane
    other = make_project(plane.database, "other")
    for role, status in ((Role.OPERATOR, 404), (Role.EDITOR, 403)):
        key = plane.keys.create(other, NewKey(name="other", role=role), "test")[1]
        assert client.get(url, headers={"Authorization": f"Bearer {key}"}).status_code == status
