"""What every route has in common: pages, ETags, problems, and the responses that the OpenAPI document lists."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Header, Query
from pydantic import BaseModel, ConfigDict

from services.errors import BadPage, PreconditionFailed, PreconditionRequired

Item = TypeVar("Item")

MAX_PAGE = 500
PageSize = Annotated[int, Query(ge=1, le=MAX_PAGE, description="How many at most.")]
PageToken = Annotated[
    str | None, Query(max_length=2000, description="`next_page` of the page before, with the same filters.")
]
IfMatch = Annotated[str | None, Header(max_length=100, description="The ETag of the state that you mean to change.")]


class Page(BaseModel, Generic[Item]):
    """One page of a list."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    items: tuple[Item, ...]
    next_page: str | None = None
    """Give this as `page` for the rest; null at the end."""


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    path: str
    """Dotted, from the body's root: `recipe.stages.2.min_words`; or the name of a parameter."""
    message: str


class Problem(BaseModel):
    """RFC 9457: what went wrong."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    type: str
    """Stable, for programs: `urn:curation:problem:not-found`."""
    title: str
    status: int
    detail: str
    """What was found, what was expected, and where."""
    instance: str
    """The request's path."""
    request_id: str
    retryable: bool = False
    """Whether the same request may go through later."""
    errors: list[FieldProblem] = []
    after: int | None = None
    """Of events that have been trimmed: behind which `sequence` to go on."""


PROBLEM_JSON = "application/problem+json"


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these, beside those that every route may answer with."""
    described = {
        400: "The request cannot be read.",
        401: "No valid key.",
        403: "The key may not do this.",
        404: "There is no such thing in this project.",
        405: "No such method here.",
        409: "It cannot be done now.",
        410: "It has been trimmed.",
        412: "It has changed since you read it.",
        413: "The body is too large.",
        422: "The request is wrong.",
        428: "If-Match is required.",
        429: "Too many requests.",
        500: "A defect of ours.",
        503: "A part of the service is not available.",
    }
    return {
        status: {"model": Problem, "description": described[status], "content": {PROBLEM_JSON: {}}}
        for status in sorted({400, 401, 403, 405, 413, 422, 429, 500, 503, *statuses})
    }


def etag(thing: str, revision: int) -> str:
    """A strong ETag of a revision of the thing with this id: another thing of the same name has others."""
    return f'"{thing}-{revision}"'


def expect(if_match: str | None, thing: str, revision: int) -> None:
    """Raises PreconditionRequired without If-Match, PreconditionFailed for another revision than the present one."""
    present = etag(thing, revision)
    if if_match is None:
        raise PreconditionRequired(f"give If-Match with the ETag that you read; it is {present} now")
    given = [tag.strip() for tag in if_match.split(",")]
    if "*" not in given and present not in given:
        raise PreconditionFailed(f"found {if_match}, but it is {present} now; read it again")


class PageTokens:
    """Page tokens: where a list goes on, bound to the question, so that it cannot be forged or used with another."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, b"page-token", "sha256")

    def write(self, last: str, question: object) -> str:
        """The token of the page behind the item `last` of this question (anything that prints the same each time)."""
        place = last.encode()
        return base64.urlsafe_b64encode(self._seal(place, question) + place).decode().rstrip("=")

    def read(self, token: str | None, question: object) -> str | None:
        """Where to go on; None for the first page. Raises BadPage."""
        if token is None:
            return None
        try:
            data = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        except ValueError:
            raise BadPage("found a page token that is not one of ours") from None
        seal, place = data[:16], data[16:]
        if not hmac.compare_digest(seal, self._seal(place, question)):
            raise BadPage("the page token is not one of ours, or belongs to other filters; begin at the first page")
        return place.decode()

    def page(self, found: Sequence[Item], size: int, question: object, key: Callable[[Item], object]) -> Page[Item]:
        """The page of what was found, which was asked for with a limit of `size + 1`: whether there is more is known
        from the one too many. `key` of the last item is what the next page begins behind."""
        items = tuple(found[:size])
        more = self.write(str(key(items[-1])), question) if len(found) > size else None
        return Page(items=items, next_page=more)

    def _seal(self, place: bytes, question: object) -> bytes:
        asked = hashlib.sha256(json.dumps(question, sort_keys=True, default=str).encode()).digest()
        return hmac.digest(self._key, asked + place, "sha256")[:16]
