"""The counts of the flavours `dolma` and `dclm`: pieces between white space, lines and their copies, n-grams.

Offsets, spans and the bounds on time and memory are as in `curation.text.signals.kernels`.
"""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    BASE,
    FEEDS,
    GOLDEN,
    TOPS,
    ZERO,
    add_key,
    count_characters,
    count_feeds,
    eight,
    find_slot,
    first_marked,
    hash_bytes,
    helper,
    inlined,
    kernel,
    mask_controls,
    mask_equal,
    mask_leads,
    mask_letters,
    mask_not_ascii,
    mix,
    most_feeds,
    next_base,
    next_byte,
    strip,
    table_bits,
)
from curation.text.signals.flavours.breaks import (
    DOUBLE_QUOTE,
    EXTEND,
    HEBREW,
    JOINER,
    KATAKANA,
    LETTER,
    MID_BOTH,
    MID_LETTER,
    MID_NUMBER,
    NUMERIC,
    QUOTE,
)
from curation.text.signals.kernels import count_in_words, find_place, group, keep_repeated
from curation.text.unicode import ALPHA, SPACE, WORD, decode

_BASE, _GOLDEN = np.uint64(BASE), np.uint64(GOLDEN)
_HASHES = np.uint64(0x2323232323232323)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_SPACES = np.uint64(0x2020202020202020)

PIECES, CHARACTERS, ALPHABETIC, SYMBOLIC, STOP_WORDS, TWICE_MEDIAN = range(6)
SEGMENTS, SEGMENT_CHARACTERS, COPIES, COPY_CHARACTERS, BULLETS, ELLIPSES = range(6)
WORD_CHARACTERS = 15  # in the counts of n-grams, behind those of n = 2 to 10 and the wholes of n = 5 to 10


@kernel
def split_pieces(data, offsets, classes, counts, starts, ends):
    """Fill the spans of the pieces of every document that stand between white space, as str.split has them; counts
    (documents + 1,) gets where each document's begin."""
    pieces = 0
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        i = base
        while i < stop:
            code, after = decode(data, i)
            if classes[code] & SPACE:
                i = after
                continue
            end = piece_end(data, i, stop, classes)
            starts[pieces], ends[pieces] = i - base, end - base
            pieces += 1
            i = end
        counts[document + 1] = pieces


@inlined
def piece_end(data, i, stop, classes):
    """Where the piece that data[i] belongs to ends."""
    while i < stop:
        value = eight(data, i, stop)
        mask = mask_equal(value, _SPACES) | mask_controls(value) | mask_not_ascii(value)
        place = i + first_marked(mask)
        if place >= stop:
            return stop
        if mask:
            code, after = decode(data, place)
            if classes[code] & SPACE:
                return place
            place = after
        i = place
    return stop


@kernel
def count_pieces(data, offsets, spans, starts, ends, classes, lower, lowers, wanted, wanted_offsets, counts):
    """counts (documents, 6): pieces; their code points; those with a letter; those with "#" or "…"; those that are one
    of the wanted words, in lower case if `lowers`; twice the median of their code points.

    `wanted` and `wanted_offsets` are texts, like data and offsets, in lower case if `lowers`.
    """
    bits = table_bits(len(wanted_offsets)) + 1
    table = np.zeros(1 << bits, np.uint64)
    longest_wanted = 0
    for i in range(len(wanted_offsets) - 1):
        key = hash_bytes(wanted, wanted_offsets[i], wanted_offsets[i + 1])
        table[find_place(key, table, bits)] = key
        longest_wanted = max(longest_wanted, wanted_offsets[i + 1] - wanted_offsets[i])
    longest = 0
    for piece in range(len(starts)):
        longest = max(longest, ends[piece] - starts[piece])
    often = np.zeros(longest + 1, np.int64)  # how many pieces of the document have each number of code points
    scratch = np.empty(3 * longest_wanted + 8, np.uint8)
    for document in range(len(offsets) - 1):
        base = offsets[document]
        characters = alphabetic = symbolic = stop_words = longest = 0
        for piece in range(spans[document], spans[document + 1]):
            a, b = base + starts[piece], base + ends[piece]
            length, has_letter, has_symbol, is_ascii = look_at_piece(data, a, b, classes)
            characters += length
            alphabetic += has_letter
            symbolic += has_symbol
            longest = max(longest, length)
            often[length] += 1
            if b - a <= 3 * longest_wanted:
                key = hash_piece(data, a, b, is_ascii, lower, lowers, scratch)
                stop_words += table[find_place(key, table, bits)] == key
        pieces = spans[document + 1] - spans[document]
        counts[document, PIECES], counts[document, CHARACTERS] = pieces, characters
        counts[document, ALPHABETIC], counts[document, SYMBOLIC] = alphabetic, symbolic
        counts[document, STOP_WORDS] = stop_words
        counts[document, TWICE_MEDIAN] = twice_median(often, pieces)
        for length in range(longest + 1):
            often[length] = 0


