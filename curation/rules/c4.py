"""C4's line filter: lines that are not sentences go, and documents of which too little is left."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from curation.document import SCRATCH, TEXT, with_column, with_text
from curation.rules import kernels
from curation.rules.ratio import with_values
from curation.stage import Bound, RuleStage
from curation.text import signals
from curation.text.arrow import Bytes, text_buffers
from curation.text.punctuation import punctuation
from curation.text.signals.kernels import count_sentences
from curation.text.unicode import tables
from curation.text.words import Int64, Splitter, word_spans

_COUNTS = {  # column of this stage: column of the kernel's counts
    "lines": kernels.LINES,
    "lines_too_long_word": kernels.LONG_WORD,
    "lines_no_terminal_punct": kernels.NO_TERMINAL,
    "lines_too_few_words": kernels.FEW_WORDS,
    "lines_javascript": kernels.JAVASCRIPT,
    "lines_policy": kernels.POLICY,
    "lines_kept": kernels.KEPT,
    "lorem_ipsum": kernels.LOREM_IPSUM,
    "curly_bracket": kernels.CURLY_BRACKET,
}


class C4(RuleStage):
    """Rewrite each document to its lines that pass, and drop those with placeholder text, code, or too few sentences.

    The text becomes the kept lines, stripped, without citation marks, joined by line feeds; that of a document which is
    dropped stays as it was. `lorem_ipsum` and `curly_bracket` are 1 for the one of the two that a document holds first.
    """

    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "C4, JMLR 21 (2020) 140, section 2.2; arithmetic of datatrove 0.10.1 C4QualityFilter, as FineWeb ran it"
    )

    kind: Literal["c4"] = "c4"
    flavour: Literal["fineweb"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's, with the option that FineWeb changed (filter_no_terminal_punct)."""
    words: Splitter = "fast"
    """How words are split, of which sentences are made: `fast` (any script), or `spacy` for parity with datatrove."""
    remove_citations: bool = True
    """Whether [12], [edit] and [citation needed] are taken out of the text."""
    filter_no_terminal_punct: bool = False
    """Whether lines that do not end in one of . ? ! " ' go, and those that end in an ellipsis."""
    min_num_sentences: int | None = 5
    """Fewest sentences in the lines that are kept."""
    min_words_per_line: Annotated[int, Field(ge=0)] | None = 3
    """Lines with fewer words between white space go."""
    max_word_length: Annotated[int, Field(ge=0)] | None = 1000
    """Lines with a longer word, in characters, go."""
    filter_lorem_ipsum: bool = True
    """Whether documents with "lorem ipsum" are dropped."""
    filter_javascript: bool = True
    """Whether lines that mention "javascript" go."""
    filter_curly_bracket: bool = True
    """Whether documents with an opening curly bracket are dropped."""
    filter_policy: bool = True
    """Whether lines about cookies, terms of use and privacy policies go."""

    def columns(self) -> pa.Schema:
        return pa.schema([pa.field(self.column(value), pa.int64()) for value in (*_COUNTS, "sentences")])

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        original = batch[TEXT]
        cleaned, counts = self._clean(original)
        spans = word_spans(cleaned, self.words)
        sentences = counts[:, kernels.KEPT].copy()
        count_sentences(*text_buffers(cleaned), *spans, punctuation(), sentences)
        values = {value: counts[:, column] for value, column in _COUNTS.items()}
        batch = with_values(batch, self.columns(), {**values, "sentences": sentences})
        dropped = self.drop_reasons(batch).is_valid()
        # The words of the new text are known here: the next rule need not split it again.
        words = np.diff(spans.offsets)
        words[dropped.to_numpy(zero_copy_only=False)] = np.diff(
            word_spans(original.filter(dropped), self.words).offsets
        )
        batch = with_text(batch, pc.if_else(dropped, original, _stripped(cleaned)))
        return with_column(batch, f"{SCRATCH}{signals.words(self.words)}.count", pa.array(words))

    def _clean(self, text: pa.LargeStringArray) -> tuple[pa.LargeStringArray, Int64]:
        """The kept lines of each text, joined by line feeds, and the counts of lines, (documents, kernels.COLUMNS)."""
        data, offsets = text_buffers(text)
        counts = np.zeros((len(text), kernels.COLUMNS), np.int64)
        kept, kept_offsets = np.empty(int(offsets[-1] - offsets[0]), np.uint8), np.empty(len(text) + 1, np.int64)
        kernels.clean_lines(
            *(data, offsets, tables().classes, punctuation(), *_vocabulary()),
            -1 if self.max_word_length is None else self.max_word_length,
            -1 if self.min_words_per_line is None else self.min_words_per_line,
            self._switches(),
            *(kept, kept_offsets, counts),
        )
        return _texts(kept, kept_offsets), counts

    def _switches(self) -> Bytes:
        return np.array(
            [
                self.filter_no_terminal_punct,
                self.remove_citations,
                self.filter_lorem_ipsum,
                self.filter_javascript,
                self.filter_policy,
                self.filter_curly_bracket,
            ],
            np.uint8,
        )

    def bounds(self) -> Sequence[Bound]:
        return [
            Bound("lorem_ipsum", "lorem_ipsum", ">", 0),
            Bound("curly_bracket", "curly_bracket", ">", 0),
            Bound("too_few_sentences", "sentences", "<", self.min_num_sentences),
        ]


# (meaning, the phrase, its rarest pair of letters)
_PHRASES = (
    (kernels.LOREM, "lorem ipsum", "ps"),
    (kernels.SCRIPT, "javascript", "ja"),
    (kernels.POLICIES, "terms of use", "ms"),
    (kernels.POLICIES, "privacy policy", "cy"),
    (kernels.POLICIES, "cookie policy", "ok"),
    (kernels.POLICIES, "uses cookies", "ok"),
    (kernels.POLICIES, "use of cookies", "ok"),
    (kernels.POLICIES, "use cookies", "ok"),
)
_CITATIONS = ("edit]", "citation needed]")


@cache
def _vocabulary() -> tuple[np.ndarray[Any, np.dtype[np.uint64]], Bytes, Bytes]:
    """The tables of pairs, of phrases and of citations, as `kernels.clean_lines` wants them."""
    rare = sorted({pair for _, _, pair in _PHRASES})
    pairs = np.array([[ord(letter) * 0x0101010101010101 for letter in pair] for pair in rare], np.uint64)
    phrases = np.zeros((len(_PHRASES), 20), np.uint8)
    for row, (meaning, phrase, pair) in enumerate(_PHRASES):
        phrases[row, :4] = meaning, len(phrase), phrase.index(pair) + 1, ord(pair[1])
        phrases[row, 4 : 4 + len(phrase)] = list(phrase.encode())
    citations = np.zeros((len(_CITATIONS), 20), np.uint8)
    for row, citation in enumerate(_CITATIONS):
        citations[row, : 1 + len(citation)] = [len(citation), *citation.encode()]
    return pairs, phrases, citations


def _stripped(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts without white space at their ends."""
    data, offsets = text_buffers(text)
    data, offsets = data.copy(), offsets.copy()
    kernels.strip_texts(data, offsets, tables().classes)
    return _texts(data, offsets)


def _texts(data: Bytes, offsets: Int64) -> pa.LargeStringArray:
    size = int(offsets[-1])
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data[:size]))
