"""Groups of digits, and what joins them.

`groups` (GROUPS, 3) int64: where each begins and ends, and how it is joined to the one before, as bits.
"""

from __future__ import annotations

from curation.privacy.kernels import is_digit, is_word
from curation.text.kernels import helper, inlined

GROUPS = 14
BLANK, DASH, DOT, SLASH, PAREN, JOINED = 1, 2, 4, 8, 16, 32
"""How groups are joined; JOINED: by more than one character."""


@helper
def digit_groups(data, i, stop, groups):
    """Fill groups (GROUPS, 3) with the digits at i and those joined to them, at most 19 and the rest of a group:
    start, end, and how it is joined to the one before; how many groups there are."""
    found, total, joint = 0, 0, 0
    while found < GROUPS:
        p = i
        while p < stop and is_digit(data[p]):
            p += 1
        groups[found, 0], groups[found, 1], groups[found, 2] = i, p, joint
        found += 1
        total += p - i
        i, joint = joint_end(data, p, stop)
        if total >= 20 or i == p or i >= stop or not is_digit(data[i]):
            break
    return found


@helper
def joint_end(data, i, stop):
    """Where what may join groups of digits ends, and what it is: one character, or a few with a hyphen or a bracket."""
    kind, found, p = 0, 0, i
    while p < stop and found < 3:
        byte, width, bit = data[p], 1, 0
        if byte == 32:
            bit = BLANK
        elif byte == 45:
            bit = DASH
        elif byte == 46:
            bit = DOT
        elif byte == 47:
            bit = SLASH
        elif byte in (40, 41):
            bit = PAREN
        elif byte == 0xC2 and p + 1 < stop and data[p + 1] == 0xA0:
            bit, width = BLANK, 2
        elif byte == 0xE2 and p + 2 < stop and data[p + 1] == 0x80:
            bit, width = (DASH if 0x90 <= data[p + 2] <= 0x95 else BLANK if data[p + 2] == 0xAF else 0), 3
        if bit == 0:
            break
        kind |= bit
        found += 1
        p += width
    if found > 1:
        if not kind & (DASH | PAREN):
            return i, 0
        kind |= JOINED
    return p, kind


@helper
def digits_of(groups, count):
    """How many digits the first groups have."""
    total = 0
    for k in range(count):
        total += groups[k, 1] - groups[k, 0]
    return total


@inlined
def size(groups, k):
    return groups[k, 1] - groups[k, 0]


@inlined
def number(data, a, b):
    value = 0
    for i in range(a, b):
        value = value * 10 + data[i] - 48
    return value


@inlined
def is_joint(byte):
    """What a longer number goes on over: - . / ,"""
    return byte in (45, 46, 47, 44)


@helper
def is_closed(data, i, stop):
    """Whether a number may end at i."""
    if i >= stop:
        return True
    if is_word(data[i]):
        return False
    return not (is_joint(data[i]) and data[i] != 44 and i + 1 < stop and is_digit(data[i + 1]))
