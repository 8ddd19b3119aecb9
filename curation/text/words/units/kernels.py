"""From the words of the fast splitter to units: neighbouring characters of a script without spaces, joined.

A cluster is what the fast splitter makes a word of in such a script: a character with its marks. A run is as many
clusters of one writing system as stand without a gap between them. Only runs are changed.
"""

from __future__ import annotations

import numpy as np

from curation.text.kernels import GOLDEN, ZERO, before, helper, kernel
from curation.text.unicode import decode
from curation.text.words.kernels import MARK, UNSPACED

NONE, HAN, THAI, LAO, TIBETAN, BURMESE, KHMER = range(7)  # writing systems
JAPANESE, SIMPLIFIED, TRADITIONAL, THAI_WORDS = range(4)  # models
KANA, ONLY_SIMPLIFIED, ONLY_TRADITIONAL, IDEOGRAPH = 1, 2, 4, 8  # flags of characters, `units.signs`

BITS = 13
SLOTS = 1 << BITS  # of a model's table of two and three characters

TSHEG, BANTOC = 0x0F0B, 0x17CB  # what ends a syllable of Tibetan; a mark on consonants that end one of Khmer

_GOLDEN = np.uint64(GOLDEN)
_SHIFT = np.uint64(64 - BITS)


@kernel
def measure_runs(data, offsets, spans, starts, ends, kinds, longest):
    """longest (documents,) gets the bytes of a document's longest run; 0 where it has nothing to join."""
    for document in range(len(offsets) - 1):
        base = offsets[document]
        word, stop = spans[document], spans[document + 1]
        longest[document] = 0
        while word < stop:
            if data[base + starts[word]] < 0xE0:  # two bytes at most: no character of these scripts
                word += 1
                continue
            first = word
            word, _ = run_end(data, base, word, stop, starts, ends, kinds)
            if word > first + 1:
                longest[document] = max(longest[document], ends[word - 1] - starts[first])


@kernel
def join_runs(data, offsets, kinds, signs, rows, singles, keys, grams, totals, longest, spans, starts, ends):
    """Join the clusters of every run to units, in place: spans (documents + 1,), starts and ends (words,) get fewer.

    signs (0x110000,) uint8. Of the models: rows (models, 0x10000) uint16, for each character its row of singles
    (characters, 6), 0 for none; keys (models, SLOTS) uint64 and grams (models, SLOTS, 4), what two and three characters
    weigh, of which the first two of every three are there too; totals (models,), the sum of a model's weights. Weights
    are int64. `longest` is what `measure_runs` gives.
    """
    most = 0
    for document in range(len(longest)):
        most = max(most, longest[document])
    codes, scores = np.empty(most, np.int64), np.empty(most, np.int64)
    written, word = 0, spans[0]
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], spans[document + 1]
        model_of_han = -1
        spans[document] = written
        if longest[document] == 0:
            for i in range(stop - word):
                starts[written + i], ends[written + i] = starts[word + i], ends[word + i]
            written, word = written + stop - word, stop
        while word < stop:
            after, system = word + 1, NONE
            if data[base + starts[word]] >= 0xE0:
                after, system = run_end(data, base, word, stop, starts, ends, kinds)
            model = THAI_WORDS
            if after > word + 1 and system in (HAN, THAI):
                if system == HAN:
                    if model_of_han < 0:
                        model_of_han = choose_model(data, base, offsets[document + 1], signs)
                    model = model_of_han
                a, b = base + starts[word], base + ends[after - 1]
                weigh(data, a, b, rows[model], singles, keys[model], grams[model], codes, scores)
            begin, place = word, 0
            for cluster in range(word + 1, after):
                place += characters_of(data, base + starts[cluster - 1], base + ends[cluster - 1])
                if system in (HAN, THAI):
                    is_cut = 2 * scores[place] > totals[model]
                else:
                    is_cut = begins_unit(data, base, system, word, cluster, after, starts, ends)
                if is_cut:
                    starts[written], ends[written] = starts[begin], ends[cluster - 1]
                    written += 1
                    begin = cluster
            starts[written], ends[written] = starts[begin], ends[after - 1]
            written += 1
            word = after
    spans[len(offsets) - 1] = written


@helper
def run_end(data, base, word, stop, starts, ends, kinds):
    """The word behind the run that begins with this one, which may be it alone, and the run's writing system."""
    system = system_of(data, base + starts[word], base + ends[word], kinds)
    word += 1
    while (
        system != NONE
        and word < stop
        and starts[word] == ends[word - 1]
        and system_of(data, base + starts[word], base + ends[word], kinds) == system
    ):
        word += 1
    return word, system


