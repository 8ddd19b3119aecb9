"""The words of texts, and their hashes."""

from __future__ import annotations

import numpy as np

from curation.contamination.words import ALONE, LONGEST_ENTITY, LONGEST_NAME, LONGEST_TAG, NOTHING, SEPARATOR
from curation.text.kernels import find_sorted, helper, kernel, mix
from curation.text.unicode import decode

_SEED, _STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x9FB21C651E98DF25)
_NAME = np.uint64(0x100000001B3)
_ONE, _ZERO = np.uint64(1), np.uint64(0)


@helper
def is_name(byte):
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122


@helper
def entity(data, i, stop, reading):
    """(code point, where it ends) of the entity at data[i], which is `&`; (0, i) if it is none."""
    a = i + 1
    while a + 4 <= stop and data[a] == 97 and data[a + 1] == 109 and data[a + 2] == 112 and data[a + 3] == 59:
        a += 4  # "amp;": what was escaped twice
    begin = a
    if a < stop and data[a] == 35:
        a += 1
        is_hex = a < stop and data[a] | 32 == 120
        a += is_hex
        point, digits = 0, 0
        while a < stop and digits < 9:
            byte = data[a]
            if 48 <= byte <= 57:
                digit = byte - 48
            elif is_hex and 97 <= byte | 32 <= 102:
                digit = (byte | 32) - 87
            else:
                break
            point = min(point * (16 if is_hex else 10) + digit, 0x110000)
            a += 1
            digits += 1
        if digits and a < stop and data[a] == 59 and point < 0x110000:
            return np.int32(point), a + 1
    else:
        key = _ZERO
        while a < stop and a - begin < LONGEST_ENTITY and is_name(data[a]):
            key = key * _NAME + np.uint64(data[a]) + _ONE
            a += 1
        if a > begin and a < stop and data[a] == 59:
            found = find_sorted(reading.entities, key)
            if found >= 0:
                return reading.points[found], a + 1
    return (np.int32(38), begin) if begin > i + 1 else (np.int32(0), i)


@helper
def tag_end(data, i, stop, reading):
    """Where the tag of an HTML element that begins at data[i], which is `<`, ends; i if it is none."""
    a = i + 1
    a += a < stop and data[a] == 47
    key, begin = _ZERO, a
    while a < stop and a - begin <= LONGEST_NAME and is_name(data[a]):
        byte = data[a]
        key = key * _NAME + np.uint64(byte | 32 if byte >= 65 else byte) + _ONE
        a += 1
    if a == stop or data[a] not in (9, 10, 13, 32, 47, 62) or find_sorted(reading.elements, key) < 0:
        return i
    last = min(stop, i + LONGEST_TAG)
    while a < last and data[a] != 62 and data[a] != 60:
        a += 1
    return a + 1 if a < last and data[a] == 62 else i


@helper
def split(data, begin, stop, reading, words, starts, ends):
    """Write the hashes of the words of data[begin:stop] and the bytes where each begins and ends; how many there are.

    `words` uint64, `starts` and `ends` int64: each has room for as many as the text has bytes.
    """
    folds = reading.folds
    count, i, word_start, word_end = 0, begin, -1, begin
    state = _SEED
    while i < stop:
        byte = data[i]
        if byte < 0x80:
            after = i + 1
            code = folds[byte]
            if code == SEPARATOR:
                if byte == 38:
                    point, behind = entity(data, i, stop, reading)
                    if behind > i:
                        code, after = folds[point], behind
                elif byte == 60:
                    after = max(after, tag_end(data, i, stop, reading))
        else:
            point, after = decode(data, i)
            code = folds[point]
        if code == NOTHING:
            i = after
            continue
        if word_start >= 0 and (code == SEPARATOR or code & ALONE):
            words[count], starts[count], ends[count] = mix(state), word_start, word_end
            count += 1
            word_start, state = -1, _SEED
        if code & ALONE:
            words[count], starts[count], ends[count] = mix((_SEED ^ np.uint64(code)) * _STEP), i, after
            count += 1
        elif code != SEPARATOR:
            if word_start < 0:
                word_start = i
            state = (state ^ np.uint64(code)) * _STEP
            word_end = after
        i = after
    if word_start >= 0:
        words[count], starts[count], ends[count] = mix(state), word_start, word_end
        count += 1
    return count


@kernel
def word_hashes(data, offsets, reading):
    """(words, ends): the hashes of the words of all texts, uint64, and where each text's end, (documents + 1,)."""
    room = max(1, offsets[-1] - offsets[0])
    words, starts, stops = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    ends = np.zeros(len(offsets), np.int64)
    for text in range(len(offsets) - 1):
        a = ends[text]
        ends[text + 1] = a + split(data, offsets[text], offsets[text + 1], reading, words[a:], starts[a:], stops[a:])
    return words[: ends[-1]].copy(), ends


@kernel
def word_spans(data, begin, stop, reading):
    """(words, starts, ends) of one text."""
    room = max(1, stop - begin)
    words, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    count = split(data, begin, stop, reading, words, starts, ends)
    return words[:count], starts[:count], ends[:count]
