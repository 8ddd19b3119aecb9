"""What the kernels over Arrow's buffers share: eight bytes at a time, hashes, hash tables, and moving about in UTF-8.

Everywhere `data` is uint8, `offsets` int64 (documents + 1,), and a text is valid UTF-8.
"""

from __future__ import annotations

from typing import Any

import numba as nb
import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

from curation.text.unicode import LINE_END, SPACE, decode

kernel = nb.njit(cache=True, nogil=True)

# A helper allocates nothing, so that numba need not count references to every array at every call (`_nrt`), which costs
# five times the work: the fast splitter runs at 120 MB/s with reference counts in its helpers, at 200 without.
_HELPER: dict[str, Any] = {"cache": True, "nogil": True, "_nrt": False}
helper = nb.njit(**_HELPER)
# For what is called for every word: LLVM does not see by itself that passing on the arrays costs more than the work.
inlined = nb.njit(**_HELPER, forceinline=True)

GOLDEN = 0x9E3779B97F4A7C15
_GOLDEN = np.uint64(GOLDEN)
BASE = 0xD1342543DE82EF95  # of the polynomials mod 2**64
_BASE = np.uint64(BASE)

# Eight bytes at a time, the first one lowest: `mask_` functions give the top bit of each byte that is as they ask.
_ONES = np.uint64(0x0101010101010101)
_REST = np.uint64(0x7F7F7F7F7F7F7F7F)
TOPS = np.uint64(0x8080808080808080)
CASE = np.uint64(0x2020202020202020)
_FROM_A, _BEHIND_Z = np.uint64((0x80 - 0x61) * 0x0101010101010101), np.uint64((0x80 - 0x7B) * 0x0101010101010101)
_FROM_0, _BEHIND_9 = np.uint64((0x80 - 0x30) * 0x0101010101010101), np.uint64((0x80 - 0x3A) * 0x0101010101010101)
_FROM_SPACE, _LEADS = np.uint64((0x80 - 0x20) * 0x0101010101010101), np.uint64(0xC2C2C2C2C2C2C2C2)
FEEDS = np.uint64(0x0A0A0A0A0A0A0A0A)
ZERO = np.uint64(0)


