"""What words are like, and which of those that are wanted occur."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    ZERO,
    eight,
    hash_bytes,
    inlined,
    kernel,
    mask_digits,
    mask_letters,
    mask_not_ascii,
    table_bits,
)
from curation.text.punctuation import SYMBOL
from curation.text.unicode import ALPHA, decode


@kernel
def count_words(data, offsets, spans, starts, ends, classes, flags, wanted, wanted_offsets, counts):
    """counts (documents, 4): words that hold more than symbols, and the code points of those; words with a letter; how
    many of the wanted words occur. `wanted` and `wanted_offsets` are texts, like data and offsets."""
    bits, table = table_of(wanted, wanted_offsets)
    places = np.flatnonzero(table)
    met = np.full(1 << bits, -1, np.int64)  # the last document in which a word came to each place
    for document in range(len(offsets) - 1):
        base = offsets[document]
        whole = characters = alphabetic = 0
        for word in range(spans[document], spans[document + 1]):
            start, stop = base + starts[word], base + ends[word]
            length, has_letter, is_symbol = look_at_word(data, start, stop, classes, flags)
            alphabetic += has_letter
            whole += not is_symbol
            characters += 0 if is_symbol else length
            # Without a branch, for who could guess which words are wanted: what no one asks for is marked too.
            met[find_place(hash_bytes(data, start, stop), table, bits)] = document
        counts[document, 0] = whole
        counts[document, 1] = characters
        counts[document, 2] = alphabetic
        for place in places:
            counts[document, 3] += met[place] == document


@kernel
def table_of(wanted, wanted_offsets):
    """(bits, table): the hashes of these texts, each at its `find_place`, (1 << bits,) uint64; 0 where none is."""
    bits = table_bits(len(wanted_offsets)) + 1
    table = np.zeros(1 << bits, np.uint64)
    for i in range(len(wanted_offsets) - 1):
        key = hash_bytes(wanted, wanted_offsets[i], wanted_offsets[i + 1])
        table[find_place(key, table, bits)] = key
    return bits, table


@inlined
def find_place(key, table, bits):
    """Where this key stands, or the empty place where it would."""
    place = np.int64(key >> np.uint64(64 - bits))
    while (table[place] != key) & (table[place] != ZERO):
        place = (place + 1) & ((1 << bits) - 1)
    return place


@inlined
def look_at_word(data, i, stop, classes, flags):
    """The code points of data[i:stop], whether one is a letter, and whether all are symbols."""
    length, has_letter, has_other = stop - i, False, False
    while i < stop:
        value = eight(data, i, stop)
        if mask_not_ascii(value):
            break
        letters = mask_letters(value)
        has_letter |= letters != ZERO
        has_other |= (letters | mask_digits(value)) != ZERO  # of ASCII, all the rest are symbols
        i += 8
    if i < stop:
        length -= stop - i
        while i < stop:
            code, i = decode(data, i)
            length += 1
            has_letter |= classes[code] & ALPHA != 0
            has_other |= flags[code] & SYMBOL == 0
    return length, has_letter, not has_other
