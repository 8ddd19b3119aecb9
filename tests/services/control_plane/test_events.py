"""Live events: every one once and in order, however the stream is taken up, and at no cost for who does not look."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from services.control_plane.plane import Plane
from services.database.tables import job_events
from services.identity.keys import NewKey
from services.identity.principal import Principal, Role
from services.jobs.job import Ending, Submission
from services.jobs.states import State
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import client_of, key_of, migrated_app

RECIPE = {"name": "web", "output": "corpus", "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}]}


class Served:
    """The API behind a real server on this machine."""

    def __init__(self, app: FastAPI, port: int) -> None:
        self.app = app
        self.plane: Plane = app.state.plane
        self.project_id = self.plane.projects.ensure_default().id
        self.http = httpx2.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {key_of(self.plane, self.project_id)}"},
            timeout=20,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None),
        )

    def submit(self, name: str = "web") -> str:
        submission = Submission(recipe={**RECIPE, "name": name, "output": name})
        new = self.plane.intake.prepare(self.project_id, submission, by="test")
        return self.plane.jobs.submit(self.project_id, new, "test")[0].id

    def finish(self) -> None:
        claim = self.plane.jobs.claim("test")
        assert claim is not None
        self.plane.jobs.begin(claim.lease)
        self.plane.jobs.finish(claim.lease, Ending(state=State.FAILED, reason="test"))

    def stream(self, job_id: str, **headers: str) -> list[tuple[int, str]]:
        """All of a stream until it ends: each event's sequence and, where it is one, its state."""
        with self.http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as response:
            assert response.status_code in (200, 204), response.read()
            data = [
                json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line.startswith("data: ")
            ]
        return [(event["sequence"], event["data"].get("state", "")) for event in data]


@contextmanager
def served(folder: Path, **changes: Any) -> Iterator[Served]:
    app = migrated_app(make_settings(folder, requests_per_minute=10**6, **changes))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="on", timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        made = Served(app, listening.getsockname()[1])
        try:
            assert made.http.get("/livez").status_code == 200
            yield made
        finally:
            app.state.events.stop()
            made.http.close()
            server.should_exit = True
            thread.join(20)
            assert not thread.is_alive()


def test_a_stream_tells_everything_up_to_the_end(tmp_path: Path) -> None:
    with served(tmp_path) as api, ThreadPoolExecutor() as pool:
        job = api.submit()
        following = [pool.submit(api.stream, job) for _ in range(3)]
        time.sleep(1)
        api.finish()
        first, *others = [future.result(20) for future in following]
        assert [sequence for sequence, _ in first] == list(range(1, len(first) + 1))
        assert [state for _, state in first if state] == ["QUEUED", "STARTING", "RUNNING", "FAILED"]
        assert others == [first, first]
        assert api.stream(job, **{"Last-Event-ID": "2"}) == first[2:]
        assert api.http.get(f"/v1/jobs/{job}/events", params={"after": first[-1][0]}).status_code == 204
        assert api.app.state.events.count == 0


def test_a_retried_job_goes_on(tmp_path: Path) -> None:
    with served(tmp_path) as api, ThreadPoolExecutor() as pool:
        job = api.submit()
        api.finish()
        api.plane.jobs.retry(api.project_id, job, "test")
        following = pool.submit(api.stream, job)
        time.sleep(1)
        api.finish()
        states = [state for _, state in following.result(20) if state]
        assert states == ["QUEUED", "STARTING", "RUNNING", "FAILED"] * 2


def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    with served(tmp_path) as api, ThreadPoolExecutor() as pool:
        following = [pool.submit(api.stream, api.submit(f"web{number}")) for number in range(3)]
        while api.app.state.events.count < 3:
            time.sleep(0.05)
        api.app.state.events.stop()
        assert all(len(future.result(5)) >= 1 for future in following)


