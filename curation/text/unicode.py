"""What a code point is, for kernels: one table of classes and one of lower-case forms, equal to CPython's own `str`.

Built once a process from the running interpreter, so a kernel and a line of Python never disagree about a character.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numba as nb
import numpy as np

CODE_POINTS = 0x110000
BEYOND_CASE = 0x20000  # Unicode has no character with case, no punctuation and no symbol from here on

WORD = 1  # \w of the module `re`: str.isalnum() or "_"
SPACE = 2  # str.isspace()
ALPHA = 4  # str.isalpha()
DIGIT = 8  # str.isdigit()
UPPER = 16  # str.isupper()
LINE_END = 32  # where str.splitlines() breaks
PUNCTUATION = 64  # Unicode general category P* or S*
WIDE = 128  # two columns wide: Unicode East_Asian_Width W or F


class Tables(NamedTuple):
    """`classes` (0x110000,) uint8 flags; `lower` (0x110000,) int32, the code point's lower case where that is one
    code point, and -1 where `str.lower` needs more than one or looks around (U+0130, U+03A3)."""

    classes: np.ndarray[Any, np.dtype[np.uint8]]
    lower: np.ndarray[Any, np.dtype[np.int32]]


@cache
def tables() -> Tables:
    """The tables of the running interpreter's Unicode version; about a tenth of a second, once a process."""
    everything = "".join(
        map(chr, [*range(0xD800), *(0xFFFD for _ in range(0xD800, 0xE000)), *range(0xE000, CODE_POINTS)])
    )
    classes = np.zeros(CODE_POINTS, np.uint8)
    for pattern, flag in ((r"\w+", WORD), (r"\s+", SPACE)):
        for run in re.finditer(pattern, everything):
            classes[run.start() : run.end()] |= flag
    lower = np.arange(CODE_POINTS, dtype=np.int32)
    for code in map(int, np.flatnonzero(classes & WORD)):
        character = everything[code]
        if character.isalpha():
            classes[code] |= ALPHA
        if character.isdigit():
            classes[code] |= DIGIT
    for code in range(BEYOND_CASE):
        character = everything[code]
        if character.isupper():
            classes[code] |= UPPER
        if unicodedata.east_asian_width(character) in "WF":
            classes[code] |= WIDE
        lowered = character.lower()
        if lowered != character:
            lower[code] = ord(lowered) if len(lowered) == 1 else -1
    lower[0x03A3] = -1
    for code in (0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029):
        classes[code] |= LINE_END
    for code in map(int, np.flatnonzero(classes[:BEYOND_CASE] & WORD == 0)):
        if unicodedata.category(everything[code])[0] in "PS":
            classes[code] |= PUNCTUATION
    classes[ord("_")] |= PUNCTUATION
    classes[BEYOND_CASE:0x40000] |= WIDE  # Han
    classes[0xD800:0xE000] = 0
    return Tables(classes, lower)


@nb.njit(cache=True, nogil=True, inline="always")
def decode(data, i):
    """(code point, next offset) of the valid UTF-8 that begins at `data[i]`; `data` is uint8."""
    first = np.int32(data[i])
    if first < 0x80:
        return first, i + 1
    if first < 0xE0:
        return ((first & 0x1F) << 6) | (np.int32(data[i + 1]) & 0x3F), i + 2
    if first < 0xF0:
        return ((first & 0x0F) << 12) | ((np.int32(data[i + 1]) & 0x3F) << 6) | (np.int32(data[i + 2]) & 0x3F), i + 3
    return (
        ((first & 0x07) << 18)
        | ((np.int32(data[i + 1]) & 0x3F) << 12)
        | ((np.int32(data[i + 2]) & 0x3F) << 6)
        | (np.int32(data[i + 3]) & 0x3F)
    ), i + 4
