"""The words before a number that say what it is."""

from __future__ import annotations

import numpy as np

from curation.privacy.kernels import is_digit, is_letter, is_upper
from curation.text.kernels import helper

WINDOW = 48  # bytes before a number in which a word is looked for


@helper
def nearest_word(data, a, i, window, words, asked):
    """What the last word in the window (bytes) before i that means something of what is asked means; 0 without one."""
    first = max(a, i - window)
    p = i - 1
    while p >= first:
        byte = data[p] | 32 if is_upper(data[p]) else data[p]
        apart = p == a or not (is_letter(data[p - 1]) or is_digit(data[p - 1]))
        for row in range(len(words)):
            if words[row, 2] == byte and words[row, 0] & asked and (apart or byte >= 0x80):
                length = np.int64(words[row, 1])
                if p + length <= i and holds_word(data, p, length, words, row):
                    end = p + length
                    if byte >= 0x80 or end == i or not is_letter(data[end]):
                        return words[row, 0]
        p -= 1
    return 0


@helper
def holds_word(data, i, length, words, row):
    for k in range(length):
        byte = data[i + k] | 32 if is_upper(data[i + k]) else data[i + k]
        if byte != words[row, 2 + k]:
            return False
    return True
