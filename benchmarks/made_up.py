"""A corpus of any size for a benchmark, of made-up words: each document is a function of its number."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import zstandard

Uint64s = np.ndarray[Any, np.dtype[np.uint64]]
Ints = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]

STOP_WORDS = ("the", "of", "and", "to", "a", "in", "that", "is", "with", "be", "have", "for", "it", "as", "was", "on")
"""The most frequent words, so that rules which look for them find prose."""
WORDS = 50_000
ONSETS = ("b", "br", "c", "d", "dr", "f", "g", "h", "k", "l", "m", "n", "p", "pl", "qu", "r", "s", "st", "t", "tr", "v")
VOWELS = ("a", "e", "i", "o", "u", "ea", "ou")
ENDINGS = ((" ", 0.87), (", ", 0.06), (". ", 0.055), (".\n", 0.015))
"""What follows a word, and how often."""
TABLE = 1 << 20
"""Words are drawn from a table of so many places, in which each has its share."""
MEDIAN_WORDS, SIGMA = 200, 0.7
MOST_WORDS = 5_000
MOST_EDITED = 0.12
"""A near copy has one span of up to this share of its words written anew: Jaccard 0.98 down to 0.7, less if short."""
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)

_SALT = np.uint64(0xD1B54A32D192ED03)


@dataclass(frozen=True)
class MadeUp:
    """Documents by number. Of those below `base` a fifth, of the others a quarter are copies of an earlier one, which
    may be any: half of these are exact, half have a span of words exchanged.

    Words are Zipfian (rank^-1 over 50,000), lengths log-normal around 200 words; `added` grows with the number.
    """

    base: int
    seed: int = 0
    shares: tuple[float, float] = (0.2, 0.25)

    def write(self, path: Path, first: int, end: int) -> None:
        """These documents as a file of JSON lines, by zstd."""
        path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(f"{json.dumps(record)}\n" for record in self.records(first, end)).encode()
        path.write_bytes(zstandard.ZstdCompressor(level=3).compress(data))

    def records(self, first: int, end: int) -> Iterator[dict[str, str]]:
        numbers = np.arange(first, end)
        for number, text in zip(numbers.tolist(), self.texts(numbers).to_pylist(), strict=True):
            added = (FIRST_DAY + timedelta(seconds=number)).isoformat()
            yield {"id": f"d{number:09d}", "text": text, "url": f"https://example.org/{number}", "added": added}

    def texts(self, numbers: Ints) -> pa.StringArray:
        original = self._original(numbers)
        lengths = self._lengths(original)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        document = np.repeat(np.arange(numbers.size), lengths)
        position = np.arange(starts[-1]) - starts[document]
        is_edited, begin, end = self._edited(numbers, lengths)
        own = is_edited[document] & (position >= begin[document]) & (position < end[document])
        author = np.where(own, numbers[document], original[document]).astype(np.uint64)
        drawn = _mixed((author << np.uint64(16)) + position.astype(np.uint64) + self._salt(7))
        word = self._words[(drawn >> np.uint64(44)).astype(np.int64)]
        ending = np.searchsorted(_ENDING_BOUNDS, (drawn & np.uint64(0xFFFFF)).astype(np.int64), side="right")
        ending[starts[1:] - 1] = len(ENDINGS) - 1
        pieces = self._spelled.take(pa.array(ending * WORDS + word))
        return pc.binary_join(pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pieces), "")

    def _original(self, numbers: Ints) -> Ints:
        """The document that each is a copy of, or itself, (documents,)."""
        found = numbers.copy()
        copies = np.flatnonzero(self._kind(numbers) > 0)
        sources = (self._uniform(numbers[copies], 1) * numbers[copies]).astype(np.int64)
        while (again := self._kind(sources) > 0).any():
            sources[again] -= 1
        found[copies] = sources
        return found

    def _kind(self, numbers: Ints) -> Ints:
        """0 an original, 1 an exact copy, 2 a near one; (documents,)"""
        share = np.where(numbers < self.base, *self.shares)
        drawn = self._uniform(numbers, 0)
        return np.where((drawn >= share) | (numbers == 0), 0, np.where(drawn < share / 2, 1, 2))

    def _edited(self, numbers: Ints, lengths: Ints) -> tuple[Flags, Ints, Ints]:
        """(whether it is edited, first word of the span, its end), (documents,) each."""
        size = 1 + (self._uniform(numbers, 2) * MOST_EDITED * lengths).astype(np.int64)
        begin = (self._uniform(numbers, 3) * (lengths - size)).astype(np.int64)
        return self._kind(numbers) == 2, begin, begin + size

    def _lengths(self, numbers: Ints) -> Ints:
        """Words of these originals, (documents,)."""
        radius = np.sqrt(-2 * np.log1p(-self._uniform(numbers, 4)))
        normal = radius * np.cos(2 * np.pi * self._uniform(numbers, 5))
        return np.asarray(np.clip(MEDIAN_WORDS * np.exp(SIGMA * normal), 5, MOST_WORDS).astype(np.int64))

    def _uniform(self, numbers: Ints, what: int) -> np.ndarray[Any, np.dtype[np.float64]]:
        drawn = _mixed(numbers.astype(np.uint64) + self._salt(what))
        return (drawn >> np.uint64(11)).astype(np.float64) / (1 << 53)

    def _salt(self, what: int) -> np.uint64:
        return np.uint64(_mixed(np.array([self.seed * 8 + what], np.uint64) * _SALT)[0])

    @cached_property
    def _words(self) -> Ints:
        """The word at each place of the table, (TABLE,)."""
        shares = np.cumsum(1 / np.arange(1, WORDS + 1))
        return np.searchsorted(shares / shares[-1], (np.arange(TABLE) + 0.5) / TABLE)

    @cached_property
    def _spelled(self) -> pa.StringArray:
        """Every word with every ending, ending by ending."""
        draw = np.random.default_rng(self.seed)
        words = dict.fromkeys(STOP_WORDS)
        while len(words) < WORDS:
            drawn = draw.integers(0, 1 << 30, (2 + int(draw.integers(0, 3)), 2)).tolist()
            words["".join(ONSETS[a % len(ONSETS)] + VOWELS[b % len(VOWELS)] for a, b in drawn)] = None
        return pa.array([word + ending for ending, _ in ENDINGS for word in words])


def _mixed(values: Uint64s) -> Uint64s:
    """Each value well mixed (the finalizer of SplitMix64), (n,)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_ENDING_BOUNDS = (np.cumsum([share for _, share in ENDINGS])[:-1] * (1 << 20)).astype(np.int64)
