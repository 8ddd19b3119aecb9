"""What may be a telephone number by its form; which of them are, libphonenumber says."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at, is_digit, is_word
from curation.privacy.pii.kernels.columns import PHONE, put
from curation.privacy.pii.kernels.digits import BLANK, DASH, DOT, SLASH, digits_of, is_closed, size
from curation.privacy.pii.kernels.nearby import WINDOW, nearest_word
from curation.privacy.pii.tables import BOOK, NANP, TELEPHONE
from curation.text.kernels import helper


@helper
def phones_at(data, a, i, stop, groups, known, tables, out, count):
    """Put the ends that a telephone number at i may have, the furthest first: with a country code behind a plus sign,
    or as it is written in one of the regions."""
    start = i
    if byte_at(data, i - 1, a, stop) == 43 and not is_word(byte_at(data, i - 2, a, stop)):
        start = i - 2 if byte_at(data, i - 2, a, stop) == 40 else i - 1
        for k in range(known, 0, -1):
            fits = 7 <= digits_of(groups, k) <= 15 and is_closed(data, groups[k - 1, 1], stop)
            if fits and not runs_on(groups, k):
                count = put(out, count, start, groups[k - 1, 1], PHONE, 0)
        return count
    is_bracketed = byte_at(data, i - 1, a, stop) == 40
    start -= is_bracketed
    previous = byte_at(data, start - 1, a, stop)
    if is_word(previous) or previous == 43 or is_date(groups, known):
        return count
    is_behind = previous == 32 and is_digit(byte_at(data, start - 2, a, stop)) and not is_bracketed
    meaning = -1
    for k in range(known, 0, -1):
        end = groups[k - 1, 1]
        needs_word = domestic_shape(data, groups, k, tables.domestic)
        if needs_word < 0 or not is_closed(data, end, stop):
            continue
        is_before = byte_at(data, end, a, stop) == 32 and is_digit(byte_at(data, end + 1, a, stop))
        if (is_behind or is_before) and is_blank_joined(groups, k):
            needs_word = 1
        if meaning < 0:
            meaning = nearest_word(data, a, i, WINDOW, tables.words, TELEPHONE | BOOK)
        if meaning == TELEPHONE or (meaning == 0 and not needs_word):
            count = put(out, count, start, end, PHONE, meaning == TELEPHONE)
    return count


@helper
def runs_on(groups, count):
    """Whether the first groups go on into a text with numbers: 456 9.3.1, 456 2."""
    if count < 3:
        return False
    joints = 0
    for k in range(2, count):
        joints |= groups[k, 2]
    if joints & DOT and joints & BLANK:
        return True
    return groups[count - 1, 2] == BLANK and size(groups, count - 1) == 1


@helper
def domestic_shape(data, groups, count, domestic):
    """Whether the first groups may be a number without a country code: -1 no, 1 if a word must say so, 0 yes."""
    total = digits_of(groups, count)
    if domestic[NANP]:
        k = 1 if count > 1 and size(groups, 0) == 1 and data[groups[0, 0]] == 49 else 0
        if count == k + 3 and size(groups, k) == 3 and size(groups, k + 1) == 3 and size(groups, k + 2) == 4:
            mixed = groups[k + 1, 2] != groups[k + 2, 2] and (groups[k + 1, 2] | groups[k + 2, 2]) & DOT
            return 0 if data[groups[k, 0]] > 49 and data[groups[k + 1, 0]] > 49 and not mixed else -1
        if total == 10 and data[groups[0, 0]] > 49 and count <= 2:
            return 1
        if total == 11 and data[groups[0, 0]] == 49 and count <= 3:
            return 1
    if total < 20 and domestic[np.int64(data[groups[0, 0]]) - 48] >> total & 1:
        return 1 if count == 1 else 0
    return -1


@helper
def is_date(groups, known):
    """Whether the first three groups have the shape of a date: 2024-05-01, 1.5.2024."""
    if known < 3 or groups[1, 2] != groups[2, 2] or not groups[1, 2] & (DASH | DOT | SLASH):
        return False
    year_first = size(groups, 0) == 4 and size(groups, 1) <= 2 and size(groups, 2) <= 2
    return year_first or (size(groups, 0) <= 2 and size(groups, 1) <= 2 and size(groups, 2) == 4)


@helper
def is_blank_joined(groups, count):
    """Whether nothing but blanks joins the first groups: in a row of numbers, any of them could be one."""
    kinds = BLANK
    for k in range(1, count):
        kinds |= groups[k, 2]
    return kinds == BLANK
