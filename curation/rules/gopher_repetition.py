"""Documents that repeat themselves: lines, paragraphs and sequences of words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from curation.rules.flavours import FlavouredStage
from curation.rules.ratio import Quantity, Share, share, with_values
from curation.stage import Bound
from curation.text import signals
from curation.text.signals import flavours, signal, with_signals
from curation.text.words import Splitter

_GRAMS = (*(f"top_{n}_gram" for n in (2, 3, 4)), *(f"duplicated_{n}_n_grams" for n in range(5, 11)))
# What each flavour measures, in the order in which its tool asks.
_VALUES = {
    "fineweb": ("dup_para_frac", "dup_para_char_frac", "dup_line_frac", "dup_line_char_frac", *_GRAMS),
    "dolma": ("dup_line_frac", "dup_line_char_frac", *_GRAMS),
    "dclm": ("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac", *_GRAMS),
}


class GopherRepetition(FlavouredStage):
    """Drop documents that repeat themselves. A threshold is a share that may not be exceeded; null is off."""

    reference: ClassVar[str] = (
        "Gopher, arXiv 2112.11446, table A1; arithmetic of datatrove 0.10.1 GopherRepetitionFilter, as FineWeb ran it; "
        "of dolma 1.2.1 gopher_v1, as Dolma 1.5 was mixed; of DCLM's massive_web_repetition_filters"
    )
    own_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dolma": {"dup_para_frac": None, "dup_para_char_frac": None, "dup_line_char_frac": 0.3},
        "dclm": {},
    }
    unmeasured: ClassVar[Mapping[str, frozenset[str]]] = {
        "dolma": frozenset({"words", "dup_para_frac", "dup_para_char_frac"}),
        "dclm": frozenset({"words"}),
    }

    kind: Literal["gopher_repetition"] = "gopher_repetition"
    flavour: Literal["fineweb", "dolma", "dclm"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's, `dolma` that of Dolma's tagger gopher_v1, `dclm` that of DCLM."""
    words: Splitter = "fast"
    """How words are split in `fineweb`: `fast`, `units` (other in scripts without spaces), `spacy` (as datatrove).
    `dolma` splits at white space, `dclm` as UAX 29."""
    dup_para_frac: Share | None = 0.3
    """Paragraphs that repeat an earlier one (`dclm`: that occur more than once), of all paragraphs."""
    dup_para_char_frac: Share | None = 0.2
    """Their characters, of all characters."""
    dup_line_frac: Share | None = 0.3
    """Lines that repeat an earlier one (`dolma`, `dclm`: that occur more than once), of all lines."""
    dup_line_char_frac: Share | None = 0.2
    """Their characters, of all characters (`dolma`: of those that are not white space)."""
    top_2_gram: Quantity | None = 0.2
    """Characters in the most frequent sequence of 2 words, of all characters (`dolma`, `dclm`: of those in words). It
    may be above 1 where such sequences overlap."""
    top_3_gram: Quantity | None = 0.18
    """The same for 3 words."""
    top_4_gram: Quantity | None = 0.16
    """The same for 4 words."""
    duplicated_5_n_grams: Share | None = 0.15
    """Characters in sequences of 5 words that were met before, of all characters. In `dolma` those in sequences that
    occur more than once, of those in all sequences; in `dclm` those of the words in them, of those in words."""
    duplicated_6_n_grams: Share | None = 0.14
    """The same for 6 words."""
    duplicated_7_n_grams: Share | None = 0.13
    """The same for 7 words."""
    duplicated_8_n_grams: Share | None = 0.12
    """The same for 8 words."""
    duplicated_9_n_grams: Share | None = 0.11
    """The same for 9 words."""
    duplicated_10_n_grams: Share | None = 0.10
    """The same for 10 words."""

    def signals(self) -> frozenset[str]:
        if self.flavour == "fineweb":
            return frozenset({signals.SEGMENTS, signals.grams(self.words)})
        own = {flavours.lines(self.flavour), flavours.grams(self.flavour)}
        return frozenset(own | ({flavours.DCLM_PARAGRAPHS} if self.flavour == "dclm" else set()))

    def columns(self) -> pa.Schema:
        return pa.schema(
            [
                pa.field(self.column("characters"), pa.int64()),
                *(pa.field(self.column(value), pa.float64()) for value in _VALUES[self.flavour]),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        measure = {"fineweb": self._fineweb, "dolma": self._dolma, "dclm": self._dclm}[self.flavour]
        return with_values(batch, self.columns(), measure(batch))

    def _fineweb(self, batch: pa.RecordBatch) -> dict[str, Any]:
        counts = {name: signal(batch, signals.SEGMENTS, name) for name in signals.SEGMENT_COUNTS}
        characters = counts["characters"]
        grams = zip(_GRAMS, signals.GRAM_COUNTS, strict=True)
        return {
            "characters": characters,
            "dup_para_frac": share(counts["repeated_paragraphs"], counts["paragraphs"]),
            "dup_para_char_frac": share(counts["repeated_paragraph_characters"], characters),
            "dup_line_frac": share(counts["repeated_lines"], counts["lines"]),
            "dup_line_char_frac": share(counts["repeated_line_characters"], characters),
            **{value: share(signal(batch, signals.grams(self.words), count), characters) for value, count in grams},
        }

    def _dolma(self, batch: pa.RecordBatch) -> dict[str, Any]:
        grams, lines = flavours.grams("dolma"), flavours.lines("dolma")
        visible = signal(batch, grams, "characters")
        return {
            "characters": signal(batch, lines, "characters") + signal(batch, lines, "segments") - 1,
            "dup_line_frac": share(signal(batch, lines, "copies"), signal(batch, lines, "segments")),
            "dup_line_char_frac": share(signal(batch, lines, "copy_characters"), np.maximum(visible, 1)),
            **_grams(batch, grams),
        }

    def _dclm(self, batch: pa.RecordBatch) -> dict[str, Any]:
        values: dict[str, Any] = {"characters": signal(batch, flavours.lines("dclm"), "characters")}
        for name, counts in (("line", flavours.lines("dclm")), ("para", flavours.DCLM_PARAGRAPHS)):
            copies, segments = signal(batch, counts, "copies"), signal(batch, counts, "segments")
            values[f"dup_{name}_frac"] = share(copies, segments)
            values[f"dup_{name}_char_frac"] = share(
                signal(batch, counts, "copy_characters"), signal(batch, counts, "characters")
            )
        return values | _grams(batch, flavours.grams("dclm"))

    def bounds(self) -> Sequence[Bound]:
        """An empty document is dropped whatever the thresholds; in `dclm` one of white space only is empty."""
        return [
            Bound("empty", "characters", "<", 1),
            *(Bound(value, value, ">", getattr(self, value)) for value in _VALUES[self.flavour]),
        ]


def _grams(batch: pa.RecordBatch, grams: str) -> dict[str, Any]:
    """The shares of sequences of words, in the flavours `dolma` and `dclm`."""
    characters = signal(batch, grams, "characters")
    top = {f"top_{n}_gram": share(signal(batch, grams, f"top_{n}"), characters) for n in (2, 3, 4)}
    repeated = {
        f"duplicated_{n}_n_grams": share(signal(batch, grams, f"repeated_{n}"), signal(batch, grams, f"whole_{n}"))
        for n in range(5, 11)
    }
    return top | repeated
