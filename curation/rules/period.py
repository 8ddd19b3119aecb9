"""Documents of a time: what is older or newer than may be kept goes, as retention rules ask, source by source."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import ClassVar, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from curation.document import ADDED
from curation.rules.ratio import with_values
from curation.stage import Bound, RuleStage


class Period(RuleStage):
    """Drop documents from before or after a time, by the date that their source gives them (`added`, in UTC).

    Dates are absolute, so that the same recipe gives the same version whenever it runs.
    """

    reference: ClassVar[str] = "own rule"
    by_document: ClassVar[frozenset[str]] = frozenset({"first", "last", "without_date"})

    kind: Literal["period"] = "period"
    first: date | None = None
    """The first day that is kept, as 2024-01-31."""
    last: date | None = None
    """The last day that is kept."""
    without_date: Literal["keep", "drop"] = "keep"
    """What happens to documents that have no date."""

    @model_validator(mode="after")
    def _drops_something(self) -> Self:
        if not self.reasons():
            raise ValueError("nothing to drop by: give first or last, or without_date: drop")
        return self

    def contradiction(self) -> str:
        if self.first and self.last and self.first > self.last:
            return f"first {self.first} is after last {self.last}: nothing could be kept"
        return ""

    def thresholds(self) -> frozenset[str]:
        """All of them: a document's day is stored."""
        return self.by_document

    def columns(self) -> pa.Schema:
        """`day`: year, month and day as one number (20240131), NaN where there is none; `undated`: 1 there, or 0."""
        return pa.schema([(self.column("day"), pa.float64()), (self.column("undated"), pa.int64())])

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        added = batch[ADDED]
        parts = (pc.year(added), pc.month(added), pc.day(added))
        year, month, day = (pc.fill_null(part, 0).to_numpy(zero_copy_only=False) for part in parts)
        undated = added.is_null().to_numpy(zero_copy_only=False)
        number = np.where(undated, np.nan, year * 10_000.0 + month * 100 + day)
        return with_values(batch, self.columns(), {"day": number, "undated": undated.astype(np.int64)})

    def bounds(self) -> Sequence[Bound]:
        return [
            Bound("too_old", "day", "<", _number(self.first)),
            Bound("too_new", "day", ">", _number(self.last)),
            Bound("undated", "undated", ">", 0 if self.without_date == "drop" else None),
        ]


def _number(day: date | float | None) -> float | None:
    """A day as its number; a number as it is."""
    return day.year * 10_000.0 + day.month * 100 + day.day if isinstance(day, date) else day
