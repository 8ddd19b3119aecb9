"""The parts of texts that are compared: every sequence of so many words, or every paragraph or line, with its key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curation.dedup.fingerprint import exact_keys
from curation.dedup.spans import kernels
from curation.dedup.spans.stages import ParagraphDedup, SpanStage, SubstringDedup
from curation.dedup.stage import Uint64s
from curation.text.arrow import text_buffers
from curation.text.words import word_spans

Places = np.ndarray[Any, np.dtype[np.uint32]]
WINDOWS = 1 << 19
"""So many sequences of words are held at a time, however long a text is."""
_BYTES_A_WORD = 5


class Parts(NamedTuple):
    """Parts of some texts, in the order of the texts and of their first bytes."""

    keys: Uint64s  # (parts, 2)
    of: np.ndarray[Any, np.dtype[np.int64]]  # (parts,): the number of the text
    begin: Places  # (parts,): bytes of UTF-8 from the text's beginning
    end: Places


def parts_of(stage: SpanStage, texts: pa.LargeStringArray) -> Iterator[Parts]:
    """What the stage compares of these texts, a bounded number at a time.

    Raises TypeError for a stage that compares nothing.
    """
    match stage:
        case SubstringDedup():
            yield from _windows(texts, stage.min_words)
        case ParagraphDedup():
            yield _units(texts, stage.unit == "line", stage.min_characters)
        case _:
            raise TypeError(f"{stage.kind} compares no parts")


def parts_about(stage: SpanStage, text_bytes: int) -> int:
    """About how many parts so much text has."""
    return text_bytes // (stage.min_characters if isinstance(stage, ParagraphDedup) else _BYTES_A_WORD)


def _windows(texts: pa.LargeStringArray, width: int) -> Iterator[Parts]:
    data, offsets = text_buffers(texts)
    spans = word_spans(texts, "fast")
    for first in range(0, spans.starts.size, WINDOWS):
        last = min(first + WINDOWS, spans.starts.size)
        found = _room(last - first)
        yield _cut_to(found, kernels.windows(data, offsets, *spans, width, first, last, *found))


def _units(texts: pa.LargeStringArray, by_line: bool, least: int) -> Parts:
    data, offsets = text_buffers(texts)
    found = _room(int(offsets[-1] - offsets[0]) // least + len(texts))
    found = _cut_to(found, kernels.units(data, offsets, by_line, least, *found[1:]))
    ends = np.empty(found.of.size + 1, np.int64)
    copied = np.empty(int((found.end.astype(np.int64) - found.begin).sum()), np.uint8)
    kernels.gathered(data, offsets, *found[1:], copied, ends)
    units = pa.LargeStringArray.from_buffers(found.of.size, pa.py_buffer(ends), pa.py_buffer(copied))
    return found._replace(keys=exact_keys(units))


def _room(parts: int) -> Parts:
    of, begin, end = np.empty(parts, np.int64), np.empty(parts, np.uint32), np.empty(parts, np.uint32)
    return Parts(np.empty((parts, 2), np.uint64), of, begin, end)


def _cut_to(found: Parts, count: int) -> Parts:
    return Parts(found.keys[:count], found.of[:count], found.begin[:count], found.end[:count])
