"""Tags, legal holds, restoring, vacuuming and takedowns over REST, and what differs between versions."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from curation.corpus import Corpus
from services.identity.principal import Role
from services.jobs.store import JobStore
from tests.services.control_plane.conftest import client_of
from tests.services.corpora import make_corpora

SMALL = "/v1/corpora/small"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    make_corpora(folder)
    return folder


@pytest.fixture
def small(one_app: FastAPI, tmp_path: Path, made: Path) -> TestClient:
    """An admin's client of a corpus with two versions."""
    shutil.copytree(made / "corpora", tmp_path / "corpora")
    client = client_of(one_app)
    assert client.post("/v1/corpora", json={"url": "corpora/small"}).status_code == 201
    return client


def test_a_tag_is_made_moved_and_taken_away_by_whoever_knows_where_it_is(small: TestClient) -> None:
    put = small.put(f"{SMALL}/tags/production", json={"version": 1})
    assert (put.status_code, put.headers["Location"]) == (201, f"{SMALL}/tags/production")
    first = put.headers["ETag"]
    assert small.put(f"{SMALL}/tags/production", json={"version": 2}).status_code == 428
    moved = small.put(f"{SMALL}/tags/production", json={"version": 2}, headers={"If-Match": first})
    assert (moved.status_code, moved.json()["version"], moved.json()["previous"]) == (200, 2, 1)
    assert small.put(f"{SMALL}/tags/production", json={"version": 1}, headers={"If-Match": first}).status_code == 412
    same = small.put(f"{SMALL}/tags/production", json={"version": 2}, headers={"If-Match": "*"})
    assert same.headers["ETag"] == moved.headers["ETag"]
    shown = small.get(f"{SMALL}/tags/production")
    assert shown.headers["ETag"] == moved.headers["ETag"]
    assert [record["version"] for record in shown.json()["history"]] == [1, 2]
    assert [tag["name"] for tag in small.get(f"{SMALL}/tags").json()["items"]] == ["production"]
    assert small.delete(f"{SMALL}/tags/production").status_code == 428
    assert small.delete(f"{SMALL}/tags/production", headers={"If-Match": first}).status_code == 412
    assert small.delete(f"{SMALL}/tags/production", headers={"If-Match": "*"}).status_code == 204
    assert small.get(f"{SMALL}/tags/production").status_code == 404
    assert small.put(f"{SMALL}/tags/production", json={"version": 9}).status_code == 404
    gone = small.put(f"{SMALL}/tags/production", json={"version": 1}, headers={"If-Match": "*"})
    assert gone.status_code == 412
    assert small.put(f"{SMALL}/tags/production", json={"version": 1}).status_code == 201


def test_a_version_is_called_by_its_tag(small: TestClient) -> None:
    assert small.put(f"{SMALL}/tags/old", json={"version": 1}).status_code == 201
    by_number = small.get(f"{SMALL}/versions/1/funnel")
    assert small.get(f"{SMALL}/versions/old/funnel").json() == by_number.json()
    assert small.get(f"{SMALL}/explain", params={"id": "near", "version": "old"}).json()["version"] == 1
    assert small.get(f"{SMALL}/versions/unknown/funnel").status_code == 404


@pytest.mark.parametrize("tag", ["12", "newest", "a%20b", "-a", "x" * 81])
def test_what_cannot_be_a_tag(small: TestClient, tag: str) -> None:
    assert small.put(f"{SMALL}/tags/{tag}", json={"version": 1}).status_code == 422


def test_a_hold_keeps_a_version_from_a_vacuum(small: TestClient, tmp_path: Path) -> None:
    held = small.put(f"{SMALL}/holds/1", json={"reason": "case 17"})
    assert (held.status_code, held.json()["reason"]) == (200, "case 17")
    assert small.put(f"{SMALL}/holds/1", json={"reason": "case 17"}).json() == held.json()
    assert small.put(f"{SMALL}/holds/1", json={"reason": "case 18"}).status_code == 409
    assert small.put(f"{SMALL}/holds/1", json={"reason": " "}).status_code == 422
    assert small.put(f"{SMALL}/holds/9", json={"reason": "case 17"}).status_code == 404
    assert [hold["version"] for hold in small.get(f"{SMALL}/holds").json()["items"]] == [1]
    everything = {"keep": 1, "grace_days": 0}
    look = small.post(f"{SMALL}/vacuum", json=everything).json()
    assert [stay["version"] for stay in look["stays"]] == [1, 2]
    assert small.delete(f"{SMALL}/holds/1").status_code == 204
    assert small.delete(f"{SMALL}/holds/1").status_code == 404
    assert Corpus(str(tmp_path / "corpora/small")).verify(1)


def test_a_vacuum_only_looks_unless_it_is_told_to_remove(small: TestClient, tmp_path: Path) -> None:
    before = small.get(f"{SMALL}/versions/1").headers["ETag"]
    for path in (tmp_path / "corpora/small").rglob("*"):
        if path.is_file():
            os.utime(path, (0, 0))
    shutil.rmtree(tmp_path / "corpora/small/_runs")
    looked = small.post(f"{SMALL}/vacuum", json={"keep": 1, "grace_days": 0}).json()
    assert (looked["dry_run"], looked["versions"]) == (True, [1]), looked
    assert small.get(f"{SMALL}/versions/1").json()["gone"] is None
    done = small.post(f"{SMALL}/vacuum", json={"keep": 1, "grace_days": 0, "dry_run": False}).json()
    assert (done["versions"], done["files"]) == ([1], looked["files"])
    shown = small.get(f"{SMALL}/versions/1")
    assert "vacuumed" in shown.json()["gone"]
    assert shown.headers["ETag"] != before
    assert small.get(f"{SMALL}/versions/1/funnel").status_code == 200
    assert small.get(f"{SMALL}/explain", params={"id": "near", "version": "1"}).status_code == 404
    assert small.get(f"{SMALL}/diff", params={"from": "1"}).status_code == 404
    assert small.post(f"{SMALL}/restore", json={"version": 1}).status_code == 404


