"""The one scan of the text: raw counts that rules read, as scratch columns, taken once for the stages that need them.

A stage says what it needs by these names; each is a group of columns `~<name>.<count>` of int64.

- `segments`: characters, paragraphs, repeated_paragraphs, repeated_paragraph_characters, lines, repeated_lines,
  repeated_line_characters
- `symbols`: hashes, ellipses, lines, bullet_lines, ellipsis_lines
- `lines:30`, `lines:30:60`: characters, feeds, lines, ended_lines, short_lines (at most 30 code points),
  repeated_characters; with a second number lines of so many columns go on in the next, and blank ones do not count
- `fast:words`: count (and so with `spacy:`, here and below)
- `fast:shapes:the be to`: words, characters, alphabetic, stop_words (how many of those named occur)
- `fast:grams`: top_2, top_3, top_4, repeated_5, ..., repeated_10
- those of the flavours `dolma` and `dclm`: see `flavours`

Characters are code points. What each counts is said in `kernels`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import get_args

import numpy as np
import pyarrow as pa

from curation.document import SCRATCH, TEXT, with_column
from curation.text.arrow import text_buffers
from curation.text.punctuation import punctuation
from curation.text.signals import flavours
from curation.text.signals.kernels.grams import repeated_grams
from curation.text.signals.kernels.lines import count_lines, count_symbols
from curation.text.signals.kernels.segments import repeated_segments
from curation.text.signals.kernels.words import count_words
from curation.text.unicode import tables
from curation.text.words import Int64, Splitter, WordSpans, word_spans

SEGMENTS, SYMBOLS = "segments", "symbols"

SEGMENT_COUNTS = (
    "characters",
    *("paragraphs", "repeated_paragraphs", "repeated_paragraph_characters"),
    *("lines", "repeated_lines", "repeated_line_characters"),
)
_SYMBOLS = ("hashes", "ellipses", "lines", "bullet_lines", "ellipsis_lines")
LINE_COUNTS = ("characters", "feeds", "lines", "ended_lines", "short_lines", "repeated_characters")
_SHAPES = ("words", "characters", "alphabetic", "stop_words")
GRAM_COUNTS = ("top_2", "top_3", "top_4", *(f"repeated_{n}" for n in range(5, 11)))


def lines(short: int, wrapped: int | None = None) -> str:
    """The name of the counts of lines, of which those of at most `short` code points are short, and those of `wrapped`
    columns or more go on in the next."""
    return f"lines:{short}" if wrapped is None else f"lines:{short}:{wrapped}"


def words(splitter: Splitter) -> str:
    """The name of the count of words."""
    return f"{splitter}:words"


def shapes(splitter: Splitter, stop_words: Sequence[str]) -> str:
    """The name of the counts of what words are, and of which of these stop words occur."""
    return f"{splitter}:shapes:{' '.join(sorted(set(stop_words)))}"


def grams(splitter: Splitter) -> str:
    """The name of the counts of repeated sequences of words."""
    return f"{splitter}:grams"


def signal(batch: pa.RecordBatch, name: str, count: str) -> Int64:
    """One of the counts that `with_signals` added, (documents,)."""
    return np.asarray(batch[f"{SCRATCH}{name}.{count}"])


def with_signals(batch: pa.RecordBatch, needs: frozenset[str]) -> pa.RecordBatch:
    """The batch with the counts of these names; those that it has already are left as they are.

    Words are split once for each splitter. Raises ValueError for a name that means nothing.
    """
    present = {name[len(SCRATCH) :].rpartition(".")[0] for name in batch.schema.names if name.startswith(SCRATCH)}
    spans: dict[str, WordSpans] = {}
    texts = batch[TEXT]
    for need in sorted(needs - present):
        for count, values in _measure(texts, need, spans).items():
            batch = with_column(batch, f"{SCRATCH}{need}.{count}", pa.array(values, pa.int64()))
    return batch


def _measure(texts: pa.LargeStringArray, need: str, spans: dict[str, WordSpans]) -> dict[str, Int64]:
    if need == SEGMENTS:
        return _segments(texts)
    if need == SYMBOLS:
        return _symbols(texts)
    if found := re.fullmatch(r"lines:(\d+)(?::(\d+))?", need):
        return _lines(texts, int(found[1]), int(found[2] or 0))
    head, _, rest = need.partition(":")
    family, _, detail = rest.partition(":")
    for splitter in get_args(Splitter):
        if head == splitter and family in _OF_WORDS:
            if splitter not in spans:
                spans[splitter] = word_spans(texts, splitter)
            return _OF_WORDS[family](texts, spans[splitter], detail)
    measured = flavours.measure(texts, need, spans)
    if measured is None:
        raise ValueError(f"no signal is named {need!r}")
    return measured


def _segments(texts: pa.LargeStringArray) -> dict[str, Int64]:
    counts = _counts(texts, SEGMENT_COUNTS)
    repeated_segments(*text_buffers(texts), tables().classes, counts)
    return _named(SEGMENT_COUNTS, counts)


def _symbols(texts: pa.LargeStringArray) -> dict[str, Int64]:
    counts = _counts(texts, _SYMBOLS)
    count_symbols(*text_buffers(texts), tables().classes, counts)
    return _named(_SYMBOLS, counts)


def _lines(texts: pa.LargeStringArray, short: int, wrapped: int) -> dict[str, Int64]:
    counts = _counts(texts, LINE_COUNTS)
    count_lines(*text_buffers(texts), tables().classes, punctuation(), short, wrapped, counts)
    return _named(LINE_COUNTS, counts)


def _words(_texts: pa.LargeStringArray, spans: WordSpans, _detail: str) -> dict[str, Int64]:
    return {"count": np.diff(spans.offsets)}


def _shapes(texts: pa.LargeStringArray, spans: WordSpans, detail: str) -> dict[str, Int64]:
    counts = _counts(texts, _SHAPES)
    wanted = text_buffers(pa.array(detail.split(" "), pa.large_string()))
    count_words(*text_buffers(texts), *spans, tables().classes, punctuation(), *wanted, counts)
    return _named(_SHAPES, counts)


def _grams(texts: pa.LargeStringArray, spans: WordSpans, _detail: str) -> dict[str, Int64]:
    counts = _counts(texts, GRAM_COUNTS)
    repeated_grams(*text_buffers(texts), *spans, counts)
    return _named(GRAM_COUNTS, counts)


_OF_WORDS: dict[str, Callable[[pa.LargeStringArray, WordSpans, str], dict[str, Int64]]] = {
    "words": _words,
    "shapes": _shapes,
    "grams": _grams,
}


def _counts(texts: pa.LargeStringArray, names: Sequence[object]) -> Int64:
    return np.zeros((len(texts), len(names)), np.int64)


def _named(names: Sequence[str], counts: Int64) -> dict[str, Int64]:
    return {name: np.ascontiguousarray(counts[:, column]) for column, name in enumerate(names)}
