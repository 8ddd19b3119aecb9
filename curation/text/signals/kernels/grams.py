"""Sequences of words that repeat."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import BASE, count_characters, find_slot, hash_bytes, helper, kernel, next_base, table_bits

MET = -(1 << 31)  # in `firsts`: this n-gram was met

_BASE = np.uint64(BASE)


@kernel
def repeated_grams(data, offsets, spans, starts, ends, counts):
    """counts (documents, 9): code points in sequences of n words that repeat, for n = 2 to 10.

    For n = 2, 3, 4: the length of the most frequent n words joined by spaces, times how often they occur (of equally
    frequent ones the first counts). For n = 5 to 10, from left to right: the lengths of the n words, joined by nothing,
    that were met before; the words so counted are passed over.

    An n-gram that repeats begins with an (n - 1)-gram that repeats, so each n looks only at the places that were left.
    """
    most = 1
    for document in range(len(offsets) - 1):
        most = max(most, spans[document + 1] - spans[document])
    hashes = np.empty(most, np.uint64)  # of each word
    places = np.empty(most, np.int32)  # where an n-gram begins that may repeat, ascending
    grams = np.empty(most, np.uint64)  # for each place, the hash of the n words
    firsts = np.empty(most, np.int32)  # for each place, that of the same n-gram's first; at the first one, -times
    slots = np.zeros(1 << table_bits(most), np.int32)
    base = 1
    for document in range(len(offsets) - 1):
        begin, first, size = offsets[document], spans[document], spans[document + 1] - spans[document]
        for i in range(size):
            places[i] = i
            hashes[i] = grams[i] = hash_bytes(data, begin + starts[first + i], begin + ends[first + i])
        left = size
        for n in range(2, min(size, 10) + 1):
            left = lengthen(n, left, size, places, grams, hashes)
            best = group(left, grams, firsts, slots, base)
            base = next_base(slots, base, left)
            if n < 5:
                word = first + (places[best] if best >= 0 else 0)
                often = -firsts[best] if best >= 0 else 1
                characters = count_in_words(data, begin, word, word + n, starts, ends)
                counts[document, n - 2] = (characters + n - 1) * often
            else:
                counts[document, n - 2] = met_before(n, left, places, firsts, data, begin, first, starts, ends)
            left = keep_repeated(left, places, grams, firsts)


@helper
def lengthen(n, left, size, places, grams, hashes):
    """Put a word behind each (n - 1)-gram that has one; how many that are. `size` is how many words there are."""
    while left and places[left - 1] + n > size:
        left -= 1
    for k in range(left):
        grams[k] = grams[k] * _BASE + hashes[places[k] + n - 1]
    return left


@helper
def count_in_words(data, begin, word, end, starts, ends):
    """The code points of these words of the document that begins at `begin`."""
    characters = 0
    for i in range(word, end):
        characters += count_characters(data, begin + starts[i], begin + ends[i])
    return characters


@helper
def group(left, grams, firsts, slots, base):
    """Group the n-grams by their hashes.

    The index of the first of the most frequent ones, -1 if none occurs twice.
    """
    bits = table_bits(left)
    best, least = -1, -1
    for k in range(left):
        slot = find_slot(grams[k], slots, base, bits, grams)
        is_fresh = slots[slot] < base
        first = k if is_fresh else slots[slot] - base  # without a branch: who could guess what repeats
        slots[slot] = base + first
        firsts[k] = -1 if is_fresh else first
        firsts[first] -= not is_fresh
        if firsts[first] < least or (firsts[first] == least and first < best):
            best, least = first, firsts[first]
    return best


@helper
def met_before(n, left, places, firsts, data, begin, word, starts, ends):
    """The code points of n-grams met before, from left to right without overlap; marks the firsts of those it meets.

    `begin` and `word` are where the document and its words begin.
    """
    characters = after = 0
    for k in range(left):
        first = firsts[k] if firsts[k] >= 0 else k
        if places[k] < after or firsts[first] == -1:
            continue
        if firsts[first] == MET:
            characters += count_in_words(data, begin, word + places[k], word + places[k] + n, starts, ends)
            after = places[k] + n
        firsts[first] = MET
    return characters


@helper
def keep_repeated(left, places, grams, firsts):
    """Keep the places whose n-gram occurs more than once; how many there are."""
    kept = 0
    for k in range(left):  # without a branch
        places[kept], grams[kept] = places[k], grams[k]
        kept += firsts[k] != -1
    return kept
