"""One scan of the bytes for what may be an address or a number of a person.

Everything begins at an `@` or at the first digit of a run, both rare in clean text: eight bytes are asked at once
whether they hold one. What stands there is then read by the functions of one type, each in time that is bounded.
"""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at, enlarged, is_digit, is_upper, is_word
from curation.privacy.pii.kernels.cards import card_end
from curation.privacy.pii.kernels.columns import CARD, DOCUMENT, EMAIL, IBAN, IPV4, IPV6, PHONE, SSN, put
from curation.privacy.pii.kernels.digits import GROUPS, digit_groups, digits_of, is_joint
from curation.privacy.pii.kernels.emails import email_at
from curation.privacy.pii.kernels.ibans import iban_end
from curation.privacy.pii.kernels.networks import ipv4_end, ipv6_end, is_address
from curation.privacy.pii.kernels.phones import phones_at
from curation.privacy.pii.kernels.ssns import is_ssn, ssn_end
from curation.text.kernels import ZERO, eight, first_marked, helper, kernel, mask_digits, mask_equal

_AT = np.uint64(0x4040404040404040)
_MOST_AT_ONE_PLACE = 16


@kernel
def find_candidates(data, offsets, classes, wanted, tables):
    """(candidates, 5) int64: document, first byte, byte behind the last (in data), kind, NAMED; by document.

    `wanted`: kinds as bits. A telephone number has a row for every end that it may have, the furthest first.
    """
    out = np.empty((64, 5), np.int64)
    groups = np.empty((GROUPS, 3), np.int64)
    parts = np.empty(8, np.uint64)
    count = 0
    for document in range(len(offsets) - 1):
        a, stop = offsets[document], offsets[document + 1]
        i, free, last = a, a, ZERO
        while i < stop:
            value = eight(data, i, stop)
            digits = mask_digits(value)
            mask = (digits & ~((digits << np.uint64(8)) | last)) | mask_equal(value, _AT)
            last = digits >> np.uint64(56)
            while mask:
                place = i + first_marked(mask)
                mask &= mask - np.uint64(1)
                if count + _MOST_AT_ONE_PLACE > len(out):
                    out = enlarged(out, count)
                before_it = count
                if data[place] != 64:
                    count = number_at(data, a, place, stop, wanted, tables, groups, parts, out, count)
                elif wanted & (1 << EMAIL):
                    start, end = email_at(data, free, place, stop, classes)
                    if end:
                        free = end
                        count = put(out, count, start, end, EMAIL, 0)
                for row in range(before_it, count):
                    out[row, DOCUMENT] = document
            i += 8
    return out[:count].copy()


@helper
def number_at(data, a, i, stop, wanted, tables, groups, parts, out, count):
    """Put what begins with the digits at i into out; the count of candidates then."""
    previous = byte_at(data, i - 1, a, stop)
    if is_word(previous):
        if wanted & (1 << IBAN) and is_upper(previous) and is_upper(byte_at(data, i - 2, a, stop)):
            end = 0 if is_word(byte_at(data, i - 3, a, stop)) else iban_end(data, i - 2, stop, tables.ibans)
            if end:
                count = put(out, count, i - 2, end, IBAN, 0)
        return count
    if wanted & (1 << IPV6) and 50 <= data[i] <= 51 and byte_at(data, i + 4, a, stop) == 58:
        end = ipv6_end(data, i, stop, tables.ipv6, parts)
        if end and previous not in (58, 46):
            return put(out, count, i, end, IPV6, 0)
    run = i
    while run < stop and run - i < 20 and is_digit(data[run]):
        run += 1
    if run - i <= 3 and byte_at(data, run, a, stop) == 46:
        end = ipv4_end(data, i, stop)
        if end:
            if wanted & (1 << IPV4) and is_address(data, a, i, end, stop, tables):
                count = put(out, count, i, end, IPV4, 0)
            return count
    if run - i > 19 or (is_joint(previous) and is_digit(byte_at(data, i - 2, a, stop))):
        return count
    known = digit_groups(data, i, stop, groups)
    if digits_of(groups, known) < 7:
        return count
    if wanted & (1 << SSN) and is_ssn(data, a, i, stop, groups, known, tables.words):
        count = put(out, count, i, ssn_end(groups), SSN, 0)
    if wanted & (1 << CARD):
        end = card_end(data, a, i, stop, groups, known, tables)
        if end:
            count = put(out, count, i, end, CARD, 0)
    if wanted & (1 << PHONE):
        count = phones_at(data, a, i, stop, groups, known, tables, out, count)
    return count
