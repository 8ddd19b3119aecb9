"""The kernel that measures a text's form: how it is written, whatever its language says."""

from __future__ import annotations

import numba as nb
import numpy as np

from curation.text.unicode import DIGIT, LINE_END, PUNCTUATION, SPACE, UPPER, decode

NARROW, WIDE, CLOSING = 1, 2, 3
"""Marks that end a sentence before white space only, or whatever follows; marks that close what a sentence ends in."""
PLANE = 0x10000
"""All marks stand below it."""


@nb.njit(cache=True, nogil=True)
def measure(data, offsets, classes, marks, counts):
    """Fills `counts` (documents, 8) int64: visible characters, letters, capitals, words, words in capitals, lines,
    lines that end as sentences do, ends of sentences.

    Takes UTF-8 `data` uint8 with `offsets` (documents + 1,) int64, the classes of `curation.text.unicode`, and `marks`
    (PLANE,) uint8. What they count is said in `curation.quality.form`.
    """
    for d in range(offsets.size - 1):
        visible = letters = capitals = words = shouted = lines = ended = ends = 0
        length = high = 0  # letters of the word that goes on, and how many of them are capitals
        mark = 0  # NARROW or WIDE where a sentence may end here
        is_blank, is_ended = True, False  # of the line that goes on
        i = offsets[d]
        while i < offsets[d + 1]:
            code, i = decode(data, i)
            kind = classes[code]
            is_letter = kind & (SPACE | DIGIT | PUNCTUATION) == 0
            if is_letter:
                letters += 1
                visible += 1
                is_capital = kind & UPPER != 0
                capitals += is_capital
                length += 1
                high += is_capital
                if _stands_alone(code):
                    words += 1
                    length = high = 0
                ends += mark == WIDE
                mark = 0
                is_blank = is_ended = False
                continue
            if length:
                words += 1
                shouted += length > 1 and high == length
                length = high = 0
            if kind & SPACE:
                ends += mark != 0
                mark = 0
                if kind & LINE_END:
                    lines += not is_blank
                    ended += is_ended
                    is_blank, is_ended = True, False
                continue
            visible += 1
            is_blank = False
            sign = marks[code] if code < PLANE else np.uint8(0)
            if 0 < sign < CLOSING:
                mark = WIDE if sign == WIDE else max(mark, NARROW)
                is_ended = True
            elif sign != CLOSING:
                ends += mark == WIDE
                mark = 0
                is_ended = False
        if length:
            words += 1
            shouted += length > 1 and high == length
        ends += mark != 0
        lines += not is_blank
        ended += is_ended
        counts[d, 0], counts[d, 1], counts[d, 2], counts[d, 3] = visible, letters, capitals, words
        counts[d, 4], counts[d, 5], counts[d, 6], counts[d, 7] = shouted, lines, ended, ends


@nb.njit(cache=True, nogil=True, inline="always")
def _stands_alone(code):
    """Whether a letter is of a script that sets no spaces between words, so that each counts as one."""
    return code >= 0x0E00 and (
        code < 0x0F00  # Thai, Lao
        or 0x1000 <= code < 0x10A0  # Burmese
        or 0x1780 <= code < 0x1800  # Khmer
        or 0x3040 <= code < 0x3100  # Japanese
        or 0x3400 <= code < 0xA000  # Chinese characters
        or 0xF900 <= code < 0xFB00
        or code >= 0x20000
    )