@inlined
def look_at_piece(data, i, stop, classes):
    """The code points of data[i:stop], whether one is a letter, whether one is "#" or "…", whether all are ASCII."""
    length, has_letter, has_symbol, is_ascii = 0, False, False, True
    while i < stop:
        value = eight(data, i, stop)
        if mask_not_ascii(value):
            is_ascii = False
            break
        has_letter |= mask_letters(value) != ZERO
        has_symbol |= mask_equal(value, _HASHES) != ZERO
        length += min(8, stop - i)
        i += 8
    while i < stop:
        code, i = decode(data, i)
        length += 1
        has_letter |= classes[code] & ALPHA != 0
        has_symbol |= code in (35, 0x2026)
    return length, has_letter, has_symbol, is_ascii


@inlined
def hash_piece(data, a, b, is_ascii, lower, lowers, scratch):
    """The hash of data[a:b], of its lower case if `lowers`; `scratch` has room for three bytes to each two of it."""
    if not lowers:
        return hash_bytes(data, a, b)
    if not is_ascii:
        return hash_bytes(scratch, 0, write_lower(data, a, b, lower, scratch))
    value = np.uint64(b - a) * _BASE  # as hash_bytes
    while a < b:
        chunk = eight(data, a, b)
        chunk |= mask_letters(chunk) >> np.uint64(2)
        value = (value ^ chunk) * _GOLDEN
        value ^= value >> np.uint64(32)
        a += 8
    return mix(value)


@helper
def write_lower(data, a, b, lower, out):
    """Write the lower case of data[a:b], a word, to out as far as there is room; how many bytes that are."""
    o, begin = 0, a
    while a < b and o + 4 <= len(out):
        code, after = decode(data, a)
        if lower[code] >= 0:
            o = write_code(lower[code], out, o)
        elif code == 0x0130:
            o = write_code(0x0307, out, write_code(105, out, o))
        else:  # a capital sigma, which is another one at the end of a word
            o = write_code(0x03C2 if a > begin and after == b else 0x03C3, out, o)
        a = after
    return o


@helper
def write_code(code, out, o):
    """Write a code point in UTF-8; the end of it."""
    if code < 0x80:
        out[o] = code
        return o + 1
    if code < 0x800:
        out[o], out[o + 1] = 0xC0 | (code >> 6), 0x80 | (code & 0x3F)
        return o + 2
    if code < 0x10000:
        out[o], out[o + 1], out[o + 2] = 0xE0 | (code >> 12), 0x80 | ((code >> 6) & 0x3F), 0x80 | (code & 0x3F)
        return o + 3
    out[o], out[o + 1] = 0xF0 | (code >> 18), 0x80 | ((code >> 12) & 0x3F)
    out[o + 2], out[o + 3] = 0x80 | ((code >> 6) & 0x3F), 0x80 | (code & 0x3F)
    return o + 4


