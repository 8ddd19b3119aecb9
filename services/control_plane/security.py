"""Who may do what, decided in one place: who asks, in which project, how often, and the audit log of what was done.

`Guard` lets nobody in whose body would be read first; `allow` is what a route says about itself.
"""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Header, Request, Security, params
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.control_plane.limits import refusal
from services.control_plane.plane import Plane
from services.errors import Forbidden, NotFound, ServiceError, TooManyRequests, Unauthorized, Unavailable
from services.identity.audit import Entry
from services.identity.oidc import Subject
from services.identity.principal import NOT_VALID, RANK, Permission, Principal, Role
from services.identity.projects import DEFAULT

logger = logging.getLogger(__name__)

PROJECT_HEADER = "Curation-Project"
PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}", re.ASCII)
EVERY_PROJECT = "*"
API = "/v1/"
READING = frozenset({"GET", "HEAD", "OPTIONS"})
DENIED = frozenset({401, 403})
ANONYMOUS = "anonymous"
MAX_TARGET = 200
MAX_DETAIL = 500
FLOOD = 20
"""How many times more than `failed_logins_per_minute` an address may try before not even keys are looked up."""
THREADS = 12
TOKEN_THREADS = 6

BEARER = HTTPBearer(
    scheme_name="key", description="An API key (`cur_…`), or a JWT of the installation's issuer.", auto_error=False
)
ProjectHeader = Annotated[
    str | None,
    Header(
        alias=PROJECT_HEADER,
        pattern=f"^{PROJECT_NAME.pattern}$",
        description="The project's name, for those who may work in several.",
    ),
]


def allow(permission: Permission | None = None) -> params.Security:
    """The dependency that lets in who has this permission, or (None) any valid key: `Annotated[Principal, allow(…)]`.

    Raises Unauthorized, Forbidden, TooManyRequests and Unavailable.
    """

    async def allowed(
        request: Request,
        _key: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
        _project: ProjectHeader = None,
    ) -> Principal:
        principal: Principal | None = getattr(request.state, "principal", None)
        if principal is None:
            principal = await _identify(request)
        if permission is not None:
            principal.require(permission)
        return principal

    # The scopes stand in the OpenAPI document, as what an operation needs.
    return params.Security(allowed, scopes=[] if permission is None else [permission])


class Guard:
    """A pure ASGI middleware. Whoever asks for something below /v1 is known before the body is read. Everything that is
    done, and everything that is denied, questions too, is in the audit log before the answer leaves."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        answer = _Audited(scope, receive, send).send
        try:
            # What the dashboard does for who is logged in there comes with them; no request from outside does.
            if "principal" not in scope.get("state", {}):
                await _identify(Request(scope))
        except ServiceError as error:
            await refusal(scope, error)(scope, receive, answer)
        except SQLAlchemyError as error:
            logger.error("request %s: the database does not answer", _request_id(scope), exc_info=error)
            await refusal(scope, Unavailable("the database does not answer", retry_after_s=5))(scope, receive, answer)
        else:
            await self._app(scope, receive, answer)


class _Audited:
    """Holds an answer back until its row is in the audit log; where that cannot be written it says so instead."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and not await self._write(message):
            self._is_replaced = True
            problem = refusal(self._scope, Unavailable("it may have been done, but the audit log cannot be written"))
            await problem(self._scope, self._receive, self._send)
        elif not self._is_replaced:
            await self._send(message)

    async def _write(self, message: Message) -> bool:
        status: int = message["status"]
        if self._scope["method"] in READING and status not in DENIED:
            return True
        made = Headers(raw=message.get("headers", [])).get("location")
        try:
            await to_thread.run_sync(_record, self._scope, status, made, limiter=gate_of(self._scope["app"]).limiter)
        except SQLAlchemyError as error:
            logger.error("request %s: the audit log cannot be written", _request_id(self._scope), exc_info=error)
            return False
        return True


