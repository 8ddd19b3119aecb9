"""What the kernels over Arrow's buffers share: hashes, hash tables, and moving about in UTF-8.

Everywhere `data` is uint8, `offsets` int64 (documents + 1,), and a text is valid UTF-8.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np

from curation.text.unicode import SPACE, decode

kernel = nb.njit(cache=True, nogil=True)

# A helper allocates nothing, so that numba need not count references to every array at every call (`_nrt`), which costs
# five times the work: the fast splitter runs at 120 MB/s with reference counts in its helpers, at 200 without.
_HELPER: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
helper = nb.njit(**_HELPER)

GOLDEN = 0x9E3779B97F4A7C15
_GOLDEN = np.uint64(GOLDEN)
BASE = 0xD1342543DE82EF95
_BASE = np.uint64(BASE)  # of the polynomials mod 2**64; odd, so that it has an inverse
_INVERSE = np.uint64(pow(BASE, -1, 1 << 64))
_BASE_2 = np.uint64(pow(BASE, 2, 1 << 64))
_BASE_4 = np.uint64(pow(BASE, 4, 1 << 64))
_FOUR_ONES = np.uint64(sum(pow(BASE, k, 1 << 64) for k in range(4)) % (1 << 64))
_ONE = np.uint64(1)
_ZERO = np.uint64(0)


@helper
def before(data, a, b):
    """Where the code point that ends at b begins, not before a."""
    b -= 1
    while b > a and data[b] & 0xC0 == 0x80:
        b -= 1
    return b


@helper
def strip(data, a, b, classes):
    """data[a:b] without the white space at its ends."""
    while a < b:
        code, after = decode(data, a)
        if not classes[code] & SPACE:
            break
        a = after
    while b > a:
        last = before(data, a, b)
        if not classes[decode(data, last)[0]] & SPACE:
            break
        b = last
    return a, b


@helper
def count_characters(data, a, b):
    characters = 0
    for i in range(a, b):
        characters += data[i] & 0xC0 != 0x80
    return characters


@helper
def count_feeds(data, a, b):
    feeds = 0
    for i in range(a, b):
        feeds += data[i] == 10
    return feeds


@helper
def most_feeds(data, offsets):
    """The most line feeds that any document has."""
    most = 0
    for document in range(len(offsets) - 1):
        most = max(most, count_feeds(data, offsets[document], offsets[document + 1]))
    return most


@helper
def mix(value):
    value = (value ^ (value >> np.uint64(32))) * _GOLDEN
    return value ^ (value >> np.uint64(29))


@helper
def hash_bytes(data, a, b):
    """A 64-bit hash of data[a:b]: a polynomial in its bytes, four at a time so that multiplications overlap."""
    value = _ZERO
    while a + 4 <= b:
        left = np.uint64(data[a]) * _BASE + np.uint64(data[a + 1])
        right = np.uint64(data[a + 2]) * _BASE + np.uint64(data[a + 3])
        value = value * _BASE_4 + (left * _BASE_2 + right + _FOUR_ONES)
        a += 4
    while a < b:
        value = value * _BASE + np.uint64(data[a]) + _ONE
        a += 1
    return mix(value)


# Hash tables: slots hold base + an index of keys; what is below base was left by an earlier use and means empty, so
# that a table is never cleared.


@helper
def table_bits(items):
    """The logarithm of the size of a table that these items fill to a quarter at most; to a half if they are many."""
    room = 4 * items if items < 1 << 18 else 2 * items
    bits = 4
    while (1 << bits) < room:
        bits += 1
    return bits


@helper
def find_slot(key, slots, base, bits, keys):
    """The slot of this key, or the empty one where it would go."""
    shift, mask = np.uint64(64 - bits), (1 << bits) - 1
    slot = np.int64((key * _GOLDEN) >> shift)
    while slots[slot] >= base and keys[slots[slot] - base] != key:
        slot = (slot + 1) & mask
    return slot


@helper
def add_key(key, index, slots, base, bits, keys):
    """Whether this key is new; if it is, it is put at this index."""
    slot = find_slot(key, slots, base, bits, keys)
    if slots[slot] >= base:
        return False
    slots[slot] = base + index
    keys[index] = key
    return True


@helper
def next_base(slots, base, used):
    """The base behind a use of this many keys, with room for as many again."""
    if base < 1 << 30:
        return base + used
    for slot in range(len(slots)):
        slots[slot] = 0
    return 1
