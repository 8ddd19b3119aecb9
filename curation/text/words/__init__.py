"""Words of texts, as byte spans. Three splitters that feed the same kernels.

`fast` serves every script, in one pass and without a model. It cuts a text at white space, then takes punctuation off
both ends of a piece, one character at a time, unless the rest is an abbreviation ("e.g."); takes off contractions ("do"
"n't", "it" "'s") and units after a number ("10" "km"); leaves web and mail addresses whole; and cuts at hyphens,
slashes, colons and commas between letters. Each part is a word of its own. In scripts that are written without spaces
(Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan) each character with its marks is a word. docs/rules.md states it in
full; it is made to agree with spaCy's English rules as far as that changes a verdict.

`units` is `fast` but in those scripts, where it joins the characters that make up a word, or a syllable where no model
is at hand (`curation.text.words.units`). Where a text has none of them its words are those of `fast`.

`spacy` is spaCy's own English tokenizer, as datatrove uses it, some hundred times slower.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pyarrow as pa

from curation.text.arrow import text_buffers
from curation.text.words import kernels
from curation.text.words.kinds import kinds
from curation.text.words.pieces import pieces
from curation.text.words.spacy import spacy_spans, spacy_version
from curation.text.words.spans import Int32, Int64, WordSpans
from curation.text.words.units import joined, unit_models

Splitter = Literal["fast", "units", "spacy"]

__all__ = ["Int32", "Int64", "Splitter", "WordSpans", "splitter_models", "word_spans"]


def word_spans(texts: pa.LargeStringArray, splitter: Splitter) -> WordSpans:
    """The words of each text; none is empty or holds white space.

    Raises ModelError if spaCy is wanted and absent, or the models of `units` are.
    """
    if splitter == "spacy":
        return spacy_spans(texts)
    spans = _fast_spans(texts)
    return joined(*text_buffers(texts), spans) if splitter == "units" else spans


def splitter_models(splitter: Splitter) -> dict[str, str]:
    """What beside this code determines a splitter's words: model files with their SHA-256, or a library's version.

    Raises ModelError where it is missing or another one.
    """
    if splitter == "spacy":
        return {"spacy": spacy_version()}
    return unit_models() if splitter == "units" else {}


def _fast_spans(texts: pa.LargeStringArray) -> WordSpans:
    data, offsets = text_buffers(texts)
    size = max(1, int(offsets[-1] - offsets[0]))  # no more words than bytes; pages that are not written to cost nothing
    # Arrow's memory, since what it takes back it gives again; the system would give new pages, and clear them first.
    starts, ends = (np.frombuffer(pa.allocate_buffer(4 * size), np.int32) for _ in range(2))
    words = np.zeros(len(offsets), np.int64)
    kernels.split_words(data, offsets, kinds(), *pieces(), words, starts, ends)
    return WordSpans(words, starts[: words[-1]], ends[: words[-1]])
