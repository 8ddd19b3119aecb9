"""DCLM's line modifiers, over Arrow's buffers."""

from __future__ import annotations

import numpy as np

from curation.rules.c4.kernels.parts import has_words
from curation.text.kernels import (
    CASE,
    FEEDS,
    before,
    count_characters,
    count_feeds,
    eight,
    first_marked,
    helper,
    inlined,
    kernel,
    marked,
    mask_digits,
    mask_equal,
    mask_letters,
    mask_not_ascii,
    most_feeds,
    next_byte,
    strip,
    strip_front,
)
from curation.text.punctuation import DECIMAL
from curation.text.unicode import DIGIT, SPACE, UPPER, WORD, decode

# Columns of `counts`: lines, those that each step removes or cuts (in the order of the steps), those that are left.
LINES, UPPER_CASE, NUMERIC, COUNTERS, FEW_WORDS, IN_CART, READ_MORE, SIGN_IN, KEPT = range(9)
COLUMNS = 9

_CS = np.uint64(0x6363636363636363)
_CART, _CART_CASE = np.uint64(0x74726163), np.uint64(0x20202020)


@kernel
def modify_lines(
    data,
    offsets,
    classes,
    lower,
    flags,
    counters,
    phrases,
    feeds,
    upper,
    numeric,
    words,
    phrase_words,
    out,
    out_offsets,
    counts,
):
    """Fill out (bytes of data,) and out_offsets (documents + 1,) with the lines that are left, and counts.

    The steps are asked one after the other of all lines; after each but FEW_WORDS the white space at the ends of the
    text goes, which is how a line comes to be the first. `counters` (k, 16) and `phrases` (3, 16) uint8 rows: length,
    then the word or phrase in lower case. feeds: most line feeds in a row; upper, numeric: greatest shares; words:
    fewest words; phrase_words: most words of a line that a phrase is taken out of. All five are -1 when they are off.
    `counters` has no rows when it is off.
    """
    most = most_feeds(data, offsets) + 1
    starts, ends = np.empty(most, np.int64), np.empty(most, np.int64)
    o = 0
    for document in range(len(offsets) - 1):
        out_offsets[document] = o
        a, b = offsets[document], offsets[document + 1]
        for i in range(b - a):  # phrases are cut out in place
            out[o + i] = data[a + i]
        lines = cut_lines(out, o, o + b - a, feeds, starts, ends)
        counts[document, LINES] = count_feeds(data, a, b) + 1
        for step in range(UPPER_CASE, KEPT):
            kept = 0
            for line in range(lines):
                first, last = starts[line], ends[line]
                if step == UPPER_CASE:
                    removed = 0 <= upper < share_of(out, first, last, classes, UPPER)
                elif step == NUMERIC:
                    removed = 0 <= numeric < share_of(out, first, last, classes, DIGIT)
                elif step == COUNTERS:
                    removed = is_counter(out, first, last, classes, lower, flags, counters)
                elif step == FEW_WORDS:
                    removed = words > 0 and first < last and not has_words(out, first, last, classes, words)
                else:
                    cut, removed = last, False
                    if phrase_words >= 0:
                        first, cut = without_phrase(out, first, last, classes, phrases, step, phrase_words)
                        counts[document, step] += cut - first < last - starts[line]
                        removed = starts[line] < last and strip_front(out, first, cut, classes) == cut
                    last = cut
                if step < IN_CART:
                    counts[document, step] += removed
                starts[kept], ends[kept] = first, last
                kept += not removed
            lines = kept if step == FEW_WORDS else strip_lines(out, kept, starts, ends, classes)
        for line in range(lines):
            if line:
                out[o] = 10
                o += 1
            counts[document, KEPT] += strip_front(out, starts[line], ends[line], classes) < ends[line]
            for i in range(starts[line], ends[line]):
                out[o] = out[i]
                o += 1
    out_offsets[len(offsets) - 1] = o


@helper
def cut_lines(data, i, stop, feeds, starts, ends):
    """Where the lines of data[i:stop] begin and end, less those that are one line feed too many; how many."""
    lines = empty = 0
    while i <= stop:
        end = next_byte(data, i, stop, FEEDS)
        empty = empty + 1 if i == end else 0
        if feeds < 0 or empty < feeds:
            starts[lines], ends[lines] = i, end
            lines += 1
        i = end + 1
    return lines


@helper
def strip_lines(data, lines, starts, ends, classes):
    """Take the white space off the ends of these lines as if they were one text; how many are left."""
    first = 0
    while first < lines:
        starts[first] = strip_front(data, starts[first], ends[first], classes)
        if starts[first] < ends[first]:
            break
        first += 1
    while lines > first:
        a, b = strip(data, starts[lines - 1], ends[lines - 1], classes)
        if a < b:
            ends[lines - 1] = b
            break
        lines -= 1
    for line in range(first, lines):
        starts[line - first], ends[line - first] = starts[line], ends[line]
    return lines - first


