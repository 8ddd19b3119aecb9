"""C4's line filter: lines that are not sentences go, and documents of which too little is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.document import SCRATCH, TEXT, with_column, with_text
from curation.report import Span
from curation.rules.c4.kernels import fineweb, flavours, parts
from curation.rules.flavours import FlavouredStage
from curation.rules.ratio import Count, with_values
from curation.stage import Bound, phrase_span
from curation.text import signals
from curation.text.arrow import Bytes, text_buffers
from curation.text.punctuation import punctuation
from curation.text.signals.kernels.sentences import count_sentences
from curation.text.unicode import tables
from curation.text.words import Int64, Splitter, word_spans

# For each flavour, column of this stage: column of its kernel's counts.
_COUNTS = {
    "fineweb": {
        "lines": fineweb.LINES,
        "lines_too_long_word": fineweb.LONG_WORD,
        "lines_no_terminal_punct": fineweb.NO_TERMINAL,
        "lines_too_few_words": fineweb.FEW_WORDS,
        "lines_javascript": fineweb.JAVASCRIPT,
        "lines_policy": fineweb.POLICY,
        "lines_kept": fineweb.KEPT,
        "lorem_ipsum": fineweb.LOREM_IPSUM,
        "curly_bracket": fineweb.CURLY_BRACKET,
    },
    "dolma": {
        "lines": flavours.LINES,
        "lines_no_terminal_punct": flavours.NO_TERMINAL,
        "lines_too_few_words": flavours.FEW_WORDS,
        "lines_kept": flavours.KEPT,
        "lorem_ipsum": flavours.LOREM_IPSUM,
        "curly_bracket": flavours.CURLY_BRACKET,
        "javascript": flavours.JAVASCRIPT,
    },
    "dclm": {
        "characters": flavours.CHARACTERS,
        "lines": flavours.LINES,
        "lines_too_long_word": flavours.LONG_WORD,
        "lines_no_terminal_punct": flavours.NO_TERMINAL,
        "lines_too_few_words": flavours.FEW_WORDS,
        "lines_javascript": flavours.JAVASCRIPT_LINES,
        "lines_policy": flavours.POLICY,
        "lines_kept": flavours.KEPT,
        "lorem_ipsum": flavours.LOREM_IPSUM,
        "curly_bracket": flavours.CURLY_BRACKET,
    },
}
_SENTENCES = "sentences"
_FORBIDDEN = {"lorem_ipsum": "lorem ipsum", "curly_bracket": "{", "javascript": "javascript"}
"""What the text of a document holds that is dropped for these reasons."""


class C4(FlavouredStage):
    """Rewrite each document to its lines that pass, and drop those with placeholder text, code, or too few sentences.

    The text of a document that is dropped stays as it was. In `fineweb` that of others becomes the kept lines,
    stripped, without citation marks, joined by line feeds; `lorem_ipsum` and `curly_bracket` are 1 for the one of the
    two that a document holds first. In `dclm` lines are not stripped and empty ones stay; in `dolma` they stay as they
    are.
    """

    rewrites: ClassVar[bool] = True
    reference: ClassVar[str] = (
        "C4, JMLR 21 (2020) 140, section 2.2; arithmetic of datatrove 0.10.1 C4QualityFilter, as FineWeb ran it; of "
        "dolma 1.2.1 c4_v2, as in its c4-replication; of DCLM's c4.yaml up to its duplicates"
    )
    own_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "dolma": {
            "remove_citations": False,
            "filter_no_terminal_punct": True,
            "min_num_sentences": None,
            "max_word_length": None,
            "filter_policy": False,
        },
        "dclm": {
            "filter_no_terminal_punct": True,
            "min_num_sentences": 3,
            "min_words_per_line": 5,
            "max_characters": 190_000,
        },
    }
    unmeasured: ClassVar[Mapping[str, frozenset[str]]] = {
        "fineweb": frozenset({"max_characters"}),
        "dolma": frozenset({"max_characters", "remove_citations", "max_word_length", "filter_policy"}),
    }

    kind: Literal["c4"] = "c4"
    flavour: Literal["fineweb", "dolma", "dclm"] = "fineweb"
    """Whose arithmetic: `fineweb` is datatrove's, with the option that FineWeb changed (filter_no_terminal_punct),
    `dolma` that of Dolma's tagger c4_v2, `dclm` that of DCLM."""
    words: Splitter = "fast"
    """How words are split, of which sentences are made: `fast`, `units` (other in scripts without spaces), `spacy`."""
    remove_citations: bool = True
    """Whether [12], [edit] and [citation needed] are taken out of the text."""
    filter_no_terminal_punct: bool = False
    """Whether lines that do not end in one of . ? ! " ' go, and those that end in an ellipsis. Only in `fineweb` "'" is
    such a mark; in `dolma` "..." is none the less a full stop."""
    min_num_sentences: Count | None = 5
    """Fewest sentences in the lines that are kept."""
    min_words_per_line: Count | None = 3
    """Lines with fewer words between white space go."""
    max_word_length: Count | None = 1000
    """Lines with a longer word, in characters, go."""
    filter_lorem_ipsum: bool = True
    """Whether documents with "lorem ipsum" are dropped."""
    filter_javascript: bool = True
    """Whether lines that mention "javascript" go (`dolma`: whether documents do)."""
    filter_curly_bracket: bool = True
    """Whether documents with an opening curly bracket are dropped."""
    filter_policy: bool = True
    """Whether lines about cookies, terms of use and privacy policies go."""
    max_characters: Count | None = None
    """Most characters of a document, before anything is removed."""

    def columns(self) -> pa.Schema:
        values = (*_COUNTS[self.flavour], _SENTENCES)
        return pa.schema([pa.field(self.column(value), pa.int64()) for value in values])

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        original = batch[TEXT]
        cleaned, values = self._clean(original)
        spans = word_spans(cleaned, self.words)
        sentences = values["lines_kept"].copy()
        count_sentences(*text_buffers(cleaned), *spans, punctuation(), sentences)
        batch = with_values(batch, self.columns(), {**values, _SENTENCES: sentences})
        dropped = self.drop_reasons(batch).is_valid()
        # The words of the new text are known here: the next rule need not split it again.
        words = np.diff(spans.offsets)
        words[dropped.to_numpy(zero_copy_only=False)] = np.diff(
            word_spans(original.filter(dropped), self.words).offsets
        )
        batch = with_text(
            batch, pc.if_else(dropped, original, cleaned if self.flavour == "dolma" else _stripped(cleaned))
        )
        return with_column(batch, f"{SCRATCH}{signals.words(self.words)}.count", pa.array(words))

    def _clean(self, text: pa.LargeStringArray) -> tuple[pa.LargeStringArray, dict[str, Int64]]:
        """The kept lines of each text, and the columns of counts, (documents,) each."""
        buffers = text_buffers(text)
        columns = fineweb.COLUMNS if self.flavour == "fineweb" else flavours.COLUMNS
        counts = np.zeros((len(text), columns), np.int64)
        out = np.empty(int(buffers[1][-1] - buffers[1][0]), np.uint8), np.empty(len(text) + 1, np.int64)
        classes, (pairs, phrases, citations) = tables().classes, _vocabulary()
        max_word = -1 if self.max_word_length is None else self.max_word_length
        min_words = -1 if self.min_words_per_line is None else self.min_words_per_line
        if self.flavour == "dolma":
            flavours.clean_as_dolma(
                *(*buffers, classes, pairs, phrases), self.filter_no_terminal_punct, min_words, *out, counts
            )
        else:
            clean = fineweb.clean_lines if self.flavour == "fineweb" else flavours.clean_as_dclm
            vocabulary = (classes, punctuation(), pairs, phrases, citations)
            clean(*buffers, *vocabulary, max_word, min_words, self._switches(), *out, counts)
        return _texts(*out), {value: counts[:, column] for value, column in _COUNTS[self.flavour].items()}

    def _switches(self) -> Bytes:
        lines = [self.filter_no_terminal_punct, self.remove_citations]
        if self.flavour == "fineweb":
            lines += [self.filter_lorem_ipsum, self.filter_javascript, self.filter_policy, self.filter_curly_bracket]
        else:
            lines += [self.filter_javascript, self.filter_policy]
        return np.array(lines, np.uint8)

    def spans(self, texts: Sequence[str], decisions: pa.RecordBatch) -> list[Span | None]:
        """The phrase or bracket that a document must not hold."""
        phrases = {self.column(why): phrase for why, phrase in _FORBIDDEN.items()}
        wanted = map(phrases.get, decisions["reason"].to_pylist())
        return [phrase_span(text, phrase) if phrase else None for text, phrase in zip(texts, wanted, strict=True)]

    def bounds(self) -> Sequence[Bound]:
        lorem = Bound("lorem_ipsum", "lorem_ipsum", ">", 0 if self.filter_lorem_ipsum else None)
        curly = Bound("curly_bracket", "curly_bracket", ">", 0 if self.filter_curly_bracket else None)
        sentences = Bound("too_few_sentences", _SENTENCES, "<", self.min_num_sentences)
        nothing = Bound("empty", "lines_kept", "<", 1)
        if self.flavour == "fineweb":
            return [lorem, curly, sentences]
        if self.flavour == "dolma":
            return [
                curly,
                lorem,
                Bound("javascript", "javascript", ">", 0 if self.filter_javascript else None),
                nothing,
                sentences,
            ]
        return [Bound("too_long", "characters", ">", self.max_characters), lorem, curly, nothing, sentences]


# (meaning, the phrase, its rarest pair of letters)
_PHRASES = (
    (parts.LOREM, "lorem ipsum", "ps"),
    (parts.SCRIPT, "javascript", "ja"),
    (parts.POLICIES, "terms of use", "ms"),
    (parts.POLICIES, "privacy policy", "cy"),
    (parts.POLICIES, "cookie policy", "ok"),
    (parts.POLICIES, "uses cookies", "ok"),
    (parts.POLICIES, "use of cookies", "ok"),
    (parts.POLICIES, "use cookies", "ok"),
)
_CITATIONS = ("edit]", "citation needed]")


@cache
def _vocabulary() -> tuple[np.ndarray[Any, np.dtype[np.uint64]], Bytes, Bytes]:
    """The tables of pairs, of phrases and of citations, as `fineweb.clean_lines` wants them."""
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
    parts.strip_texts(data, offsets, tables().classes)
    return _texts(data, offsets)


def _texts(data: Bytes, offsets: Int64) -> pa.LargeStringArray:
    size = int(offsets[-1])
    return pa.LargeStringArray.from_buffers(len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(data[:size]))