def test_there_are_only_so_many(tmp_path: Path) -> None:
    with served(tmp_path, max_event_streams=1) as api, ThreadPoolExecutor() as pool:
        job = api.submit()
        following = pool.submit(api.stream, job)
        while api.app.state.events.count < 1:
            time.sleep(0.05)
        refused = api.http.get(f"/v1/jobs/{job}/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "30")
        api.plane.jobs.cancel(api.project_id, job, "test")
        following.result(10)
        assert api.http.get(f"/v1/jobs/{job}/events").status_code == 200


def test_two_hundred_streams_take_few_threads(tmp_path: Path) -> None:
    with served(tmp_path) as api, ThreadPoolExecutor(200) as pool:
        jobs = [api.submit(f"web{number}") for number in range(4)]
        before = threading.active_count()
        following = [pool.submit(api.stream, jobs[number % 4]) for number in range(200)]
        while api.app.state.events.count < 200:
            time.sleep(0.05)
        assert threading.active_count() - before - 200 <= 41  # the followers' own, and the server's pool
        for _ in jobs:
            api.finish()
        told = [future.result(30) for future in following]
        assert all([state for _, state in events if state][-1] == "FAILED" for events in told)
        assert all([sequence for sequence, _ in events] == list(range(1, len(events) + 1)) for events in told)


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "99999999999", ""])
def test_a_garbled_event_id_is_refused(one_app: FastAPI, last: str) -> None:
    client = client_of(one_app)
    job = client.post("/v1/jobs", json={"recipe": RECIPE}).json()["id"]
    assert client.get(f"/v1/jobs/{job}/events", headers={"Last-Event-ID": last}).status_code == 422


def test_streams_end_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.control_plane.events.KEYS_S", 0.5)
    with served(tmp_path) as api, ThreadPoolExecutor() as pool:
        job = api.submit()
        key, text = api.plane.keys.create(api.project_id, NewKey(name="k", role=Role.VIEWER), "test")
        mine = pool.submit(api.stream, job)
        theirs = pool.submit(api.stream, job, Authorization=f"Bearer {text}")
        while api.app.state.events.count < 2:
            time.sleep(0.05)
        api.plane.keys.revoke(api.plane.keys.authenticate(api.http.headers["Authorization"][7:]), key.id)
        assert len(theirs.result(10)) >= 1
        assert not mine.done()
        api.finish()
        assert mine.result(10)[-1][1] == "FAILED"


def test_streams_end_with_the_token(tmp_path: Path) -> None:
    """A principal whose token ends in a second."""

    async def followed() -> int:
        app = migrated_app(make_settings(tmp_path))
        plane: Plane = app.state.plane
        project = plane.projects.ensure_default()
        new = plane.intake.prepare(project.id, Submission(recipe=RECIPE), by="test")
        job, _ = plane.jobs.submit(project.id, new, "test")
        who = Principal(
            name="oidc:x", project_id=project.id, project="default", role=Role.VIEWER, expires=time.time() + 1
        )
        stream = app.state.events.open(job, who, 0, plane.jobs.events(project.id, job.id))
        async with asyncio.timeout(10):
            seen = [part async for part in stream.body_iterator]
        plane.close()
        return len(seen)

    assert asyncio.run(followed()) >= 2


def test_nobody_has_all_streams(tmp_path: Path) -> None:
    with served(tmp_path, max_event_streams_per_key=1) as api, ThreadPoolExecutor() as pool:
        job = api.submit()
        following = pool.submit(api.stream, job)
        while api.app.state.events.count < 1:
            time.sleep(0.05)
        refused = api.http.get(f"/v1/jobs/{job}/events")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "30")
        api.finish()
        following.result(10)


def test_what_was_trimmed_says_where_to_go_on(one_app: FastAPI) -> None:
    client = client_of(one_app)
    job = client.post("/v1/jobs", json={"recipe": RECIPE}).json()["id"]
    newest = client.get(f"/v1/jobs/{job}/events/history").json()["items"][-1]["sequence"]
    with one_app.state.plane.database.transaction() as connection:
        connection.execute(job_events.delete())
    gone = client.get(f"/v1/jobs/{job}/events/history")
    assert (gone.status_code, gone.json()["after"]) == (410, newest)
