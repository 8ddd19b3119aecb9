"""Where the words of documents are those of items."""

from __future__ import annotations

import numpy as np

from curation.contamination.kernels.clusters import (
    BEGIN,
    FROM,
    MATCHED,
    PLACE,
    RUN,
    SEEN,
    STOP,
    begin_cluster,
    extend_cluster,
    run_length,
)
from curation.contamination.kernels.grams import find_gram, gram_power, next_gram
from curation.contamination.kernels.parts import measure_parts
from curation.contamination.kernels.words import split
from curation.text.kernels import helper, inlined, kernel, mix

# Columns of the matches that `find_matches` gives: the document, the entry of the index, the bytes of the text from the
# first word to behind the last one, the places in the item, how many of its words match, and the longest run of them.
DOCUMENT, ENTRY, START, END, FIRST, LAST, WORDS, LONGEST = range(8)
# Columns of their measures: the share of the item, the same of its answer near by, and of its passage.
SHARE, ANSWER, PASSAGE = range(3)

_ZERO = np.uint64(0)


@kernel
def find_matches(data, offsets, reading, index, limits, state, weights):
    """(matches, measures) of all documents: int64 (matches, 8) and float64 (matches, 3), by document, in the order in
    which they end.

    A match is a cluster: runs of words that stand in the document and in the item in the same order, with at most
    `limits.misses` words between two of them; with no misses allowed, a single run. `state` (entries, STATES) int64 and
    `weights` (entries,) float64 are room to work in; `state` is zero at first and may be used again after it is zeroed.
    """
    room = 1
    for document in range(len(offsets) - 1):
        room = max(room, offsets[document + 1] - offsets[document])
    all_words, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    touched = np.empty(len(state), np.int64)
    matches, measures, told = np.empty((64, 8), np.int64), np.empty((64, 3), np.float64), 0
    size, misses, power = limits.size, limits.misses, gram_power(limits.size)
    for document in range(len(offsets) - 1):
        words = all_words[: split(data, offsets[document], offsets[document + 1], reading, all_words, starts, ends)]
        seen, known, rolling = document + 1, 0, _ZERO
        for last in range(len(words)):
            rolling = next_gram(rolling, words, last, size, power)
            j = last - size + 1
            gram = find_gram(mix(rolling), index) if j >= 0 else -1
            if gram < 0:
                continue
            k, behind = index.gram_ends[gram], index.gram_ends[gram + 1]
            while k < behind:
                entry = np.int64(index.entries[k])
                k, place, length, goes_on = best_place(words, j, k, behind, seen, index, limits, state)
                if place < 0:
                    continue
                if goes_on and misses > 0:
                    extend_cluster(words, j, length, misses, index, state, weights, entry, place)
                    continue
                if state[entry, SEEN] != seen:
                    state[entry, SEEN] = seen
                    touched[known] = entry
                    known += 1
                elif is_worth_telling(index, limits, state, weights, entry):
                    matches, measures = with_room(matches, told), with_room(measures, told)
                    tell(matches[told], measures[told], document, entry, words, starts, ends, index, state, weights)
                    told += 1
                begin_cluster(words, j, length, misses, index, state, weights, entry, place)
        for entry in touched[:known]:
            if is_worth_telling(index, limits, state, weights, entry):
                matches, measures = with_room(matches, told), with_room(measures, told)
                tell(matches[told], measures[told], document, entry, words, starts, ends, index, state, weights)
                told += 1
    return matches[:told], measures[:told]


@inlined
def best_place(words, j, k, behind, seen, index, limits, state):
    """Of the places k to `behind` of an n-gram, which begins at words[j], those of the first entry: (k behind them, the
    best of them, how many words are equal from there on, whether the entry's open cluster goes on there).

    The place is -1 where the n-gram lies within the open cluster, or is near it and no better.
    """
    entry, place, length, goes_on = index.entries[k], np.int64(-1), 0, False
    is_open = state[entry, SEEN] == seen and state[entry, STOP] >= 0
    is_inside = is_open and j < state[entry, STOP]
    is_near = is_open and j - state[entry, STOP] <= limits.misses
    while k < behind and index.entries[k] == entry:
        here = np.int64(index.places[k])
        k += 1
        if is_inside:
            continue
        run = run_length(words, j, index, entry, here)
        follows = is_near and 0 <= here - state[entry, PLACE] <= limits.misses
        if run >= limits.size and (follows, run) > (goes_on, length):
            place, length, goes_on = here, run, follows
    if is_near and not goes_on and limits.misses > 0 and length <= state[entry, MATCHED]:
        place = np.int64(-1)
    return k, place, length, goes_on


@helper
def is_worth_telling(index, limits, state, weights, entry):
    """Whether a cluster is more than what any two texts share."""
    if state[entry, MATCHED] < limits.least_words:
        return False
    total = index.weights[index.ends[entry + 1]] - index.weights[index.ends[entry]]
    return state[entry, RUN] >= limits.least_words or weights[entry] >= limits.least_share * total


@kernel
def with_room(rows, count):
    """The rows with room for one more than so many."""
    return np.concatenate((rows, np.empty_like(rows))) if count == len(rows) else rows


@helper
def tell(match, measure, document, entry, words, starts, ends, index, state, weights):
    """Write the open cluster of an entry as a match."""
    begin, stop = state[entry, BEGIN], state[entry, STOP]
    match[DOCUMENT], match[ENTRY], match[START], match[END] = document, entry, starts[begin], ends[stop - 1]
    match[FIRST], match[LAST] = state[entry, FROM], state[entry, PLACE]
    match[WORDS], match[LONGEST] = state[entry, MATCHED], state[entry, RUN]
    total = index.weights[index.ends[entry + 1]] - index.weights[index.ends[entry]]
    measure[SHARE] = min(1.0, weights[entry] / total)
    measure[ANSWER], measure[PASSAGE] = measure_parts(words, begin, stop, index, entry)
