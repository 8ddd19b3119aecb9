"""Documents made of lists, menus and repeated lines rather than of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.rules.ratio import share, with_values
from curation.stage import Bound, RuleStage
from curation.text import signals
from curation.text.signals import signal, with_signals
from curation.text.words import Splitter


class FineWebQuality(RuleStage):
    """Drop documents made of lists, menus and repeated lines. A threshold of null switches its rule off.

    Lines are what stands between line feeds; those of white space only do not count.
    """

    reference: ClassVar[str] = "FineWeb, arXiv 2406.17557; arithmetic of datatrove 0.10.1 FineWebQualityFilter"

    kind: Literal["fineweb_quality"] = "fineweb_quality"
    flavour: Literal["fineweb"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's."""
    words: Splitter = "fast"
    """How words are split: `fast`, `units` (other in scripts without spaces), `spacy` (as datatrove)."""
    line_punct_thr: float | None = 0.12
    """Least share of lines that end in terminal punctuation of any script."""
    short_line_thr: float | None = 0.67
    """Greatest share of short lines."""
    short_line_length: Annotated[int, Field(ge=0)] = 30
    """How many characters a short line has at most."""
    char_duplicates_ratio: float | None = 0.01
    """Greatest share of characters in lines that repeat an earlier one, of all but line feeds."""
    new_line_ratio: float | None = 0.3
    """Most line feeds a word."""

    def signals(self) -> frozenset[str]:
        return frozenset({self._lines, signals.words(self.words)})

    @property
    def _lines(self) -> str:
        return signals.lines(self.short_line_length)

    def columns(self) -> pa.Schema:
        ratios = ("line_punct_ratio", "short_line_ratio", "char_dup_ratio", "list_ratio")
        return pa.schema(
            [
                pa.field(self.column("lines"), pa.int64()),
                *(pa.field(self.column(value), pa.float64()) for value in ratios),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        lines = signal(batch, self._lines, "lines")
        return with_values(
            batch,
            self.columns(),
            {
                "lines": lines,
                "line_punct_ratio": share(signal(batch, self._lines, "ended_lines"), lines),
                "short_line_ratio": share(signal(batch, self._lines, "short_lines"), lines),
                "char_dup_ratio": share(
                    signal(batch, self._lines, "repeated_characters"), signal(batch, self._lines, "characters")
                ),
                "list_ratio": share(
                    signal(batch, self._lines, "feeds"), signal(batch, signals.words(self.words), "count")
                ),
            },
        )

    def bounds(self) -> Sequence[Bound]:
        """A document without a visible line is dropped whatever the thresholds."""
        return [
            Bound("empty", "lines", "<", 1),
            Bound("line_punct_ratio", "line_punct_ratio", "<", self.line_punct_thr),
            Bound("short_line_ratio", "short_line_ratio", ">", self.short_line_thr),
            Bound("char_dup_ratio", "char_dup_ratio", ">", self.char_duplicates_ratio),
            Bound("list_ratio", "list_ratio", ">", self.new_line_ratio),
        ]
