"""Every error as a problem of RFC 9457: the library's, the services', the framework's, and our own defects."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import curation.errors as library
from services.control_plane.conventions import PROBLEM_JSON, FieldProblem, Problem
from services.errors import PROBLEM_TYPE, Gone, ServiceError

logger = logging.getLogger(__name__)

MAX_DETAIL = 2000
MAX_ERRORS = 100


@dataclass(frozen=True)
class Kind:
    """One type of problem: what the last part of its `type` is, its title and its status."""

    slug: str
    title: str
    status: int
    retryable: bool = False


INTERNAL = Kind("internal", "Something went wrong", 500)
UNAVAILABLE = Kind("unavailable", "Not available now", 503, retryable=True)
INVALID = Kind("invalid", "The request is wrong", 422)

LIBRARY: Mapping[type[library.CurationError], Kind] = {
    library.RedoError: Kind("redo-needed", "Everything must be done anew", 409),
    library.RecipeError: INVALID,
    library.InputError: Kind("input", "The sources do not hold what the recipe promises", 422),
    library.MissingError: Kind("not-found", "Not found", 404),
    library.CorruptError: Kind("corrupt", "What is stored is damaged", 503),
    library.TransientError: UNAVAILABLE,
    library.StorageError: Kind("storage", "The store refused", 422),
    library.ConflictError: Kind("conflict", "It cannot be done now", 409),
    library.ModelError: Kind("model", "A model is missing, or not the one that was named", 422),
}
"""The library's errors, those of a family before their root; any other is a defect."""

HTTP: Mapping[int, Kind] = {
    400: Kind("bad-request", "The request cannot be read", 400),
    404: Kind("not-found", "Not found", 404),
    405: Kind("method-not-allowed", "No such method here", 405),
}
"""What the framework itself answers with."""


def add_problem_handlers(app: FastAPI) -> None:
    """Let every error of a route become a problem; `Caught` is for those that nobody raises on purpose."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(library.CurationError, _library_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(DataError, _data_error)
    for unavailable in (OperationalError, PoolTimeoutError):
        app.add_exception_handler(unavailable, _database_error)


class Caught:
    """The outermost part of the app behind the middlewares: a defect becomes a problem that tells nothing but the
    request's id, by which the traceback is found in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            request = Request(scope)
            lost = isinstance(error, DBAPIError) and error.connection_invalidated
            logger.error("request %s failed", _request_id(request), exc_info=error)
            kind, detail = (UNAVAILABLE, "the database does not answer") if lost else (INTERNAL, "a defect of ours")
            await problem_response(request, kind, f"{detail}; request {_request_id(request)}")(scope, receive, send)


def problem_response(
    request: Request,
    kind: Kind,
    detail: str,
    errors: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    after: int | None = None,
) -> Response:
    """The answer that says what went wrong; texts that are no Unicode are written with escapes."""
    problem = Problem(
        type=PROBLEM_TYPE + kind.slug,
        title=kind.title,
        status=kind.status,
        detail=_printable(detail)[:MAX_DETAIL],
        instance=_printable(request.url.path),
        request_id=_request_id(request),
        retryable=kind.retryable,
        errors=[FieldProblem(path=_printable(e.path), message=_printable(e.message)) for e in errors[:MAX_ERRORS]],
        after=after,
    )
    shown = problem.model_dump(mode="json", exclude={"after"} if after is None else None)
    body = json.dumps(shown, separators=(",", ":"))
    return Response(body, kind.status, headers=dict(headers or {}), media_type=PROBLEM_JSON)


def _service_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ServiceError)  # noqa: S101, what it is registered for
    kind = Kind(error.slug, error.title, error.status, error.retryable)
    after = error.after if isinstance(error, Gone) else None
    return problem_response(request, kind, error.detail, _fields(error.problems), error.headers, after)


def _library_error(request: Request, error: Exception) -> Response:
    kind = next((kind for family, kind in LIBRARY.items() if isinstance(error, family)), INTERNAL)
    if kind is INTERNAL:
        logger.error("request %s failed", _request_id(request), exc_info=error)
        return problem_response(request, kind, f"a defect of ours; request {_request_id(request)}")
    headers = {"Retry-After": "5"} if kind.retryable else {}
    return problem_response(request, kind, str(error), _fields(getattr(error, "problems", ())), headers)


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101, what it is registered for
    details = error.errors()
    if any(detail["type"] == "json_invalid" for detail in details):
        return problem_response(request, HTTP[400], f"the body is not JSON: {details[0]['ctx']['error']}")
    errors = [FieldProblem(path=_path(detail["loc"]), message=_message(detail)) for detail in details]
    first = f"{errors[0].path}: {errors[0].message}" if errors[0].path else errors[0].message
    return problem_response(request, INVALID, first, errors)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101, what it is registered for
    kind = HTTP.get(error.status_code)
    if kind is None:
        kind = Kind("http", HTTPStatus(error.status_code).phrase, error.status_code)
    detail = {404: "there is nothing at this address", 405: f"{request.method} is not for this address"}
    return problem_response(request, kind, detail.get(error.status_code, str(error.detail)), headers=error.headers)


def _data_error(request: Request, error: Exception) -> Response:
    """A value that passed every check and that the database cannot hold: the request's fault, and our omission."""
    logger.warning("request %s: the database refused a value", _request_id(request), exc_info=error)
    return problem_response(request, INVALID, "a value is beyond what can be stored")


def _database_error(request: Request, error: Exception) -> Response:
    logger.error("request %s: the database does not answer", _request_id(request), exc_info=error)
    return problem_response(request, UNAVAILABLE, "the database does not answer", headers={"Retry-After": "5"})


def _fields(problems: Sequence[library.Problem]) -> list[FieldProblem]:
    return [FieldProblem(path=problem.path, message=problem.message) for problem in problems]


def _path(location: Sequence[Any]) -> str:
    """`body.stages.0` as `stages.0`, `query.page_size` as `page_size`."""
    return ".".join(str(part) for part in location[1:])


def _message(detail: Mapping[str, Any]) -> str:
    return str(detail["msg"]).removeprefix("Value error, ")


def _request_id(request: Request) -> str:
    return str(getattr(request.state, "request_id", ""))


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
