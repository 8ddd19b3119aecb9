"""Documents that do not look like prose: too short or long, odd words, symbols, bullets, no common words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import pyarrow as pa
from pydantic import Field

from curation.rules.flavours import FlavouredStage
from curation.rules.ratio import Count, Quantity, Share, share, with_values
from curation.stage import Bound
from curation.text import signals
from curation.text.signals import flavours, signal, with_signals
from curation.text.words import Splitter

StopWord = Annotated[str, Field(pattern=r"^\S+$")]


class GopherQuality(FlavouredStage):
    """Drop documents that do not look like prose. A threshold of null switches its rule off.

    In `fineweb` "words" counts words that hold more than symbols, and the shares are of all words, punctuation
    included. In `dolma` and `dclm` words are what stands between white space; `dclm` counts those that begin with a
    letter or digit.
    """

    reference: ClassVar[str] = (
        "Gopher, arXiv 2112.11446, section A.1.1; arithmetic of datatrove 0.10.1 GopherQualityFilter, as FineWeb ran "
        "it; of dolma 1.2.1 gopher_v1, as Dolma 1.5 was mixed; of DCLM's filters, as in dclm_baseline_refinedweb"
    )
    own_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {"dolma": {}, "dclm": {}}
    unmeasured: ClassVar[Mapping[str, frozenset[str]]] = {"dolma": frozenset({"words"}), "dclm": frozenset({"words"})}
    by_document: ClassVar[frozenset[str]] = frozenset({"stop_words"})

    kind: Literal["gopher_quality"] = "gopher_quality"
    flavour: Literal["fineweb", "dolma", "dclm"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's, `dolma` that of Dolma's tagger gopher_v1, `dclm` that of DCLM."""
    words: Splitter = "fast"
    """How words are split in `fineweb`: `fast`, `units` (other in scripts without spaces), `spacy` (as datatrove)."""
    min_words: Count | None = 50
    """Fewest words."""
    max_words: Count | None = 100_000
    """Most words."""
    min_avg_word_length: Quantity | None = 3
    """Least mean length of a word (`dolma`: the median), in characters; 0 for a document without words."""
    max_avg_word_length: Quantity | None = 10
    """Greatest mean length of a word (`dolma`: the median), in characters."""
    max_symbol_word_ratio: Quantity | None = 0.1
    """Most number signs a word, and most ellipses a word, each on its own (`dclm`: both together; `dolma`: the greatest
    share of words that hold one of them)."""
    max_bullet_lines_ratio: Share | None = 0.9
    """Greatest share of lines that begin with a bullet or a dash; which marks are bullets, the flavour says."""
    max_ellipsis_lines_ratio: Share | None = 0.3
    """Greatest share of lines that end in an ellipsis."""
    min_alpha_words_ratio: Share | None = 0.8
    """Least share of words with a letter."""
    min_stop_words: Count | None = 2
    """Fewest of the stop words that must occur, each counted once (`dolma`, `dclm`: each time it occurs)."""
    stop_words: tuple[StopWord, ...] = Field(
        default=("the", "be", "to", "of", "and", "that", "have", "with"), min_length=1
    )
    """The stop words, in the case in which they are looked for (`dclm`: in any case)."""

    def contradiction(self) -> str:
        """… also where more stop words must occur than there are."""
        words = len(set(self.stop_words))
        if self.flavour == "fineweb" and self.min_stop_words is not None and self.min_stop_words > words:
            return f"min_stop_words is {self.min_stop_words}, and there are {words} stop_words: nothing could be kept"
        return super().contradiction()

    def signals(self) -> frozenset[str]:
        if self.flavour == "fineweb":
            return frozenset({signals.SYMBOLS, signals.words(self.words), self._shapes})
        whole = {flavours.pieces(self.flavour, self.stop_words), flavours.lines(self.flavour)}
        return frozenset(whole | ({flavours.DCLM_WORDS, flavours.DCLM_MARKS} if self.flavour == "dclm" else set()))

    @property
    def _shapes(self) -> str:
        return signals.shapes(self.words, self.stop_words)

    @property
    def _symbols(self) -> tuple[str, ...]:
        return ("hash_ratio", "ellipsis_ratio") if self.flavour == "fineweb" else ("symbol_ratio",)

    def columns(self) -> pa.Schema:
        lines = ("bullet_lines_ratio", "ellipsis_lines_ratio", "alpha_words_ratio")
        return pa.schema(
            [
                *(pa.field(self.column(value), pa.int64()) for value in ("words", "stop_words")),
                *(pa.field(self.column(value), pa.float64()) for value in ("avg_word_length", *self._symbols, *lines)),
            ]
        )

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        batch = with_signals(batch, self.signals())
        values = self._of_words(batch) if self.flavour == "fineweb" else self._of_pieces(batch, self.flavour)
        stop_words = self.varied(batch, lambda stage: stage._vocabulary, ["stop_words"])
        return with_values(batch, self.columns(), values | stop_words)

    @property
    def _vocabulary(self) -> str:
        """The signal that counts the stop words."""
        return self._shapes if self.flavour == "fineweb" else flavours.pieces(self.flavour, self.stop_words)

    def _of_words(self, batch: pa.RecordBatch) -> dict[str, Any]:
        every = signal(batch, signals.words(self.words), "count")
        lines = signal(batch, signals.SYMBOLS, "lines")
        words = signal(batch, self._shapes, "words")
        return {
            "words": words,
            "avg_word_length": share(signal(batch, self._shapes, "characters"), words),
            "hash_ratio": share(signal(batch, signals.SYMBOLS, "hashes"), every),
            "ellipsis_ratio": share(signal(batch, signals.SYMBOLS, "ellipses"), every),
            "bullet_lines_ratio": share(signal(batch, signals.SYMBOLS, "bullet_lines"), lines),
            "ellipsis_lines_ratio": share(signal(batch, signals.SYMBOLS, "ellipsis_lines"), lines),
            "alpha_words_ratio": share(signal(batch, self._shapes, "alphabetic"), every),
        }

    def _of_pieces(self, batch: pa.RecordBatch, flavour: flavours.Flavour) -> dict[str, Any]:
        pieces, lines = flavours.pieces(flavour, self.stop_words), flavours.lines(flavour)
        every, segments = signal(batch, pieces, "pieces"), signal(batch, lines, "segments")
        if flavour == "dolma":
            words, length = every, signal(batch, pieces, "twice_median") / 2
            symbols = signal(batch, pieces, "symbolic")
        else:
            words = signal(batch, flavours.DCLM_WORDS, "count")
            length = share(signal(batch, pieces, "characters"), every)
            symbols = signal(batch, flavours.DCLM_MARKS, "count")
        return {
            "words": words,
            "avg_word_length": length,
            "symbol_ratio": share(symbols, every),
            "bullet_lines_ratio": share(signal(batch, lines, "bullets"), segments),
            "ellipsis_lines_ratio": share(signal(batch, lines, "ellipses"), segments),
            "alpha_words_ratio": share(signal(batch, pieces, "alphabetic"), every),
        }

    def bounds(self) -> Sequence[Bound]:
        symbols = {"hash_ratio": "too_many_hashes", "ellipsis_ratio": "too_many_ellipsis"}
        return [
            Bound("short_doc", "words", "<", self.min_words),
            Bound("long_doc", "words", ">", self.max_words),
            Bound("below_avg_threshold", "avg_word_length", "<", self.min_avg_word_length),
            Bound("above_avg_threshold", "avg_word_length", ">", self.max_avg_word_length),
            *(
                Bound(symbols.get(ratio, "too_many_symbols"), ratio, ">", self.max_symbol_word_ratio)
                for ratio in self._symbols
            ),
            Bound("too_many_bullets", "bullet_lines_ratio", ">", self.max_bullet_lines_ratio),
            Bound("too_many_end_ellipsis", "ellipsis_lines_ratio", ">", self.max_ellipsis_lines_ratio),
            Bound("below_alpha_threshold", "alpha_words_ratio", "<", self.min_alpha_words_ratio),
            Bound("too_few_stop_words", "stop_words", "<", self.min_stop_words),
        ]
