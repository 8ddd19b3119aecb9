# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The compiled loops: where paragraphs are, keys of windows of words, first copies, unions of stretches, texts without
them.

A white space is one of ASCII here. `data` and `offsets` are those of `text_buffers`.
"""

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
def _trimmed(data, first, last):
    """data[first:last] without white space at its ends: where it begins and ends."""
    while first < last and _is_space(data[first]):
        first += 1
    while last > first and _is_space(data[last - 1]):
        last -= 1
    return first, last


@nb.njit(cache=True, nogil=True)
def _has_characters(data, first, last, least):
    """Whether data[first:last] has so many code points or more."""
    if last - first < least:
        return False
    count = 0
    for i in range(first, last):
        count += (data[i] & 0xC0) != 0x80
    return count >= least


@nb.njit(cache=True, nogil=True)
def units(data, offsets, by_line, least, doc, begin, end):
    """The paragraphs (or lines) of at least so many characters, without white space at their ends: document, first byte
    and byte behind the last, from its own beginning. Each array has room for one every `least` bytes; how many.

    A paragraph is a run of lines that are not empty, nor of white space alone.
    """
    count = 0
    for document in range(offsets.size - 1):
        start, stop = offsets[document], offsets[document + 1]
        first = last = start  # of what is open
        line = start
        while line <= stop:
            feed = line
            while feed < stop and data[feed] != _FEED:
                feed += 1
            a, b = _trimmed(data, line, feed)
            if by_line or a == b:
                if _has_characters(data, first, last, least):
                    doc[count], begin[count], end[count] = document, first - start, last - start
                    count += 1
                first = last = a
            if a < b:
                if first == last:
                    first = a
                last = b
            line = feed + 1
        if _has_characters(data, first, last, least):
            doc[count], begin[count], end[count] = document, first - start, last - start
            count += 1
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
def windows(data, offsets, words, starts, ends, width, first, last, keys, doc, begin, end):
    """The keys (windows, 2) of all sequences of `width` words that begin with one of the words first:last, with
    document, first byte and byte behind the last. `words`, `starts` and `ends` are a WordSpans; every array has room
    for last - first. How many."""
    count = 0
    outgoing = (np.uint64(1), np.uint64(1))
    for _ in range(width):
        outgoing = (outgoing[0] * _BASES[0], outgoing[1] * _BASES[1])
    ring = np.zeros((width, 2), np.uint64)
    for document in range(offsets.size - 1):
        low, high = max(words[document], first), min(words[document + 1], last + width - 1)
        if high - low < width:
            continue
        start = offsets[document]
        state_0, state_1 = np.uint64(0), np.uint64(0)
        for w in range(low, high):
            hashed = _WORD_SEED
            for i in range(start + starts[w], start + ends[w]):
                hashed = (hashed ^ np.uint64(data[i])) * _WORD_STEP
            one = _mixed(hashed)
            two = _mixed(hashed ^ _OTHER)
            slot = (w - low) % width
            state_0 = state_0 * _BASES[0] + one
            state_1 = state_1 * _BASES[1] + two
            if w - low >= width:
                state_0 -= ring[slot, 0] * outgoing[0]
                state_1 -= ring[slot, 1] * outgoing[1]
            ring[slot, 0], ring[slot, 1] = one, two
            if w - low >= width - 1:
                keys[count, 0], keys[count, 1] = _mixed(state_0), _mixed(state_1)
                doc[count], begin[count], end[count] = document, starts[w - width + 1], ends[w]
                count += 1
    return count


@nb.njit(cache=True, nogil=True)
def find_firsts(high, low, slots, known, count, first, fresh):
    """Look every key up among the `known` ones, (room, 2), in their order, and add those that are not there yet.

    `first` (rows,) gets the number that its key has among them; `fresh` the rows, one a key that was added, in order.
    `slots` is a hash table by the lower half, of a power of two and at least twice as many places as there will be
    keys; -1 is an empty place. How many keys are known then.
    """
    mask = slots.size - 1
    before = count
    for row in range(high.size):
        slot = np.int64(low[row]) & mask
        while slots[slot] >= 0 and (known[slots[slot], 0] != high[row] or known[slots[slot], 1] != low[row]):
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot] = count
            known[count, 0], known[count, 1] = high[row], low[row]
            fresh[count - before] = row
            count += 1
        first[row] = slots[slot]
    return count


@nb.njit(cache=True, nogil=True)
def fill_slots(slots, known, count):
    """Enter the first `count` known keys into an empty table."""
    mask = slots.size - 1
    for number in range(count):
        slot = np.int64(known[number, 1]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = number


@nb.njit(cache=True, nogil=True)
def united(of, begin, end):
    """Join stretches of one text that touch or overlap; they are sorted by text and first byte. The places, (joined,),
    of those that each begins with, whose `end` becomes that of the whole."""
    heads = np.empty(of.size, np.int64)
    count = 0
    for k in range(of.size):
        if count and of[heads[count - 1]] == of[k] and begin[k] <= end[heads[count - 1]]:
            end[heads[count - 1]] = max(end[heads[count - 1]], end[k])
        else:
            heads[count] = k
            count += 1
    return heads[:count]


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
        if firsts[document + 1] > firsts[document]:
            at, stop = _trimmed(data, start, stop)
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
            elif behind >= stop:
                place, at = before, stop
            elif before == place or feeds_behind > feeds_before:
                place = before
            else:
                at = behind
        for i in range(at, stop):
            out[place] = data[i]
            place += 1
        out_offsets[document + 1] = place
