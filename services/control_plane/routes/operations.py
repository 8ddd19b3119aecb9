"""Health, readiness, metrics, and who runs: what operators and their machines ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, cast

import anyio
from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ConfigDict

from services.control_plane.conventions import problems
from services.control_plane.plane import ThePlane
from services.control_plane.security import BEARER, ProjectHeader, allow
from services.database.presence import present
from services.health import SEEN_WITHIN_S, Component, Health, Readiness, look
from services.identity.principal import Permission, Principal
from services.metrics import CONTENT_TYPE, Metrics

router = APIRouter(tags=["operations"])

READY_WITHIN_S = 5.0
"""A database that says nothing for so long is down, whatever it is doing."""
LOOKS_AT_ONCE = 2
"""How many threads may wait for such a database."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class Alive(_Model):
    """This process answers."""

    version: str


class RunningProcess(_Model):
    """A process of the installation."""

    id: str
    role: str
    """api, scheduler or runner."""
    name: str
    version: str
    started: datetime
    seen: datetime
    """When it last said that it is there."""


class Status(_Model):
    """What runs here."""

    version: str
    """Of the process that answers."""
    database: str
    """sqlite or postgresql."""
    at: datetime
    """The database's clock."""
    processes: tuple[RunningProcess, ...]
    """All that were seen in the last minute, oldest first."""


@router.get("/livez", operation_id="get_liveness", summary="Is the process alive?")
async def get_liveness() -> Alive:
    """Answers as long as the process's event loop turns; asks nobody else. Needs no key."""
    return Alive(version=version("curation"))


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Can requests be answered?",
    responses={503: {"model": Readiness, "description": "Requests cannot be answered: the components say why."}},
)
async def get_readiness(plane: ThePlane, request: Request, response: Response) -> Readiness:
    """503 where the database, its schema or the secret key is missing: what this process needs to answer. A scheduler
    or runner that is missing is `degraded`, with 200: jobs can still be submitted, and wait. Needs no key."""
    readiness = Readiness(state=Health.DOWN, components={"database": _SILENT})
    with anyio.move_on_after(READY_WITHIN_S):
        readiness = await to_thread.run_sync(
            look, plane.database, plane.settings, abandon_on_cancel=True, limiter=_limiter(request)
        )
    if readiness.state is Health.DOWN:
        response.status_code = 503
    return readiness


_SILENT = Component(state=Health.DOWN, detail=f"the database said nothing for {READY_WITHIN_S:.0f} s")


def _limiter(request: Request) -> CapacityLimiter:
    state = request.app.state
    if not hasattr(state, "readiness_limiter"):
        state.readiness_limiter = CapacityLimiter(LOOKS_AT_ONCE)
    limiter: CapacityLimiter = state.readiness_limiter
    return limiter


@router.get(
    "/v1/status",
    operation_id="get_status",
    summary="Which processes run?",
    responses=problems(),
    dependencies=[allow(Permission.METRICS_READ)],
)
def get_status(plane: ThePlane) -> Status:
    """The installation's processes and their versions, as they were seen in the last minute."""
    seen = present(plane.database, SEEN_WITHIN_S)
    fields = RunningProcess.model_fields
    return Status(
        version=version("curation"),
        database=plane.database.engine.dialect.name,
        at=plane.database.now(),
        processes=tuple(RunningProcess(**{name: getattr(process, name) for name in fields}) for process in seen),
    )


async def _reader(
    request: Request,
    plane: ThePlane,
    key: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
    project: ProjectHeader = None,
) -> Principal | None:
    """Who asks; None where nobody needs to say."""
    if plane.settings.metrics_public:
        return None
    allowed = cast(Callable[..., Awaitable[Principal]], allow(Permission.METRICS_READ).dependency)
    return await allowed(request, key, project)


class MetricsText(Response):
    """Prometheus' text format."""

    media_type = CONTENT_TYPE


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Metrics for Prometheus",
    response_class=MetricsText,
    responses=problems(),
)
def get_metrics(request: Request, who: Annotated[Principal | None, Depends(_reader)]) -> MetricsText:
    """Counters and gauges in Prometheus' text format. A key sees its project's series; one of an installation's admin
    sees all. Without a key where the settings say `metrics_public`."""
    metrics: Metrics = request.app.state.metrics
    project = None if who is None or who.is_installation_admin else who.project
    return MetricsText(metrics.render(project))
