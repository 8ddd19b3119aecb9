"""Every error that the services raise on purpose. Each is an RFC 9457 problem: a stable type, a title, a status.

ServiceError
├── NotFound              404  there is no such thing, or it is another project's
├── Unauthorized          401  no key, or none that is valid
├── Forbidden             403  the key may not do this
├── Invalid               422  the request is wrong: every problem by its path
│   ├── BadPage           400  the page token is not one of ours, or of another question
│   └── OtherBody         422  the idempotency key was used with another body
├── Conflict              409  it cannot be done now
│   ├── IllegalState      409  not in the state that the job is in
│   ├── AlreadyExists     409  the name is taken
│   └── LostLease         409  somebody else works on the job now (a worker's, never a client's)
├── PreconditionRequired  428  say which state you mean to overwrite: If-Match
├── PreconditionFailed    412  it has changed since you read it
├── Gone                  410  it was there, and has been trimmed
├── TooLarge              413  the body is too large
├── TooManyRequests       429  wait, then ask again
└── Unavailable           503  a part of the service is not there now
SettingsError                  the environment is wrong (a process's start)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from curation.errors import CurationError, Problem

PROBLEM_TYPE = "urn:curation:problem:"


class SettingsError(CurationError):
    """A service cannot start with these settings."""

    exit_code = 2


class ServiceError(Exception):
    """The root: `detail` says what was found, what was expected, and where."""

    slug: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str, *, problems: Sequence[Problem] = (), retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.problems = tuple(problems)
        self.retry_after_s = retry_after_s

    @property
    def headers(self) -> dict[str, str]:
        """What the answer has to say beside the problem."""
        return {} if self.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}


class NotFound(ServiceError):
    slug, title, status = "not-found", "Not found", 404


class Unauthorized(ServiceError):
    slug, title, status = "unauthorized", "No valid key", 401

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "WWW-Authenticate": "Bearer"}


class Forbidden(ServiceError):
    slug, title, status = "forbidden", "Not allowed", 403


class Invalid(ServiceError):
    slug, title, status = "invalid", "The request is wrong", 422


class BadPage(Invalid):
    slug, title, status = "bad-page", "The page token is wrong", 400


class OtherBody(Invalid):
    slug, title, status = "idempotency-key-reused", "The idempotency key was used with another body", 422


class Conflict(ServiceError):
    slug, title, status = "conflict", "It cannot be done now", 409


class IllegalState(Conflict):
    slug, title = "illegal-state", "Not in this state"


class AlreadyExists(Conflict):
    slug, title = "already-exists", "The name is taken"


class LostLease(Conflict):
    slug, title = "lost-lease", "Somebody else works on the job"


class PreconditionRequired(ServiceError):
    slug, title, status = "precondition-required", "If-Match is required", 428


class PreconditionFailed(ServiceError):
    slug, title, status = "precondition-failed", "It has changed since you read it", 412


class Gone(ServiceError):
    slug, title, status = "gone", "It has been trimmed", 410

    def __init__(self, detail: str, *, after: int | None = None) -> None:
        super().__init__(detail)
        self.after = after
        """Behind what one can go on."""


class TooLarge(ServiceError):
    slug, title, status = "too-large", "The body is too large", 413


class TooManyRequests(ServiceError):
    slug, title, status, retryable = "too-many-requests", "Too many requests", 429, True


class Unavailable(ServiceError):
    slug, title, status, retryable = "unavailable", "Not available now", 503, True