def test_a_version_is_restored_once(small: TestClient) -> None:
    restored = small.post(f"{SMALL}/restore", json={"version": 1})
    assert restored.status_code == 200
    assert (restored.json()["restored"], restored.json()["published"]) == (1, True)
    again = small.post(f"{SMALL}/restore", json={"version": 1}).json()
    assert (again["version"], again["published"]) == (restored.json()["version"], False)
    newest = small.get(f"{SMALL}/versions/newest").json()
    assert (newest["kind"], newest["restored"]) == ("restore", 1)
    assert newest["digest"] == small.get(f"{SMALL}/versions/1").json()["digest"]


def test_versions_are_compared_and_a_document_has_a_history(small: TestClient) -> None:
    found = small.get(f"{SMALL}/diff").json()
    assert (found["a"]["version"], found["b"]["version"]) == (1, 2)
    back = small.get(f"{SMALL}/diff", params={"from": "2", "to": "1", "samples": 0}).json()
    assert (back["a"]["version"], back["b"]["version"]) == (2, 1)
    assert small.get(f"{SMALL}/diff", params={"from": "9"}).status_code == 404
    assert small.get(f"{SMALL}/diff", params={"samples": 51}).status_code == 422
    moments = small.get(f"{SMALL}/history", params={"id": "near"}).json()["moments"]
    assert (moments[0]["version"], moments[0]["survivor"]) == (1, "w2")
    assert small.get(f"{SMALL}/history", params={"id": "nobody"}).status_code == 404
    change = small.get(f"{SMALL}/versions/1/change").json()
    assert (change["kind"], change["base"]) == ("run", 0)
    assert change["documents_read"] == change["steps"][0]["documents_in"]


def test_a_takedown_is_queued_once(small: TestClient, one_app: FastAPI) -> None:
    asked: dict[str, Any] = {"ids": [{"id": "w1"}], "reason": "case 17", "erase": True, "hold": True}
    headers = {"Idempotency-Key": "one"}
    made = small.post(f"{SMALL}/takedowns", json=asked, headers=headers)
    assert made.status_code == 201
    assert (made.json()["mode"], made.json()["hold"], made.json()["corpus"]) == ("takedown", True, "small")
    assert small.post(f"{SMALL}/takedowns", json=asked, headers=headers).json()["id"] == made.json()["id"]
    shown = small.get(f"{made.headers['Location']}/takedown").json()
    assert (shown["ids"], shown["erase"]) == ([{"id": "w1", "source": None}], True)
    assert [job["id"] for job in small.get("/v1/jobs", params={"mode": "takedown"}).json()["items"]] == [
        made.json()["id"]
    ]
    store: JobStore = one_app.state.plane.jobs
    claim = store.claim("test")
    assert claim is not None
    assert claim.takedown is not None
    assert (claim.takedown.reason, claim.recipe["output"]) == ("case 17", made.json()["corpus_url"])
    assert small.get(f"{SMALL}/certificates").json()["items"] == []
    assert small.get(f"{SMALL}/certificates/1").status_code == 404


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ({}, ""),
        ({"urls": ["not a url"]}, "urls.0"),
        ({"ids": [{"id": ""}]}, "ids.0.id"),
        ({"sources": ["web"], "reason": "a\nb"}, "reason"),
    ],
)
def test_what_is_wrong_with_a_takedown_is_told_by_its_path(small: TestClient, asked: dict[str, Any], path: str) -> None:
    answer = small.post(f"{SMALL}/takedowns", json=asked)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == [path]


def test_only_an_admin_holds_and_takes_down(small: TestClient, one_app: FastAPI) -> None:
    operator = client_of(one_app, Role.OPERATOR)
    assert operator.put(f"{SMALL}/holds/1", json={"reason": "case 17"}).status_code == 403
    assert operator.post(f"{SMALL}/takedowns", json={"sources": ["web"]}).status_code == 403
    assert operator.get(f"{SMALL}/certificates").status_code == 403
    assert operator.put(f"{SMALL}/tags/good", json={"version": 1}).status_code == 201
    job = small.post(f"{SMALL}/takedowns", json={"sources": ["web"]}).headers["Location"]
    assert operator.post(f"{job}/cancel").status_code == 200
    assert operator.post(f"{job}/retry").status_code == 403, "that would ask for it again"
    assert small.post(f"{job}/retry").status_code == 200
    viewer = client_of(one_app, Role.VIEWER)
    assert viewer.get(f"{SMALL}/tags").status_code == 200
    assert viewer.post(f"{SMALL}/vacuum", json={}).status_code == 403
    rows = small.get("/v1/audit").json()["items"]
    assert {row["action"] for row in rows} >= {"put_hold", "take_down", "put_tag", "vacuum_corpus"}
