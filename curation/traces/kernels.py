"""The compiled loops of the search for traces, over Arrow buffers.

Arguments: `data` (bytes,) uint8 and `offsets` (values + 1,) int64 as `text_buffers` gives them; `table` (slots,)
uint64, a power of two, is a hash set by open addressing in which 0 is an empty slot.

A window is `WINDOW` consecutive bytes; its hash is a polynomial modulo 2^64, mixed. A value that is shorter than a
window, but has `SHORTEST` bytes, is one window by itself.
"""

from __future__ import annotations

import numba as nb
import numpy as np

WINDOW = 40
SHORTEST = 16

_BASE = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(33)
_MIX_A, _MIX_B = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
_ONE = np.uint64(1)


def _power(exponent):
    return np.uint64(pow(int(_BASE), exponent, 1 << 64))


_OUTGOING = _power(WINDOW)


@nb.njit(cache=True, nogil=True, inline="always")
def _mixed(state):
    """Never 0."""
    state ^= state >> _SHIFT
    state *= _MIX_A
    state ^= state >> _SHIFT
    state *= _MIX_B
    return (state ^ (state >> _SHIFT)) | _ONE


@nb.njit(cache=True, nogil=True, inline="always")
def _slot(hashed, table):
    """The slot that holds the hash, or the empty one where it belongs."""
    mask = np.uint64(table.size - 1)
    slot = (hashed >> _ONE) & mask
    while table[slot] != 0 and table[slot] != hashed:
        slot = (slot + _ONE) & mask
    return slot


@nb.njit(cache=True, nogil=True, inline="always")
def _begun(length):
    """The state before a value's first byte: windows hash their bytes alone, a shorter value its length, too."""
    return np.uint64(length if length < WINDOW else 0)


@nb.njit(cache=True, nogil=True, inline="always")
def _moved(state, data, start, i):
    """The state once byte `i` of the value that begins at `start` is in, and the one before the window is out."""
    state = state * _BASE + np.uint64(data[i]) + _ONE
    if i - start >= WINDOW:
        state -= (np.uint64(data[i - WINDOW]) + _ONE) * _OUTGOING
    return state


@nb.njit(cache=True, nogil=True, inline="always")
def _is_whole(start, i, end):
    """Whether a window, or the only one of a shorter value, ends with byte `i`."""
    return i - start >= WINDOW - 1 or (i == end - 1 and end - start < WINDOW)


@nb.njit(cache=True, nogil=True)
def window_hashes(data, offsets, out):
    """Write the hashes of all windows of the values to `out`, which has room for a hash a byte; how many there are."""
    count = 0
    for value in range(offsets.size - 1):
        start, end = offsets[value], offsets[value + 1]
        if end - start < SHORTEST:
            continue
        state = _begun(end - start)
        for i in range(start, end):
            state = _moved(state, data, start, i)
            if _is_whole(start, i, end):
                out[count] = _mixed(state)
                count += 1
    return count


@nb.njit(cache=True, nogil=True)
def fill(hashes, table):
    """Put the hashes into the table, which is empty and more than large enough."""
    for hashed in hashes:
        table[_slot(hashed, table)] = hashed


@nb.njit(cache=True, nogil=True)
def find(data, offsets, table, found, values):
    """Mark with 1 in `found` (slots,) uint8 each slot of the table whose window stands in some value, and in `values`
    (values,) uint8 each value in which one stands."""
    for value in range(offsets.size - 1):
        start, end = offsets[value], offsets[value + 1]
        if end - start < SHORTEST:
            continue
        state = _begun(end - start)
        for i in range(start, end):
            state = _moved(state, data, start, i)
            if _is_whole(start, i, end):
                hashed = _mixed(state)
                slot = _slot(hashed, table)
                if table[slot] == hashed:
                    found[slot] = 1
                    values[value] = 1
