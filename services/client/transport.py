"""Requests to the service: the key, retries of what may be repeated, problems as errors, pages as one list."""

from __future__ import annotations

import ipaddress
import json
import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from types import TracebackType
from typing import Any, TypeVar

import httpx2
from pydantic import BaseModel, ValidationError

from curation.errors import Problem, RecipeError
from services.client.errors import ProblemError, UnreachableError, problem_error

Shown = TypeVar("Shown", bound=BaseModel)

TIMEOUT_S = 30.0
"""How long an answer may take."""
RETRY_S = 20.0
"""How long a request that may be repeated is repeated."""
LONGEST_PAUSE_S = 5.0
BUSY = frozenset({429, 502, 503, 504})
"""Statuses that may pass by themselves."""
NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Transport:
    """One service, one key, one project."""

    def __init__(
        self,
        url: str,
        key: str,
        project: str | None = None,
        *,
        allow_clear: bool = False,
        retry_s: float = RETRY_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self.url = checked_url(url, allow_clear=allow_clear)
        self.retry_s = retry_s
        headers = {"Authorization": f"Bearer {_header('key', key)}", "Accept": "application/json"}
        if project is not None:
            headers["Curation-Project"] = _header("project", project)
        self._http = httpx2.Client(
            base_url=self.url,
            headers=headers,
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=not _is_loopback(httpx2.URL(self.url).host),  # no proxy leads to this machine itself
        )

    def close(self) -> None:
        """Leave the connections."""
        self._http.close()

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def get(self, path: str, shape: type[Shown], **query: object) -> Shown:
        """What a GET answers."""
        return shaped(shape, self.send("GET", path, query=query))

    def post(self, path: str, shape: type[Shown], body: object = None, **query: object) -> Shown:
        """What a POST answers."""
        return shaped(shape, self.send("POST", path, body=body, query=query))

    def mapping(self, path: str, **query: object) -> dict[str, Any]:
        """What a GET answers that has no fixed shape."""
        return _mapping(self.send("GET", path, query=query))

    def pages(self, path: str, shape: type[Shown], **query: object) -> Iterator[Shown]:
        """Every item of a list, page by page as they are asked for."""
        page: str | None = None
        while True:
            answer = _mapping(self.send("GET", path, query={**query, "page": page}))
            for item in answer["items"]:
                yield checked(shape, item)
            page = answer.get("next_page")
            if page is None:
                return

    def send(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        may_repeat: bool = False,
    ) -> httpx2.Response:
        """The answer to a request. A GET, and what `may_repeat`, is sent again for a while where nobody answers, or the
        service says that it is busy. Raises ProblemError and UnreachableError."""
        request = self._http.build_request(
            method,
            path,
            json=body,
            params=list(_parameters(query or {})),
            headers=dict(headers or {}),
        )
        give_up = time.monotonic() + (self.retry_s if may_repeat or method == "GET" else 0.0)
        for tried in range(1_000):
            try:
                response = self._http.send(request)
            except httpx2.TransportError as error:
                pause = _pause_s(tried, None)
                if time.monotonic() + pause >= give_up:
                    raise UnreachableError(f"{self.url}: {self._complaint(error)}") from None
            else:
                if response.is_success:
                    return response
                pause = _pause_s(tried, response.headers.get("Retry-After"))
                if response.status_code not in BUSY or time.monotonic() + pause >= give_up:
                    raise problem_error(response.status_code, _json(response))
            time.sleep(pause)
        raise AssertionError("unreachable: the pauses end it")

    @contextmanager
    def stream(
        self, path: str, headers: Mapping[str, str], silence_s: float
    ) -> Iterator[Iterable[httpx2.ServerSentEvent]]:
        """A stream of server-sent events; it breaks after this many silent seconds. Raises ProblemError, and httpx2's
        TransportError."""
        timeout = httpx2.Timeout(TIMEOUT_S, read=silence_s)
        accept = {"Accept": "text/event-stream", **headers}
        with self._http.stream("GET", path, headers=accept, timeout=timeout) as response:
            if not response.is_success:
                response.read()
                raise problem_error(response.status_code, _json(response))
            yield () if response.status_code == 204 else httpx2.EventSource(response)

    @staticmethod
    def _complaint(error: httpx2.TransportError) -> str:
        if isinstance(error, NOT_SENT):
            return f"nobody answers ({error}); is the service running?"
        return f"the connection broke ({error or type(error).__name__}); whether it was done is not known"


def checked_url(url: str, *, allow_clear: bool = False) -> str:
    """The service's address without what does not belong there. Raises RecipeError where the key would travel in clear
    over a network, and for what is no address."""
    try:
        parsed = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise _wrong("url", f"{error}") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise _wrong("url", "expected https://host or http://127.0.0.1:port")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise _wrong("url", "expected no user, query or fragment: the key is given apart")
    if parsed.scheme == "http" and not allow_clear and not _is_loopback(parsed.host):
        raise _wrong("url", f"over http the key would travel to {parsed.host} in clear; use https")
    return str(parsed).rstrip("/")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _header(name: str, value: str) -> str:
    """The value, which must fit into a header; never shown."""
    if not value or not all("!" <= character <= "~" for character in value):
        raise _wrong(name, "expected printable ASCII without spaces")
    return value


def _wrong(what: str, message: str) -> RecipeError:
    return RecipeError([Problem(what.upper(), message)])


def _parameters(query: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Query parameters as text: what is None is left out, a sequence is repeated."""
    for name, value in query.items():
        if value is None:
            continue
        for item in value if isinstance(value, Sequence) and not isinstance(value, str) else (value,):
            yield name, _written(item)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value.value if isinstance(value, Enum) else value)


def _pause_s(tried: int, retry_after: str | None) -> float:
    """How long to wait before the next try: what the service says, else longer each time, never all clients at once."""
    if retry_after is not None and retry_after.isdecimal():
        return float(retry_after) + random.uniform(0, 0.2)
    return min(LONGEST_PAUSE_S, 0.1 * 2.0**tried) * random.uniform(0.5, 1.0)


def _json(response: httpx2.Response) -> object:
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return None


def _mapping(response: httpx2.Response) -> dict[str, Any]:
    body = _json(response)
    if not isinstance(body, dict):
        raise ProblemError(502, detail="found an answer that is not the service's; does the URL lead to it?")
    return body


def shaped(shape: type[Shown], response: httpx2.Response) -> Shown:
    """The model in an answer."""
    return checked(shape, _mapping(response))


def listed(shape: type[Shown], response: httpx2.Response) -> Sequence[Shown]:
    """The models in an answer that is a short list without pages."""
    body = _mapping(response)
    if not isinstance(body.get("items"), list):
        raise ProblemError(502, detail="found an answer that is not the service's; does the URL lead to it?")
    return [checked(shape, item) for item in body["items"]]


def checked(shape: type[Shown], data: object) -> Shown:
    """The model of an answer; fields of a newer service are left out."""
    try:
        return shape.model_validate(data, extra="ignore")
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, detail["loc"])) for detail in error.errors()[:3])
        raise ProblemError(502, detail=f"found an answer that does not fit {shape.__name__} in {fields}") from None
