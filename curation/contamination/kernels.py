"""The compiled loops: a text's words, and where they are those of an item.

`data` uint8 and `offsets` int64 (documents + 1,) are as `text_buffers` gives them; a place in a text is a number of a
word, from 0. `reading` is `words.Reading`, `index` is `index.Tables`, `limits` is `index.Limits`.
"""

from __future__ import annotations

import numpy as np

from curation.contamination.words import ALONE, LONGEST_ENTITY, LONGEST_NAME, LONGEST_TAG, NOTHING, SEPARATOR
from curation.text.kernels import helper, inlined, kernel, mix
from curation.text.unicode import decode

# Columns of the matches that `find_matches` gives: the document, the entry of the index, the bytes of the text from the
# first word to behind the last one, the places in the item, how many of its words match, and the longest run of them.
DOCUMENT, ENTRY, START, END, FIRST, LAST, WORDS, LONGEST = range(8)
# Columns of their measures: the share of the item, the same of its answer near by, and of its passage.
SHARE, ANSWER, PASSAGE = range(3)

# What is known of an entry: the document (from 1) where it was seen last, and of its open cluster there the word of the
# document and the place in the item behind it, those where it begins, how many words, and the longest run of them.
_SEEN, _STOP, _PLACE, _BEGIN, _FIRST, _WORDS, _LONGEST = range(7)
STATES = 7

_WORD_SEED, _WORD_STEP = np.uint64(0x9E3779B97F4A7C15), np.uint64(0x9FB21C651E98DF25)
_GRAM = np.uint64(0xD1342543DE82EF95)
_NAME = np.uint64(0x100000001B3)
_ONE, _ZERO = np.uint64(1), np.uint64(0)
NEAR = 50  # words behind a question in which an answer of at most SHORT words is looked for
SHORT = 3
WINDOW = 100  # words around a question in which longer answers (or twice their length) and passages are looked for


# ---------------------------------------------------------------------- words


@helper
def find_key(keys, key):
    """Where this key stands in sorted keys, -1 if it does not."""
    low, high = 0, len(keys)
    while low < high:
        middle = (low + high) >> 1
        if keys[middle] < key:
            low = middle + 1
        else:
            high = middle
    return low if low < len(keys) and keys[low] == key else -1


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
            found = find_key(reading.entities, key)
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
    if a == stop or data[a] not in (9, 10, 13, 32, 47, 62) or find_key(reading.elements, key) < 0:
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
    state = _WORD_SEED
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
            word_start, state = -1, _WORD_SEED
        if code & ALONE:
            words[count], starts[count], ends[count] = mix((_WORD_SEED ^ np.uint64(code)) * _WORD_STEP), i, after
            count += 1
        elif code != SEPARATOR:
            if word_start < 0:
                word_start = i
            state = (state ^ np.uint64(code)) * _WORD_STEP
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


# ---------------------------------------------------------------------- the index


@inlined
def gram_power(size):
    power = _ONE
    for _ in range(size):
        power *= _GRAM
    return power


@kernel
def gram_hashes(words, ends, size, grams, entries, places):
    """Fill the hash, the entry and the place of every n-gram of the entries' words; how many there are."""
    power, count = gram_power(size), 0
    for entry in range(len(ends) - 1):
        rolling = _ZERO
        for place in range(ends[entry], ends[entry + 1]):
            rolling = rolling * _GRAM + words[place]
            first = place - size + 1 - ends[entry]
            if first > 0:
                rolling -= words[place - size] * power
            if first >= 0:
                grams[count], entries[count], places[count] = mix(rolling), entry, first
                count += 1
    return count


@kernel
def fill_table(keys, slots, numbers, bitmap):
    """Put each key into the table and its bits into the bitmap; sizes are powers of two, `slots` 0 where empty."""
    mask = len(slots) - 1
    for number in range(len(keys)):
        key = keys[number] | _ONE
        slot = np.int64(key >> np.uint64(20)) & mask
        while slots[slot] != _ZERO:
            slot = (slot + 1) & mask
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
    slots = index.slots
    mask = len(slots) - 1
    key = gram | _ONE
    slot = np.int64(key >> np.uint64(20)) & mask
    while slots[slot] != _ZERO:
        if slots[slot] == key:
            return np.int64(index.numbers[slot])
        slot = (slot + 1) & mask
    return -1


# ---------------------------------------------------------------------- matches


@helper
def run_length(words, count, j, index, entry, place):
    """How many words from words[j] on are those of the entry from this place on."""
    base, stop = index.ends[entry], index.ends[entry + 1]
    a, b = j, base + place
    while a < count and b < stop and words[a] == index.words[b]:
        a += 1
        b += 1
    return a - j


