"""How every page is made: its frame, what it may load, how its tables are exported, and what it says when it fails."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

from curation.errors import CurationError
from services.dashboard import text
from services.dashboard.calls import RefusedError
from services.dashboard.session import ROOT, csrf_of, is_part, is_secure, seals_of
from services.dashboard.tables import Table, export
from services.dashboard.vendor import missing
from services.errors import ServiceError
from services.identity.principal import Permission, Principal

STATIC = Path(__file__).parent / "static"
CSP = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
SAID = "curation-said"
"""The cookie of what the last action has to say, shown once."""
SECTIONS = (
    ("Overview", f"{ROOT}/"),
    ("Jobs", f"{ROOT}/jobs"),
    ("Corpora", f"{ROOT}/corpora"),
    ("Recipes", f"{ROOT}/recipes"),
    ("Schedules", f"{ROOT}/schedules"),
)
CORPUS_SECTIONS = (
    ("Versions", ""),
    ("Funnel", "funnel"),
    ("Mixture", "mixture"),
    ("Diff", "diff"),
    ("Duplicates", "duplicates"),
    ("Explain", "explain"),
    ("What-if", "what-if"),
    ("Contamination", "contamination"),
    ("Privacy", "privacy"),
)


class PageRoute(APIRoute):
    """A route whose errors are pages, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except RefusedError as error:
                return problem_page(request, error.problem)
            except (ServiceError, CurationError, RequestValidationError, HTTPException, SQLAlchemyError) as error:
                return problem_page(request, await _problem(request, error))

        return handled


def new_router() -> APIRouter:
    """A router of pages, which the API's document does not list."""
    return APIRouter(prefix=ROOT, route_class=PageRoute, include_in_schema=False)


async def _who(request: Request) -> Principal:
    who: Principal = request.state.principal
    return who


def allow(permission: Permission) -> Any:
    """The dependency that lets in who may see a page: `Annotated[Principal, allow(…)]`."""

    async def allowed(request: Request) -> Principal:
        who = await _who(request)
        who.require(permission)
        return who

    return Depends(allowed)


async def _form(request: Request) -> Mapping[str, str]:
    form: Mapping[str, str] = request.state.form
    return form


Form = Annotated[Mapping[str, str], Depends(_form)]
"""The fields that were sent; of several of one name the last."""


def page(
    request: Request,
    template: str,
    tables: Sequence[Table] = (),
    *,
    title: str,
    section: str = "",
    corpus: str | None = None,
    version: str | None = None,
    status: int = 200,
    **values: Any,
) -> Response:
    """A page, or with `?table=NAME&export=csv` the table of that name. In the template `tables` are the tables by name.

    `section` is its entry in the navigation; `corpus` and `version` are what it is about, and what links carry on.
    """
    by_name = {table.name: table for table in tables}
    asked, how = request.query_params.get("table"), request.query_params.get("export")
    if how in {"csv", "json"} and asked in by_name:
        return export(by_name[asked], how)
    who: Principal | None = getattr(request.state, "principal", None)
    said = seals_of(request).open(SAID, request.cookies.get(SAID, ""))
    found = _environment().get_template(template)
    body = found.render(
        request=request,
        title=title,
        section=section,
        corpus=corpus,
        version=version,
        tables=by_name,
        who=who,
        may=who.may if who is not None else lambda _: False,
        csrf=csrf_of(request),
        said=said,
        missing=missing(),
        **values,
    )
    headers = {"Content-Security-Policy": CSP, "X-Robots-Tag": "noindex"}
    response = Response(body.encode("utf-8", "backslashreplace"), status, headers, "text/html; charset=utf-8")
    if said is not None:
        response.delete_cookie(SAID, path=ROOT)
    return response


def go(request: Request, address: str, said: str = "") -> Response:
    """To another page after something was done, which it says there."""
    if is_part(request):
        response = Response(status_code=204, headers={"HX-Redirect": address})
    else:
        response = RedirectResponse(address, 303)
    if said:
        response.set_cookie(
            SAID,
            seals_of(request).seal(SAID, said),
            max_age=60,
            path=ROOT,
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )
    return response


def problem_page(request: Request, problem: Mapping[str, Any]) -> Response:
    """The page that says what went wrong."""
    return page(request, "problem.html", title=str(problem["title"]), status=int(problem["status"]), problem=problem)


async def _problem(request: Request, error: Exception) -> Mapping[str, Any]:
    """What the API would answer. A defect of ours is raised again: it is for `Caught`."""
    handlers = request.app.exception_handlers
    handler = next((handlers[kind] for kind in type(error).__mro__ if kind in handlers), None)
    if handler is None:
        raise error
    made: dict[str, Any] = json.loads(handler(request, error).body)
    return made


# ------------------------------------------------------------------------ templates


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("services.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "visible": text.visible,
        "one_line": text.one_line,
        "count": text.count,
        "size": text.size,
        "share": text.share,
        "number": text.number,
        "duration": text.duration,
        "time_of": text.time_of,
        "ago": text.ago,
        "segment": segment,
    }
    made.globals |= {
        "asset": asset,
        "integrity": integrity,
        "with_query": with_query,
        "ROOT": ROOT,
        "SECTIONS": SECTIONS,
        "CORPUS_SECTIONS": CORPUS_SECTIONS,
        "Permission": Permission,
    }
    return made


def segment(value: object) -> str:
    """A value as one part of a path."""
    return quote(str(value), safe="")


def with_query(request: Request, **changes: object) -> str:
    """This page's address with some of its query changed; None leaves a parameter out."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in changes]
    query = urlencode([*kept, *((name, str(value)) for name, value in changes.items() if value is not None)])
    return f"{request.url.path}?{query}" if query else request.url.path


@cache
def asset(name: str) -> str:
    """A static file's address, which changes with its content."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"{ROOT}/static/{name}?v={digest[:16]}"


@cache
def integrity(name: str) -> str:
    """What the browser holds a script to."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
