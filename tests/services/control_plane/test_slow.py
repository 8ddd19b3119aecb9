"""Slow requests: whoever sends many, others are answered."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from httpx2 import ASGITransport, AsyncClient, Response

from services.control_plane.app import ROUTERS
from services.control_plane.plane import Plane
from services.control_plane.routes import versions
from services.control_plane.slow import SLOW, SlowWork
from services.errors import TooManyRequests, Unavailable
from services.identity.principal import Role
from tests.services.conftest import make_settings
from tests.services.control_plane.conftest import key_of

OF_EACH = 2


def test_nobody_has_more_than_their_places(tmp_path: Path) -> None:
    async def asked() -> None:
        work = SlowWork(make_settings(tmp_path, slow_requests=4, slow_requests_per_key=OF_EACH))
        async with work.place("a"), work.place("a"):
            with pytest.raises(TooManyRequests) as refused:
                async with work.place("a"):
                    pass
            assert refused.value.headers["Retry-After"] == "1"
            async with work.place("b"):
                pass
        async with work.place("a"), work.place("a"):
            pass

    asyncio.run(asked())


def test_whoever_waits_too_long_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.control_plane.slow.WAIT_S", 0.05)

    async def asked() -> None:
        work = SlowWork(make_settings(tmp_path, slow_requests=1))
        async with work.place("a"):
            with pytest.raises(Unavailable):
                async with work.place("b"):
                    pass
        async with work.place("b"):
            pass

    asyncio.run(asked())


def test_slow_requests_leave_the_others_alone(one_app: FastAPI, tmp_path: Path) -> None:
    """60 slow requests of one editor: others are answered meanwhile."""
    plane: Plane = one_app.state.plane
    project = plane.projects.ensure_default().id
    editor = {"Authorization": f"Bearer {key_of(plane, project, Role.EDITOR)}"}
    viewer = {"Authorization": f"Bearer {key_of(plane, project, Role.VIEWER)}"}
    release = threading.Event()
    entered = threading.Semaphore(0)

    def wait() -> None:
        entered.release()
        assert release.wait(20)

    @one_app.get("/v1/test-slow", dependencies=[SLOW])
    def slow() -> None:
        wait()

    async def asked() -> list[Response]:
        transport = ASGITransport(one_app)
        async with AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            many = [asyncio.create_task(client.get("/v1/test-slow", headers=editor)) for _ in range(60)]
            try:
                for _ in range(one_app.state.plane.settings.slow_requests_per_key):
                    await asyncio.to_thread(entered.acquire)
                async with asyncio.timeout(10):
                    assert (await client.get("/v1/me", headers=viewer)).status_code == 200
                    assert (await client.get("/v1/jobs", headers=viewer)).status_code == 200
            finally:
                release.set()
            return await asyncio.gather(*many)

    statuses = [answer.status_code for answer in asyncio.run(asked())]
    assert sorted(set(statuses)) == [200, 429]
    assert statuses.count(200) == plane.settings.slow_requests_per_key


def test_what_is_slow_says_so() -> None:
    routers = [*ROUTERS, versions.version_router]
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    slow = {route.operation_id for route in routes if SLOW in route.dependencies}
    assert slow >= {
        "create_webhook",
        "estimate_job",
        "explain_document",
        "get_curve",
        "get_histogram",
        "get_statistics",
        "get_sweep",
        "get_what_if",
        "preview_recipe",
        "put_recipe",
        "register_corpus",
        "update_webhook",
        "validate_recipe",
        "verify_audit",
    }
