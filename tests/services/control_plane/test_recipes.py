"""Recipes over REST."""

from __future__ import annotations

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
    assert (made.status_code, made.headers["Location"], made.headers["ETag"]) == (201, "/v1/recipes/web", '"1"')
    assert made.json()["recipe"] == body()
    assert client.put("/v1/recipes/web", json=body(seed=1)).status_code == 409
    assert client.put("/v1/recipes/web", json=body(), headers={"If-None-Match": "*"}).status_code == 412
    assert client.put("/v1/recipes/web", json=body(seed=1), headers={"If-Match": '"7"'}).status_code == 412
    changed = client.put("/v1/recipes/web", json=body(seed=1), headers={"If-Match": '"1"'})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    old = client.get("/v1/recipes/web", params={"revision": 1})
    assert (old.json()["revision"], old.headers["ETag"]) == (1, '"2"')
    assert client.delete("/v1/recipes/web").status_code == 428
    assert client.delete("/v1/recipes/web", headers={"If-Match": '"1"'}).status_code == 412
    assert client.delete("/v1/recipes/web", headers={"If-Match": '"2"'}).status_code == 204
    assert client.get("/v1/recipes/web").status_code == 404


def test_revisions_are_paged_and_compared(client: TestClient) -> None:
    client.put("/v1/recipes/web", json=body())
    for revision in (1, 2):
        client.put("/v1/recipes/web", json=body(seed=revision), headers={"If-Match": f'"{revision}"'})
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
    stages = client.get("/v1/stages").json()
    assert [stage["kind"] for stage in stages] == list(stage_kinds())
    assert all(stage["summary"] and stage["json_schema"]["properties"] for stage in stages)
    one = client.get("/v1/stages/exact_dedup/schema").json()
    assert one["$schema"].startswith("https://json-schema.org/")
    assert client.get("/v1/stages/nothing/schema").status_code == 404
    assert "stages" in client.get("/v1/recipes/schema").json()["properties"]
