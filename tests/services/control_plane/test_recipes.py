"""Recipes over REST."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from curation.recipe import validate_recipe
from curation.stage import stage_kinds
from services.identity.principal import Role
from tests.services.control_plane.conftest import client_of


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "web", "output": "corpus", "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}], **fields}


@pytest.fixture
def client(one_app: FastAPI) -> TestClient:
    return client_of(one_app, Role.EDITOR)


def test_a_recipe_lives_by_its_etag(app: FastAPI) -> None:
    client = client_of(app, Role.EDITOR)
    made = client.put("/v1/recipes/web", json=body(), params={"note": "begin"})
    assert (made.status_code, made.headers["Location"], made.headers["ETag"]) == (201, "/v1/recipes/web", '"web-1"')
    assert made.json()["recipe"] == body()
    assert client.put("/v1/recipes/web", json=body(seed=1)).status_code == 409
    assert client.put("/v1/recipes/web", json=body(), headers={"If-None-Match": "*"}).status_code == 412
    assert client.put("/v1/recipes/web", json=body(seed=1), headers={"If-Match": '"7"'}).status_code == 412
    changed = client.put("/v1/recipes/web", json=body(seed=1), headers={"If-Match": '"web-1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"web-2"')
    old = client.get("/v1/recipes/web", params={"revision": 1})
    assert (old.json()["revision"], old.headers["ETag"]) == (1, '"web-2"')
    assert client.delete("/v1/recipes/web").status_code == 428
    assert client.delete("/v1/recipes/web", headers={"If-Match": '"web-1"'}).status_code == 412
    assert client.delete("/v1/recipes/web", headers={"If-Match": '"web-2"'}).status_code == 204
    assert client.get("/v1/recipes/web").status_code == 404


def test_revisions_are_paged_and_compared(client: TestClient) -> None:
    client.put("/v1/recipes/web", json=body())
    for revision in (1, 2):
        client.put("/v1/recipes/web", json=body(seed=revision), headers={"If-Match": f'"web-{revision}"'})
    first = client.get("/v1/recipes/web/revisions", params={"page_size": 2}).json()
    rest = client.get("/v1/recipes/web/revisions", params={"page_size": 2, "page": first["next_page"]}).json()
    assert [item["revision"] for item in first["items"] + rest["items"]] == [3, 2, 1]
    assert rest["next_page"] is None
    diff = client.get("/v1/recipes/web/diff", params={"from": 2}).json()
    assert (diff["before"], diff["after"]) == (2, 3)
    assert diff["changes"] == [{"path": "seed", "op": "changed", "before": 1, "after": 2}]


def test_a_page_belongs_to_its_question(client: TestClient) -> None:
    for name in ("a", "b", "c"):
        client.put(f"/v1/recipes/{name}", json=body(name=name))
    page = client.get("/v1/recipes", params={"page_size": 1}).json()["next_page"]
    assert client.get("/v1/recipes", params={"page": page}).json()["items"][0]["name"] == "b"
    for wrong in (client.get("/v1/jobs", params={"page": page}), client.get("/v1/recipes", params={"page": "x" * 40})):
        assert (wrong.status_code, wrong.json()["type"]) == (400, "urn:curation:problem:bad-page")


def test_everything_wrong_is_told_by_its_path(client: TestClient) -> None:
    wrong = body(output="/etc/corpus", seed=-1, stages=[{"kind": "gopher_qality"}])
    refused = client.put("/v1/recipes/web", json=wrong)
    assert refused.status_code == 422
    assert {error["path"] for error in refused.json()["errors"]} == {"output", "seed", "stages.0"}
    told = client.post("/v1/recipes/validate", json=wrong).json()
    assert (told["is_valid"], {problem["path"] for problem in told["problems"]}) == (
        False,
        {"output", "seed", "stages.0"},
    )


def test_a_valid_recipe_is_explained(client: TestClient) -> None:
    told = client.post("/v1/recipes/validate", json=body()).json()
    assert told["is_valid"] is True
    assert told["fingerprint"] == validate_recipe(told["recipe"]).fingerprint()


def test_every_stage_is_described(client: TestClient) -> None:
    stages = client.get("/v1/stages").json()["items"]
    assert [stage["kind"] for stage in stages] == list(stage_kinds())
    assert all(stage["summary"] and stage["json_schema"]["properties"] for stage in stages)
    one = client.get("/v1/stages/exact_dedup/schema").json()
    assert one["$schema"].startswith("https://json-schema.org/")
    assert client.get("/v1/stages/nothing/schema").status_code == 404
    assert "stages" in client.get("/v1/recipes/schema").json()["properties"]


MODEL = {"kind": "language", "keep": ["en"], "model": "models/lid.bin"}


def test_models_are_checked_where_a_recipe_is(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    asked = body(stages=[{"kind": "gopher_quality"}, MODEL])
    for content, complaint in ((None, "there is no such file"), (b"x" * 100, "does not begin as such a file does")):
        if content is not None:
            (tmp_path / "models/lid.bin").write_bytes(content)
        told = client.post("/v1/recipes/validate", json=asked).json()
        assert told["is_valid"] is False
        [problem] = told["problems"]
        assert (problem["path"], complaint in problem["message"]) == ("stages.1.model", True)
        assert str(tmp_path) not in problem["message"]
        for refused in (
            client.put("/v1/recipes/web", json=asked),
            client.post("/v1/jobs/estimate", json={"recipe": asked}),
        ):
            assert refused.status_code == 422
            assert [error["path"].removeprefix("recipe.") for error in refused.json()["errors"]] == ["stages.1.model"]


def test_a_file_that_is_no_model_is_not_read(client: TestClient, tmp_path: Path) -> None:
    """4 TiB of it, which would not fit into memory."""
    (tmp_path / "models").mkdir()
    for size in (1 << 20, 1 << 42):
        with (tmp_path / "models/lid.bin").open("wb") as file:
            file.truncate(size)
        told = client.post("/v1/recipes/validate", json=body(stages=[MODEL])).json()
        assert [problem["path"] for problem in told["problems"]] == ["stages.0.model"]


def test_only_who_may_write_recipes_has_them_checked(one_app: FastAPI) -> None:
    assert client_of(one_app, Role.VIEWER).post("/v1/recipes/validate", json=body()).status_code == 403


def test_preconditions_that_never_hold_are_refused(client: TestClient) -> None:
    for headers in ({"If-Match": "*"}, {"If-Match": "*", "If-None-Match": "*"}):
        assert client.put("/v1/recipes/web", json=body(), headers=headers).status_code == 412
    assert client.put("/v1/recipes/web", json=body()).status_code == 201
    both = client.put("/v1/recipes/web", json=body(), headers={"If-Match": "*", "If-None-Match": "*"})
    assert both.status_code == 412


@pytest.mark.parametrize(("field", "count"), [("sources", 1001), ("stages", 201)])
def test_recipes_have_bounds(client: TestClient, field: str, count: int) -> None:
    items = {"sources": {"name": "a", "uri": "raw/a"}, "stages": {"kind": "exact_dedup"}}
    told = client.post("/v1/recipes/validate", json=body(**{field: [items[field]] * count})).json()
    assert [problem["path"] for problem in told["problems"]] == [field]
