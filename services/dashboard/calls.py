"""What is done from a page is done through the API's own routes: the same checks, rights and audit log."""

from __future__ import annotations

from typing import Any

import httpx2
from fastapi import Request
from starlette.types import Receive, Scope, Send

from services.identity.principal import Principal


class RefusedError(Exception):
    """The API's answer to what was asked of it: a problem of RFC 9457."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(str(problem["detail"]))
        self.problem = problem


async def call(
    request: Request,
    method: str,
    path: str,
    body: object = None,
    *,
    params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """The answer's JSON (None where it has none) to what whoever is logged in asks of the API. Raises RefusedError."""
    who: Principal = request.state.principal

    async def as_them(scope: Scope, receive: Receive, send: Send) -> None:
        await request.app({**scope, "state": {"principal": who}}, receive, send)

    host, port = request.client or ("", 0)
    transport = httpx2.ASGITransport(app=as_them, client=(host, port))
    async with httpx2.AsyncClient(transport=transport, base_url="http://dashboard") as client:
        given = {"X-Request-ID": request.state.request_id, **(headers or {})}
        answer = await client.request(method, path, json=body, params=params, headers=given)
    if answer.is_error:
        raise RefusedError(answer.json())
    return answer.json() if answer.content else None