@helper
def begin_cluster(words, count, j, length, misses, index, state, weights, entry, place):
    """Open the cluster of an entry with the run of words at j; with `misses` it goes on to the left, over so many words
    that differ, as long as two in a row are equal again."""
    base = index.ends[entry]
    a, total, longest = place, length, length
    while a > 0 and j - (place - a) > 0 and words[j - (place - a) - 1] == index.words[base + a - 1]:
        a -= 1
        total += 1
        longest += 1
    weight = index.weights[base + place + length] - index.weights[base + a]
    first, missed = a, 0
    while a > 1 and j - (place - a) > 1 and missed < misses:
        b = base + a - 1
        k = j - (place - a) - 1
        if words[k] == index.words[b] and words[k - 1] == index.words[b - 1]:
            while a > 0 and j - (place - a) > 0 and words[j - (place - a) - 1] == index.words[base + a - 1]:
                a -= 1
                total += 1
                weight += index.weights[base + a + 1] - index.weights[base + a]
            first, missed = a, 0
        else:
            a -= 1
            missed += 1
    state[entry, _BEGIN], state[entry, _FIRST] = j - (place - first), first
    state[entry, _STOP], state[entry, _PLACE] = j + length, place + length
    state[entry, _WORDS], state[entry, _LONGEST] = total, longest
    weights[entry] = weight
    expand(words, count, misses, index, state, weights, entry)


@helper
def extend_cluster(words, count, j, length, misses, index, state, weights, entry, place):
    """Go on with the open cluster at the run of words at j, whose place in the item is not before the cluster's end."""
    base = index.ends[entry]
    first, stop = place, state[entry, _STOP]
    while (
        first > state[entry, _PLACE]
        and j - (place - first) > stop
        and words[j - (place - first) - 1] == index.words[base + first - 1]
    ):
        first -= 1
    run = place + length - first
    state[entry, _WORDS] += run
    state[entry, _LONGEST] = max(state[entry, _LONGEST], run)
    weights[entry] += index.weights[base + place + length] - index.weights[base + first]
    state[entry, _STOP], state[entry, _PLACE] = j + length, place + length
    expand(words, count, misses, index, state, weights, entry)


@helper
def expand(words, count, misses, index, state, weights, entry):
    """Go on to the right of the open cluster, over at most `misses` words that differ, as long as two in a row are
    equal again."""
    base, stop = index.ends[entry], index.ends[entry + 1]
    a, b, missed = state[entry, _STOP], base + state[entry, _PLACE], 0
    while missed < misses and a + 1 < count and b + 1 < stop:
        if words[a] == index.words[b] and words[a + 1] == index.words[b + 1]:
            run = run_length(words, count, a, index, entry, b - base)
            state[entry, _WORDS] += run
            state[entry, _LONGEST] = max(state[entry, _LONGEST], run)
            weights[entry] += index.weights[b + run] - index.weights[b]
            a += run
            b += run
            state[entry, _STOP], state[entry, _PLACE], missed = a, b - base, 0
        else:
            a += 1
            b += 1
            missed += 1


@helper
def near_share(words, first, last, index, begin, stop, size):
    """The share, by weight, of the parts' words [begin:stop] that stand in words[first:last] in a run of `size`."""
    covered, total, place = 0.0, index.part_weights[stop] - index.part_weights[begin], begin
    while place + size <= stop:
        longest = 0
        for a in range(first, last - size + 1):
            run = 0
            while a + run < last and place + run < stop and words[a + run] == index.part_words[place + run]:
                run += 1
            longest = max(longest, run)
        if longest >= size:
            covered += index.part_weights[place + longest] - index.part_weights[place]
            place += longest
        else:
            place += 1
    return covered / total if total > 0 else 0.0


@helper
def measure_parts(words, count, begin, stop, index, entry):
    """(share of the answer, share of the passage) around words[begin:stop]; -1 for a part that the entry has not."""
    answer, passage = -1.0, -1.0
    a, b = index.part_ends[2 * entry], index.part_ends[2 * entry + 1]
    if b > a:
        window = NEAR if b - a <= SHORT else max(WINDOW, 2 * (b - a))
        answer = near_share(words, stop, min(count, stop + window), index, a, b, min(SHORT, b - a))
    a, b = b, index.part_ends[2 * entry + 2]
    if b > a:
        window = max(WINDOW, b - a)
        passage = near_share(
            words, max(0, begin - window), min(count, stop + window), index, a, min(b, a + WINDOW), min(4, b - a)
        )
    return answer, passage


