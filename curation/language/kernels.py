"""The kernel that shows a text as a model of languages should see it, over UTF-8 bytes."""

from __future__ import annotations

import numba as nb
import numpy as np

from curation.text.kernels import helper, inlined
from curation.text.lanes import (
    LANES,
    MARKS,
    ONES,
    count_bits,
    first_mark,
    last_mark,
    load_word,
    marks_between,
    marks_of,
    store_word,
)
from curation.text.unicode import ALPHA, DIGIT, SPACE, UPPER, decode

BLANK = 0x20
DOTTED_CAPITAL_I, COMBINING_DOT = 0x130, 0x307
CAPITAL_SIGMA, SIGMA, FINAL_SIGMA = 0x3A3, 0x3C3, 0x3C2


@nb.njit(cache=True, nogil=True)
def normalise(data, offsets, classes, lower):
    """(text, ends, letters): each document as the model should see it, and how many letters that leaves.

    Takes UTF-8 `data` uint8 with `offsets` (documents + 1,) int64, and the tables of `curation.text.unicode`. Gives
    `text` uint8 with `ends` (documents + 1,) int64, and `letters` (documents,) int64. White space, digits and web
    addresses become one blank; numbers go with what stands around them (`12:30`, `$5.00`); where more than half of the
    letters are capitals, all are lowered.
    """
    documents = offsets.size - 1
    size = offsets[documents] - offsets[0]
    text = np.empty(size + size // 2 + 8, np.uint8)  # the lower case of two bytes may take three
    ends = np.zeros(documents + 1, np.int64)
    letters = np.zeros(documents, np.int64)
    for d in range(documents):
        start, stop = offsets[d], offsets[d + 1]
        end, letters[d], capitals = _normalise_one(data, start, stop, classes, lower, False, text, ends[d])
        if 2 * capitals > letters[d]:
            end, _, _ = _normalise_one(data, start, stop, classes, lower, True, text, ends[d])
        ends[d + 1] = end
    return text[: ends[documents]], ends, letters


@helper
def _normalise_one(data, start, stop, classes, lower, fold, text, end):
    """(end of what was written, letters, capitals) of data[start:stop], written to `text` from `end` on."""
    first = end
    letters = capitals = 0
    token, token_letters, token_has_digits = end, 0, False  # since the last white space: where it begins in `text`
    after_letter = False
    i = start
    while i < stop:
        if data[i] < 0x80 and i + LANES < stop:  # of eight bytes those before the first that needs a closer look
            word = _without_line_ends(load_word(data, i))
            begins = _may_begin_address(word, load_word(data, i + 1), i > start and _is_ascii_letter(data[i - 1]))
            copied = _plain_bytes(word, begins, end == first or text[end - 1] == BLANK, token_has_digits)
            if copied:
                alphabetic, blanks = _letters_of(word) & _below(copied), marks_of(word, BLANK) & _below(copied)
                store_word(text, end, word | alphabetic >> np.uint64(2) if fold else word)
                capitals += count_bits(alphabetic & ~(word << np.uint64(2)))
                if blanks:
                    last = last_mark(blanks)
                    token, token_letters = end + last + 1, letters + count_bits(alphabetic & _below(last))
                letters += count_bits(alphabetic)
                i += copied
                end += copied
                after_letter = _is_ascii_letter(data[i - 1])
                if copied == LANES:
                    continue
        if _is_ascii_letter(data[i]) and (
            (i > start and _is_ascii_letter(data[i - 1])) or not _begins_address(data, i, stop)
        ):
            before = i
            i, end, high = _copy_letters(data, i, stop, fold, text, end)
            letters += i - before
            capitals += high
            after_letter = True
            continue
        point, following = decode(data, i)
        code, kind = np.int64(point), classes[point]
        if kind & (SPACE | DIGIT) or code == 0 or _is_ascii_letter(data[i]):
            if _is_ascii_letter(data[i]):
                following = _end_of_address(data, i, stop)
            token_has_digits |= kind & DIGIT != 0
            if kind & SPACE and token_has_digits and token_letters == letters:
                end = token
            if end > first and text[end - 1] != BLANK:
                text[end] = BLANK
                end += 1
            if kind & SPACE:
                token, token_letters, token_has_digits = end, letters, False
            after_letter = False
            i = following
            while i < stop and (data[i] == BLANK if kind & SPACE else kind & DIGIT and ord("0") <= data[i] <= ord("9")):
                i += 1
            continue
        is_letter, is_capital = kind & ALPHA != 0, kind & UPPER != 0
        letters += is_letter
        capitals += is_letter and is_capital
        if fold and is_capital:
            is_within = following < stop and classes[decode(data, following)[0]] & ALPHA != 0
            end = _put_lowered(text, end, code, lower, is_within or not after_letter)
        else:
            for j in range(i, following):
                text[end] = data[j]
                end += 1
        after_letter = is_letter
        i = following
    if token_has_digits and token_letters == letters:
        end = token
    if end > first and text[end - 1] == BLANK:
        end -= 1
    return end, letters, capitals


@inlined
def _without_line_ends(word):
    """Eight bytes, a blank for each end of a line."""
    return word ^ (marks_of(word, 0x0A) >> np.uint64(7)) * np.uint64(0x0A ^ BLANK)


@inlined
def _letters_of(word):
    """The marks of ASCII letters."""
    return marks_between(word | ONES * np.uint64(0x20), ord("a"), ord("z")) & ~word


@inlined
def _below(byte):
    """All bits of the bytes before this one, 0 to 8."""
    half = np.uint64(1) << np.uint64(4 * byte)
    return (half << np.uint64(4 * byte)) - np.uint64(1)


@inlined
def _may_begin_address(word, following, after_letter):
    """The marks of bytes at which an address may begin: where letters begin, and with the next byte (`following` is the
    word one byte on) they are "ht", "ft" or "ww"."""
    alphabetic, folded, next_folded = (
        _letters_of(word),
        word | ONES * np.uint64(0x20),
        following | ONES * np.uint64(0x20),
    )
    begins = alphabetic & ~(alphabetic << np.uint64(8) | (np.uint64(0x80) if after_letter else np.uint64(0)))
    before_t = (marks_of(folded, ord("h")) | marks_of(folded, ord("f"))) & marks_of(next_folded, ord("t"))
    return begins & (before_t | marks_of(folded, ord("w")) & marks_of(next_folded, ord("w")))


@inlined
def _plain_bytes(word, begins, after_blank, stops_at_blank):
    """How many of eight bytes can be copied as they are: to the first that is not ASCII, a control character or a
    digit, at which an address may begin, or that is a blank after a blank; or any blank, where so."""
    blanks = marks_of(word, BLANK)
    other = ~(marks_between(word, BLANK, 0x7E) & ~marks_between(word, ord("0"), ord("9"))) & MARKS
    other |= begins | blanks & (blanks << np.uint64(8) | (np.uint64(0x80) if after_blank else np.uint64(0)))
    if stops_at_blank:
        other |= blanks
    return first_mark(other)


@inlined
def _copy_letters(data, i, stop, fold, text, end):
    """(where they end, where what was written ends, capitals): a run of ASCII letters."""
    capitals = 0
    while i < stop and _is_ascii_letter(data[i]):
        capitals += data[i] < ord("a")
        text[end] = data[i] | 0x20 if fold else data[i]
        end += 1
        i += 1
    return i, end, capitals


@inlined
def _put_lowered(text, end, code, lower, is_within):
    """Writes the lower case of a capital; where it ends. `is_within`: not at the end of a word."""
    if code == DOTTED_CAPITAL_I:
        end = _put(text, end, np.int64(ord("i")))
        return _put(text, end, np.int64(COMBINING_DOT))
    if code == CAPITAL_SIGMA:
        return _put(text, end, np.int64(SIGMA if is_within else FINAL_SIGMA))
    return _put(text, end, np.int64(lower[code]))


@helper
def _begins_address(data, i, stop):
    """Whether `http://`, `https://`, `ftp://` or `www.` begins at i, in capitals or not."""
    first = data[i] | 0x20
    if first == ord("w"):
        return (
            i + 4 < stop
            and data[i + 1] | 0x20 == ord("w")
            and data[i + 2] | 0x20 == ord("w")
            and data[i + 3] == ord(".")
        )
    if first == ord("f"):
        if not (i + 6 < stop and data[i + 1] | 0x20 == ord("t") and data[i + 2] | 0x20 == ord("p")):
            return False
        colon = i + 3
    elif first == ord("h"):
        if not (
            i + 8 < stop
            and data[i + 1] | 0x20 == ord("t")
            and data[i + 2] | 0x20 == ord("t")
            and data[i + 3] | 0x20 == ord("p")
        ):
            return False
        colon = i + 4
        if data[colon] | 0x20 == ord("s"):
            colon += 1
    else:
        return False
    return data[colon] == ord(":") and data[colon + 1] == ord("/") and data[colon + 2] == ord("/")


@helper
def _end_of_address(data, i, stop):
    """Where the address that begins at i ends: at a blank, a bracket or quotation mark, or beyond ASCII."""
    while i < stop:
        byte = data[i]
        if (
            byte <= BLANK
            or byte >= 0x7F
            or byte == ord("<")
            or byte == ord(">")
            or byte == ord('"')
            or byte == ord(")")
        ):
            break
        i += 1
    return i


@helper
def _put(text, end, code):
    """Writes a code point as UTF-8; where it ends."""
    if code < 0x80:
        text[end] = code
        return end + 1
    if code < 0x800:
        text[end] = 0xC0 | code >> 6
        text[end + 1] = 0x80 | code & 0x3F
        return end + 2
    if code < 0x10000:
        text[end] = 0xE0 | code >> 12
        text[end + 1] = 0x80 | code >> 6 & 0x3F
        text[end + 2] = 0x80 | code & 0x3F
        return end + 3
    text[end] = 0xF0 | code >> 18
    text[end + 1] = 0x80 | code >> 12 & 0x3F
    text[end + 2] = 0x80 | code >> 6 & 0x3F
    text[end + 3] = 0x80 | code & 0x3F
    return end + 4


@nb.njit(cache=True, nogil=True, inline="always")
def _is_ascii_letter(byte):
    return ord("a") <= byte | 0x20 <= ord("z")
