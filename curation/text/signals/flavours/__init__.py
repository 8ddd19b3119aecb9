"""The counts of the flavours `dolma` and `dclm`, each under the flavour's name.

- `dolma:pieces:the be to`, `dclm:pieces:the be to`: pieces, characters, alphabetic, symbolic, stop_words (how often
  those named occur; in `dclm` in any case), twice_median
- `dolma:lines`, `dclm:lines`, `dclm:paragraphs`: segments, characters, copies, copy_characters, bullets, ellipses
- `dolma:grams`, `dclm:grams`: top_2, top_3, top_4, repeated_5, ..., repeated_10, whole_5, ..., whole_10,
  characters
- `dclm:words`, `dclm:marks`: count

Pieces are what str.split gives; dolma's n-grams are of pieces, dclm's of the words that UAX 29 finds and that begin
with a letter or digit. What each counts is said in `kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, get_args

import numpy as np
import pyarrow as pa

from curation.text.arrow import text_buffers
from curation.text.signals.flavours.breaks import breaks
from curation.text.signals.flavours.kernels.grams import count_grams
from curation.text.signals.flavours.kernels.pieces import count_fasttext_words, count_pieces, split_pieces
from curation.text.signals.flavours.kernels.segments import count_copies, count_marks
from curation.text.signals.flavours.kernels.words import split_unicode_words
from curation.text.unicode import tables
from curation.text.words import Int64, WordSpans

Flavour = Literal["dolma", "dclm"]

DCLM_WORDS, DCLM_MARKS, DCLM_PARAGRAPHS = "dclm:words", "dclm:marks", "dclm:paragraphs"

_PIECES = ("pieces", "characters", "alphabetic", "symbolic", "stop_words", "twice_median")
_SEGMENTS = ("segments", "characters", "copies", "copy_characters", "bullets", "ellipses")
_GRAMS = (
    *("top_2", "top_3", "top_4"),
    *(f"repeated_{n}" for n in range(5, 11)),
    *(f"whole_{n}" for n in range(5, 11)),
    "characters",
)


def pieces(flavour: Flavour, stop_words: Sequence[str]) -> str:
    """The name of the counts of pieces between white space, and of these stop words."""
    return f"{flavour}:pieces:{' '.join(sorted(set(stop_words)))}"


def lines(flavour: Flavour) -> str:
    """The name of the counts of lines and their copies."""
    return f"{flavour}:lines"


def grams(flavour: Flavour) -> str:
    """The name of the counts of repeated sequences of words."""
    return f"{flavour}:grams"


def measure(texts: pa.LargeStringArray, need: str, spans: dict[str, WordSpans]) -> dict[str, Int64] | None:
    """The counts of this name, None if it means nothing here; `spans` holds what was split before."""
    flavour, _, rest = need.partition(":")
    family, _, detail = rest.partition(":")
    if flavour in get_args(Flavour) and family == "pieces" and detail:
        return _pieces(texts, flavour == "dclm", detail, spans)
    found = _PLAIN.get(need)
    return None if found is None else found(texts, spans)


def fasttext_words(texts: pa.LargeStringArray) -> Int64:
    """The words of each text as DCLM counts them, (documents,)."""
    words = np.zeros(len(texts), np.int64)
    count_fasttext_words(*text_buffers(texts), tables().classes, words)
    return words


def _split(texts: pa.LargeStringArray, spans: dict[str, WordSpans]) -> WordSpans:
    if "split" not in spans:
        counts, starts, ends = _room(texts)
        split_pieces(*text_buffers(texts), tables().classes, counts, starts, ends)
        spans["split"] = WordSpans(counts, starts[: counts[-1]], ends[: counts[-1]])
    return spans["split"]


def _room(texts: pa.LargeStringArray) -> WordSpans:
    """For as many words as there are bytes, and one; pages that are not written to cost nothing."""
    _, offsets = text_buffers(texts)
    size = int(offsets[-1] - offsets[0]) + 1
    return WordSpans(np.zeros(len(offsets), np.int64), np.empty(size, np.int32), np.empty(size, np.int32))


def _pieces(texts: pa.LargeStringArray, lowers: bool, detail: str, spans: dict[str, WordSpans]) -> dict[str, Int64]:
    counts = np.zeros((len(texts), len(_PIECES)), np.int64)
    words = detail.lower() if lowers else detail
    wanted = text_buffers(pa.array(words.split(" "), pa.large_string()))
    split = _split(texts, spans)
    count_pieces(*text_buffers(texts), *split, tables().classes, tables().lower, lowers, *wanted, counts)
    return _named(_PIECES, counts)


def _copies(feeds: int, dclm: bool) -> Callable[[pa.LargeStringArray, dict[str, WordSpans]], dict[str, Int64]]:
    def count(texts: pa.LargeStringArray, _spans: dict[str, WordSpans]) -> dict[str, Int64]:
        counts = np.zeros((len(texts), len(_SEGMENTS)), np.int64)
        count_copies(*text_buffers(texts), tables().classes, feeds, dclm, counts)
        return _named(_SEGMENTS, counts)

    return count


def _marks(texts: pa.LargeStringArray, _spans: dict[str, WordSpans]) -> dict[str, Int64]:
    marks = np.zeros(len(texts), np.int64)
    count_marks(*text_buffers(texts), marks)
    return {"count": marks}


def _words(texts: pa.LargeStringArray, _spans: dict[str, WordSpans]) -> dict[str, Int64]:
    return {"count": fasttext_words(texts)}


def _dolma_grams(texts: pa.LargeStringArray, spans: dict[str, WordSpans]) -> dict[str, Int64]:
    return _grams(texts, _split(texts, spans), dclm=False)


def _dclm_grams(texts: pa.LargeStringArray, _spans: dict[str, WordSpans]) -> dict[str, Int64]:
    counts, starts, ends = _room(texts)
    split_unicode_words(*text_buffers(texts), tables().classes, breaks(), counts, starts, ends)
    return _grams(texts, WordSpans(counts, starts[: counts[-1]], ends[: counts[-1]]), dclm=True)


def _grams(texts: pa.LargeStringArray, words: WordSpans, *, dclm: bool) -> dict[str, Int64]:
    counts = np.zeros((len(texts), len(_GRAMS)), np.int64)
    count_grams(*text_buffers(texts), *words, dclm, counts)
    return _named(_GRAMS, counts)


def _named(names: Sequence[str], counts: Int64) -> dict[str, Int64]:
    return {name: np.ascontiguousarray(counts[:, column]) for column, name in enumerate(names)}


_PLAIN: dict[str, Callable[[pa.LargeStringArray, dict[str, WordSpans]], dict[str, Int64]]] = {
    "dolma:lines": _copies(1, dclm=False),
    "dclm:lines": _copies(1, dclm=True),
    DCLM_PARAGRAPHS: _copies(2, dclm=True),
    DCLM_MARKS: _marks,
    DCLM_WORDS: _words,
    "dolma:grams": _dolma_grams,
    "dclm:grams": _dclm_grams,
}
