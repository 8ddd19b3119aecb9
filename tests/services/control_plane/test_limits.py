"""What every request is held to: its size, its id, how many, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.control_plane.plane import Plane
from services.control_plane.security import FLOOD
from services.database.tables import audit
from services.identity.keys import NewKey
from services.identity.principal import Role
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import client_of, migrated_app

LIMIT = 2048


@pytest.fixture
def app(tmp_path: Path) -> Iterator[FastAPI]:
    limits: dict[str, Any] = {"body_limit_bytes": LIMIT, "requests_per_minute": 20, "failed_logins_per_minute": 5}
    app = migrated_app(make_settings(tmp_path, **limits))
    yield app
    app.state.plane.close()


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return client_of(app)


def test_every_answer_has_the_security_headers(app: FastAPI, client: TestClient) -> None:
    for answer in (client.get("/v1/me"), client.get("/v1/nowhere"), TestClient(app).get("/v1/me"), client.get("/x")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-ID"]


@pytest.mark.parametrize(("given", "is_kept"), [("a-1_b.C", True), ("", False), ("a b", False), ("x" * 81, False)])
def test_a_plain_request_id_is_kept(client: TestClient, given: str, is_kept: bool) -> None:
    answer = client.get("/v1/nowhere", headers={"X-Request-ID": given})
    assert (answer.headers["X-Request-ID"] == given) is is_kept
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def chunks(size_bytes: int) -> Iterator[bytes]:
    for _ in range(size_bytes // 512):
        yield b" " * 512


def test_large_bodies_are_refused_whatever_they_say_of_themselves(client: TestClient) -> None:
    large = [
        client.post("/v1/keys", content=b" " * (LIMIT + 1)),
        client.post("/v1/keys", content=chunks(LIMIT + 512)),
        client.post("/v1/keys", content=b"{}", headers={"Content-Length": str(10**30)}),
        client.post("/v1/keys", content=chunks(LIMIT + 512), headers={"Content-Length": "2"}),
    ]
    for answer in large:
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:curation:problem:too-large")
    assert client.post("/v1/keys", content=b"{}", headers={"Content-Length": "-2"}).status_code == 400
    fits = client.post(
        "/v1/keys",
        content=b'{"name": "k", "role": "viewer"}'.ljust(LIMIT),
        headers={"Content-Type": "application/json"},
    )
    assert fits.status_code == 201


def test_long_addresses_are_refused(client: TestClient) -> None:
    assert client.get("/v1/me?" + "x" * 20_000).status_code == 400
    assert client.get("/v1/" + "x" * 5_000).status_code == 400


def test_whoever_asks_too_often_waits(app: FastAPI, client: TestClient) -> None:
    answers = [client.get("/v1/me") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert answers[-1].json()["retryable"]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert client_of(app, Role.VIEWER).get("/v1/me").status_code == 200


def test_guessing_keys_ends_and_leaves_valid_ones_alone(app: FastAPI, client: TestClient) -> None:
    guesses = [TestClient(app).get("/v1/me", headers={"Authorization": f"Bearer {n}"}) for n in range(6)]
    assert [answer.status_code for answer in guesses] == [401] * 5 + [429]
    assert guesses[0].headers["WWW-Authenticate"] == "Bearer"
    assert int(guesses[-1].headers["Retry-After"]) >= 1
    assert client.get("/v1/me").status_code == 200
    assert TestClient(app).get("/v1/me").status_code == 429


def test_a_flood_of_guesses_ends_before_keys_are_looked_up(app: FastAPI, client: TestClient) -> None:
    guesser = TestClient(app)
    for number in range(5 * FLOOD):
        assert guesser.get("/v1/me", headers={"Authorization": f"Bearer {number}"}).status_code in {401, 429}
    assert client.get("/v1/me").status_code == 429
    elsewhere = TestClient(app, client=("10.0.0.1", 1), headers=dict(client.headers))
    assert elsewhere.get("/v1/me").status_code == 200


def test_one_network_of_ipv6_is_one_address(app: FastAPI) -> None:
    for number in range(5):
        assert TestClient(app, client=(f"2001:db8::{number}", 1)).get("/v1/me").status_code == 401
    assert TestClient(app, client=("2001:db8::ff", 1)).get("/v1/me").status_code == 429
    assert TestClient(app, client=("2001:db8:0:1::1", 1)).get("/v1/me").status_code == 401


def test_what_cannot_be_audited_is_said_to_be_so(app: FastAPI, client: TestClient) -> None:
    plane: Plane = app.state.plane
    audit.drop(plane.database.engine)
    answer = client.post("/v1/keys", json={"name": "k", "role": "viewer"})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:curation:problem:unavailable")
    assert "secret" not in answer.text
    assert client.get("/v1/me").status_code == 200


def test_a_lost_database_lets_nobody_in(app: FastAPI) -> None:
    plane: Plane = app.state.plane
    _, text = plane.keys.create(plane.projects.ensure_default().id, NewKey(name="k", role=Role.ADMIN), "test")
    plane.database.close()
    Path(plane.database.engine.url.database or "").rename(plane.settings.data / "gone.db")
    answer = TestClient(app, headers={"Authorization": f"Bearer {text}"}).get("/v1/me")
    assert answer.status_code == 503
