"""The dashboard's place in the API's application."""

from __future__ import annotations

import os
from collections.abc import Mapping

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from services.control_plane.plane import Plane
from services.dashboard.pages import STATIC
from services.dashboard.routes import ROUTERS
from services.dashboard.session import ROOT, Seals, SessionGuard

FOR_EVER = "public, max-age=31536000, immutable"
"""Of files whose addresses change with their content."""


def add_dashboard(app: FastAPI) -> None:
    """Serve the pages below `/ui`, and lead whoever asks for `/` there."""
    plane: Plane = app.state.plane
    app.state.seals = Seals(plane.settings.secret_key())
    app.mount(f"{ROOT}/static", _Static(directory=STATIC))
    for router in ROUTERS:
        app.include_router(router)
    app.add_api_route("/", _to_pages, include_in_schema=False)
    app.add_api_route(ROOT, _to_pages, include_in_schema=False)
    app.user_middleware.append(Middleware(SessionGuard))  # the innermost one: an answer has the API's headers


async def _to_pages() -> Response:
    return RedirectResponse(f"{ROOT}/", 307)


class _Static(StaticFiles):
    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        headers: Mapping[str, str] = {"Cache-Control": FOR_EVER} if b"v=" in scope["query_string"] else {}
        response.headers.update(headers)
        return response
