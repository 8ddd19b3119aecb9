"""`/v1/corpora` over HTTP."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from curation.corpus import Corpus
from services.identity.principal import Role
from tests.services.control_plane.conftest import client_of
from tests.services.corpora import make_corpora


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    make_corpora(folder)
    return folder


@pytest.fixture
def client(one_app: FastAPI, tmp_path: Path, made: Path) -> TestClient:
    shutil.copytree(made / "corpora", tmp_path / "corpora")
    return client_of(one_app)


@pytest.fixture
def small(client: TestClient) -> TestClient:
    assert client.post("/v1/corpora", json={"url": "corpora/small"}).status_code == 201
    return client


def test_a_corpus_is_registered_read_and_forgotten(client: TestClient, tmp_path: Path) -> None:
    answer = client.post("/v1/corpora", json={"url": "corpora/small", "name": "mine"})
    assert answer.status_code == 201
    assert answer.headers["Location"] == "/v1/corpora/mine"
    assert answer.json()["url"] == f"{tmp_path}/corpora/small"
    assert client.post("/v1/corpora", json={"url": f"file://{tmp_path}/corpora/small"}).json() == answer.json()
    assert client.post("/v1/corpora", json={"url": "corpora/small", "name": "other"}).status_code == 409
    assert client.get("/v1/corpora").json()["items"] == [answer.json()]
    assert client.get("/v1/corpora/mine").json()["newest"]["version"] == 2
    assert client.delete("/v1/corpora/mine").status_code == 204
    assert client.get("/v1/corpora/mine").status_code == 404
    assert Corpus(str(tmp_path / "corpora/small")).version().version == 2


@pytest.mark.parametrize(
    "url", ["corpora", "corpora/none", "../corpora/small", "/etc", "s3://other/x", "http://x", "\0"]
)
def test_only_a_corpus_within_the_roots_is_registered(client: TestClient, url: str) -> None:
    answer = client.post("/v1/corpora", json={"url": url})
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["url"]


def test_lists_are_pages(client: TestClient) -> None:
    for name in ("b", "a"):
        assert client.post("/v1/corpora", json={"url": "corpora/empty" if name == "b" else "corpora/small"}).is_success
    first = client.get("/v1/corpora", params={"page_size": 1}).json()
    rest = client.get("/v1/corpora", params={"page_size": 1, "page": first["next_page"]}).json()
    assert [page["items"][0]["name"] for page in (first, rest)] == ["empty", "small"]
    assert rest["next_page"] is None
    versions = client.get("/v1/corpora/small/versions", params={"page_size": 1}).json()
    older = client.get("/v1/corpora/small/versions", params={"page_size": 1, "page": versions["next_page"]}).json()
    assert [page["items"][0]["version"] for page in (versions, older)] == [2, 1]
    other = client.get("/v1/corpora/empty/versions", params={"page": versions["next_page"]})
    assert other.status_code == 400


ABOUT = (
    "",
    "/change",
    "/statistics",
    "/funnel",
    "/reasons",
    "/reasons/minhash_dedup.duplicate/samples",
    "/manifest",
    "/mixture",
    "/histogram?column=bytes&bins=5",
)


@pytest.mark.parametrize("about", ABOUT)
def test_what_never_changes_is_sent_once(small: TestClient, about: str) -> None:
    first = small.get(f"/v1/corpora/small/versions/1{about}")
    assert first.status_code == 200
    tag = first.headers["ETag"]
    again = small.get(f"/v1/corpora/small/versions/1{about}", headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    newest = small.get(f"/v1/corpora/small/versions/newest{about}", headers={"If-None-Match": tag})
    assert newest.status_code == 200
    assert newest.json() == small.get(f"/v1/corpora/small/versions/2{about}").json()


def test_a_manifest_is_the_corpus_own(small: TestClient, tmp_path: Path) -> None:
    own = Corpus(str(tmp_path / "corpora/small")).manifest(1)
    assert small.get("/v1/corpora/small/versions/1/manifest").json() == own.model_dump(mode="json")


def test_a_document_is_explained(small: TestClient) -> None:
    found = small.get("/v1/corpora/small/explain", params={"id": "near"}).json()
    assert (found["version"], found["decisions"][0]["survivor"]) == (2, "w2")
    one = small.get("/v1/corpora/small/explain", params={"id": "near", "version": "1", "source": "web"})
    assert one.json()["version"] == 1
    assert small.get("/v1/corpora/small/explain", params={"id": "near", "source": "notes"}).status_code == 404
    assert small.get("/v1/corpora/small/explain", params={"id": "no\0body"}).status_code == 404
    assert small.get("/v1/corpora/small/explain").status_code == 422


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("other", 404),
        ("a%00b", 422),
        ("x" * 81, 422),
        ("small/versions/9", 404),
        ("small/versions/0", 422),
        ("small/versions/9999999999", 422),
        ("small/versions/x", 404),
        ("small/versions/-x", 422),
        ("small/versions/1/reasons/none/samples", 404),
        ("small/versions/1/reasons/minhash_dedup.duplicate/samples?limit=51", 422),
        ("small/versions/1/histogram", 422),
        ("small/versions/1/histogram?column=reason", 404),
        ("small/versions/1/histogram?column=bytes&bins=0", 422),
        ("small/explain?id=w1&version=9", 404),
    ],
)
def test_what_is_wrong_is_a_problem(small: TestClient, path: str, status: int) -> None:
    answer = small.get(f"/v1/corpora/{path}")
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_viewer_reads_and_changes_nothing(small: TestClient, one_app: FastAPI) -> None:
    viewer = client_of(one_app, Role.VIEWER)
    assert viewer.get("/v1/corpora/small").status_code == 200
    assert viewer.post("/v1/corpora", json={"url": "corpora/small"}).status_code == 403
    assert viewer.delete("/v1/corpora/small").status_code == 403


def test_a_corpus_that_a_link_leads_away_from_is_not_read(small: TestClient, tmp_path: Path, made: Path) -> None:
    assert small.get("/v1/corpora/small/versions/newest/funnel").status_code == 200
    shutil.rmtree(tmp_path / "corpora/small")
    (tmp_path / "corpora/small").symlink_to(made / "corpora/small")
    for question in ("", "/versions", "/versions/newest/funnel", "/explain?id=w1"):
        answer = small.get(f"/v1/corpora/small{question}")
        assert answer.status_code == 403
        assert "not within this project's roots" in answer.json()["detail"]
