"""Numbers of bank accounts."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import byte_at, is_digit, is_upper, is_word
from curation.text.kernels import helper


@helper
def iban_end(data, i, stop, lengths):
    """The end of the IBAN whose country code is at i, 0 if it is none: its country's length, remainder 1 mod 97.

    Characters may be parted by single blanks or hyphens.
    """
    length = lengths[(data[i] - 65) * 26 + data[i + 1] - 65]
    if length == 0 or i + length > stop or not is_digit(data[i + 3]):
        return 0
    value, found, p = 0, 4, i + 4
    while found < length:
        if p < stop and (data[p] == 32 or data[p] == 45):
            p += 1
        elif p + 1 < stop and data[p] == 0xC2 and data[p + 1] == 0xA0:
            p += 2
        if p >= stop:
            return 0
        if is_digit(data[p]):
            value = (value * 10 + data[p] - 48) % 97
        elif is_upper(data[p]):
            value = (value * 100 + data[p] - 55) % 97
        else:
            return 0
        p += 1
        found += 1
    value = (value * 10000 + (np.int64(data[i]) - 55) * 100 + data[i + 1] - 55) % 97
    value = (value * 100 + (np.int64(data[i + 2]) - 48) * 10 + data[i + 3] - 48) % 97
    return p if value == 1 and not is_word(byte_at(data, p, i, stop)) else 0
