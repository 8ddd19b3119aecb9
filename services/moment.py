"""Times that clients give: those that every clock, format and database of ours can hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

FIRST = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(2200, 1, 1, tzinfo=UTC)


def _bounded(moment: datetime) -> datetime:
    if not FIRST <= moment < LAST:
        raise ValueError(f"expected a time from {FIRST:%Y} to {LAST.year - 1}")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_bounded)]
