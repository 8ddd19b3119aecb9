"""Taking repeated stretches out of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from curation.dedup.spans import kernels
from curation.dedup.spans.stages import SpanStage
from curation.text.arrow import text_buffers

Int64s = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Cut:
    """Texts without their repeated stretches, and what each stage took: columns by name, one value a text."""

    texts: pa.LargeStringArray
    values: dict[str, pa.Array]


def cut(texts: pa.LargeStringArray, spans: pa.Table, stages: Sequence[SpanStage]) -> Cut:
    """Take the stretches (SPANS, whose `row` is a text's place among these) out, stage by stage.

    Where a stage would leave less than its `min_left` of a text, it takes nothing of it. What two stages have found is
    counted for the first.
    """
    values: dict[str, pa.Array] = {}
    taken = _Stretches.none()
    left = _lengths(texts)
    result = texts
    for number, stage in enumerate(stages):
        of = np.asarray(spans["stage"].to_numpy()) == number
        found = _Stretches(*(np.asarray(spans[name].to_numpy())[of] for name in ("row", "begin", "end")))
        tried = _without(texts, taken.with_(found))
        after = _lengths(tried)
        touched = np.zeros(len(texts), np.bool_)
        touched[found.row] = True
        whole = touched & (after < stage.min_left)
        accepted = found.where(~whole[found.row])
        if accepted.row.size:
            taken = taken.with_(accepted)
            result = _without(texts, taken)
        after = _lengths(result)
        values[stage.column("spans")] = pa.array(np.bincount(accepted.row, minlength=len(texts)))
        values[stage.column("removed")] = pa.array(left - after)
        values[stage.column("whole")] = pa.array(whole)
        left = after
    return Cut(result, values)


@dataclass(frozen=True)
class _Stretches:
    """Stretches of texts, by row and place; they do not touch."""

    row: Int64s
    begin: Int64s
    end: Int64s

    @classmethod
    def none(cls) -> _Stretches:
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, nothing)

    def where(self, mask: np.ndarray[Any, np.dtype[np.bool_]]) -> _Stretches:
        return _Stretches(self.row[mask], self.begin[mask], self.end[mask])

    def with_(self, others: _Stretches) -> _Stretches:
        """Both, joined where they touch."""
        row, begin, end = (
            np.concatenate(pair)
            for pair in ((self.row, others.row), (self.begin, others.begin), (self.end, others.end))
        )
        order = np.lexsort((begin, row))
        row, begin, end = row[order], begin[order], end[order]
        count = kernels.united(row, begin, end)
        return _Stretches(row[:count], begin[:count], end[:count])


def _lengths(texts: pa.LargeStringArray) -> Int64s:
    return np.diff(text_buffers(texts)[1])


def _without(texts: pa.LargeStringArray, stretches: _Stretches) -> pa.LargeStringArray:
    data, offsets = text_buffers(texts)
    firsts = np.searchsorted(stretches.row, np.arange(len(texts) + 1))
    out, ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(texts) + 1, np.int64)
    kernels.without(data, offsets, firsts, stretches.begin, stretches.end, out, ends)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(out[: int(ends[-1])]))