@helper
def is_worth_telling(index, limits, state, weights, entry):
    """Whether a cluster is more than what any two texts share."""
    if state[entry, _WORDS] < limits.least_words:
        return False
    total = index.weights[index.ends[entry + 1]] - index.weights[index.ends[entry]]
    return state[entry, _LONGEST] >= limits.least_words or weights[entry] >= limits.least_share * total


@kernel
def find_matches(data, offsets, reading, index, limits, state, weights):
    """(matches, measures) of all documents: int64 (matches, 8) and float64 (matches, 3), by document, in the order in
    which they end.

    A match is a cluster: runs of words that stand in the document and in the item in the same order, with at most
    `limits.misses` words between two of them; with no misses allowed, a single run. `state` (entries, STATES) int64 and
    `weights` (entries,) float64 are room to work in; `state` is zero at first and may be used again after it is zeroed.
    """
    room = 1
    for document in range(len(offsets) - 1):
        room = max(room, offsets[document + 1] - offsets[document])
    words, starts, ends = np.empty(room, np.uint64), np.empty(room, np.int64), np.empty(room, np.int64)
    touched = np.empty(len(state), np.int64)
    matches, measures, told = np.empty((64, 8), np.int64), np.empty((64, 3), np.float64), 0
    size, power = limits.size, gram_power(limits.size)
    for document in range(len(offsets) - 1):
        count = split(data, offsets[document], offsets[document + 1], reading, words, starts, ends)
        seen, known, rolling = document + 1, 0, _ZERO
        for last in range(count):
            rolling = rolling * _GRAM + words[last]
            j = last - size + 1
            if j < 0:
                continue
            if j > 0:
                rolling -= words[j - 1] * power
            gram = find_gram(mix(rolling), index)
            if gram < 0:
                continue
            k, behind = index.gram_ends[gram], index.gram_ends[gram + 1]
            while k < behind:
                entry, place, length, goes_on = np.int64(index.entries[k]), np.int64(-1), 0, False
                is_open = state[entry, _SEEN] == seen and state[entry, _STOP] >= 0
                is_inside = is_open and j < state[entry, _STOP]
                is_near = is_open and j - state[entry, _STOP] <= limits.misses
                while k < behind and index.entries[k] == entry:
                    here = np.int64(index.places[k])
                    k += 1
                    if is_inside:
                        continue
                    run = run_length(words, count, j, index, entry, here)
                    follows = is_near and 0 <= here - state[entry, _PLACE] <= limits.misses
                    if run >= size and (follows, run) > (goes_on, length):
                        place, length, goes_on = here, run, follows
                if place < 0 or (is_near and not goes_on and limits.misses > 0 and length <= state[entry, _WORDS]):
                    continue
                if goes_on and limits.misses > 0:
                    extend_cluster(words, count, j, length, limits.misses, index, state, weights, entry, place)
                    continue
                if state[entry, _SEEN] != seen:
                    state[entry, _SEEN] = seen
                    touched[known] = entry
                    known += 1
                elif is_worth_telling(index, limits, state, weights, entry):
                    if told == len(matches):
                        matches = np.concatenate((matches, np.empty_like(matches)))
                        measures = np.concatenate((measures, np.empty_like(measures)))
                    tell(matches, measures, told, document, entry, words, starts, ends, count, index, state, weights)
                    told += 1
                begin_cluster(words, count, j, length, limits.misses, index, state, weights, entry, place)
        for number in range(known):
            entry = touched[number]
            if is_worth_telling(index, limits, state, weights, entry):
                if told == len(matches):
                    matches = np.concatenate((matches, np.empty_like(matches)))
                    measures = np.concatenate((measures, np.empty_like(measures)))
                tell(matches, measures, told, document, entry, words, starts, ends, count, index, state, weights)
                told += 1
    return matches[:told], measures[:told]


@helper
def tell(matches, measures, row, document, entry, words, starts, ends, count, index, state, weights):
    """Write the open cluster of an entry as a match."""
    begin, stop = state[entry, _BEGIN], state[entry, _STOP]
    matches[row, DOCUMENT], matches[row, ENTRY] = document, entry
    matches[row, START], matches[row, END] = starts[begin], ends[stop - 1]
    matches[row, FIRST], matches[row, LAST] = state[entry, _FIRST], state[entry, _PLACE]
    matches[row, WORDS], matches[row, LONGEST] = state[entry, _WORDS], state[entry, _LONGEST]
    total = index.weights[index.ends[entry + 1]] - index.weights[index.ends[entry]]
    measures[row, SHARE] = min(1.0, weights[entry] / total)
    measures[row, ANSWER], measures[row, PASSAGE] = measure_parts(words, count, begin, stop, index, entry)