class Gate:
    """Finds out who asks, and refuses who asks too often. One for each process.

    It has threads of its own: however slow what others asked for is, a key is looked at at once. Tokens have others,
    for the issuer's keys may have to be fetched.
    """

    def __init__(self, plane: Plane) -> None:
        self._plane = plane
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._requests = RateLimitItemPerMinute(plane.settings.requests_per_minute)
        self._failures = RateLimitItemPerMinute(plane.settings.failed_logins_per_minute)
        self._flood = RateLimitItemPerMinute(FLOOD * plane.settings.failed_logins_per_minute)
        self.limiter = CapacityLimiter(THREADS)
        self.token_limiter = CapacityLimiter(TOKEN_THREADS)

    def enter(self, authorization: list[str], project: str | None, address: str) -> Principal:
        """Who it is. Raises Unauthorized, Forbidden, TooManyRequests and Unavailable.

        A valid key is let in whatever else comes from its address, unless that is so much that even looking keys up
        has to be refused.
        """
        return self._enter(lambda: self._authenticate(authorization, project), address)

    def resume(self, name: str, project: str, address: str) -> Principal:
        """Who has logged in before with a key, in one of their projects. Raises as `enter`."""
        return self._enter(lambda: self._in(project, self._plane.keys.resume(name)), address)

    def _enter(self, find: Callable[[], Principal], address: str) -> Principal:
        what = "requests without a valid key from this address"
        if not self._limiter.test(self._flood, address):
            raise self._too_many(self._flood, address, what)
        try:
            principal = find()
        except Unauthorized:
            self._limiter.hit(self._flood, address)
            if not self._limiter.hit(self._failures, address):
                raise self._too_many(self._failures, address, what) from None
            raise
        if not self._limiter.hit(self._requests, principal.name):
            raise self._too_many(self._requests, principal.name, "requests with this key")
        return principal

    def _authenticate(self, authorization: list[str], project: str | None) -> Principal:
        scheme, _, text = authorization[0].partition(" ") if len(authorization) == 1 else ("", "", "")
        if scheme.lower() != "bearer":
            raise Unauthorized(NOT_VALID)
        if _is_token(text):
            return self._of_subject(self._plane.tokens.authenticate(text), project)
        return self._in(project, self._plane.keys.authenticate(text))

    def _in(self, project: str | None, principal: Principal) -> Principal:
        """The same in another project, where it may work there."""
        if project is None or project == principal.project:
            return principal
        if not principal.is_installation_admin:
            raise _no_project()
        return principal.model_copy(update=self._project(project))

    def _of_subject(self, subject: Subject, project: str | None) -> Principal:
        named = [name for name in subject.roles if name != EVERY_PROJECT]
        found = self._project(project or (named[0] if len(named) == 1 else DEFAULT))
        roles = [role for name, role in subject.roles.items() if name in {EVERY_PROJECT, found["project"]}]
        if not roles:
            raise _no_project()
        return Principal(
            name=subject.name,
            role=max(roles, key=RANK.__getitem__),
            is_installation_admin=subject.roles.get(EVERY_PROJECT) is Role.ADMIN,
            expires=subject.expires,
            **found,
        )

    def _project(self, name: str) -> dict[str, str]:
        if not PROJECT_NAME.fullmatch(name):
            raise _no_project()
        try:
            return {"project_id": self._plane.projects.by_name(name).id, "project": name}
        except NotFound:
            raise _no_project() from None

    def _too_many(self, limit: RateLimitItem, whose: str, what: str) -> TooManyRequests:
        wait_s = self._limiter.get_window_stats(limit, whose).reset_time - time.time()
        return TooManyRequests(f"found more than {limit.amount} {what} in a minute", retry_after_s=max(1.0, wait_s))


def _no_project() -> Forbidden:
    return Forbidden(f"{PROJECT_HEADER}: there is no such project, or it is not yours")


async def _identify(request: Request) -> Principal:
    """Who asks, also as `request.state.principal`."""
    gate = gate_of(request.app)
    authorization = request.headers.getlist("authorization")
    principal = await to_thread.run_sync(
        gate.enter,
        authorization,
        request.headers.get(PROJECT_HEADER),
        address_of(request),
        limiter=gate.token_limiter if any(_is_token(text) for text in authorization) else gate.limiter,
    )
    request.state.principal = principal
    return principal


def gate_of(app: FastAPI) -> Gate:
    """The application's one gate."""
    if not hasattr(app.state, "gate"):
        app.state.gate = Gate(app.state.plane)
    gate: Gate = app.state.gate
    return gate


def _is_token(text: str) -> bool:
    return text.count(".") == 2


def address_of(request: Request) -> str:
    """What is counted as one address: of IPv6 the /64, which is the least that a customer gets."""
    address = request.client.host if request.client else ""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found.packed[:8] + bytes(8), 64)))


def _record(scope: Scope, status: int, made: str | None) -> None:
    """Write what the audit log says about a request: nothing where there was nothing to do, for there is no such
    operation, or the request was not even looked at because there were too many. `made` is the path of what it made."""
    operation = None if status == TooManyRequests.status else _operation(scope)
    if operation is None:
        return
    principal: Principal | None = scope.get("state", {}).get("principal")
    entry = Entry(
        principal=principal.name if principal else ANONYMOUS,
        project_id=principal.project_id if principal else None,
        action=operation[:80],
        target=quote(scope["path"], errors="replace")[:MAX_TARGET],
        detail={
            "method": scope["method"],
            "status": status,
            "project": principal.project if principal else None,
            "address": scope["client"][0] if scope.get("client") else None,
            **({} if made is None else {"made": made[:MAX_TARGET]}),
            **scope.get("state", {}).get("details", {}),
        },
        request_id=_request_id(scope),
    )
    plane: Plane = scope["app"].state.plane
    plane.audit.append(entry)


def note(request: Request, **details: str | int | bool | None) -> None:
    """Have these in the audit log's row of this request, beside what every row has."""
    short = {name: value[:MAX_DETAIL] if isinstance(value, str) else value for name, value in details.items()}
    request.state.details = {**getattr(request.state, "details", {}), **short}


def _operation(scope: Scope) -> str | None:
    """The id of the operation that a request is for, also where the request was refused before it was routed."""
    routed = getattr(scope.get("route"), "operation_id", None)
    if routed is not None:
        return str(routed)
    app: FastAPI = scope["app"]
    for path, methods in app.openapi()["paths"].items():
        operation = methods.get(scope["method"].lower())
        if operation is not None and compile_path(path)[0].match(scope["path"]):
            return str(operation["operationId"])
    return None


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))
