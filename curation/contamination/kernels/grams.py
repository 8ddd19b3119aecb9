"""The n-grams of an index: their hashes, and the table that finds them."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import inlined, kernel, mix

_GRAM = np.uint64(0xD1342543DE82EF95)
_ONE, _ZERO = np.uint64(1), np.uint64(0)


@inlined
def gram_power(size):
    """What the first of so many words counts for in the sum once the next one is added."""
    power = _ONE
    for _ in range(size):
        power *= _GRAM
    return power


@inlined
def next_gram(rolling, words, last, size, power):
    """The sum over the `size` words that end with words[last], or fewer at the beginning, from that of those before."""
    rolling = rolling * _GRAM + words[last]
    return rolling - words[last - size] * power if last >= size else rolling


@kernel
def gram_hashes(words, ends, size, grams, entries, places):
    """Fill the hash, the entry and the place of every n-gram of the entries' words; how many there are."""
    power, count = gram_power(size), 0
    for entry in range(len(ends) - 1):
        own, rolling = words[ends[entry] : ends[entry + 1]], _ZERO
        for last in range(len(own)):
            rolling = next_gram(rolling, own, last, size, power)
            if last >= size - 1:
                grams[count], entries[count], places[count] = mix(rolling), entry, last - size + 1
                count += 1
    return count


@inlined
def slot_of(slots, key):
    """Where this key, which is odd, stands in the table, or the empty slot where it would."""
    mask = len(slots) - 1
    slot = np.int64(key >> np.uint64(20)) & mask
    while slots[slot] != _ZERO and slots[slot] != key:
        slot = (slot + 1) & mask
    return slot


@kernel
def fill_table(keys, slots, numbers, bitmap):
    """Put each key into the table and its bits into the bitmap; sizes are powers of two, `slots` 0 where empty."""
    for number in range(len(keys)):
        key = keys[number] | _ONE
        slot = slot_of(slots, key)
        slots[slot], numbers[slot] = key, number
        bit = np.int64(keys[number] >> np.uint64(8)) & (64 * len(bitmap) - 1)
        bitmap[bit >> 6] |= _ONE << np.uint64(bit & 63)


@inlined
def find_gram(gram, index):
    """The number of an n-gram, -1 if no item has it."""
    bitmap = index.bitmap
    bit = np.int64(gram >> np.uint64(8)) & (64 * len(bitmap) - 1)
    if not (bitmap[bit >> 6] >> np.uint64(bit & 63)) & _ONE:
        return -1
    slot = slot_of(index.slots, gram | _ONE)
    return -1 if index.slots[slot] == _ZERO else np.int64(index.numbers[slot])
