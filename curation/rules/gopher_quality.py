"""Documents that do not look like prose: too short or long, odd words, symbols, bullets, no common words."""

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

StopWord = Annotated[str, Field(pattern=r"^\S+$")]


class GopherQuality(RuleStage):
    """Drop documents that do not look like prose. A threshold of null switches its rule off.

    "Words" counts words that hold more than symbols; the shares are of all words, punctuation included.
    """

    reference: ClassVar[str] = (
        "Gopher, arXiv 2112.11446, section A.1.1; arithmetic of datatrove 0.10.1 GopherQualityFilter, as FineWeb ran it"
    )

    kind: Literal["gopher_quality"] = "gopher_quality"
    flavour: Literal["fineweb"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's."""
    words: Splitter = "fast"
    """How words are split: `fast` (any script), or `spacy` for parity with datatrove."""
    min_words: int | None = 50
    """Fewest words."""
    max_words: int | None = 100_000
    """Most words."""
    min_avg_word_length: float | None = 3
    """Least mean length of a word, in characters; 0 for a document without words."""
    max_avg_word_length: float | None = 10
    """Greatest mean length of a word, in characters."""
    max_symbol_word_ratio: float | None = 0.1
    """Most number signs a word, and most ellipses a word, each on its own."""
    max_bullet_lines_ratio: float | None = 0.9
    """Greatest share of lines that begin with a bullet or a dash."""
    max_ellipsis_lines_ratio: float | None = 0.3
    """Greatest share of lines that end in an ellipsis."""
    min_alpha_words_ratio: float | None = 0.8
    """Least share of words with a letter."""
    min_stop_words: int | None = 2
    """Fewest of the stop words that must occur, each counted once."""
    stop_words: tuple[StopWord, ...] = Field(
        default=("the", "be", "to", "of", "and", "that", "have", "with"), min_length=1
    )
    """The stop words, in the case in which they are looked for."""

    def signals(self) -> frozenset[str]:
        return frozenset({signals.SYMBOLS, signals.words(self.words), self._shapes})

    @property
    def _shapes(self) -> str:
        return signals.shapes(self.words, self.stop_words)

    def columns(self) -> pa.Schema:
        whole = ("words", "stop_words")
        ratios = ("avg_word_length", "hash_ratio", "ellipsis_ratio", "bullet_lines_ratio", "ellipsis_lines_ratio")
        return pa.schema(
            [
                *(pa.field(self.column(value), pa.int64()) for value in whole),
                *(pa.field(self.column(value), pa.float64()) for value in (*ratios, "alpha_words_ratio")),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        every = signal(batch, signals.words(self.words), "count")
        lines = signal(batch, signals.SYMBOLS, "lines")
        words = signal(batch, self._shapes, "words")
        return with_values(
            batch,
            self.columns(),
            {
                "words": words,
                "stop_words": signal(batch, self._shapes, "stop_words"),
                "avg_word_length": share(signal(batch, self._shapes, "characters"), words),
                "hash_ratio": share(signal(batch, signals.SYMBOLS, "hashes"), every),
                "ellipsis_ratio": share(signal(batch, signals.SYMBOLS, "ellipses"), every),
                "bullet_lines_ratio": share(signal(batch, signals.SYMBOLS, "bullet_lines"), lines),
                "ellipsis_lines_ratio": share(signal(batch, signals.SYMBOLS, "ellipsis_lines"), lines),
                "alpha_words_ratio": share(signal(batch, self._shapes, "alphabetic"), every),
            },
        )

    def bounds(self) -> Sequence[Bound]:
        return [
            Bound("short_doc", "words", "<", self.min_words),
            Bound("long_doc", "words", ">", self.max_words),
            Bound("below_avg_threshold", "avg_word_length", "<", self.min_avg_word_length),
            Bound("above_avg_threshold", "avg_word_length", ">", self.max_avg_word_length),
            Bound("too_many_hashes", "hash_ratio", ">", self.max_symbol_word_ratio),
            Bound("too_many_ellipsis", "ellipsis_ratio", ">", self.max_symbol_word_ratio),
            Bound("too_many_bullets", "bullet_lines_ratio", ">", self.max_bullet_lines_ratio),
            Bound("too_many_end_ellipsis", "ellipsis_lines_ratio", ">", self.max_ellipsis_lines_ratio),
            Bound("below_alpha_threshold", "alpha_words_ratio", "<", self.min_alpha_words_ratio),
            Bound("too_few_stop_words", "stop_words", "<", self.min_stop_words),
        ]
