"""The compiled loops of deduplication, over Arrow buffers and flat arrays.

Arguments: `data` (bytes,) uint8 and `offsets` (documents + 1,) int64 as `text_buffers` gives them; `classes` and
`lower` from `curation.text.unicode.tables`. The arithmetic of the hashes is `curation.dedup.shingle`'s.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from curation.dedup import shingle as definition
from curation.text.unicode import SPACE, WORD, decode

_U0, _U1 = np.uint64(0), np.uint64(1)
_THREE_POINTS = np.uint64(21)
_HALF = np.uint64(32)
_SPACE_POINT = np.uint64(0x20)
_WORD_SEED = np.uint64(definition.WORD_SEED)
_SHINGLE_SEED = np.uint64(definition.SHINGLE_SEED)
_LANE_0, _LANE_1 = map(np.uint64, definition.LANE_SEEDS)
_WORD_MULTIPLIER = np.uint64(definition.WORD_MULTIPLIER)
_LANE_MULTIPLIER = np.uint64(definition.LANE_MULTIPLIER)
_SET_SEED = np.uint64(definition.SET_SEED)
_FMIX_SHIFT = np.uint64(33)
_FMIX_A, _FMIX_B = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)

_ASCII_LOWER = np.array([ord(chr(code).lower()) for code in range(128)], np.uint64)
_ASCII_FLAGS = np.array(
    [WORD * (chr(code).isalnum() or chr(code) == "_") + SPACE * chr(code).isspace() for code in range(128)], np.uint8
)

_TABLE_SLOTS = 1 << 18
"""Hash table for the shingles of a document: 2 MB, for up to 131,072 shingles."""

NEEDS_PYTHON = -1
"""A document that holds U+0130 or U+03A3, whose lower case only `str.lower` knows."""
NO_ROOM = -2


@nb.njit(cache=True, nogil=True, inline="always")
def _absorb(state, chunk, multiplier):
    state = (state ^ chunk) * multiplier
    return state ^ (state >> _HALF)


@nb.njit(cache=True, nogil=True, inline="always")
def _finished(state):
    state ^= state >> _FMIX_SHIFT
    state *= _FMIX_A
    state ^= state >> _FMIX_SHIFT
    state *= _FMIX_B
    return state ^ (state >> _FMIX_SHIFT)


@nb.njit(cache=True, nogil=True, inline="always")
def _pushed(lane_0, lane_1, chunk, held, point):
    """(lanes, chunk, code points held in it) with one code point more."""
    chunk = (chunk << _THREE_POINTS) | point
    held += 1
    if held == 3:
        lane_0 = _absorb(lane_0, chunk, _LANE_MULTIPLIER)
        lane_1 = _absorb(lane_1, chunk, _LANE_MULTIPLIER)
        chunk, held = _U0, 0
    return lane_0, lane_1, chunk, held


@nb.njit(cache=True, nogil=True)
def _scan(data, start, end, classes, lower, words, key):
    """Write the word hashes of one document to `words` (capacity,) uint64 and its exact key to `key` (2,) uint64.

    Returns the number of words, or NEEDS_PYTHON, or NO_ROOM.
    """
    count, size, held = 0, 0, 0
    state, chunk = _WORD_SEED, _U0
    total, lane_held, gap = 0, 0, False
    lane_0, lane_1, lane_chunk = _LANE_0, _LANE_1, _U0
    i = start
    while i < end:
        if data[i] < 0x80:
            point, flags = _ASCII_LOWER[data[i]], _ASCII_FLAGS[data[i]]
            i += 1
        else:
            code, i = decode(data, i)
            code = lower[code]
            if code < 0:
                return NEEDS_PYTHON
            point, flags = np.uint64(code), classes[code]
        if flags & WORD:
            chunk = (chunk << _THREE_POINTS) | point
            held += 1
            size += 1
            if held == 3:
                state = _absorb(state, chunk, _WORD_MULTIPLIER)
                chunk, held = _U0, 0
        elif size > 0:
            if count == words.size:
                return NO_ROOM
            if held:
                state = _absorb(state, chunk, _WORD_MULTIPLIER)
            words[count] = _absorb(state, np.uint64(size), _WORD_MULTIPLIER)
            count += 1
            state, chunk, held, size = _WORD_SEED, _U0, 0, 0
        if flags & SPACE:
            gap = total > 0
            continue
        if gap:
            gap = False
            total += 1
            lane_0, lane_1, lane_chunk, lane_held = _pushed(lane_0, lane_1, lane_chunk, lane_held, _SPACE_POINT)
        total += 1
        lane_0, lane_1, lane_chunk, lane_held = _pushed(lane_0, lane_1, lane_chunk, lane_held, point)
    if size > 0:
        if count == words.size:
            return NO_ROOM
        if held:
            state = _absorb(state, chunk, _WORD_MULTIPLIER)
        words[count] = _absorb(state, np.uint64(size), _WORD_MULTIPLIER)
        count += 1
    if lane_held:
        lane_0 = _absorb(lane_0, lane_chunk, _LANE_MULTIPLIER)
        lane_1 = _absorb(lane_1, lane_chunk, _LANE_MULTIPLIER)
    key[0] = _finished(_absorb(lane_0, np.uint64(total), _LANE_MULTIPLIER))
    key[1] = _finished(_absorb(lane_1, np.uint64(total), _LANE_MULTIPLIER))
    return count


@nb.njit(cache=True, nogil=True)
def _shingled(words, count, ngram):
    """Turn `count` word hashes, in place, into the hashes of their n-grams; how many there are."""
    if count == 0:
        return 0
    grams = max(1, count - ngram + 1)
    width = min(ngram, count)
    for i in range(grams):
        state = _SHINGLE_SEED
        for j in range(i, i + width):
            state = _absorb(state, words[j], _WORD_MULTIPLIER)
        state = _finished(state)
        words[i] = state if state != _U0 else _U1
    return grams


@nb.njit(cache=True, nogil=True)
def _distinct(grams, table):
    """Bring the distinct of `grams` (count,) uint64, none of them 0, to its front; how many there are. By a hash set in
    `table` (slots,) uint64 where that has room for twice as many, else by sorting, which needs no more memory."""
    distinct, slots = 0, 16
    while slots < 2 * grams.size:
        slots *= 2
    if slots > table.size:
        grams.sort()
        for gram in grams:
            if distinct == 0 or gram != grams[distinct - 1]:
                grams[distinct] = gram
                distinct += 1
        return distinct
    table[:slots] = _U0
    mask = np.uint64(slots - 1)
    for gram in grams:
        slot = (gram >> _HALF) & mask
        while table[slot] != _U0 and table[slot] != gram:
            slot = (slot + _U1) & mask
        if table[slot] == _U0:
            table[slot] = gram
            grams[distinct] = gram
            distinct += 1
    return distinct


@nb.njit(cache=True, nogil=True)
def fingerprint(data, offsets, classes, lower, ngram, a, b, outputs):
    """The fingerprints of a batch, into `outputs`: `keys` (documents, 2) uint64, `digests` (documents, 2) uint64, the
    number of distinct shingles `sizes` (documents,) uint32, `signatures` (documents, permutations) uint32 and
    `deferred` (documents,) bool, set where nothing was computed because the document needs `str.lower`.

    `a`, `b` (permutations,) uint32. With no permutations only the keys are made.
    """
    keys, digests, sizes, signatures, deferred = outputs
    documents = offsets.size - 1
    permutations = a.size
    words = np.empty(4096, np.uint64)
    table = np.empty(_TABLE_SLOTS, np.uint64)
    for d in range(documents):
        count = _scan(data, offsets[d], offsets[d + 1], classes, lower, words, keys[d])
        while count == NO_ROOM:
            words = np.empty(min(8 * words.size, (offsets[d + 1] - offsets[d]) // 2 + 1), np.uint64)
            count = _scan(data, offsets[d], offsets[d + 1], classes, lower, words, keys[d])
        deferred[d] = count == NEEDS_PYTHON
        if deferred[d] or permutations == 0:
            continue
        grams = _shingled(words, count, ngram)
        distinct = _distinct(words[:grams], table)
        signature = signatures[d]
        signature[:] = np.uint32(0xFFFFFFFF)
        sum_0, sum_1 = _U0, _U0
        for i in range(distinct):
            sum_0 += words[i]
            sum_1 += _finished(words[i] ^ _SET_SEED)
        digests[d, 0], digests[d, 1], sizes[d] = sum_0, sum_1, distinct
        for i in range(distinct):
            h = np.uint32(words[i])
            h ^= h >> np.uint32(16)
            h = np.uint32(h * np.uint32(0x85EBCA6B))
            h ^= h >> np.uint32(13)
            h = np.uint32(h * np.uint32(0xC2B2AE35))
            h = np.uint32(h ^ (h >> np.uint32(16)))
            for k in range(permutations):
                signature[k] = min(signature[k], np.uint32(np.uint32(a[k] * h) + b[k]))


@nb.njit(cache=True, nogil=True)
def shingle_hashes(data, offsets, classes, lower, ngram, out, ends):
    """The shingle hashes of each document, repeats included, one after another in `out` (bytes // 2 + documents,)
    uint64; document d's end at `ends[d]` (documents,) int64, or NEEDS_PYTHON (nothing was written)."""
    used = 0
    key = np.empty(2, np.uint64)
    for d in range(offsets.size - 1):
        count = _scan(data, offsets[d], offsets[d + 1], classes, lower, out[used:], key)
        if count == NEEDS_PYTHON:
            ends[d] = NEEDS_PYTHON
            continue
        used += _shingled(out[used:], count, ngram)
        ends[d] = used


@nb.njit(cache=True, nogil=True)
def band_keys(signatures, bands, rows, salt, out):
    """The key of each band, `out` (documents, bands) uint64, from `signatures` (documents, bands · rows) uint32."""
    for d in range(signatures.shape[0]):
        for band in range(bands):
            state = salt ^ _WORD_SEED
            for k in range(band * rows, band * rows + rows):
                state = _absorb(state, np.uint64(signatures[d, k]), _WORD_MULTIPLIER)
            out[d, band] = _finished(_absorb(state, np.uint64(band), _WORD_MULTIPLIER))


@nb.njit(cache=True, nogil=True)
def group_by_key(keys, order, ordered):
    """Write to `order` (rows,) uint32 an order in which equal `keys` (rows,) uint64 stand together, in their old order,
    and to `ordered` (rows,) uint64 the keys so ordered.

    Keys must be spread in their low bits. Returns False, with `order` useless, where they are so unlike that that it
    would take too long (two hot keys in one cell): then sort.
    """
    rows = keys.size
    cells = 1
    while cells * 4 < rows:
        cells *= 2
    mask = np.uint64(cells - 1)
    starts = np.zeros(cells + 1, np.uint32)
    for i in range(rows):
        starts[np.int64(keys[i] & mask) + 1] += np.uint32(1)
    for cell in range(cells):
        starts[cell + 1] += starts[cell]
    for i in range(rows):
        at = np.int64(keys[i] & mask)
        order[starts[at]] = np.uint32(i)
        ordered[starts[at]] = keys[i]
        starts[at] += np.uint32(1)
    moves, allowed = 0, 64 * rows + 1024
    begin = np.int64(0)
    for cell in range(cells):
        end = np.int64(starts[cell])
        for i in range(begin + 1, end):
            row, key = order[i], ordered[i]
            j = i
            while j > begin and ordered[j - 1] > key:
                order[j], ordered[j] = order[j - 1], ordered[j - 1]
                j -= 1
            order[j], ordered[j] = row, key
            moves += i - j
            if moves > allowed:
                return False
        begin = end
    return True


@nb.njit(cache=True, nogil=True, inline="always")
def _outranks(priority, doc, i, j):
    return priority[i] > priority[j] or (priority[i] == priority[j] and doc[i] < doc[j])


@nb.njit(cache=True, nogil=True)
def elect(order, high, low, priority, doc, leader):
    """For each row the row of its leader, `leader` (rows,) uint32: the best of those with the same key (high, low).

    `order` (rows,) has equal `high` together; all others (rows,) uint64.
    """
    rows = order.size
    begin = 0
    while begin < rows:
        end = begin + 1
        while end < rows and high[order[end]] == high[order[begin]]:
            end += 1
        first = begin
        while first < end:
            key = low[order[first]]
            best = order[first]
            for i in range(first + 1, end):
                if low[order[i]] == key and _outranks(priority, doc, order[i], best):
                    best = order[i]
            placed = first
            for i in range(first, end):
                if low[order[i]] == key:
                    leader[order[i]] = best
                    order[i], order[placed] = order[placed], order[i]
                    placed += 1
            first = placed
        begin = end


@nb.njit(cache=True, nogil=True)
def bucket_pairs(starts, priority, doc, first_new, cap, neighbours, row, bucket, better, worse):
    """Candidate pairs, from member `row` of bucket `bucket` on, until `better`, `worse` (room,) int64 might overflow.

    Bucket k is rows starts[k] to starts[k + 1]; a bucket of more than `cap` has its best first. Member i is paired with
    the first `cap` before it, and with the `neighbours` just before it, but two documents below `first_new` are no
    pair. Returns (pairs written, row, bucket) to go on.
    """
    written = 0
    while bucket < starts.size - 1:
        begin, end = starts[bucket], starts[bucket + 1]
        row = max(row, begin)
        while row < end:
            if written + cap + neighbours > better.size:
                return written, row, bucket
            place = row - begin
            near = max(cap, place - neighbours)
            for other in range(min(place, cap) + max(0, place - near)):
                j = begin + (other if other < cap else near + other - cap)
                if doc[j] < first_new and doc[row] < first_new:
                    continue
                if _outranks(priority, doc, j, row):
                    better[written], worse[written] = j, row
                else:
                    better[written], worse[written] = row, j
                written += 1
            row += 1
        bucket += 1
    return written, row, bucket


@nb.njit(cache=True, nogil=True)
def overlaps(values, ends, left, right, shared):
    """How many values each pair of sets shares, `shared` (pairs,) int64.

    Set s is values[ends[s]:ends[s + 1]], sorted and distinct, uint64; `left`, `right` (pairs,) int64.
    """
    for pair in range(left.size):
        i, i_end = ends[left[pair]], ends[left[pair] + 1]
        j, j_end = ends[right[pair]], ends[right[pair] + 1]
        count = 0
        while i < i_end and j < j_end:
            x, y = values[i], values[j]
            count += x == y
            i += x <= y
            j += y <= x
        shared[pair] = count


@nb.njit(cache=True, nogil=True)
def decide(worse, better, fate):
    """Decide who is kept, in place, in one pass; how many were decided.

    `worse`, `better` (edges,) int64 into `fate` (documents,) int8: 0 open, 1 kept, 2 dropped. Edges with the same
    `worse` stand together, the best `worse` first. A document is dropped if a better one is kept, kept if all better
    ones are dropped, and stays open while that cannot be told.
    """
    decided, begin = 0, 0
    while begin < worse.size:
        document = worse[begin]
        end, kept, is_open = begin, 0, 0
        while end < worse.size and worse[end] == document:
            kept += fate[better[end]] == 1
            is_open += fate[better[end]] == 0
            end += 1
        if fate[document] == 0 and (kept or not is_open):
            fate[document] = 2 if kept else 1
            decided += 1
        begin = end
    return decided
