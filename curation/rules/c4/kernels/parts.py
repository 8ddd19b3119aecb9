"""What the line filter asks of a line in every flavour."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    CASE,
    TOPS,
    ZERO,
    eight,
    first_marked,
    helper,
    kernel,
    mask_equal,
    next_byte,
    strip,
)
from curation.text.punctuation import DECIMAL
from curation.text.unicode import SPACE, decode

# What a line may hold, as bits.
LOREM, SCRIPT, POLICIES, CURLY = 1, 2, 4, 8

_BRACKETS = np.uint64(0x5B5B5B5B5B5B5B5B)
_CURLIES = np.uint64(0x7B7B7B7B7B7B7B7B)
_KELVINS = np.uint64(0xAAAAAAAAAAAAAAAA)  # the last byte of the Kelvin sign, whose lower case is k


@helper
def has_words(data, a, b, classes, words):
    """Whether data[a:b], which begins with one, has at least this many (1 or more) words between white space."""
    apart = True
    while a < b:
        code, a = decode(data, a)
        if classes[code] & SPACE:
            apart = True
        elif apart:
            apart = False
            words -= 1
            if words == 0:
                return True
    return False


@helper
def has_long_word(data, a, b, classes, most):
    """Whether data[a:b] has a word between white space of more code points than this."""
    length = 0
    while a < b:
        code, a = decode(data, a)
        length = 0 if classes[code] & SPACE else length + 1
        if length > most:
            return True
    return False


@helper
def copy_line(data, a, b, flags, citations, remove, out, start):
    """Copy data[a:b] to out[start:], without its citations if they are to be removed; the end there."""
    while a < b:
        stop = next_byte(data, a, b, _BRACKETS) if remove else b
        for i in range(stop - a):
            out[start + i] = data[a + i]
        start += stop - a
        a = stop
        if a < b:
            after = citation_end(data, a, b, flags, citations)
            if after == a:
                out[start] = data[a]
                start += 1
                after += 1
            a = after
    return start


@helper
def find_phrases(data, a, b, pairs, phrases):
    """CURLY and the bits of the phrases in data[a:b], whatever their case; each is looked for at its rare pair."""
    found, i, last = 0, a, ZERO
    while i < b:
        value = eight(data, i, b)
        found |= CURLY if mask_equal(value, _CURLIES) else 0
        lower = value | CASE
        behind = (lower << np.uint64(8)) | last  # the byte before each
        last = lower >> np.uint64(56)
        mask = mask_equal(value, _KELVINS) if value & TOPS else ZERO
        for row in range(len(pairs)):
            mask |= mask_equal((behind ^ pairs[row, 0]) | (lower ^ pairs[row, 1]), ZERO)
        while mask:
            place = i + first_marked(mask)
            mask &= mask - np.uint64(1)
            letter, width = lowered(data, place, a)
            for row in range(len(phrases)):
                if width and phrases[row, 3] == letter and holds(data, a, place, b, phrases, row):
                    found |= phrases[row, 0]
        i += 8
    return found


@helper
def lowered(data, i, a):
    """The lower case of the ASCII character whose last byte is data[i], and its width in bytes; else (0, 0)."""
    byte = data[i]
    if byte < 0x80:
        return byte | 32 if 65 <= byte <= 90 else byte, 1
    if byte == 0xAA and i - a >= 2 and data[i - 1] == 0x84 and data[i - 2] == 0xE2:
        return 107, 3
    return 0, 0


@helper
def holds(data, a, i, b, phrases, row):
    """Whether the phrase of this row stands in data[a:b] with its rare letter at i."""
    place = np.int64(phrases[row, 2])
    k, before_it = place, i
    while k >= 0:
        if before_it < a:
            return False
        letter, width = lowered(data, before_it, a)
        if letter != phrases[row, 4 + k] or not width:
            return False
        before_it -= width
        k -= 1
    k, behind = place + 1, i + 1
    while k < phrases[row, 1]:
        if behind + 2 < b and data[behind] == 0xE2:
            behind += 2
        if behind >= b or lowered(data, behind, a)[0] != phrases[row, 4 + k]:
            return False
        behind += 1
        k += 1
    return True


@helper
def citation_end(data, a, b, flags, citations):
    """The end of [12], [], [edit] or [citation needed] at data[a], a if it is none of them."""
    i = a + 1
    while i < b:
        code, after = decode(data, i)
        if code == 93:
            return after
        if not flags[code] & DECIMAL:
            break
        i = after
    i = a + 1
    for row in range(len(citations)):
        length = np.int64(citations[row, 0])
        k = 0
        while k < length and i + k < b and data[i + k] == citations[row, 1 + k]:
            k += 1
        if k == length:
            return i + k
    return a


@kernel
def strip_texts(data, offsets, classes):
    """Take the white space off both ends of every text, in place."""
    o = 0
    for document in range(len(offsets) - 1):
        a, b = strip(data, offsets[document], offsets[document + 1], classes)
        offsets[document] = o
        if o < a:
            for i in range(a, b):
                data[o + i - a] = data[i]
        o += b - a
    offsets[len(offsets) - 1] = o