@helper
def system_of(data, a, b, kinds):
    """The writing system of the word data[a:b] if it is a cluster, else NONE: other words may begin like one."""
    code, a = decode(data, a)
    if not (kinds[code] & UNSPACED or code == TSHEG):
        return NONE
    while a < b:
        mark, a = decode(data, a)
        if not kinds[mark] & MARK:
            return NONE
    if code < 0x0E80:
        return THAI
    if code < 0x0F00:
        return LAO
    if code < 0x1000:
        return TIBETAN
    if code < 0x1100:
        return BURMESE
    return KHMER if code < 0x1800 else HAN


@helper
def characters_of(data, a, b):
    characters = 0
    while a < b:
        characters += data[a] & 0xC0 != 0x80
        a += 1
    return characters


@helper
def choose_model(data, a, b, signs):
    """The model for the Han and Kana of data[a:b]: Japanese if one in ten of them is Kana, else that of the standard of
    Chinese to which more characters belong that the other does not have, the simplified one if they are as many."""
    kana = ideographs = simplified = traditional = 0
    while a < b:
        if data[a] < 0x80:
            a += 1
            continue
        code, a = decode(data, a)
        sign = signs[code]
        kana += sign & KANA != 0
        ideographs += sign & IDEOGRAPH != 0
        simplified += sign & ONLY_SIMPLIFIED != 0
        traditional += sign & ONLY_TRADITIONAL != 0
    if 10 * kana >= kana + ideographs:
        return JAPANESE
    return TRADITIONAL if traditional > simplified else SIMPLIFIED


@helper
def weigh(data, a, b, rows, singles, keys, grams, codes, scores):
    """Fill scores with what speaks for a cut before each character of data[a:b], as BudouX's parser sums it up.

    A model has weights for the six characters, three pairs and four triples around a place. Each is looked up once,
    and added at all the places that it stands at.
    """
    size = 0
    while a < b:
        codes[size], a = decode(data, a)
        scores[size] = 0
        size += 1
    for i in range(size):
        code = codes[i]
        if code > 0xFFFF:
            continue
        row = rows[code]
        if row:
            for k in range(6):  # as the third before a place, ..., as the third behind it
                add(scores, i + 3 - k, size, singles[row, k])
        if i + 1 < size and codes[i + 1] <= 0xFFFF:
            slot = find_gram(pair_key(code, codes[i + 1]), keys)
            if keys[slot] != ZERO:
                for k in range(3):
                    add(scores, i + 2 - k, size, grams[slot, k])
                if i + 2 < size and codes[i + 2] <= 0xFFFF:
                    slot = find_gram(triple_key(code, codes[i + 1], codes[i + 2]), keys)
                    if keys[slot] != ZERO:
                        for k in range(4):
                            add(scores, i + 3 - k, size, grams[slot, k])


@helper
def add(scores, place, size, weight):
    if 0 <= place < size:
        scores[place] += weight


@helper
def pair_key(first, second):
    return np.uint64((first << 16 | second) + (1 << 60))


@helper
def triple_key(first, second, third):
    return np.uint64((first << 32 | second << 16 | third) + (1 << 61))


@helper
def find_gram(key, keys):
    """The slot of this key, or the empty one where it would be."""
    slot = np.int64((key * _GOLDEN) >> _SHIFT)
    while keys[slot] != key and keys[slot] != ZERO:
        slot = (slot + 1) & (SLOTS - 1)
    return slot


@helper
def begins_unit(data, base, system, first, cluster, after, starts, ends):
    """Whether a syllable begins with this cluster, which is behind the first of its run; its neighbours say."""
    a, b = base + starts[cluster], base + ends[cluster]
    previous, previous_end = base + starts[cluster - 1], a
    second = decode(data, decode(data, a)[1])[0] if a + 3 < b else 0
    joint = decode(data, before(data, previous, previous_end))[0]
    if system == TIBETAN:
        return joint == TSHEG and decode(data, a)[0] != TSHEG
    if system == BURMESE:
        return not (second in (0x103A, 0x1039) or joint == 0x1039)
    is_bare, is_previous_bare = a + 3 == b, previous + 3 == previous_end
    if system == KHMER:
        return not (joint == 0x17D2 or second == BANTOC or (is_bare and not is_previous_bare))
    code, last = decode(data, a)[0], decode(data, previous)[0]
    if is_lao_front(last) or is_lao_behind(code):
        return False
    is_open = (
        last in (0x0EB2, 0x0EBD)
        or (not is_previous_bare and not is_lao_behind(last))
        or (cluster - 2 >= first and is_lao_front(decode(data, base + starts[cluster - 2])[0]))
    )
    is_last = is_bare and not is_lao_front(code)
    if cluster + 1 < after:
        is_last &= not is_lao_behind(decode(data, base + starts[cluster + 1])[0])
    return not (is_open and is_last)


@helper
def is_lao_front(code):
    """A vowel that is written before its consonant."""
    return 0x0EC0 <= code <= 0x0EC4


@helper
def is_lao_behind(code):
    """A vowel that is written behind its consonant and is no mark."""
    return code in (0x0EB0, 0x0EB2, 0x0EB3, 0x0EBD)
