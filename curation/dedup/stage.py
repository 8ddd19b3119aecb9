"""What the two deduplicating stages share: which copy is kept, and how far copies are looked for."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curation.dedup import shingle
from curation.document import ADDED, TEXT
from curation.errors import Problem, RecipeError
from curation.stage import Stage

WHY_REPLACED = "replaced"
"""Why a kept document was dropped that a better copy took the place of."""

Keep = Literal["longest", "newest", "earliest", "best_quality"]
Scope = Literal["source", "corpus"]
Uint64s = np.ndarray[Any, np.dtype[np.uint64]]

_SIGN = np.uint64(1 << 63)


class DedupStage(Stage):
    """A stage that compares documents with each other. It drops for one reason, `name.duplicate`."""

    keep: Keep = "longest"
    """Which of several copies is kept: the longest text (in characters), the newest or the earliest by `added` (a
    document without a date loses), or the best by the column `quality`. Ties go to the first in the sources' order."""
    quality: str | None = None
    """The column that `keep: best_quality` compares, larger is better (`gopher.words`)."""
    scope: Scope = "corpus"
    """Whether copies are looked for within each source, or across all."""

    @model_validator(mode="after")
    def _quality_where_it_is_used(self) -> Self:
        if (self.keep == "best_quality") != (self.quality is not None):
            raise ValueError("`quality: <column>` goes with `keep: best_quality`, and neither without the other")
        return self

    @property
    def reason(self) -> str:
        """The drop reason of a duplicate."""
        return self.column("duplicate")

    def reasons(self) -> frozenset[str]:
        return frozenset({self.reason, self.column(WHY_REPLACED)})

    def salt(self, source: str) -> int:
        """What is mixed into the keys of a source's documents, so that only what may be compared is."""
        return shingle.salt(source if self.scope == "source" else None)

    def priority(self, batch: pa.RecordBatch) -> Uint64s:
        """How strongly each document is to be kept, (documents,); larger wins.

        Raises RecipeError where the quality column is missing or not a number, ValueError for a null or NaN in it.
        """
        if self.keep == "longest":
            return _ranked(pc.utf8_length(batch[TEXT]).cast(pa.int64()))
        if self.keep == "newest":
            return _ranked(batch[ADDED].cast(pa.int64()).fill_null(-(1 << 63)))
        if self.keep == "earliest":
            return _ranked(pc.bit_wise_not(batch[ADDED].cast(pa.int64()).fill_null((1 << 63) - 1)))
        return self._quality(batch)

    def _quality(self, batch: pa.RecordBatch) -> Uint64s:
        path = f"{self.name}.quality"
        if self.quality not in batch.schema.names:
            raise RecipeError([Problem(path, f"no column {self.quality!r}; there are {batch.schema.names}")])
        values = batch[self.quality]
        if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
            raise RecipeError([Problem(path, f"column {self.quality!r} is {values.type}, expected a number")])
        values = values.cast(pa.float64())
        if values.null_count or pc.any(pc.is_nan(values)).as_py():
            raise ValueError(f"{path}: column {self.quality!r} has null or NaN values; a comparison needs a number")
        bits = (values.to_numpy() + 0.0).view(np.uint64)
        return np.asarray(np.where(bits & _SIGN, ~bits, bits | _SIGN))


Count = Annotated[int, Field(ge=1, le=256)]


def _ranked(values: pa.Int64Array) -> Uint64s:
    """Signed numbers as unsigned ones in the same order."""
    return np.asarray(values.to_numpy(zero_copy_only=False).view(np.uint64) ^ _SIGN)
