"""What every request and answer is held to before any route sees it: an id, sizes, and headers for browsers."""

from __future__ import annotations

import re
import secrets

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.control_plane.problems import HTTP, Kind, problem_response
from services.errors import ServiceError, TooLarge

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,80}", re.ASCII)
MAX_QUERY_BYTES = 16 << 10
MAX_PATH_BYTES = 4 << 10
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""What an answer has unless its route says otherwise."""


def refusal(scope: Scope, error: ServiceError) -> Response:
    """The problem that a middleware answers with."""
    kind = Kind(error.slug, error.title, error.status, error.retryable)
    return problem_response(Request(scope), kind, error.detail, headers=error.headers)


class Addressed:
    """Gives a request its id (the client's `X-Request-ID` where that is a plain one), an answer the id and the security
    headers, and refuses addresses that are too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if len(scope.get("query_string", b"")) > MAX_QUERY_BYTES or len(scope["path"]) > MAX_PATH_BYTES:
            detail = f"expected at most {MAX_PATH_BYTES} bytes of path and {MAX_QUERY_BYTES} of query"
            await problem_response(Request(scope), HTTP[400], detail)(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)


class BodyLimit:
    """Reads a request's body before its route does, and refuses one that is longer than `limit_bytes`, whatever the
    request says of its length."""

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        promised = Headers(scope=scope).get("content-length", "0")
        if not (promised.isascii() and promised.isdigit()):
            detail = "found a Content-Length that is no number"
            await problem_response(Request(scope), HTTP[400], detail)(scope, receive, send)
            return
        if int(promised[:20]) > self._limit_bytes:
            await self._refuse(scope, receive, send)
            return
        parts: list[bytes] = []
        size_bytes, is_more = 0, True
        while is_more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            parts.append(message.get("body", b""))
            size_bytes += len(parts[-1])
            is_more = message.get("more_body", False)
            if size_bytes > self._limit_bytes:
                await self._refuse(scope, receive, send)
                return
        await self._app(scope, _replay(b"".join(parts), receive), send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = refusal(scope, TooLarge(f"expected a body of at most {self._limit_bytes} bytes"))
        response.headers["Connection"] = "close"  # the rest of the body is not read
        await response(scope, receive, send)


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read, as one message; then what comes after it."""
    waiting = [body]

    async def replayed() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed
