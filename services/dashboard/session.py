"""Who is logged in: a sealed cookie that names a key and holds no secret of it, and the guard of every page."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

from anyio import to_thread
from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import URL
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.control_plane.limits import refusal
from services.control_plane.plane import Plane
from services.control_plane.security import address_of, gate_of
from services.errors import Forbidden, ServiceError, Unauthorized, Unavailable
from services.identity.principal import Principal

ROOT = "/ui"
LOGIN = f"{ROOT}/login"
OPEN = (LOGIN, f"{ROOT}/static/")
"""What needs no session."""
COOKIE = "curation-session"
LASTS_S = 12 * 3600
"""How long a session lasts, whatever is done in it."""
READING = frozenset({"GET", "HEAD"})
MAX_FIELDS = 200
CSRF_HEADER, CSRF_FIELD = "x-csrf-token", "csrf"


@dataclass(frozen=True)
class Session:
    """Somebody who has shown a key."""

    name: str
    """The principal's: `key:key_…`. Whether that key is still valid is asked at every request."""
    project: str
    opened: int
    """Seconds since 1970."""
    nonce: str

    @property
    def is_over(self) -> bool:
        return not 0 <= time.time() - self.opened < LASTS_S


class Seals:
    """Seals what a browser keeps for us, so that it comes back as it was."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"dashboard", "sha256")

    def seal(self, value: object) -> str:
        """A value of JSON as text for a cookie."""
        body = urlsafe_b64encode(json.dumps(value).encode()).decode()
        return f"{body}.{self._sign(body)}"

    def open(self, text: str) -> Any:
        """What was sealed; None for anything else."""
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(body).encode()):
            return None
        return json.loads(urlsafe_b64decode(body))

    def csrf(self, session: Session) -> str:
        """What a request of this session must say, and no other site can know."""
        return self._sign(f"csrf {session.name} {session.nonce}")

    def _sign(self, text: str) -> str:
        return hmac.digest(self._secret, text.encode("utf-8", "surrogatepass"), "sha256").hex()


class SessionGuard:
    """A pure ASGI middleware: no page is seen, and nothing is done, without a session whose key is valid now.

    `state.principal` and `state.session` are who it is; `state.form` is a form that was sent, whose token was right.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or not (path == ROOT or path.startswith(f"{ROOT}/")):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        state = scope.setdefault("state", {})
        try:
            session = None if path.startswith(OPEN) else await _resume(request)
            if scope["method"] not in READING:
                state["form"] = await _form(request, session)
        except Unauthorized:
            await _to_login(request)(scope, receive, send)
        except ServiceError as error:
            await refusal(scope, error)(scope, receive, send)
        except SQLAlchemyError:
            await refusal(scope, Unavailable("the database does not answer", retry_after_s=5))(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def seals_of(request: Request) -> Seals:
    """The installation's."""
    seals: Seals = request.app.state.seals
    return seals


async def log_in(request: Request, key: str) -> tuple[Principal, Session]:
    """The session of whoever shows this key. Raises Unauthorized, TooManyRequests, Unavailable."""
    gate = gate_of(request.app)
    who = await to_thread.run_sync(gate.enter, [f"Bearer {key}"], None, address_of(request), limiter=gate.limiter)
    if who.expires is not None:  # a token, which cannot be asked after again
        raise Unauthorized("expected an API key")
    return who, Session(who.name, who.project, int(time.time()), secrets.token_urlsafe(16))


def keep(request: Request, response: Response, session: Session) -> None:
    """Have the browser send the session from now on."""
    response.set_cookie(
        COOKIE,
        seals_of(request).seal(asdict(session)),
        max_age=LASTS_S,
        path=ROOT,
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def forget(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, path=ROOT, secure=_is_secure(request), httponly=True, samesite="lax")


def csrf_of(request: Request) -> str:
    """What this session's forms must hold; nothing before there is one."""
    session: Session | None = getattr(request.state, "session", None)
    return "" if session is None else seals_of(request).csrf(session)


async def _resume(request: Request) -> Session:
    """Who has logged in before. Raises Unauthorized."""
    found = seals_of(request).open(request.cookies.get(COOKIE, ""))
    session = Session(**found) if found else None
    if session is None or session.is_over:
        raise Unauthorized("there is no session, or it is over")
    gate = gate_of(request.app)
    who = await to_thread.run_sync(
        gate.resume, session.name, session.project, address_of(request), limiter=gate.limiter
    )
    request.state.principal, request.state.session = who, session
    return session


async def _form(request: Request, session: Session | None) -> Mapping[str, str]:
    """What was sent, if this site's own page sent it. Raises Forbidden."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden("this was sent by another site")
    content = (await request.body()).decode("utf-8", "replace")
    try:
        form = dict(parse_qsl(content, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Forbidden(f"found more than {MAX_FIELDS} fields") from None
    if session is not None:
        given = request.headers.get(CSRF_HEADER) or form.pop(CSRF_FIELD, "")
        if not hmac.compare_digest(given.encode(), seals_of(request).csrf(session).encode()):
            raise Forbidden("the form is not of this session; load the page again")
    return form


def _to_login(request: Request) -> Response:
    """To the login page, and back here after it; a part of a page has the whole page go."""
    url = request.url
    here = URL(path=url.path, query=url.query) if request.method == "GET" else URL(path=f"{ROOT}/")
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})
    response = RedirectResponse(f"{LOGIN}?next={quote(str(here))}", 303)
    forget(request, response)
    return response


def _is_secure(request: Request) -> bool:
    plane: Plane = request.app.state.plane
    return (plane.settings.public_url or "").startswith("https://")
