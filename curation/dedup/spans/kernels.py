# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The compiled loops: where paragraphs are, keys of windows of words, unions of stretches, texts without them."""

from __future__ import annotations

import numba as nb
import numpy as np

_FEED = 10
_WORD_SEED = np.uint64(0x9E3779B97F4A7C15)
_WORD_STEP = np.uint64(0x100000001B3)
_BASES = (np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F))
_OTHER = np.uint64(0xE7037ED1A0B428DB)
_SHIFT = np.uint64(33)
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


@nb.njit(cache=True, nogil=True, inline="always")
def _mixed(state):
    state = (state ^ (state >> _SHIFT)) * _MIX[0]
    state = (state ^ (state >> _SHIFT)) * _MIX[1]
    return state ^ (state >> _SHIFT)


@nb.njit(cache=True, nogil=True, inline="always")
def _is_space(byte):
    return byte == 32 or (9 <= byte <= 13)


@nb.njit(cache=True, nogil=True)
def units(data, offsets, by_line, least, doc, begin, end):
    """The paragraphs (or lines) of at least so many bytes, without white space at their ends: document, first byte and
    byte behind the last, from its own beginning. Each array has room for one every `least` bytes; how many there are.

    Paragraphs are apart where two line feeds follow one another.
    """
    count = 0
    for document in range(offsets.size - 1):
        start, stop = offsets[document], offsets[document + 1]
        first = start
        i = start
        while i <= stop:
            ends = i == stop or (data[i] == _FEED and (by_line or (i + 1 < stop and data[i + 1] == _FEED)))
            if ends:
                last = i
                while first < last and _is_space(data[first]):
                    first += 1
                while last > first and _is_space(data[last - 1]):
                    last -= 1
                if last - first >= least:
                    doc[count], begin[count], end[count] = document, first - start, last - start
                    count += 1
                while i < stop and data[i] == _FEED:
                    i += 1
                first = i
                if i == stop:
                    break
            else:
                i += 1
    return count


@nb.njit(cache=True, nogil=True)
def gathered(data, offsets, doc, begin, end, out, ends):
    """Copy these stretches one behind the other to `out`; `ends` (stretches + 1,) says where each begins."""
    place = 0
    ends[0] = 0
    for k in range(doc.size):
        start = offsets[doc[k]]
        for i in range(start + begin[k], start + end[k]):
            out[place] = data[i]
            place += 1
        ends[k + 1] = place


@nb.njit(cache=True, nogil=True)
def windows(data, offsets, words, starts, ends, width, keys, doc, begin, end):
    """The keys (windows, 2) of all sequences of `width` words, with document, first byte and byte behind the last.
    `words`, `starts` and `ends` are a WordSpans; every array has room for as many as there are words. How many."""
    count = 0
    outgoing = (np.uint64(1), np.uint64(1))
    for _ in range(width):
        outgoing = (outgoing[0] * _BASES[0], outgoing[1] * _BASES[1])
    ring = np.zeros((width, 2), np.uint64)
    for document in range(offsets.size - 1):
        first, last = words[document], words[document + 1]
        if last - first < width:
            continue
        start = offsets[document]
        state_0, state_1 = np.uint64(0), np.uint64(0)
        for w in range(first, last):
            hashed = _WORD_SEED
            for i in range(start + starts[w], start + ends[w]):
                hashed = (hashed ^ np.uint64(data[i])) * _WORD_STEP
            one = _mixed(hashed)
            two = _mixed(hashed ^ _OTHER)
            slot = (w - first) % width
            state_0 = state_0 * _BASES[0] + one
            state_1 = state_1 * _BASES[1] + two
            if w - first >= width:
                state_0 -= ring[slot, 0] * outgoing[0]
                state_1 -= ring[slot, 1] * outgoing[1]
            ring[slot, 0], ring[slot, 1] = one, two
            if w - first >= width - 1:
                keys[count, 0], keys[count, 1] = _mixed(state_0), _mixed(state_1)
                doc[count], begin[count], end[count] = document, starts[w - width + 1], ends[w]
                count += 1
    return count


@nb.njit(cache=True, nogil=True)
def is_repeated(order, high, low):
    """Mark each row, (rows,) bool, whose key a row before it in this order has; rows of a key are consecutive."""
    repeated = np.zeros(high.size, np.bool_)
    for k in range(1, order.size):
        row, before = order[k], order[k - 1]
        repeated[row] = high[row] == high[before] and low[row] == low[before]
    return repeated


@nb.njit(cache=True, nogil=True)
def united(doc, begin, end):
    """Join, in place, stretches of a document that touch or overlap; they are sorted by document and first byte. How
    many are left, at the front."""
    count = 0
    for k in range(doc.size):
        if count and doc[count - 1] == doc[k] and begin[k] <= end[count - 1]:
            end[count - 1] = max(end[count - 1], end[k])
        else:
            doc[count], begin[count], end[count] = doc[k], begin[k], end[k]
            count += 1
    return count


@nb.njit(cache=True, nogil=True)
def without(data, offsets, firsts, begin, end, out, out_offsets):
    """Write each text without its stretches k in firsts[d]:firsts[d + 1]. Of the white space before and behind one,
    that with more line feeds stays, or else that before; none stays at either end of a text that lost any."""
    place = 0
    out_offsets[0] = 0
    for document in range(offsets.size - 1):
        start, stop = offsets[document], offsets[document + 1]
        own = place
        at = start
        for k in range(firsts[document], firsts[document + 1]):
            for i in range(at, start + begin[k]):
                out[place] = data[i]
                place += 1
            at = max(at, start + end[k])
            before, feeds_before = place, 0
            while before > own and _is_space(out[before - 1]):
                before -= 1
                feeds_before += out[before] == _FEED
            behind, feeds_behind = at, 0
            while behind < stop and _is_space(data[behind]):
                feeds_behind += data[behind] == _FEED
                behind += 1
            if before == own:
                place, at = own, behind
            elif before == place or feeds_behind > feeds_before:
                place = before
            else:
                at = behind
        for i in range(at, stop):
            out[place] = data[i]
            place += 1
        if firsts[document + 1] > firsts[document]:
            while place > own and _is_space(out[place - 1]):
                place -= 1
        out_offsets[document + 1] = place
