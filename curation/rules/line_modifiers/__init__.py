"""DCLM's line modifiers: lines that are headings, numbers, counters and buttons go."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curation.document import TEXT, with_text
from curation.rules.line_modifiers import kernels
from curation.rules.ratio import Count, Share, share, with_values
from curation.stage import Bound, RuleStage
from curation.text.arrow import Bytes, text_buffers
from curation.text.punctuation import punctuation
from curation.text.signals import flavours, signal, with_signals
from curation.text.unicode import tables

_COUNTS = {  # column of this stage: column of the kernel's counts
    "lines": kernels.LINES,
    "lines_upper_case": kernels.UPPER_CASE,
    "lines_numeric": kernels.NUMERIC,
    "lines_counters": kernels.COUNTERS,
    "lines_too_few_words": kernels.FEW_WORDS,
    "lines_items_in_cart": kernels.IN_CART,
    "lines_read_more": kernels.READ_MORE,
    "lines_sign_in": kernels.SIGN_IN,
    "lines_kept": kernels.KEPT,
}
_COUNTERS = (
    *("likes", "shares", "comments", "retweets", "reposts", "quotes", "bookmarks", "upvotes", "downvotes"),
    *("downloads", "views", "followers"),
)
_PHRASES = ("items in cart", "read more", "sign-in")


class LineModifiers(RuleStage):
    """Take out lines that are no sentences, and drop documents that lose too many words by it. Null switches a rule
    off.

    Lines stand between line feeds; empty ones stay. The text of a document that is dropped stays as it was. Words are
    what stands between white space and begins with a letter or digit, as DCLM counts them.
    """

    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "RefinedWeb, arXiv 2306.01116, appendix G.2; arithmetic and order of DCLM's modifiers, arXiv 2406.11794, as in "
        "dclm_baseline_refinedweb"
    )

    kind: Literal["line_modifiers"] = "line_modifiers"
    flavour: Literal["dclm"] = "dclm"
    """Whose arithmetic: `dclm` is that of DCLM."""
    max_line_feeds: Annotated[int, Field(ge=1)] | None = 2
    """Most line feeds in a row; more become so many."""
    max_upper_case_ratio: Share | None = 0.5
    """Lines with a greater share of capitals, of all characters, go."""
    max_numeric_ratio: Share | None = 0.999999
    """Lines with a greater share of digits go."""
    remove_counters: bool = True
    """Whether lines such as "12 likes" and "3.5K views" go."""
    min_words_per_line: Count | None = 2
    """Lines with fewer words between white space go."""
    max_words_with_phrase: Count | None = 10
    """From lines of at most so many words "items in cart" is cut out, "read more" with three characters at their end,
    and "sign-in" at their beginning, in any case. Lines of which nothing is left go."""
    max_removed_ratio: Share | None = 0.05
    """Greatest share of its words that a document may lose."""

    def signals(self) -> frozenset[str]:
        return frozenset({flavours.DCLM_WORDS})

    def columns(self) -> pa.Schema:
        return pa.schema(
            [
                *(pa.field(self.column(value), pa.int64()) for value in (*_COUNTS, "words", "words_kept")),
                pa.field(self.column("removed_ratio"), pa.float64()),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        original = batch[TEXT]
        cleaned, values = self._clean(original)
        words, kept = signal(batch, flavours.DCLM_WORDS, "count"), flavours.fasttext_words(cleaned)
        removed = share(words - kept, words)
        values = {**values, "words": words, "words_kept": kept, "removed_ratio": removed}
        batch = with_values(batch, self.columns(), values)
        return with_text(batch, pc.if_else(self.drop_reasons(batch).is_valid(), original, cleaned))

    def _clean(self, text: pa.LargeStringArray) -> tuple[pa.LargeStringArray, dict[str, Any]]:
        """What is left of each text, and the counts of lines, (documents,) each."""
        data, offsets = text_buffers(text)
        counts = np.zeros((len(text), kernels.COLUMNS), np.int64)
        out, out_offsets = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(text) + 1, np.int64)
        kernels.modify_lines(
            *(data, offsets, tables().classes, tables().lower, punctuation()),
            *(_rows(_COUNTERS if self.remove_counters else ()), _rows(_PHRASES)),
            -1 if self.max_line_feeds is None else self.max_line_feeds,
            -1.0 if self.max_upper_case_ratio is None else self.max_upper_case_ratio,
            -1.0 if self.max_numeric_ratio is None else self.max_numeric_ratio,
            -1 if self.min_words_per_line is None else self.min_words_per_line,
            -1 if self.max_words_with_phrase is None else self.max_words_with_phrase,
            *(out, out_offsets, counts),
        )
        size = int(out_offsets[-1])
        cleaned = pa.LargeStringArray.from_buffers(len(text), pa.py_buffer(out_offsets), pa.py_buffer(out[:size]))
        return cleaned, {value: counts[:, column] for value, column in _COUNTS.items()}

    def bounds(self) -> Sequence[Bound]:
        """A document that has no word, or of which no line is left, is dropped whatever the threshold."""
        return [
            Bound("no_words", "words", "<", 1),
            Bound("empty", "lines_kept", "<", 1),
            Bound("removed_words", "removed_ratio", ">", self.max_removed_ratio),
        ]


@cache
def _rows(words: tuple[str, ...]) -> Bytes:
    """Words as rows of (length, letters), (words, 16)."""
    rows = np.zeros((len(words), 16), np.uint8)
    for row, word in enumerate(words):
        rows[row, : 1 + len(word)] = [len(word), *word.encode()]
    return rows
