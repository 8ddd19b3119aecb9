"""What the fast splitter needs to know of each code point."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np

from curation.text.unicode import BEYOND_CASE, CODE_POINTS, SPACE, tables
from curation.text.words import kernels

_AFFIXES = frozenset(",:;!?()[]{}<>_#*&'\"`")  # taken off both ends
_PREFIXES = frozenset("§%=$")  # taken off the front only
_QUOTES = frozenset("'\"`´‘’‚“”„»«「」『』（）〔〕【】《》〈〉⟦⟧")
_NOT_AFFIXES = frozenset("•‣․‥‧‰‱′″‴‵‶‷†‡‖‗‾⁁⁂⁄⁊¶")  # stay with the word that they touch
_BEFORE_STOP = frozenset("0123456789%²-+|()?:,;!¿؟¡[]{}<>_#*&。？！，、；：～·।،۔؛٪…")
_UNSPACED = (
    (0x0E01, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x2E80, 0x2FDF),  # Han radicals
    (0x3005, 0x3007),
    (0x3031, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, 0x3FFFF),
)


@cache
def kinds() -> np.ndarray[Any, np.dtype[np.uint16]]:
    """The flags of `kernels` for every code point, (0x110000,)."""
    flags = np.zeros(CODE_POINTS, np.uint16)
    flags[tables().classes & SPACE != 0] |= kernels.BLANK
    for code in range(BEYOND_CASE):
        flags[code] |= _kind(chr(code))
    flags[BEYOND_CASE:0x40000] |= kernels.LOWER | kernels.UPPER  # Han
    alphabetic = flags & (kernels.LOWER | kernels.UPPER) != 0
    unspaced = np.zeros(CODE_POINTS, bool)
    for first, last in _UNSPACED:
        unspaced[first : last + 1] = True
    flags[unspaced & (alphabetic | (flags & kernels.MARK != 0))] |= kernels.UNSPACED
    flags[alphabetic & ~unspaced] |= kernels.LETTER
    return flags


def _kind(character: str) -> int:
    category = unicodedata.category(character)
    kind = 0
    if category in ("Ll", "Lo", "Lm") or (category[0] == "M" and character > "\u0370"):
        kind |= kernels.LOWER | kernels.BEFORE_STOP
    if category in ("Lu", "Lt", "Lo", "Lm"):
        kind |= kernels.UPPER
    if category[0] == "M":
        kind |= kernels.MARK
    if _is_affix(character, category):
        kind |= kernels.PREFIX | kernels.SUFFIX
    if character in _PREFIXES or category == "Sc":
        kind |= kernels.PREFIX
    if category == "Sc":
        kind |= kernels.CURRENCY
    if category == "So" or character == "…":
        kind |= kernels.ICON
    if character in _QUOTES:
        kind |= kernels.QUOTE | kernels.BEFORE_STOP
    if character in _BEFORE_STOP:
        kind |= kernels.BEFORE_STOP
    return kind


def _is_affix(character: str, category: str) -> bool:
    if character in _PREFIXES or character in _NOT_AFFIXES:
        return False
    if character < "\x80":
        return character in _AFFIXES
    return category in ("So", "Po", "Ps", "Pe", "Pi", "Pf") or character in "—–´～"
