"""The index of a registry: from the n-grams of its items' words to the items."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from curation.contamination import kernels
from curation.contamination.registry import Item, Registry
from curation.contamination.words import reading
from curation.errors import ModelError
from curation.text.arrow import text_buffers

LEAST_WORDS = 8
"""Items of fewer words cannot be told from chance: GPT-3's smallest n-gram."""

Ints = np.ndarray[Any, np.dtype[np.int64]]
Array = np.ndarray[Any, np.dtype[Any]]
_BUILDING = threading.Lock()


class Tables(NamedTuple):
    """The index as kernels take it. An entry is what equal items have in common: the words of their question, or of
    question and answer where the question is too short."""

    words: Array  # (words,) uint64: those of all entries
    ends: Array  # (entries + 1,) int64
    weights: Array  # (words + 1,) float64: the sums of the words' weights up to each
    part_words: Array  # uint64: of each entry the answer's, then the passage's
    part_ends: Array  # (2 * entries + 1,) int64
    part_weights: Array  # (part words + 1,) float64, as `weights`
    bitmap: Array  # uint64: whether there may be an n-gram of this hash
    slots: Array  # uint64: a table of the n-grams' hashes
    numbers: Array  # (slots,) int32: the n-grams' numbers
    gram_ends: Array  # (n-grams + 1,) int64: where each one's places are
    entries: Array  # int32: the entry of each place, ascending within an n-gram
    places: Array  # int32: the number of the word in the entry where the n-gram begins


class Limits(NamedTuple):
    """What counts as a match, for kernels."""

    size: int
    """Words of the n-grams with which one begins."""
    misses: int
    """Words that may differ between two runs of one match."""
    least_words: int
    """Words that a match must have to be told, and …"""
    least_share: float
    """… this share of the item, unless as many as these are in a row."""


@dataclass(frozen=True)
class Index:
    """A registry's index for one size of n-grams."""

    registry: Registry
    tables: Tables
    items: tuple[tuple[Item, ...], ...]
    """The items of each entry, by benchmark and id; several where their words are the same."""
    short: tuple[Item, ...]
    """Items of too few words to be found."""
    common: tuple[Item, ...]
    """Items that cannot be found either, since each of their n-grams stands in too many others."""

    @property
    def lengths(self) -> Ints:
        """The words of each entry, (entries,)."""
        return np.diff(self.tables.ends)


def open_index(registry: Registry, limits: Limits, common_items: int) -> Index:
    """The registry's index, built once a process. N-grams in more than `common_items` entries begin no match.

    Every item that is long enough is looked for in itself. Raises ModelError where one of them is not found, and where
    no item is left that can be.
    """
    with _BUILDING:
        return _built(registry, limits, common_items)


@lru_cache(maxsize=4)
def _built(registry: Registry, limits: Limits, common_items: int) -> Index:
    questions = [item for item in registry.items if item.question.strip()]
    bodies, has_answer = _bodies(questions)
    words, ends = _words(bodies)
    short = []
    equal: dict[bytes, list[int]] = {}
    hashes, places = words.tobytes(), (ends * words.itemsize).tolist()
    for number, (begin, end) in enumerate(pairwise(places)):
        if end - begin < LEAST_WORDS * words.itemsize:
            short.append(questions[number])
        else:
            equal.setdefault(hashes[begin:end], []).append(number)
    first = [numbers[0] for numbers in equal.values()]
    if not first and not registry.canaries:
        raise ModelError(
            f"{registry.url}: none of its {len(questions)} items has {LEAST_WORDS} words, so none can be found"
        )
    tables = _tables(
        [bodies[number] for number in first],
        ["" if has_answer[number] else questions[number].answer for number in first],
        [questions[number].passage for number in first],
        limits.size,
        common_items,
    )
    entries = tuple(tuple(questions[number] for number in numbers) for numbers in equal.values())
    lost = _lost([bodies[number] for number in first], tables, limits)
    is_indexed = np.zeros(len(entries), bool)
    is_indexed[tables.entries] = True
    if broken := [entries[entry][0] for entry in lost if is_indexed[entry]]:
        said = f"{broken[0].benchmark}/{broken[0].id}"
        raise ModelError(f"{registry.url}: {len(broken)} items do not find themselves, {said} the first")
    common = tuple(item for entry in lost for item in entries[entry])
    if first and len(lost) == len(first):
        raise ModelError(f"{registry.url}: every n-gram of its items stands in more than {common_items} of them")
    return Index(registry, tables, entries, tuple(short), common)


