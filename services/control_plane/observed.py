"""Counts every request that the API answers, by operation and status."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.metrics import Metrics

UNKNOWN = "unknown"
"""The operation of a request that no route matches; its path is not a label, for anybody may invent one."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Observed:
    """A pure ASGI middleware; the outermost, so that it sees what the others answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        seen = _Answer(send, self._metrics)
        started = time.perf_counter()
        try:
            await self._app(scope, receive, seen.send)
        finally:
            seen.close()
            operation = getattr(scope.get("route"), "operation_id", None) or UNKNOWN
            method = scope["method"] if scope["method"] in METHODS else UNKNOWN
            self._metrics.requests.labels(operation, method, str(seen.status)).inc()
            if not seen.is_stream:
                self._metrics.durations.labels(operation).observe(time.perf_counter() - started)


class _Answer:
    """What passes on its way out."""

    def __init__(self, send: Send, metrics: Metrics) -> None:
        self._send = send
        self._metrics = metrics
        self.status = 500
        self.is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            content_type = dict(message.get("headers", ())).get(b"content-type", b"")
            if content_type.startswith(b"text/event-stream"):
                self.is_stream = True
                self._metrics.streams.inc()
        await self._send(message)

    def close(self) -> None:
        if self.is_stream:
            self._metrics.streams.dec()
