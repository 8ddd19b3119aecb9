"""What-if, curves, sweeps and previews over HTTP."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient

from curation.corpus import Corpus
from curation.whatif import curve, sweep, thresholds, what_if
from services.errors import Invalid
from services.identity.principal import Role
from services.insights import whatifs
from services.insights.deadline import Deadline
from tests.services.control_plane.conftest import client_of
from tests.whatif.made import chance_values, decided, publish, recipe_of

WORDS = "stages.gopher_quality.min_words"
BASE = "/v1/corpora/c/versions/1"
ASKED = (f"/what-if?set={WORDS}=80", f"/what-if/curve?of={WORDS}", f"/what-if/sweep?of={WORDS}=1")


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    recipe = recipe_of(f"{tmp_path}/c")
    made = Corpus(recipe.output)
    publish(made, recipe, [decided(recipe, f"f{n}", chance_values(n, 200, recipe), {7: 3}) for n in range(2)])
    return made


@pytest.fixture
def viewer(one_app: FastAPI, corpus: Corpus) -> TestClient:
    admin = client_of(one_app)
    assert admin.post("/v1/corpora", json={"url": "c"}).status_code == 201
    return client_of(one_app, Role.VIEWER)


def test_a_viewer_asks_what_the_library_answers(viewer: TestClient, corpus: Corpus) -> None:
    beside = "stages.language.min_score=0.6"
    asked: list[tuple[str, dict[str, Any], Any]] = [
        ("/thresholds", {}, thresholds(corpus)),
        ("/what-if", {"set": [f"{WORDS}=80", beside]}, what_if(corpus, [f"{WORDS}=80", beside])),
        ("/what-if", {"set": f"{WORDS}=80", "examples": 0}, what_if(corpus, [f"{WORDS}=80"], examples=0)),
        ("/what-if/curve", {"of": WORDS}, curve(corpus, WORDS)),
        ("/what-if/curve", {"of": f"{WORDS}=20:80:20", "set": beside}, curve(corpus, f"{WORDS}=20:80:20", [beside])),
        ("/what-if/sweep", {"of": f"{WORDS}=20,80"}, sweep(corpus, f"{WORDS}=20,80", examples=1)),
    ]
    for path, query, expected in asked:
        answer = viewer.get(BASE + path, params=query)
        assert answer.status_code == 200, answer.text
        assert answer.json() == expected.model_dump(mode="json"), path
        known = viewer.get(BASE + path, params=query, headers={"If-None-Match": answer.headers["ETag"]})
        assert (known.status_code, known.content) == (304, b"")


@pytest.mark.parametrize(
    ("path", "query", "status", "message"),
    [
        ("/what-if", {}, 422, "set"),
        ("/what-if", {"set": "stages.gofer.min_words=1"}, 422, "no such stage"),
        ("/what-if", {"set": "stages.gopher_quality.min_wordz=1"}, 422, "did you mean min_words"),
        ("/what-if", {"set": "stages.gopher_quality.table=/etc/passwd"}, 422, "cannot be told without the texts"),
        ("/what-if", {"set": "stages.language.keep=&a [*a]"}, 422, "pattern"),
        ("/what-if", {"set": f"stages.gopher_quality.max_words={'9' * 300}"}, 422, "found a number beyond"),
        ("/what-if", {"set": f"{WORDS}=80", "examples": 21}, 422, "20"),
        ("/what-if/curve", {"of": "stages.language.keep"}, 422, "only numbers"),
        ("/what-if/curve", {"of": f"{WORDS}=0:5000:1"}, 422, "more than 1,000 values"),
        ("/what-if/curve", {"of": f"{WORDS}=0:1e999999999:1"}, 422, "expected numbers"),
        ("/what-if/sweep", {"of": f"{WORDS}=0:50:1"}, 422, "more than 20 values"),
        ("/what-if/sweep", {"of": WORDS}, 422, "pattern"),
        ("/../9/what-if", {"set": f"{WORDS}=80"}, 404, "no version 9"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(
    viewer: TestClient, path: str, query: dict[str, Any], status: int, message: str
) -> None:
    base = BASE.removesuffix("/1") + path.removeprefix("/..") if path.startswith("/..") else BASE + path
    answer = viewer.get(base, params=query)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert message in answer.text


def test_another_projects_corpus_is_not_there(one_app: FastAPI, viewer: TestClient) -> None:
    one_app.state.plane.projects.create("other", (), "test")
    stranger = client_of(one_app, project="other")
    for path in ("/thresholds", *ASKED):
        assert stranger.get(BASE + path).status_code == 404


def test_a_recipe_that_names_files_elsewhere_is_not_asked(one_app: FastAPI, tmp_path: Path) -> None:
    """A corpus that came from elsewhere may name any file as a table, and what is wrong with it would be told."""
    secret = tmp_path.parent / f"{tmp_path.name}-secret"
    secret.write_text("gopher_quality: a secret\n")
    plain = recipe_of(f"{tmp_path}/c")
    named = plain.stages[1].model_copy(update={"table": str(secret)})
    recipe = plain.model_copy(update={"stages": (plain.stages[0], named, *plain.stages[2:])})
    publish(Corpus(plain.output), recipe, [decided(plain, "f", chance_values(1, 20, plain))])
    client = client_of(one_app)
    assert client.post("/v1/corpora", json={"url": "c"}).status_code == 201
    answer = client.get(f"{BASE}/what-if", params={"set": f"{WORDS}=80"})
    assert answer.status_code == 403, answer.text
    assert "a secret" not in answer.text


def test_what_takes_too_long_is_ended(viewer: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Invalid, match="no answer within 0 seconds"):
        Deadline(0.0, "")()
    monkeypatch.setattr(whatifs, "LIMIT_S", 0.0)
    for path in ASKED:
        answer = viewer.get(BASE + path)
        assert (answer.status_code, "which is the limit" in answer.text) == (422, True)
    monkeypatch.setattr(whatifs, "LIMIT_S", 20.0)
    assert viewer.get(f"{BASE}/what-if?set={WORDS}=80").status_code == 200, "an error is not remembered"
    monkeypatch.setattr(whatifs, "MAX_DECISIONS", 1000)
    answer = viewer.get(f"{BASE}/what-if/sweep?of={WORDS}=1,2,3")
    assert (answer.status_code, "1,000 in all at most" in answer.text) == (422, True)


def test_others_are_answered_meanwhile(one_app: FastAPI, viewer: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, release = threading.Event(), threading.Event()
    real = curve

    def waiting(*given: Any) -> Any:
        entered.set()
        assert release.wait(20)
        return real(*given)

    monkeypatch.setattr(whatifs, "curve", waiting)

    async def asked() -> int:
        transport, headers = ASGITransport(one_app), dict(viewer.headers)
        async with AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
            slow = asyncio.create_task(client.get(f"{BASE}/what-if/curve?of={WORDS}"))
            await asyncio.to_thread(entered.wait, 20)
            try:
                async with asyncio.timeout(10):
                    assert (await client.get("/v1/me")).status_code == 200
            finally:
                release.set()
            return (await slow).status_code

    assert asyncio.run(asked()) == 200


RECIPE = {
    "name": "web",
    "output": "web",
    "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}],
    "stages": [{"kind": "gopher_quality"}],
}


def test_a_what_if_is_saved_as_the_recipes_next_revision(one_app: FastAPI) -> None:
    editor = client_of(one_app, Role.EDITOR)
    tag = editor.put("/v1/recipes/web", json=RECIPE).headers["ETag"]
    body = {"settings": [f"{WORDS}=80", "stages.gopher_quality.max_words=null"]}
    assert editor.post("/v1/recipes/web/settings", json=body).status_code == 428
    assert client_of(one_app, Role.VIEWER).post("/v1/recipes/web/settings", json=body).status_code == 403
    made = editor.post("/v1/recipes/web/settings", json=body, headers={"If-Match": tag})
    assert made.status_code == 200, made.text
    assert made.json()["recipe"]["stages"] == [{"kind": "gopher_quality", "min_words": 80, "max_words": None}]
    assert (made.json()["revision"], made.json()["note"]) == (2, ", ".join(body["settings"]))
    assert editor.post("/v1/recipes/web/settings", json=body, headers={"If-Match": tag}).status_code == 412
    wrong = {"settings": ["stages.gopher_quality.min_wordz=80"]}
    answer = editor.post("/v1/recipes/web/settings", json=wrong, headers={"If-Match": "*"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "stages.0.min_wordz"
    assert editor.get("/v1/recipes/web").json()["revision"] == 2


def test_an_editor_previews_what_may_be_read(one_app: FastAPI, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    lines = [f'{{"text": "{"the word " * n}"}}' for n in range(1, 60)]
    (tmp_path / "raw" / "a.jsonl").write_text("\n".join(lines))
    editor = client_of(one_app, Role.EDITOR)
    body = {"submission": {"recipe": RECIPE}, "sample": 20}
    assert client_of(one_app, Role.VIEWER).post("/v1/recipes/preview", json=body).status_code == 403
    answer = editor.post("/v1/recipes/preview", json=body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["sampled"], answer.json()["estimate"]["documents"]) == (20, 59)
    assert not (tmp_path / "web").exists()
    outside = tmp_path.parent / f"{tmp_path.name}-outside.jsonl"
    outside.write_text('{"text": "secret"}')
    (tmp_path / "raw" / "link.jsonl").symlink_to(outside)
    refused = editor.post("/v1/recipes/preview", json=body)
    assert (refused.status_code, "secret" in refused.text) == (422, False)
    elsewhere = {**RECIPE, "sources": [{"name": "crawl", "uri": "/etc/*"}]}
    assert editor.post("/v1/recipes/preview", json={"submission": {"recipe": elsewhere}}).status_code == 422


def test_a_preview_ends_in_time(one_app: FastAPI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.jsonl").write_text('{"text": "a document"}\n')
    monkeypatch.setattr(whatifs, "LIMIT_S", -time.monotonic())
    answer = client_of(one_app).post("/v1/recipes/preview", json={"submission": {"recipe": RECIPE}})
    assert (answer.status_code, "smaller sample" in answer.text) == (422, True)
