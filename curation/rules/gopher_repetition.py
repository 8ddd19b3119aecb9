"""Documents that repeat themselves: lines, paragraphs and sequences of words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import pyarrow as pa

from curation.rules.ratio import share, with_values
from curation.stage import Bound, RuleStage
from curation.text import signals
from curation.text.signals import signal, with_signals
from curation.text.words import Splitter

_VALUES = (
    *("dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac"),
    *(f"top_{n}_gram" for n in (2, 3, 4)),
    *(f"duplicated_{n}_n_grams" for n in range(5, 11)),
)


class GopherRepetition(RuleStage):
    """Drop documents that repeat themselves. A threshold is a share that may not be exceeded; null is off."""

    reference: ClassVar[str] = (
        "Gopher, arXiv 2112.11446, table A1; arithmetic of datatrove 0.10.1 GopherRepetitionFilter, as FineWeb ran it"
    )

    kind: Literal["gopher_repetition"] = "gopher_repetition"
    flavour: Literal["fineweb"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's."""
    words: Splitter = "fast"
    """How words are split: `fast` (any script), or `spacy` for parity with datatrove."""
    dup_para_frac: float | None = 0.3
    """Paragraphs that repeat an earlier one, of all paragraphs."""
    dup_para_char_frac: float | None = 0.2
    """Their characters, of all characters."""
    dup_line_frac: float | None = 0.3
    """Lines that repeat an earlier one, of all lines."""
    dup_line_char_frac: float | None = 0.2
    """Their characters, of all characters."""
    top_2_gram: float | None = 0.2
    """Characters in the most frequent sequence of 2 words, of all characters."""
    top_3_gram: float | None = 0.18
    """The same for 3 words."""
    top_4_gram: float | None = 0.16
    """The same for 4 words."""
    duplicated_5_n_grams: float | None = 0.15
    """Characters in sequences of 5 words that were met before, of all characters."""
    duplicated_6_n_grams: float | None = 0.14
    """The same for 6 words."""
    duplicated_7_n_grams: float | None = 0.13
    """The same for 7 words."""
    duplicated_8_n_grams: float | None = 0.12
    """The same for 8 words."""
    duplicated_9_n_grams: float | None = 0.11
    """The same for 9 words."""
    duplicated_10_n_grams: float | None = 0.10
    """The same for 10 words."""

    def signals(self) -> frozenset[str]:
        return frozenset({signals.SEGMENTS, signals.grams(self.words)})

    def columns(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field(self.column("characters"), pa.int64()),
                *(pa.field(self.column(value), pa.float64()) for value in _VALUES),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        counts = {name: signal(batch, signals.SEGMENTS, name) for name in signals.SEGMENT_COUNTS}
        characters = counts["characters"]
        values = {
            "characters": characters,
            "dup_para_frac": share(counts["repeated_paragraphs"], counts["paragraphs"]),
            "dup_para_char_frac": share(counts["repeated_paragraph_characters"], characters),
            "dup_line_frac": share(counts["repeated_lines"], counts["lines"]),
            "dup_line_char_frac": share(counts["repeated_line_characters"], characters),
        }
        for value, count in zip(_VALUES[4:], signals.GRAM_COUNTS, strict=True):
            values[value] = share(signal(batch, signals.grams(self.words), count), characters)
        return with_values(batch, self.columns(), values)

    def bounds(self) -> Sequence[Bound]:
        """An empty document is dropped whatever the thresholds."""
        return [
            Bound("empty", "characters", "<", 1),
            *(Bound(value, value, ">", getattr(self, value)) for value in _VALUES),
        ]
