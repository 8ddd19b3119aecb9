"""Phrases in the first lines of source files, all looked for in one pass."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curation.rules.code import kernels
from curation.text.arrow import Bytes, Offsets, text_buffers

HEAD_BYTES = 8192
"""How far into a file is looked."""

_NOWHERE = np.iinfo(np.int32).max

Places = np.ndarray[Any, np.dtype[np.int32]]


class _Index(NamedTuple):
    """The arrays that `kernels.find_phrases` wants, but for the texts."""

    keys: np.ndarray[Any, np.dtype[np.uint64]]
    begins: np.ndarray[Any, np.dtype[np.int64]]
    phrases: Bytes
    offsets: Offsets


class Found(NamedTuple):
    """Where each phrase begins first, (documents, phrases); -1 where it does not."""

    phrases: tuple[str, ...]
    places: Places

    def has(self, phrase: str, before: int = _NOWHERE) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which documents have this phrase within so many bytes, (documents,)."""
        places = self.places[:, self.phrases.index(phrase)]
        return (places >= 0) & (places < before)


def find_phrases(texts: pa.LargeStringArray, phrases: frozenset[str]) -> Found:
    """Where these phrases are: words of small letters and digits with one blank between, eight characters at least."""
    ordered, index = _index(phrases)
    places = np.full((len(texts), len(ordered)), -1, np.int32)
    kernels.find_phrases(*text_buffers(texts), HEAD_BYTES, *index, places)
    return Found(ordered, places)


@cache
def _index(phrases: frozenset[str]) -> tuple[tuple[str, ...], _Index]:
    ordered = tuple(sorted(phrases, key=lambda phrase: (_key(phrase), phrase)))
    keys, begins = np.unique([np.uint64(_key(phrase)) for phrase in ordered], return_index=True)
    data, offsets = text_buffers(pa.array(ordered, pa.large_string()))
    return ordered, _Index(keys.astype(np.uint64), np.append(begins, len(ordered)).astype(np.int64), data, offsets)


def _key(phrase: str) -> int:
    return int.from_bytes(phrase.encode()[:8], "little")
