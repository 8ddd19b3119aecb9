"""Places in texts: which stay where they overlap, what a text is without them, and how they are written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curation.privacy.kernels import code_points, splice
from curation.text.arrow import text_buffers
from curation.text.words import Int64

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Spans(NamedTuple):
    """Places in an array of texts, in order, none overlapping another; (spans,) each.

    `starts` and `ends` are bytes in the array's buffer, as `text_buffers` gives it; `kinds` are indices of names.
    """

    documents: Int64
    starts: Int64
    ends: Int64
    kinds: Int64

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.starts)

    def of(self, chosen: Flags | Int64) -> Spans:
        """Some of them, by a mask or by indices."""
        return Spans(*(column[chosen] for column in self))


def no_spans() -> Spans:
    """None at all."""
    nothing = np.zeros(0, np.int64)
    return Spans(nothing, nothing, nothing, nothing)


def in_order(parts: Sequence[Spans]) -> Spans:
    """All of them by place."""
    together = Spans(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
    return together.of(np.argsort(together.starts, kind="stable"))


def disjoint(candidates: Spans, kinds: int) -> Spans:
    """The candidates that overlap none of a lower kind, and none of their own that begins before them."""
    kept = no_spans()
    for kind in range(kinds):
        mine = candidates.of(candidates.kinds == kind)
        if mine.size:
            mine = mine.of(np.argsort(mine.starts, kind="stable"))
            mine = mine.of(free(mine, kept))
            kept = in_order([kept, mine.of(_not_overlapping_before(mine))])
    return kept


def free(spans: Spans, taken: Spans) -> Flags:
    """Which spans overlap none of those that are taken; (spans,) bool."""
    if not taken.size:
        return np.ones(spans.size, np.bool_)
    behind = np.searchsorted(taken.starts, spans.starts, "right")
    touches_before = (behind > 0) & (taken.ends[behind - 1] > spans.starts)
    touches_after = (behind < taken.size) & (taken.starts[np.minimum(behind, taken.size - 1)] < spans.ends)
    return ~(touches_before | touches_after)


def _not_overlapping_before(spans: Spans) -> Int64:
    """Of spans in order those that begin behind the end of the last that stays."""
    chosen, end = [], -1
    for index, (start, stop) in enumerate(zip(spans.starts.tolist(), spans.ends.tolist(), strict=True)):
        if start >= end:
            chosen.append(index)
            end = stop
    return np.array(chosen, np.int64)


def replaced(text: pa.LargeStringArray, spans: Spans, replacements: Sequence[bytes]) -> pa.LargeStringArray:
    """The texts with each span's bytes replaced by its own replacement; all else is unchanged."""
    if not spans.size:
        return text
    data, offsets = text_buffers(text)
    widths = np.array([len(each) for each in replacements], np.int64)
    size = int(offsets[-1] - offsets[0] + np.sum(widths) - np.sum(spans.ends - spans.starts))
    out, out_offsets = np.empty(size, np.uint8), np.empty(len(text) + 1, np.int64)
    new = np.frombuffer(b"".join(replacements), np.uint8)
    splice(data, offsets, spans.starts, spans.ends, new, np.cumsum(widths), out, out_offsets)
    return pa.LargeStringArray.from_buffers(len(text), pa.py_buffer(out_offsets), pa.py_buffer(out))


def exhausted(
    text: pa.LargeStringArray,
    find: Callable[[pa.LargeStringArray], Spans],
    name: Callable[[pa.LargeStringArray, Spans], Sequence[bytes]],
) -> Spans:
    """What `find` finds in the texts, and in them with that replaced by what `name` gives, until it finds nothing: a
    neighbour that is gone can leave a number standing by itself. So what is redacted holds nothing more to redact.

    Only texts in which something was found are looked at again. Of what is found around an earlier find (a password
    with a key in it) the parts beside that one are taken.
    """
    found = find(text)
    fresh = found
    while fresh.size:
        rows = np.unique(fresh.documents)
        part, inside = _only(text, found, rows)
        names = name(part, inside)
        more = find(replaced(part, inside, names))
        fresh = _beside(_moved_back(more, inside, names, text, part, rows), found)
        found = in_order([found, fresh])
    return found


def _only(text: pa.LargeStringArray, spans: Spans, rows: Int64) -> tuple[pa.LargeStringArray, Spans]:
    """These rows as an array of their own, and the spans in them."""
    part = text.take(pa.array(rows))
    inside = spans.of(np.isin(spans.documents, rows))
    documents = np.searchsorted(rows, inside.documents)
    shift = _offsets(part)[documents] - _offsets(text)[inside.documents]
    return part, Spans(documents, inside.starts + shift, inside.ends + shift, inside.kinds)


def _moved_back(
    more: Spans,
    inside: Spans,
    names: Sequence[bytes],
    text: pa.LargeStringArray,
    part: pa.LargeStringArray,
    rows: Int64,
) -> Spans:
    """What was found in the rewritten rows, where it stands in the texts. It may have replacements within it, but none
    holds where it begins or ends."""
    widths = np.array([len(each) for each in names], np.int64)
    lost = np.cumsum(inside.ends - inside.starts - widths)  # by the end of each span
    new_ends = inside.ends - lost
    before = np.concatenate([[0], lost])
    documents = rows[more.documents]
    shift = _offsets(text)[documents] - _offsets(part)[more.documents]
    starts, ends = (
        places + before[np.searchsorted(new_ends, places, "right")] + shift for places in (more.starts, more.ends)
    )
    return Spans(documents, starts, ends, more.kinds)


def _beside(spans: Spans, taken: Spans) -> Spans:
    """The parts of the spans that lie before, between and behind the taken ones within them."""
    firsts, lasts = (np.searchsorted(taken.starts, places) for places in (spans.starts, spans.ends))
    parts = []
    for k, (document, start, end, kind) in enumerate(zip(*(column.tolist() for column in spans), strict=True)):
        within = slice(firsts[k], lasts[k])
        edges = [start, *np.stack([taken.starts[within], taken.ends[within]], 1).reshape(-1).tolist(), end]
        parts += [(document, a, b, kind) for a, b in zip(edges[::2], edges[1::2], strict=True) if a < b]
    return Spans(*np.array(parts, np.int64).reshape(-1, 4).T)


def _offsets(text: pa.LargeStringArray) -> Int64:
    return text_buffers(text)[1]


def values(text: pa.LargeStringArray, spans: Spans) -> Iterator[bytes]:
    """What stands at each place, one after the other."""
    data, _ = text_buffers(text)
    for start, end in zip(spans.starts.tolist(), spans.ends.tolist(), strict=True):
        yield data[start:end].tobytes()


def listed(text: pa.LargeStringArray, spans: Spans, names: Sequence[str]) -> pa.StringArray:
    """For each text where its spans are, in code points, and never what they hold: `email:120-141;phone:300-314`."""
    lines = [""] * len(text)
    if spans.size:
        places = np.stack([spans.starts, spans.ends], 1).reshape(-1)
        points = np.empty(len(places), np.int64)
        code_points(*text_buffers(text), np.repeat(spans.documents, 2), places, points)
        entries = [
            f"{names[kind]}:{a}-{b}"
            for kind, (a, b) in zip(spans.kinds.tolist(), points.reshape(-1, 2).tolist(), strict=True)
        ]
        first = np.flatnonzero(np.diff(spans.documents, prepend=-1))
        for a, b in pairwise([*first.tolist(), spans.size]):
            lines[int(spans.documents[a])] = ";".join(entries[a:b])
    return pa.array(lines, pa.string())
