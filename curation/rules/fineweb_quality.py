"""Documents made of lists, menus and repeated lines rather than of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.rules.flavours import FlavouredStage
from curation.rules.ratio import Count, Quantity, Share, share, with_values
from curation.stage import Bound
from curation.text import signals
from curation.text.signals import signal, with_signals
from curation.text.words import Splitter


class FineWebQuality(FlavouredStage):
    """Drop documents made of lists, menus and repeated lines. A threshold of null switches its rule off.

    Lines are what stands between line feeds; those of white space only do not count. Where lines are broken at a width,
    `wrap_columns` makes them whole.
    """

    reference: ClassVar[str] = "FineWeb, arXiv 2406.17557; arithmetic of datatrove 0.10.1 FineWebQualityFilter"

    by_document: ClassVar[frozenset[str]] = frozenset({"wrap_columns"})

    kind: Literal["fineweb_quality"] = "fineweb_quality"
    flavour: Literal["fineweb"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's."""
    words: Splitter = "fast"
    """How words are split: `fast`, `units` (other in scripts without spaces), `spacy` (as datatrove)."""
    line_punct_thr: Share | None = 0.12
    """Least share of lines that end in terminal punctuation of any script."""
    short_line_thr: Share | None = 0.67
    """Greatest share of short lines."""
    short_line_length: Count = 30
    """How many characters a short line has at most."""
    char_duplicates_ratio: Share | None = 0.01
    """Greatest share of characters in lines that repeat an earlier one, of all but line feeds."""
    new_line_ratio: Quantity | None = 0.3
    """Most line feeds a word."""
    wrap_columns: Annotated[int, Field(ge=1)] | None = None
    """For text whose lines are broken at a width and whose paragraphs are set off by blank lines, such as mail, manuals
    and books in plain text: a line of so many columns or more (60, say) goes on in the next, unless that is blank, and
    blank lines are not counted as line feeds. A character of full width takes two columns."""

    def signals(self) -> frozenset[str]:
        return frozenset({self._lines, signals.words(self.words)})

    @property
    def _lines(self) -> str:
        return signals.lines(self.short_line_length, self.wrap_columns)

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
        counts = self.varied(batch, lambda stage: stage._lines, signals.LINE_COUNTS)
        lines = counts["lines"]
        return with_values(
            batch,
            self.columns(),
            {
                "lines": lines,
                "line_punct_ratio": share(counts["ended_lines"], lines),
                "short_line_ratio": share(counts["short_lines"], lines),
                "char_dup_ratio": share(counts["repeated_characters"], counts["characters"]),
                "list_ratio": share(counts["feeds"], signal(batch, signals.words(self.words), "count")),
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
