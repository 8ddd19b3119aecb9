"""spaCy's English tokenizer, as datatrove 0.10 uses it."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import pyarrow as pa

from curation.errors import ModelError
from curation.text.words.spans import Int32, WordSpans

_MISSING = "words: spacy needs spaCy, which is not installed: pip install 'curation[spacy]' (or choose words: fast)"


def spacy_version() -> str:
    """The version of spaCy that is installed. Raises ModelError without one."""
    try:
        return version("spacy")
    except PackageNotFoundError as error:
        raise ModelError(_MISSING) from error


@cache
def _tokenizer() -> Any:
    try:
        import spacy
    except ImportError as error:
        raise ModelError(_MISSING) from error
    return spacy.blank("en")


def spacy_spans(texts: pa.LargeStringArray) -> WordSpans:
    language = _tokenizer()
    starts, ends = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for text in texts.to_pylist():
        with language.memory_zone():
            first, last = _spacy_words(language.tokenizer, text)
        starts.append(first)
        ends.append(last)
    offsets = np.cumsum([len(first) for first in starts], dtype=np.int64)
    return WordSpans(offsets, np.concatenate(starts), np.concatenate(ends))


def _spacy_words(tokenizer: Any, text: str) -> tuple[Int32, Int32]:
    """The bytes at which spaCy's tokens begin and end, those of white space left out."""
    values = tokenizer(text).to_array(["IDX", "LENGTH", "IS_SPACE"]).astype(np.int64).reshape(-1, 3)
    first, length, _ = values[values[:, 2] == 0].T
    places = _byte_places(text)
    return places[first], places[first + length]


def _byte_places(text: str) -> Int32:
    """At which byte each code point begins, and the end; (code points + 1,)."""
    if text.isascii():
        return np.arange(len(text) + 1, dtype=np.int32)
    encoded = np.frombuffer(text.encode(), np.uint8)
    return np.append(np.flatnonzero(encoded & 0xC0 != 0x80), len(encoded)).astype(np.int32)
