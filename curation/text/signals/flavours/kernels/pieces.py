"""Pieces between white space."""

from __future__ import annotations

import numpy as np

from curation.text.kernels import (
    BASE,
    GOLDEN,
    ZERO,
    eight,
    first_marked,
    hash_bytes,
    helper,
    inlined,
    kernel,
    mask_controls,
    mask_equal,
    mask_letters,
    mask_not_ascii,
    mix,
)
from curation.text.signals.kernels.words import find_place, table_of
from curation.text.unicode import ALPHA, SPACE, WORD, decode

_BASE, _GOLDEN = np.uint64(BASE), np.uint64(GOLDEN)
_HASHES = np.uint64(0x2323232323232323)
_SPACES = np.uint64(0x2020202020202020)

PIECES, CHARACTERS, ALPHABETIC, SYMBOLIC, STOP_WORDS, TWICE_MEDIAN = range(6)


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
    bits, table = table_of(wanted, wanted_offsets)
    longest_wanted = longest = 0
    for i in range(len(wanted_offsets) - 1):
        longest_wanted = max(longest_wanted, wanted_offsets[i + 1] - wanted_offsets[i])
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
