"""Numbers of payment cards."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at
from curation.privacy.pii.kernels.digits import BLANK, DASH, digits_of, is_closed, is_joint, size
from curation.privacy.pii.kernels.nearby import WINDOW, nearest_word
from curation.privacy.pii.tables import CARD_WORD
from curation.text.kernels import helper


@helper
def card_end(data, a, i, stop, groups, known, tables):
    """The end of the payment card number at i, 0 if there is none: grouped as on cards, or 15 or 16 digits in a row, or
    another length that a word names; of a known issuer's length, with Luhn's check digit."""
    for count in range(known, 0, -1):
        total, end = digits_of(groups, count), groups[count - 1, 1]
        if 12 <= total <= 19 and is_card_shape(groups, count) and is_closed(data, end, stop):
            if not is_issued(data, groups, total, tables.issuers) or not is_luhn(data, groups, count):
                continue
            plain = 15 <= total <= 16 and not is_joint(byte_at(data, i - 1, a, stop))
            if count > 1 or plain or nearest_word(data, a, i, WINDOW, tables.words, CARD_WORD):
                return end
    return 0


@helper
def is_card_shape(groups, count):
    """One group, or groups joined alike by blanks or hyphens: fours and a rest, or 4-6-5 and 4-6-4."""
    if count == 1:
        return True
    for k in range(1, count):
        if groups[k, 2] != groups[1, 2] or groups[k, 2] & ~(BLANK | DASH):
            return False
    if count == 3 and size(groups, 0) == 4 and size(groups, 1) == 6:
        return 4 <= size(groups, 2) <= 5
    for k in range(count - 1):
        if size(groups, k) != 4:
            return False
    return count >= 4 and size(groups, count - 1) <= 4


@helper
def is_issued(data, groups, total, issuers):
    """Whether the first six digits are an issuer's whose numbers have this length."""
    first, taken, k = 0, 0, 0
    while taken < 6:
        for p in range(groups[k, 0], groups[k, 1]):
            if taken < 6:
                first = first * 10 + data[p] - 48
                taken += 1
        k += 1
    for row in range(len(issuers)):
        if issuers[row, 0] <= first <= issuers[row, 1] and issuers[row, 2] >> total & 1:
            return True
    return False


@helper
def is_luhn(data, groups, count):
    """Whether the digits have Luhn's check digit (ISO/IEC 7812-1)."""
    total, doubled = np.int64(0), False
    for k in range(count - 1, -1, -1):
        for p in range(groups[k, 1] - 1, groups[k, 0] - 1, -1):
            digit = np.int64(data[p]) - 48
            if doubled:
                digit = digit * 2 - 9 if digit > 4 else digit * 2
            total += digit
            doubled = not doubled
    return total % 10 == 0