def _load_eight(typing_context, data, i):  # noqa: ARG001 - numba hands it on
    """data[i:i + 8] as a little-endian uint64; nobody looks whether it is there."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        word = builder.load(builder.bitcast(place, context.get_value_type(nb.uint64).as_pointer()))
        word.align = 1
        return word

    return nb.uint64(data, i), generate


_load: Any = intrinsic(_load_eight)
_trailing_zeros: Any = trailing_zeros


@inlined
def eight(data, i, stop):
    """The bytes data[i:stop], eight at most, the first one lowest; zeros behind them."""
    left = stop - i
    if i + 8 <= len(data):
        value = _load(data, i)
        return value if left >= 8 else value & ((np.uint64(1) << np.uint64(8 * left)) - np.uint64(1))
    return bytes_at_end(data, i, left)


@helper
def bytes_at_end(data, i, left):
    value = ZERO
    for k in range(min(left, 8)):
        value |= np.uint64(data[i + k]) << np.uint64(8 * k)
    return value


@inlined
def mask_not_ascii(value):
    return value & TOPS


@inlined
def mask_letters(value):
    """A to Z and a to z."""
    low = (value | CASE) & _REST
    return (low + _FROM_A) & ~(low + _BEHIND_Z) & ~value & TOPS


@inlined
def mask_digits(value):
    """0 to 9."""
    low = value & _REST
    return (low + _FROM_0) & ~(low + _BEHIND_9) & ~value & TOPS


@helper
def mask_controls(value):
    """Below the space."""
    return ~((value & _REST) + _FROM_SPACE) & ~value & TOPS


@helper
def mask_leads(value):
    """0xC2 and 0xE2, with which line ends and the ellipsis begin beyond ASCII; nothing if all is ASCII."""
    return mask_equal(value & ~CASE, _LEADS) if value & TOPS else ZERO


@inlined
def mask_equal(value, eight_times):
    """The bytes that are this one, which is given eight times over."""
    value ^= eight_times
    return ~(((value & _REST) + _REST) | value) & TOPS


@inlined
def first_marked(mask):
    """The index of the first byte that a mask marks, 0 to 7; 8 if there is none."""
    return np.int64(_trailing_zeros(mask)) >> 3 if mask else 8


@helper
def marked(mask):
    """How many bytes a mask marks."""
    return np.int64(((mask >> np.uint64(7)) * _ONES) >> np.uint64(56))


@helper
def before(data, a, b):
    """Where the code point that ends at b begins, not before a."""
    b -= 1
    while b > a and data[b] & 0xC0 == 0x80:
        b -= 1
    return b


@helper
def strip_front(data, a, b, classes):
    """Where data[a:b] begins without the white space at its front."""
    while a < b:
        code, after = decode(data, a)
        if not classes[code] & SPACE:
            break
        a = after
    return a


@helper
def strip(data, a, b, classes):
    """data[a:b] without the white space at its ends."""
    a = strip_front(data, a, b, classes)
    while b > a:
        last = before(data, a, b)
        if not classes[decode(data, last)[0]] & SPACE:
            break
        b = last
    return a, b


@helper
def ends_in_dots(data, a, b):
    """Whether data[a:b] ends in "..."."""
    return b - a >= 3 and data[b - 1] == 46 and data[b - 2] == 46 and data[b - 3] == 46


@helper
def ends_in_sign(data, a, b):
    """Whether data[a:b] ends in "…"."""
    return b - a >= 3 and data[b - 1] == 0xA6 and data[b - 2] == 0x80 and data[b - 3] == 0xE2


@helper
def count_characters(data, a, b):
    characters = b - a
    while a < b:
        value = eight(data, a, b)
        characters -= marked(value & ~(value << np.uint64(1)) & TOPS)  # 0b10......: not the first byte of its character
        a += 8
    return characters


@helper
def next_byte(data, a, b, eight_times):
    """Where this byte, which is given eight times over, first stands in data[a:b], b if it does not."""
    while a < b:
        mask = mask_equal(eight(data, a, b), eight_times)
        if mask:
            return a + first_marked(mask)
        a += 8
    return b


@helper
def line_end(data, i, stop, classes):
    """Where the first line end of data[i:stop], as str.splitlines has them, begins and ends; (stop, stop) without one.

    CR LF is one line end.
    """
    while i < stop:
        value = eight(data, i, stop)
        mask = mask_controls(value) | mask_leads(value)
        while mask:
            place = i + first_marked(mask)
            mask &= mask - np.uint64(1)
            if place >= stop:
                break
            code, after = decode(data, place)
            if classes[code] & LINE_END:
                return place, after + (code == 13 and after < stop and data[after] == 10)
        i += 8
    return stop, stop


@helper
def count_feeds(data, a, b):
    feeds = 0
    while a < b:
        feeds += marked(mask_equal(eight(data, a, b), FEEDS))
        a += 8
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


@inlined
def hash_bytes(data, a, b):
    """A 64-bit hash of data[a:b]; two texts of at most 8 bytes and one length have one hash only if they are equal."""
    value = np.uint64(b - a) * _BASE
    while a < b:
        value = (value ^ eight(data, a, b)) * _GOLDEN
        value ^= value >> np.uint64(32)
        a += 8
    return mix(value)


@helper
def find_sorted(keys, key):
    """Where this key stands in sorted keys, -1 if it does not."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else -1


# Hash tables: slots hold base + an index of keys; what is below base was left by an earlier use and means empty, so
# that a table is never cleared.


@helper
def table_bits(items):
    """The logarithm of the size of a table that these items fill to a quarter at most; more if they are many.

    It never falls as the items grow, so that a table made for the most of them serves fewer.
    """
    room = 4 * items if items < 1 << 18 else max(1 << 20, items + items // 4)
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