@inlined
def share_of(data, a, b, classes, kind):
    """The share of code points of a kind, UPPER or DIGIT, in data[a:b]; 0 if it is empty."""
    found, i = 0, a
    while i < b:
        value = eight(data, i, b)
        if mask_not_ascii(value):
            break
        if kind == UPPER:
            found += marked(mask_letters(value) & ~((value & CASE) << np.uint64(2)))
        else:
            found += marked(mask_digits(value))
        i += 8
    while i < b:
        code, i = decode(data, i)
        found += classes[code] & kind != 0
    return found / count_characters(data, a, b) if found else 0.0


@helper
def is_counter(data, a, b, classes, lower, flags, counters):
    """Whether data[a:b] is a number, K, M or B perhaps, and one of the counters, with marks around them."""
    if len(counters) == 0:
        return False
    code = np.int32(0)
    while a < b:
        code, after = decode(data, a)
        if classes[code] & WORD:
            break
        a = after
    if a == b or not flags[code] & DECIMAL:
        return False
    while a < b:
        code, after = decode(data, a)
        if not (flags[code] & DECIMAL or code in (44, 46)):
            break
        a = after
    if a < b:
        code, after = decode(data, a)
        if lower[code] in (98, 107, 109):  # b, k, m
            a = after
    gap = strip_front(data, a, b, classes)
    if gap == a:
        return False
    for row in range(len(counters)):
        i, k = gap, 0
        while i < b and k < counters[row, 0]:
            code, after = decode(data, i)
            if lower[code] != counters[row, 1 + k]:
                break
            i, k = after, k + 1
        if k == counters[row, 0]:
            return has_no_word(data, i, b, classes)
    return False


@helper
def has_no_word(data, a, b, classes):
    while a < b:
        code, a = decode(data, a)
        if classes[code] & WORD:
            return False
    return True


@helper
def without_phrase(data, a, b, classes, phrases, step, words):
    """The ends of data[a:b] without the phrase: anywhere, with white space before it; at its end, any three characters
    behind it; or at its beginning, with white space behind it. A line of more than so many words stays as it is."""
    row = step - IN_CART
    if step == SIGN_IN:
        end = phrase_end(data, a, b, phrases, row)
        if end < 0 or has_words(data, a, b, classes, words + 1):
            return a, b
        if end < b:
            code, after = decode(data, end)
            end = after if classes[code] & SPACE else end
        return end, b
    if step == READ_MORE:
        i = back(data, a, b, 3)
        start = back(data, a, i, np.int64(phrases[row, 0]))
        if phrase_end(data, start, b, phrases, row) != i or count_characters(data, i, b) != 3:
            return a, b
        return a, b if has_words(data, a, b, classes, words + 1) else space_before(data, a, start, classes)
    if not mentions_cart(data, a, b) or has_words(data, a, b, classes, words + 1):
        return a, b
    o = i = after_last = a  # data[after_last:o] is what stands behind the last phrase
    while i < b:
        end = phrase_end(data, i, b, phrases, row)
        if end >= 0:
            o = after_last = space_before(data, after_last, o, classes)
            i = end
        else:
            data[o] = data[i]
            o, i = o + 1, i + 1
    return a, o


@helper
def mentions_cart(data, a, b):
    """Whether "cart", the end of the phrase, whose letters have no other case in `re`, is in data[a:b] in any case."""
    while a < b:
        mask = mask_equal(eight(data, a, b) | CASE, _CS)
        while mask:
            i = a + first_marked(mask)
            mask &= mask - np.uint64(1)
            if eight(data, i, min(b, i + 4)) | _CART_CASE == _CART:
                return True
        a += 8
    return False


@helper
def phrase_end(data, i, b, phrases, row):
    """The end of the phrase that begins at data[i], in any case as the module `re` ignores it; -1 if there is none."""
    if i >= b or 0x80 <= data[i] < 0xC0:  # inside a character
        return -1
    for k in range(phrases[row, 0]):
        if i >= b:
            return -1
        code, i = decode(data, i)
        if folded(code) != phrases[row, 1 + k]:
            return -1
    return i


@inlined
def folded(code):
    """What `re` takes this code point for when it ignores case and looks for an ASCII character."""
    if code < 0x80:
        return code | 32 if 65 <= code <= 90 else code
    if code in (0x130, 0x131):
        return 105
    if code == 0x17F:
        return 115
    return 107 if code == 0x212A else 0


@helper
def space_before(data, a, b, classes):
    """Where the white space begins with which data[a:b] ends, one character at most."""
    if a == b:
        return b
    last = before(data, a, b)
    return last if classes[decode(data, last)[0]] & SPACE else b


@helper
def back(data, a, b, characters):
    """Where the last so many code points of data[a:b] begin, a if it has fewer."""
    while b > a and characters > 0:
        b = before(data, a, b)
        characters -= 1
    return b
