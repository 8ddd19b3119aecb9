"""Logging in and out, and addresses where there is nothing."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from services.control_plane.plane import ThePlane
from services.control_plane.security import address_of
from services.dashboard.pages import Form, go, new_router, page
from services.dashboard.session import LOGIN, MAX_NEXT, ROOT, forget, keep, log_in
from services.errors import NotFound, ServiceError, Unauthorized
from services.identity.audit import Entry

router, last = new_router(), new_router()

Next = Annotated[str, Query(alias="next", max_length=MAX_NEXT)]


@router.get("/login")
async def show_login(request: Request, after: Next = "") -> Response:
    """Ask for a key."""
    return page(request, "login.html", title="Log in", after=_within(after), problem="")


@router.post("/login")
async def do_login(request: Request, plane: ThePlane, form: Form) -> Response:
    """Open a session for whoever shows a key; it is in the audit log, as is who could not."""
    after = _within(form.get("next", ""))
    try:
        who, session = await log_in(request, form.get("key", "").strip())
    except ServiceError as error:
        if isinstance(error, Unauthorized):
            await run_in_threadpool(plane.audit.append, _entry(request, "anonymous", None, error.status))
            said = "This is no key that is valid now."
        else:
            said = error.detail
        return page(request, "login.html", title="Log in", after=after, problem=said, status=error.status)
    await run_in_threadpool(plane.audit.append, _entry(request, who.name, who.project_id, 303))
    response = go(request, after)
    keep(request, response, session)
    return response


@router.post("/logout")
async def log_out(request: Request, _form: Form) -> Response:
    """Forget the session."""
    response = go(request, LOGIN)
    forget(request, response)
    return response


@last.get("/{path:path}")
async def nothing(path: str) -> Response:
    """There is nothing here."""
    raise NotFound(f"there is no page {ROOT}/{path}")


def _within(address: str) -> str:
    """An address of the dashboard, whatever was asked for."""
    is_ours = address.startswith(f"{ROOT}/") and address.isprintable() and "\\" not in address
    return address if is_ours else f"{ROOT}/"


def _entry(request: Request, name: str, project_id: str | None, status: int) -> Entry:
    return Entry(
        principal=name,
        project_id=project_id,
        action="dashboard_login",
        target=LOGIN,
        detail={"method": "POST", "status": status, "address": address_of(request)},
        request_id=request.state.request_id,
    )
