"""Jobs over REST."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from curation.pipeline import curate
from curation.recipe import validate_recipe
from curation.runner import open_runner
from services.control_plane.plane import Plane
from services.identity.principal import Role
from services.jobs.job import Ending, NewLogLine
from services.jobs.states import State
from tests.services.control_plane.conftest import client_of


def recipe(**fields: Any) -> dict[str, Any]:
    return {
        "name": "web",
        "output": "corpus",
        "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}],
        "stages": [{"kind": "exact_dedup"}],
        **fields,
    }


def plane_of(app: FastAPI) -> Plane:
    plane: Plane = app.state.plane
    return plane


def write_input(folder: Path, documents: int = 30) -> None:
    (folder / "raw").mkdir(exist_ok=True)
    lines = [json.dumps({"id": str(n), "text": f"document number {n // 2}, " * 20}) for n in range(documents)]
    (folder / "raw" / "a.jsonl").write_text("\n".join(lines))
    (folder / "raw" / "b.jsonl").write_text("\n".join(lines[:10]))


@pytest.fixture
def client(one_app: FastAPI) -> TestClient:
    return client_of(one_app, Role.OPERATOR)


def run(app: FastAPI) -> str:
    """Do what a runner does with the next job; its id."""
    jobs = plane_of(app).jobs
    claim = jobs.claim("test")
    assert claim is not None
    jobs.begin(claim.lease)
    with open_runner("local") as runner:
        outcome = curate(validate_recipe(claim.recipe), runner, run_id=f"{claim.lease.job_id}-{claim.generation}")
    jobs.permit(claim.lease, 1, "digest")
    ending = Ending(
        state=State.SUCCEEDED,
        version=outcome.version,
        published=outcome.published,
        documents_read=40,
        documents_kept=15,
    )
    jobs.finish(claim.lease, ending)
    return claim.lease.job_id


def test_a_job_is_submitted_once(app: FastAPI) -> None:
    client = client_of(app, Role.EDITOR)
    headers = {"Idempotency-Key": "one"}
    made = client.post("/v1/jobs", json={"recipe": recipe(), "labels": {"team": "x"}}, headers=headers)
    assert made.status_code == 201
    assert made.headers["Location"] == f"/v1/jobs/{made.json()['id']}"
    again = client.post("/v1/jobs", json={"recipe": recipe(), "labels": {"team": "x"}}, headers=headers)
    assert (again.status_code, again.json()["id"]) == (200, made.json()["id"])
    other = client.post("/v1/jobs", json={"recipe": recipe()}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:curation:problem:idempotency-key-reused")
    assert len(client.get("/v1/jobs").json()["items"]) == 1
    shown = client.get(made.headers["Location"]).json()
    assert (shown["state"], shown["corpus"], shown["labels"]) == ("QUEUED", "corpus", {"team": "x"})


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "ä"])
def test_an_idempotency_key_is_visible_ascii(client: TestClient, key: str) -> None:
    made = client.post("/v1/jobs", json={"recipe": recipe()}, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert made.status_code == 422


def test_lists_filter_and_page(client: TestClient) -> None:
    for number in range(5):
        body = {"recipe": recipe(name=f"r{number % 2}"), "labels": {"n": str(number)}}
        assert client.post("/v1/jobs", json=body).status_code == 201
    newest = client.get("/v1/jobs", params={"recipe": "r0", "page_size": 2}).json()
    rest = client.get("/v1/jobs", params={"recipe": "r0", "page_size": 2, "page": newest["next_page"]}).json()
    assert [job["labels"]["n"] for job in newest["items"] + rest["items"]] == ["4", "2", "0"]
    assert [job["labels"]["n"] for job in client.get("/v1/jobs", params={"label": "n=3"}).json()["items"]] == ["3"]
    assert client.get("/v1/jobs", params={"state": ["RUNNING", "HELD"]}).json()["items"] == []
    assert len(client.get("/v1/jobs", params={"created_after": "2020-01-01T00:00:00Z"}).json()["items"]) == 5
    assert client.get("/v1/jobs", params={"created_before": "2020-01-01T00:00:00Z"}).json()["items"] == []
    assert client.get("/v1/jobs", params={"finished_after": "2020-01-01T00:00:00Z"}).json()["items"] == []
    assert client.get("/v1/jobs", params={"finished_before": "2100-01-01T00:00:00Z"}).json()["items"] == []
    for wrong in ({"label": "n"}, {"label": "N=1"}, {"state": "DONE"}, {"created_after": "2020-01-01T00:00:00"}):
        assert client.get("/v1/jobs", params=wrong).status_code == 422


def test_jobs_are_steered(client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"recipe": recipe()}).json()["id"]

    def ask(verb: str, **body: Any) -> str:
        answer = client.post(f"/v1/jobs/{job}/{verb}", json=body) if body else client.post(f"/v1/jobs/{job}/{verb}")
        return str(answer.json().get("state") or answer.json()["type"].rpartition(":")[2])

    asked = [ask("pause"), ask("resume"), ask("approve"), ask("cancel", force=True), ask("resume")]
    assert asked == ["PAUSED", "QUEUED", "illegal-state", "CANCELLED", "illegal-state"]
    assert [ask("retry", start="beginning"), ask("cancel"), ask("discard")] == ["QUEUED", "CANCELLED", "illegal-state"]
    assert client.delete(f"/v1/jobs/{job}").status_code == 204
    assert client.get(f"/v1/jobs/{job}").status_code == 404


def test_an_editor_may_not_force(one_app: FastAPI) -> None:
    client = client_of(one_app, Role.EDITOR)
    job = client.post("/v1/jobs", json={"recipe": recipe()}).json()["id"]
    assert client.post(f"/v1/jobs/{job}/cancel", json={"force": True}).status_code == 403
    assert client.post(f"/v1/jobs/{job}/cancel", json={"force": False}).json()["state"] == "CANCELLED"


def test_a_dry_run_says_what_would_be_read(one_app: FastAPI, tmp_path: Path) -> None:
    client = client_of(one_app, Role.OPERATOR)
    write_input(tmp_path)
    before = client.post("/v1/jobs/estimate", json={"recipe": recipe()})
    assert before.status_code == 200
    told = before.json()
    size = sum(path.stat().st_size for path in (tmp_path / "raw").iterdir())
    assert (told["files"], told["input_bytes"], told["basis"]) == (2, size, "documented_rate")
    assert [file["uri"] for file in told["items"]] == [str(tmp_path / "raw" / name) for name in ("a.jsonl", "b.jsonl")]
    assert (told["newest_version"], told["is_nothing_new"]) == (0, False)
    assert client.get("/v1/jobs").json()["items"] == []
    assert client.get("/v1/corpora").json()["items"] == []

    client.post("/v1/jobs", json={"recipe": recipe()})
    job = run(one_app)
    after = client.post("/v1/jobs/estimate", json={"recipe": recipe()}).json()
    assert (after["newest_version"], after["is_nothing_new"], after["basis"]) == (1, True, "earlier_jobs")
    assert after["documents"]["low"] <= 40 <= after["documents"]["high"]
    assert 0 < after["output_bytes"]["low"] < after["output_bytes"]["high"]
    report = client.get(f"/v1/jobs/{job}/report").json()
    assert (report["documents_read"], report["version"], report["is_draft"]) == (40, 1, False)
    (reason,) = [found["reason"] for found in report["reasons"]]
    samples = client.get(f"/v1/jobs/{job}/report/reasons/{reason}/samples", params={"limit": 3}).json()
    assert len(samples["samples"]) == 3


def test_the_estimate_of_a_refresh_counts_what_is_new(client: TestClient, one_app: FastAPI, tmp_path: Path) -> None:
    def estimated(**fields: Any) -> Any:
        body = {"recipe": recipe(), "mode": "refresh", **fields}
        return client.post("/v1/jobs/estimate", json=body)

    write_input(tmp_path)
    first = estimated().json()
    assert (first["files"], first["compared"], first["is_nothing_new"]) == (2, None, False)
    client.post("/v1/jobs", json={"recipe": recipe()})
    run(one_app)
    assert estimated().json()["is_nothing_new"]
    (tmp_path / "raw" / "c.jsonl").write_text('{"id": "c", "text": "another document"}\n')
    (tmp_path / "raw" / "b.jsonl").unlink()
    found = estimated().json()
    assert found["compared"] == {"unchanged": 1, "new": 1, "changed": 0, "vanished": 1}
    assert (found["files"], found["shards"], found["is_nothing_new"]) == (1, 1, False)
    assert [file["uri"] for file in found["items"]] == [str(tmp_path / "raw/c.jsonl")]
    other = recipe(stages=[{"kind": "gopher_quality"}, {"kind": "exact_dedup"}])
    refused = estimated(recipe=other)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:curation:problem:redo-needed")
    assert [error["path"] for error in refused.json()["errors"]]
    assert estimated(recipe=other, redo=True).json()["files"] == 2


def test_a_dry_run_of_nothing(client: TestClient) -> None:
    nothing = client.post("/v1/jobs/estimate", json={"recipe": recipe()})
    assert (nothing.status_code, nothing.json()["type"]) == (422, "urn:curation:problem:input")


def test_another_projects_jobs_are_not_found(one_app: FastAPI, client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"recipe": recipe()}).json()["id"]
    plane_of(one_app).projects.create("other", [], "test")
    stranger = client_of(one_app, Role.ADMIN, "other")
    for path in ("", "/recipe", "/report", "/logs", "/events", "/events/history"):
        assert stranger.get(f"/v1/jobs/{job}{path}").status_code == 404
    for verb in ("cancel", "pause", "resume", "retry", "approve", "discard"):
        assert stranger.post(f"/v1/jobs/{job}/{verb}").status_code == 404
    assert stranger.delete(f"/v1/jobs/{job}").status_code == 404
    assert stranger.get("/v1/jobs").json()["items"] == []


def test_logs_and_events_are_read_on(one_app: FastAPI, client: TestClient) -> None:
    job = client.post("/v1/jobs", json={"recipe": recipe()}).json()["id"]
    plane = plane_of(one_app)
    lines = [
        NewLogLine(at=plane.database.now(), level=level, logger="test", message=f"{level} of the test")
        for level in ("INFO", "WARNING", "INFO", "ERROR")
    ]
    plane.jobs.log(job, lines)
    first = client.get(f"/v1/jobs/{job}/logs", params={"page_size": 3}).json()
    rest = client.get(f"/v1/jobs/{job}/logs", params={"page_size": 3, "page": first["next_page"]}).json()
    assert [line["sequence"] for line in first["items"] + rest["items"]] == [1, 2, 3, 4]
    behind = client.get(f"/v1/jobs/{job}/logs", params={"after": 1, "level": "WARNING"}).json()["items"]
    assert [line["level"] for line in behind] == ["WARNING", "ERROR"]
    history = client.get(f"/v1/jobs/{job}/events/history").json()["items"]
    assert [event["sequence"] for event in history] == list(range(1, len(history) + 1))
    assert history[-1]["data"]["state"] == "QUEUED"


def test_a_replay_gives_the_job_whatever_became_of_its_recipe(client: TestClient) -> None:
    made = client.put("/v1/recipes/web", json=recipe())
    asked: dict[str, Any] = {"json": {"recipe_name": "web"}, "headers": {"Idempotency-Key": "one"}}
    job = client.post("/v1/jobs", **asked).json()["id"]
    assert client.delete("/v1/recipes/web", headers={"If-Match": made.headers["ETag"]}).status_code == 204
    again = client.post("/v1/jobs", **asked)
    assert (again.status_code, again.json()["id"]) == (200, job)
    assert client.post("/v1/jobs", json={"recipe_name": "web"}).status_code == 422
    other = client.post("/v1/jobs", json={"recipe_name": "other"}, headers=asked["headers"])
    assert other.json()["type"] == "urn:curation:problem:idempotency-key-reused"


def test_two_values_of_one_label_are_refused(client: TestClient) -> None:
    assert client.get("/v1/jobs", params={"label": ["team=a", "team=b"]}).status_code == 422
    assert client.get("/v1/jobs", params={"label": ["team=a", "team=a"]}).status_code == 200


def test_input_comes_in_pages(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir(exist_ok=True)
    for number in range(5):
        (tmp_path / f"raw/{number}.jsonl").write_text('{"text": "a document"}\n')
    found: list[str] = []
    page = None
    while True:
        parameters = {"page_size": 2} | ({} if page is None else {"page": page})
        told = client.post("/v1/jobs/estimate", params=parameters, json={"recipe": recipe()}).json()
        found += [file["uri"].rpartition("/")[2] for file in told["items"]]
        if (page := told["next_page"]) is None:
            break
    assert found == [f"{number}.jsonl" for number in range(5)]


def test_addresses_are_taken_as_they_are(client: TestClient) -> None:
    assert client.get("/v1/jobs/", follow_redirects=False).status_code == 404


def test_cancelling_a_held_job_is_an_operators(one_app: FastAPI) -> None:
    plane: Plane = one_app.state.plane
    job = client_of(one_app).post("/v1/jobs", json={"recipe": recipe(), "hold": True}).json()["id"]
    claim = plane.jobs.claim("test")
    assert claim is not None
    plane.jobs.begin(claim.lease)
    plane.jobs.finish(claim.lease, Ending(state=State.HELD, reason="held", held_digest="0" * 64))
    assert client_of(one_app, Role.EDITOR).post(f"/v1/jobs/{job}/cancel").status_code == 403
    assert client_of(one_app, Role.OPERATOR).post(f"/v1/jobs/{job}/cancel").json()["state"] == "CANCELLED"
