"""Words, shingles and their hashes in plain Python: the definition that the kernels follow bit for bit.

A document's words are `\\w+` of its lower-cased text, as CPython has both. Its shingles are the set of its word
n-grams; a document of fewer than n words has one shingle, all of them, and a document without words has none.

A text is hashed three code points at a time (21 bits each, 63 in all), so a kernel never has to write UTF-8. The hashes
are made for speed and spread, not against somebody who searches for collisions.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any

import numpy as np

NORMALISER = f"curation-1/unicode-{unicodedata.unidata_version}"
"""Names everything that decides a key or a shingle hash: this module's arithmetic and the interpreter's Unicode."""

MASK = (1 << 64) - 1
WORD_SEED = 0x9E3779B97F4A7C15
SHINGLE_SEED = 0xD1B54A32D192ED03
LANE_SEEDS = (0x8CB92BA72F3D8DD7, 0xABC98388FB8FAC03)
WORD_MULTIPLIER = 0x9FB21C651E98DF25
LANE_MULTIPLIER = 0xC6A4A7935BD1E995
SET_SEED = 0x589965CC75374CC3

Uint32s = np.ndarray[Any, np.dtype[np.uint32]]

_word = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """The words of a text, lower-cased, in order."""
    return _word.findall(text.lower())


def normalised(text: str) -> str:
    """What an exact duplicate has in common: lower case, runs of white space as one space, none at the ends.

    Texts with equal forms have equal words in equal order, so equal shingles. Punctuation counts: `2+2` is not `2-2`.
    """
    return " ".join(text.lower().split())


def shingles(text: str, ngram: int) -> set[bytes]:
    """The set of a text's word n-grams, each as its words joined by a space, in UTF-8."""
    found = words(text)
    if not found:
        return set()
    return {" ".join(found[i : i + ngram]).encode() for i in range(max(1, len(found) - ngram + 1))}


def shingle_hash(shingle: bytes) -> int:
    """The 64-bit hash of a shingle, never 0."""
    state = SHINGLE_SEED
    for word in shingle.decode().split(" "):
        state = _absorb(state, _text_hash(word, WORD_SEED, WORD_MULTIPLIER), WORD_MULTIPLIER)
    return finished(state) or 1


def shingle_hash32(shingle: bytes) -> int:
    """The low 32 bits of `shingle_hash`: the `hashfunc` that gives `datasketch.MinHash` the same signatures."""
    return shingle_hash(shingle) & 0xFFFFFFFF


def shingle_set(text: str, ngram: int) -> set[int]:
    """The hashes of a text's shingles."""
    return {shingle_hash(shingle) for shingle in shingles(text, ngram)}


def set_digest(hashes: set[int]) -> tuple[int, int]:
    """128 bits over a set of shingle hashes, whatever their order: two sums modulo 2^64."""
    return sum(hashes) & MASK, sum(finished(h ^ SET_SEED) for h in hashes) & MASK


def exact_key(text: str) -> tuple[int, int]:
    """128 bits over the normalised text."""
    form = normalised(text)
    high, low = (finished(_text_hash(form, seed, LANE_MULTIPLIER)) for seed in LANE_SEEDS)
    return high, low


def permutations(count: int, seed: int) -> tuple[Uint32s, Uint32s]:
    """(a, b) of `count` permutations h → a·h + b modulo 2^32, as datasketch 2.0 draws them for `affine32`."""
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, generator.randint(0, 1 << 32, count, dtype=np.uint32)


def salt(source: str | None) -> int:
    """What keeps the keys of one source apart from another's; 0 for None, the whole corpus."""
    if source is None:
        return 0
    return int.from_bytes(hashlib.blake2b(source.encode(), digest_size=8, person=b"curation-source").digest(), "little")


def finished(state: int) -> int:
    """The finaliser of MurmurHash3 (64 bits), a bijection."""
    state ^= state >> 33
    state = state * 0xFF51AFD7ED558CCD & MASK
    state ^= state >> 33
    state = state * 0xC4CEB9FE1A85EC53 & MASK
    return state ^ (state >> 33)


def _text_hash(text: str, seed: int, multiplier: int) -> int:
    state = seed
    for start in range(0, len(text), 3):
        chunk = 0
        for character in text[start : start + 3]:
            chunk = chunk << 21 | ord(character)
        state = _absorb(state, chunk, multiplier)
    return _absorb(state, len(text), multiplier)


def _absorb(state: int, chunk: int, multiplier: int) -> int:
    state = (state ^ chunk) * multiplier & MASK
    return state ^ (state >> 32)