def _bodies(items: Sequence[Item]) -> tuple[list[str], list[bool]]:
    """What is looked for of each item, and whether its answer is in it already."""
    _, ends = _words([item.question for item in items])
    needs = [bool(item.answer) and length < LEAST_WORDS for item, length in zip(items, np.diff(ends), strict=True)]
    bodies = [
        f"{item.question}\n{item.answer}" if need else item.question for item, need in zip(items, needs, strict=True)
    ]
    return bodies, needs


def _words(texts: Sequence[str]) -> tuple[Array, Ints]:
    words, ends = kernels.word_hashes(*text_buffers(pa.array(texts, pa.large_string())), reading())
    return words, ends


def _tables(bodies: list[str], answers: list[str], passages: list[str], size: int, common_items: int) -> Tables:
    words, ends = _words(bodies)
    part_words, part_ends = _words([part for pair in zip(answers, passages, strict=True) for part in pair])
    weights, part_weights = _weights(words, ends, part_words, part_ends)
    room = int(np.maximum(0, np.diff(ends) - size + 1).sum())
    grams, entries, places = np.empty(room, np.uint64), np.empty(room, np.int32), np.empty(room, np.int32)
    kernels.gram_hashes(words, ends, size, grams, entries, places)
    order = np.argsort(grams, kind="stable")
    grams, entries, places = grams[order], entries[order], places[order]
    is_first = np.r_[True, grams[1:] != grams[:-1]][: len(grams)]
    starts = np.flatnonzero(is_first)
    is_other = is_first | np.r_[True, entries[1:] != entries[:-1]][: len(grams)]
    in_items = np.add.reduceat(is_other.astype(np.int64), starts) if len(starts) else np.zeros(0, np.int64)
    sizes = np.diff(np.r_[starts, len(grams)])
    is_kept = np.repeat(in_items <= common_items, sizes)
    keys = grams[starts][in_items <= common_items]
    slots = np.zeros(1 << max(4, (2 * len(keys) - 1).bit_length()), np.uint64)
    numbers = np.zeros(len(slots), np.int32)
    bitmap = np.zeros(1 << max(0, (len(keys) // 4).bit_length()), np.uint64)
    kernels.fill_table(keys, slots, numbers, bitmap)
    gram_ends = np.r_[0, np.cumsum(sizes[in_items <= common_items])].astype(np.int64)
    return Tables(
        *(words, ends, weights, part_words, part_ends, part_weights),
        *(bitmap, slots, numbers, gram_ends, entries[is_kept], places[is_kept]),
    )


def _weights(words: Array, ends: Ints, part_words: Array, part_ends: Ints) -> tuple[Array, Array]:
    """The sums of weights up to each word. A word weighs log2(1 + entries / entries with it): 1 bit at least."""
    count = len(ends) - 1
    owners = np.repeat(np.arange(count), np.diff(ends))
    part_owners = np.repeat(np.arange(2 * count) // 2, np.diff(part_ends))
    _, numbers = np.unique(np.r_[words, part_words], return_inverse=True)
    pairs = np.sort(numbers.astype(np.int64) * max(1, count) + np.r_[owners, part_owners])
    frequencies = np.bincount(pairs[np.r_[True, pairs[1:] != pairs[:-1]][: len(pairs)]] // max(1, count))
    weights = np.log2(1 + count / np.maximum(1, frequencies))[numbers] if count else np.zeros(0)
    return np.r_[0, np.cumsum(weights[: len(words)])], np.r_[0, np.cumsum(weights[len(words) :])]


def _lost(bodies: Sequence[str], tables: Tables, limits: Limits) -> list[int]:
    """The entries that are not found whole in their own text."""
    matches, measures = match_texts(pa.array(bodies, pa.large_string()), tables, limits)
    own = (matches[:, kernels.DOCUMENT] == matches[:, kernels.ENTRY]) & (measures[:, kernels.SHARE] > 1 - 1e-6)
    is_lost = np.ones(len(bodies), bool)
    is_lost[matches[own, kernels.ENTRY]] = False
    return [int(entry) for entry in np.flatnonzero(is_lost)]


def match_texts(texts: pa.LargeStringArray, tables: Tables, limits: Limits) -> tuple[Ints, Array]:
    """(matches, measures) as `kernels.find_matches` gives them; places in bytes are of the array's buffer."""
    entries = len(tables.ends) - 1
    state, weights = np.zeros((entries, kernels.STATES), np.int64), np.zeros(entries, np.float64)
    matches, measures = kernels.find_matches(*text_buffers(texts), reading(), tables, limits, state, weights)
    return matches, measures
