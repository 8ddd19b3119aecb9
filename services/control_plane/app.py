"""The API's application: every route over one plane, and what stands between them and the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from importlib.metadata import version
from typing import Any

from anyio import CancelScope
from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from services import telemetry
from services.control_plane import openapi
from services.control_plane.events import EventStreams
from services.control_plane.limits import Addressed, BodyLimit
from services.control_plane.observed import Observed
from services.control_plane.plane import Plane, open_plane
from services.control_plane.problems import Caught, add_problem_handlers
from services.control_plane.routes import (
    corpora,
    documents,
    identity,
    jobs,
    operations,
    recipes,
    schedules,
    takedowns,
    upkeep,
    versions,
    webhooks,
    whatif,
)
from services.control_plane.security import Guard
from services.control_plane.slow import SlowWork
from services.database.migrate import check
from services.database.presence import Presence
from services.metrics import Metrics
from services.settings import Settings, load_settings

logger = logging.getLogger(__name__)

BEAT_S = 10.0
ROUTERS = (
    *(jobs.router, whatif.previews, recipes.router, corpora.router, versions.router, whatif.router, documents.router),
    *(upkeep.router, takedowns.router, schedules.router, webhooks.router, identity.router, operations.router),
)


class Api(FastAPI):
    """The application; its document says of errors what they are, which the framework by itself does not."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = openapi.completed(super().openapi())
        return self.openapi_schema


def create_app(settings: Settings | None = None) -> FastAPI:
    """The API over the settings' database. Raises SettingsError, also where its schema is not the one that this version
    works with."""
    plane = open_plane(settings or load_settings())
    try:
        check(plane.database)
        return app_over(plane)
    except BaseException:
        plane.close()
        raise


def app_over(plane: Plane) -> FastAPI:
    """The API over a plane, which it closes at its end. Nothing is asked of the database yet.

    `state.events` are the event streams: a server that stops calls their `stop()` first, or waits for them in vain.
    """
    app = Api(
        title=openapi.TITLE,
        version=version("curation"),
        description=openapi.DESCRIPTION,
        openapi_tags=openapi.TAGS,
        servers=[{"url": "/"}],
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
    )
    app.state.plane = plane
    app.state.metrics = Metrics(plane.database, plane.settings)
    app.state.slow = SlowWork(plane.settings)
    app.state.events = EventStreams(plane.jobs, plane.keys, plane.settings)
    for router in ROUTERS:
        app.include_router(router)
    add_problem_handlers(app)
    # The last one added is the outermost.
    app.add_middleware(Caught)
    app.add_middleware(BodyLimit, limit_bytes=plane.settings.body_limit_bytes)
    app.add_middleware(Guard)
    app.add_middleware(Addressed)
    app.add_middleware(Observed, metrics=app.state.metrics)
    # Instrumentation takes effect when the middleware is put together, which is before the lifespan begins.
    app.state.finish_traces = telemetry.set_up(plane.settings, "api", app=app, engine=plane.database.engine)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    plane: Plane = app.state.plane
    events: EventStreams = app.state.events
    presence = Presence(plane.database, "api", plane.settings.runner_name)
    try:
        async with _beside(_beat(presence, events)), _beside(events.run()):
            yield
            events.stop()
    finally:
        with suppress(SQLAlchemyError):  # its row is forgotten by itself
            await run_in_threadpool(presence.leave)
        await run_in_threadpool(app.state.finish_traces)
        plane.close()


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Go on with this work meanwhile. At the end it is cancelled and waited for, also for what it does in a thread."""
    scope = CancelScope()

    async def run() -> None:
        with scope:
            await work

    task = asyncio.create_task(run())
    try:
        yield
    finally:
        scope.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _beat(presence: Presence, events: EventStreams) -> None:
    while True:
        try:
            await run_in_threadpool(presence.beat, {"event_streams": events.count})
        except SQLAlchemyError:
            logger.exception("the database does not answer; this process goes on trying to say that it is there")
        await asyncio.sleep(BEAT_S)
