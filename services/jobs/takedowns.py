"""What a takedown's job means to the library."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from curation.errors import Problem
from curation.tombstones import Criteria, WantedId
from services.errors import Invalid
from services.jobs.job import Takedown


def criteria_of(asked: Takedown) -> Criteria:
    """Which documents are to be taken down. Raises Invalid, with every problem by its path."""
    try:
        return Criteria(
            ids=tuple(WantedId(id=one.id, source=one.source) for one in asked.ids),
            urls=asked.urls,
            sources=asked.sources,
            licences=asked.licences,
        )
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors()]
        raise Invalid(str(problems[0]), problems=problems) from None


def _problem(detail: ErrorDetails) -> Problem:
    return Problem(".".join(map(str, detail["loc"])), detail["msg"].removeprefix("Value error, "))
