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
from services.errors import Forbidden, ServiceError, TooLarge, Unauthorized, Unavailable
from services.identity.principal import Principal

ROOT = "/ui"
LOGIN = f"{ROOT}/login"
FILES = f"{ROOT}/static/"
"""Below this, and at LOGIN, no session is needed."""
COOKIE = "curation-session"
LASTS_S = 12 * 3600
"""How long a session lasts, whatever is done in it."""
READING = frozenset({"GET", "HEAD"})
MAX_FIELDS = 200
MAX_LOGIN_BYTES = 16 << 10
"""Of a form that somebody sends who is not logged in."""
MAX_NEXT = 2000
"""Characters of the address that is gone back to after logging in; a longer one is forgotten."""
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
    """Seals what a browser keeps for us in cookies, so that each comes back as it was, and under its own name."""

    def __init__(self, secret: bytes) -> None:
        self._secret = hmac.digest(secret, b"dashboard", "sha256")

    def seal(self, cookie: str, value: object) -> str:
        """A value of JSON as text for the cookie of this name."""
        body = urlsafe_b64encode(json.dumps(value).encode()).decode()
        return f"{body}.{self._sign(f'{cookie} {body}')}"

    def open(self, cookie: str, text: str) -> Any:
        """What was sealed for this cookie; None for anything else."""
        body, _, signature = text.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(f"{cookie} {body}").encode()):
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
            is_open = path == LOGIN or path.startswith(FILES)
            session = None if is_open else await _resume(request)
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


def is_part(request: Request) -> bool:
    """Whether htmx asks, which puts the answer into a page."""
    return request.headers.get("hx-request") == "true"


async def log_in(request: Request, key: str) -> tuple[Principal, Session]:
    """The session of whoever shows this key. Raises Unauthorized, TooManyRequests, Unavailable."""
    gate = gate_of(request.app)
    shown = [] if "." in key else [f"Bearer {key}"]  # a token, which cannot be asked after again, is no key
    who = await to_thread.run_sync(gate.enter, shown, None, address_of(request), limiter=gate.limiter)
    return who, Session(who.name, who.project, int(time.time()), secrets.token_urlsafe(16))


def keep(request: Request, response: Response, session: Session) -> None:
    """Have the browser send the session from now on."""
    response.set_cookie(
        COOKIE,
        seals_of(request).seal(COOKIE, asdict(session)),
        max_age=LASTS_S,
        path=ROOT,
        secure=is_secure(request),
        httponly=True,
        samesite="lax",
    )


def forget(request: Request, response: Response) -> None:
    """Have the browser forget it."""
    response.delete_cookie(COOKIE, path=ROOT, secure=is_secure(request), httponly=True, samesite="lax")


def csrf_of(request: Request) -> str:
    """What this session's forms must hold; nothing before there is one."""
    session: Session | None = getattr(request.state, "session", None)
    return "" if session is None else seals_of(request).csrf(session)


async def _resume(request: Request) -> Session:
    """Who has logged in before. Raises Unauthorized."""
    found = seals_of(request).open(COOKIE, request.cookies.get(COOKIE, ""))
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
    """What was sent, if this site's own page sent it. Raises Forbidden and TooLarge."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden("this was sent by another site")
    body = await request.body()
    if session is None:
        if len(body) > MAX_LOGIN_BYTES:
            raise TooLarge(f"found {len(body):,} bytes, expected at most {MAX_LOGIN_BYTES:,} before logging in")
        form = _fields(body)
    else:
        form = await to_thread.run_sync(_fields, body)  # a large one takes a while
        given = request.headers.get(CSRF_HEADER) or form.pop(CSRF_FIELD, "")
        if not hmac.compare_digest(given.encode(), seals_of(request).csrf(session).encode()):
            raise Forbidden("the form is not of this session; load the page again")
    return form


def _fields(body: bytes) -> dict[str, str]:
    """Of several fields of one name the last. Raises Forbidden."""
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        raise Forbidden(f"found more than {MAX_FIELDS} fields") from None


def _to_login(request: Request) -> Response:
    """To the login page, and back here after it; a part of a page has the whole page go."""
    url = request.url
    here = str(URL(path=url.path, query=url.query))
    after = here if request.method == "GET" and len(here) <= MAX_NEXT else f"{ROOT}/"
    if is_part(request):
        return Response(status_code=401, headers={"HX-Redirect": LOGIN})
    response = RedirectResponse(f"{LOGIN}?next={quote(after)}", 303)
    forget(request, response)
    return response


def is_secure(request: Request) -> bool:
    """Whether browsers come by https, and no cookie need ever go another way."""
    plane: Plane = request.app.state.plane
    return (plane.settings.public_url or "").startswith("https://")