@helper
def twice_median(often, items):
    """Twice the median of `items` numbers, of which often[k] are k; 0 if there are none."""
    if items == 0:
        return 0
    below = number = total = 0
    for rank in ((items - 1) // 2, items // 2):
        while below + often[number] <= rank:
            below += often[number]
            number += 1
        total += number
    return total


@kernel
def count_fasttext_words(data, offsets, classes, words):
    """words (documents,): what fastText's tokenizer takes for words and begins with a letter or digit.

    It cuts at NUL, tab, line feed, vertical tab, form feed, carriage return and space, and nowhere else.
    """
    for document in range(len(offsets) - 1):
        i, stop = offsets[document], offsets[document + 1]
        found, apart = 0, True
        while i < stop:
            byte = data[i]
            if byte <= 32 and (byte in (0, 32) or 9 <= byte <= 13):
                apart = True
                i += 1
            elif apart:
                code, i = decode(data, i)
                found += code != 95 and classes[code] & WORD != 0
                apart = False
            else:
                mask = mask_equal(eight(data, i, stop), _SPACES) | mask_controls(eight(data, i, stop))
                i = min(stop, max(i + 1, i + first_marked(mask)))
        words[document] = found


@kernel
def count_marks(data, offsets, marks):
    """marks (documents,): "#", "…", and what str.count finds of "..." and of ". . ."."""
    for document in range(len(offsets) - 1):
        a, b = offsets[document], offsets[document + 1]
        i, dots, spaced, last, found = a, 0, 0, a - 3, 0
        while i < b:
            value = eight(data, i, b)
            mask = mask_equal(value, _HASHES) | mask_equal(value, _DOTS) | mask_leads(value)
            while mask:
                place = i + first_marked(mask)
                mask &= mask - np.uint64(1)
                if place >= b:
                    break
                byte = data[place]
                if byte == 46:
                    dots = dots + 1 if place == last + 1 and dots < 3 else 1
                    follows = place == last + 2 and data[place - 1] == 32
                    spaced = spaced + 1 if follows and spaced < 3 else 1
                    last = place
                    found += (dots == 3) + (spaced == 3)
                else:
                    found += byte == 35 or (byte == 0xE2 and decode(data, place)[0] == 0x2026)
            i += 8
        marks[document] = found


@kernel
def count_copies(data, offsets, classes, feeds, dclm, counts):
    """counts (documents, 6): segments; their code points; those that occur more than once, all copies counted; their
    code points; those that begin with a bullet, those that end in an ellipsis.

    Segments are what stands between so many line feeds (1 or 2). With `dclm` they are stripped and those of white space
    only left out; bullets are "●", "•", "*" and "-", an ellipsis is "...", ". . ." or "…". Without, bullets are "*" and
    "-", and "…" alone is an ellipsis.
    """
    most = most_feeds(data, offsets) + 1
    slots = np.zeros(1 << table_bits(most), np.int32)
    keys = np.empty(most, np.uint64)
    often = np.empty(most, np.int32)
    base = 1
    for document in range(len(offsets) - 1):
        start, stop = offsets[document], offsets[document + 1]
        bits = table_bits(count_feeds(data, start, stop) + 1)
        fresh = segments = characters = copies = copy_characters = bullets = ellipses = 0
        while start <= stop:
            end = separator(data, start, stop, feeds)
            a, b = strip(data, start, end, classes) if dclm else (start, end)
            start = end + feeds if end < stop else stop + 1
            if dclm and a == b:
                continue
            segments += 1
            length = count_characters(data, a, b)
            characters += length
            if a < b:
                code = decode(data, a)[0]
                bullets += code in (42, 45) or (dclm and code in (0x2022, 0x25CF))
                ellipses += ends_in_ellipsis(data, a, b, dclm)
            key = hash_bytes(data, a, b)
            if add_key(key, fresh, slots, base, bits, keys):
                often[fresh] = 1
                fresh += 1
                continue
            slot = slots[find_slot(key, slots, base, bits, keys)] - base
            often[slot] += 1
            times = 2 if often[slot] == 2 else 1  # the first copy counts when the second one comes
            copies += times
            copy_characters += times * length
        counts[document, SEGMENTS], counts[document, SEGMENT_CHARACTERS] = segments, characters
        counts[document, COPIES], counts[document, COPY_CHARACTERS] = copies, copy_characters
        counts[document, BULLETS], counts[document, ELLIPSES] = bullets, ellipses
        base = next_base(slots, base, fresh)


@helper
def separator(data, a, b, feeds):
    """Where the first so many (1 or 2) line feeds in a row begin in data[a:b], b if there are none."""
    while True:
        a = next_byte(data, a, b, FEEDS)
        if a == b or feeds == 1:
            return a
        if a + 1 < b and data[a + 1] == 10:
            return a
        a += 1


@helper
def ends_in_ellipsis(data, a, b, dclm):
    if b - a < 3:
        return False
    if data[b - 1] == 0xA6:
        return data[b - 2] == 0x80 and data[b - 3] == 0xE2
    if not dclm or data[b - 1] != 46:
        return False
    if data[b - 2] == 46:
        return data[b - 3] == 46
    return b - a >= 5 and data[b - 2] == 32 and data[b - 3] == 46 and data[b - 4] == 32 and data[b - 5] == 46


@kernel
def split_unicode_words(data, offsets, classes, breaks, counts, starts, ends):
    """Fill the spans of the words of every document, after UAX 29, that begin with a letter or digit; counts
    (documents + 1,) gets where each document's begin. `breaks` as `breaks.breaks` gives them."""
    words = 0
    for document in range(len(offsets) - 1):
        base, stop = offsets[document], offsets[document + 1]
        i = base
        while i < stop:
            code = decode(data, i)[0]
            end = word_end(data, i, stop, breaks)
            starts[words], ends[words] = i - base, end - base
            words += code != 95 and classes[code] & WORD != 0
            i = end
        counts[document + 1] = words


@helper
def word_end(data, i, stop, breaks):
    """Where the word that begins at data[i] ends. White space is a word as any other sign."""
    code, i = decode(data, i)
    kind = breaks[code]
    while True:
        if kind == LETTER and i < stop:
            value = eight(data, i, stop)
            more = first_marked(~mask_letters(value) & TOPS)
            i += more
            if more == 8:
                continue
        i = behind_marks(data, i, stop, breaks)
        if i == stop or kind not in (LETTER, HEBREW, NUMERIC, KATAKANA, JOINER):
            return i
        code, after = decode(data, i)
        following = breaks[code]
        if holds_together(kind, following):
            kind, i = following, after
            continue
        after = behind_marks(data, after, stop, breaks)
        if after < stop:
            code, behind = decode(data, after)
            if holds_across(kind, following, breaks[code]):
                kind, i = breaks[code], behind
                continue
        return after if kind == HEBREW and following == QUOTE else i


@helper
def behind_marks(data, i, stop, breaks):
    """Where the marks that belong to the character before data[i] end."""
    while i < stop and data[i] >= 0x80:
        code, after = decode(data, i)
        if breaks[code] != EXTEND:
            break
        i = after
    return i


@helper
def holds_together(a, b):
    """Whether no word ends between characters of these classes (WB 5, 8 to 10, 13 to 13b)."""
    if b == JOINER:
        return True
    if a == JOINER:
        return b in (LETTER, HEBREW, NUMERIC, KATAKANA)
    if a == KATAKANA:
        return b == KATAKANA
    return b in (LETTER, HEBREW, NUMERIC)


@helper
def holds_across(a, sign, b):
    """Whether this sign between characters of these classes ends no word (WB 6, 7, 7b, 7c, 11, 12)."""
    if a in (LETTER, HEBREW) and b in (LETTER, HEBREW):
        return sign in (MID_LETTER, MID_BOTH, QUOTE) or (sign == DOUBLE_QUOTE and a == HEBREW and b == HEBREW)
    return a == NUMERIC and b == NUMERIC and sign in (MID_NUMBER, MID_BOTH, QUOTE)


@kernel
def count_grams(data, offsets, spans, starts, ends, dclm, counts):
    """counts (documents, 16): code points of sequences of n words for n = 2 to 10; of what those of n = 5 to 10 are a
    share; of all words.

    For n = 2, 3, 4: the length of the most frequent n words, times how often they occur. Of equally frequent ones the
    first counts; with `dclm` the longest does, and nothing if none occurs twice. For n = 5 to 10: the lengths of all n
    words that occur more than once, each time they do, of those of all n words; with `dclm` the words that are in such
    n words, each counted once, of all words.
    """
    most = 1
    for document in range(len(offsets) - 1):
        most = max(most, spans[document + 1] - spans[document])
    places, firsts = np.empty(most, np.int32), np.empty(most, np.int32)  # as in kernels.repeated_grams
    grams = np.empty(most, np.uint64)
    slots = np.zeros(1 << table_bits(most), np.int32)
    before = np.zeros(most + 1, np.int64)  # the code points of the words before each
    base = 1
    for document in range(len(offsets) - 1):
        begin, first, size = offsets[document], spans[document], spans[document + 1] - spans[document]
        for i in range(size):
            places[i] = i
            grams[i] = hash_bytes(data, begin + starts[first + i], begin + ends[first + i])
            before[i + 1] = before[i] + count_in_words(data, begin, first + i, first + i + 1, starts, ends)
        counts[document, WORD_CHARACTERS] = before[size]
        left = size
        for n in range(2, min(size, 10) + 1):
            while left and places[left - 1] + n > size:
                left -= 1
            for k in range(left):
                word = first + places[k] + n - 1
                following = hash_bytes(data, begin + starts[word], begin + ends[word])
                grams[k] = grams[k] * _BASE + following
            best = group(left, grams, firsts, slots, base)
            base = next_base(slots, base, left)
            if n < 5:
                counts[document, n - 2] = most_frequent(n, left, best, places, firsts, before, dclm)
            elif dclm:
                counts[document, n - 2] = covered(n, left, places, firsts, before)
                counts[document, n + 4] = before[size]
            else:
                counts[document, n - 2] = all_copies(n, left, places, firsts, before)
                for i in range(size - n + 1):
                    counts[document, n + 4] += before[i + n] - before[i]
            left = keep_repeated(left, places, grams, firsts)


@helper
def most_frequent(n, left, best, places, firsts, before, dclm):
    """The code points of the most frequent n words, times how often they occur; `best` is the first of them."""
    if best < 0:  # each occurs once
        return 0 if dclm else before[n]
    longest = before[places[best] + n] - before[places[best]]
    for k in range(best + 1 if dclm else left, left):
        if firsts[k] == firsts[best]:
            longest = max(longest, before[places[k] + n] - before[places[k]])
    return longest * -firsts[best]


@helper
def all_copies(n, left, places, firsts, before):
    """The code points of the n words that occur more than once, each time they do."""
    characters = 0
    for k in range(left):
        if firsts[k] != -1:
            characters += before[places[k] + n] - before[places[k]]
    return characters


@helper
def covered(n, left, places, firsts, before):
    """The code points of the words that are in n words that occur more than once."""
    characters = after = 0
    for k in range(left):
        if firsts[k] != -1:
            characters += before[places[k] + n] - before[max(after, places[k])]
            after = places[k] + n
    return characters
