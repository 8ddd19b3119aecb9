"""What a client raises: the service's problems, and that it cannot be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from curation.errors import CurationError, MissingError, Problem

PROBLEM_TYPE = "urn:curation:problem:"
EXIT_CODES_OF_TYPES = {"input": 3, "storage": 4, "model": 6}
"""What the command line ends with for a problem's type, as the library's own commands do."""
EXIT_CODES = {401: 4, 403: 4, 404: 4, 410: 4, 429: 4, 502: 4, 503: 4, 504: 4, 409: 5, 412: 5, 428: 5}
"""The same for the status of any other problem; any other 4xx is 2, any other 5xx is 1."""


class ProblemError(CurationError):
    """The service answered with an RFC 9457 problem."""

    def __init__(
        self,
        status: int,
        *,
        type: str = "about:blank",
        title: str = "",
        detail: str = "",
        request_id: str = "",
        retryable: bool = False,
        problems: tuple[Problem, ...] = (),
    ) -> None:
        self.status = status
        self.type = type
        """Stable, for programs: `urn:curation:problem:not-found`."""
        self.title = title
        self.detail = detail
        self.request_id = request_id
        self.retryable = retryable
        self.problems = problems
        """What is wrong with the request, each by its path."""
        by_status = EXIT_CODES.get(status, 2 if status < 500 else 1)
        self.exit_code = EXIT_CODES_OF_TYPES.get(type.removeprefix(PROBLEM_TYPE), by_status)
        super().__init__(_message(detail, title or f"the service answered with status {status}", problems))


class UnreachableError(MissingError):
    """Nobody answers at the service's address."""


class NotSettledError(CurationError):
    """The job was still going on when the time to wait for it was over."""

    exit_code = 4


def _message(detail: str, title: str, problems: Sequence[Problem]) -> str:
    """Every problem, said once: the service's `detail` often repeats them."""
    is_repeated = any(problem.message in detail for problem in problems)
    if is_repeated and len(problems) == 1:
        return detail
    listed = "".join(f"\n  {problem}" for problem in problems)
    return f"{title if is_repeated else detail or title}{':' if listed else ''}{listed}"


def problem_error(status: int, body: object) -> ProblemError:
    """The error for an answer; a body that is no problem (a proxy's page) is not shown."""
    if not isinstance(body, Mapping):
        return ProblemError(status)
    return ProblemError(
        status,
        type=_text(body, "type"),
        title=_text(body, "title"),
        detail=_text(body, "detail"),
        request_id=_text(body, "request_id"),
        retryable=body.get("retryable") is True,
        problems=tuple(_problems(body)),
    )


def _problems(body: Mapping[str, Any]) -> list[Problem]:
    errors = body.get("errors")
    entries = errors if isinstance(errors, list) else []
    return [Problem(_text(entry, "path"), _text(entry, "message")) for entry in entries if isinstance(entry, Mapping)]


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""
