"""Taking repeated stretches out of texts, and what is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from curation.dedup.spans import kernels
from curation.dedup.spans.stages import SpanStage
from curation.text.arrow import text_buffers

Int64s = np.ndarray[Any, np.dtype[np.int64]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
LISTED = 10
"""So many of a document's cuts are told one by one, of each stage."""


@dataclass(frozen=True)
class Cut:
    """Texts without their repeated stretches, and what each stage took: columns by name, one value a text."""

    texts: pa.LargeStringArray
    values: dict[str, pa.Array]


class Taken(NamedTuple):
    """A stretch that was cut, in bytes of UTF-8 of the text as it was before anything was cut of it; and where what it
    begins with stands first: the document's id, its address, and the byte in its text, as that was before."""

    begin: int
    end: int
    first_id: str | None
    first_shard: str
    first_row: int
    first_begin: int


def listed(cuts: str | None) -> list[Taken]:
    """What the column `cuts` of a document says: its first cuts, LISTED at most."""
    return [] if cuts is None else [Taken(*each) for each in orjson.loads(cuts)]


def cut(texts: pa.LargeStringArray, spans: pa.Table, stages: Sequence[SpanStage]) -> Cut:
    """Take the stretches (SPANS, whose `row` is a text's place among these) out, stage by stage.

    Where a stage would leave less than its `min_left` of a text, it takes nothing of it. What two stages have found is
    counted for the first.
    """
    values: dict[str, pa.Array] = {}
    taken, result, left = _Stretches.none(), texts, _lengths(texts)
    numbers = np.asarray(spans["stage"].to_numpy())
    for number, stage in enumerate(stages):
        own = spans.filter(pa.array(numbers == number))
        found = _Stretches.of(own)
        after = _lengths(_without(texts, taken.with_(found)))
        whole = np.zeros(len(texts), np.bool_)
        whole[found.row] = after[found.row] < stage.min_left
        accepted = ~whole[found.row]
        taken = taken.with_(found.where(accepted))
        result = _without(texts, taken)
        after = _lengths(result)
        values[stage.column("spans")] = pa.array(np.bincount(found.row[accepted], minlength=len(texts)))
        values[stage.column("removed")] = pa.array(left - after)
        values[stage.column("whole")] = pa.array(whole)
        values[stage.column("cuts")] = _told(len(texts), own.filter(pa.array(accepted)))
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

    @classmethod
    def of(cls, spans: pa.Table) -> _Stretches:
        return cls(*(np.asarray(spans[name].to_numpy()) for name in ("row", "begin", "end")))

    def where(self, mask: Bools) -> _Stretches:
        return _Stretches(self.row[mask], self.begin[mask], self.end[mask])

    def with_(self, others: _Stretches) -> _Stretches:
        """Both, joined where they touch."""
        row, begin, end = (
            np.concatenate(pair)
            for pair in ((self.row, others.row), (self.begin, others.begin), (self.end, others.end))
        )
        order = np.lexsort((begin, row))
        row, begin, end = row[order], begin[order], end[order]
        heads = kernels.united(row, begin, end)
        return _Stretches(row[heads], begin[heads], end[heads])


def _lengths(texts: pa.LargeStringArray) -> Int64s:
    return np.diff(text_buffers(texts)[1])


def _without(texts: pa.LargeStringArray, stretches: _Stretches) -> pa.LargeStringArray:
    if not stretches.row.size:
        return texts
    data, offsets = text_buffers(texts)
    firsts = np.searchsorted(stretches.row, np.arange(len(texts) + 1))
    out, ends = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(texts) + 1, np.int64)
    kernels.without(data, offsets, firsts, stretches.begin, stretches.end, out, ends)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(out[: int(ends[-1])]))


def _told(texts: int, spans: pa.Table) -> pa.StringArray:
    """The column `cuts` of these texts, of which these stretches were cut; null where there are none."""
    told: list[str | None] = [None] * texts
    rows, firsts = np.unique(spans["row"].to_numpy(), return_index=True)
    ends = [*firsts[1:].tolist(), spans.num_rows]
    for row, begin, end in zip(rows.tolist(), firsts.tolist(), ends[: rows.size], strict=True):
        some = spans.slice(begin, min(LISTED, end - begin)).select(Taken._fields).to_pydict()
        told[row] = orjson.dumps([*zip(*some.values(), strict=True)]).decode()
    return pa.array(told, pa.string())
