"""Sequences of words that repeat."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import hash_bytes, helper, kernel, next_base, table_bits
from curation.text.signals.kernels.grams import count_in_words, group, keep_repeated, lengthen

WORD_CHARACTERS = 15  # in the counts, behind those of n = 2 to 10 and the wholes of n = 5 to 10


@kernel
def count_grams(data, offsets, spans, starts, ends, dclm, counts):
    """counts (documents, 16): code points of sequences of n words for n = 2 to 10; of what those of n = 5 to 10 are a
    share; of all words.

    For n = 2, 3, 4: the length of the most frequent n words, times how often they occur. Of equally frequent ones the
    first counts; with `dclm` the longest does, and nothing if none occurs twice. For n = 5 to 10: the lengths of all n
    words that occur more than once, each time they do, of those of all n words; with `dclm` the words that are in such
    n words, each counted once, of all words.
    """
    most = 1
    for document in range(len(offsets) - 1):
        most = max(most, spans[document + 1] - spans[document])
    places, firsts = np.empty(most, np.int32), np.empty(most, np.int32)  # as in `repeated_grams`
    hashes, grams = np.empty(most, np.uint64), np.empty(most, np.uint64)
    slots = np.zeros(1 << table_bits(most), np.int32)
    before = np.zeros(most + 1, np.int64)  # the code points of the words before each
    base = 1
    for document in range(len(offsets) - 1):
        begin, first, size = offsets[document], spans[document], spans[document + 1] - spans[document]
        for i in range(size):
            places[i] = i
            hashes[i] = grams[i] = hash_bytes(data, begin + starts[first + i], begin + ends[first + i])
            before[i + 1] = before[i] + count_in_words(data, begin, first + i, first + i + 1, starts, ends)
        counts[document, WORD_CHARACTERS] = before[size]
        left = size
        for n in range(2, min(size, 10) + 1):
            left = lengthen(n, left, size, places, grams, hashes)
            best = group(left, grams, firsts, slots, base)
            base = next_base(slots, base, left)
            if n < 5:
                counts[document, n - 2] = most_frequent(n, left, best, places, firsts, before, dclm)
            elif dclm:
                counts[document, n - 2] = covered(n, left, places, firsts, before)
                counts[document, n + 4] = before[size]
            else:
                counts[document, n - 2] = all_copies(n, left, places, firsts, before)
                for i in range(size - n + 1):
                    counts[document, n + 4] += before[i + n] - before[i]
            left = keep_repeated(left, places, grams, firsts)


@helper
def most_frequent(n, left, best, places, firsts, before, dclm):
    """The code points of the most frequent n words, times how often they occur; `best` is the first of them."""
    if best < 0:  # each occurs once
        return 0 if dclm else before[n]
    longest = before[places[best] + n] - before[places[best]]
    for k in range(best + 1 if dclm else left, left):
        if firsts[k] == firsts[best]:
            longest = max(longest, before[places[k] + n] - before[places[k]])
    return longest * -firsts[best]


@helper
def all_copies(n, left, places, firsts, before):
    """The code points of the n words that occur more than once, each time they do."""
    characters = 0
    for k in range(left):
        if firsts[k] != -1:
            characters += before[places[k] + n] - before[places[k]]
    return characters


@helper
def covered(n, left, places, firsts, before):
    """The code points of the words that are in n words that occur more than once."""
    characters = after = 0
    for k in range(left):
        if firsts[k] != -1:
            characters += before[places[k] + n] - before[max(after, places[k])]
            after = places[k] + n
    return characters
