"""Which code points hold a word together, after Unicode's text segmentation (UAX 29), for DCLM's n-grams.

The classes are those of the property Word_Break, made from the general categories of the running interpreter and the
ranges that these do not tell. Flags are two signs, and a joiner in front of an emoji does not join it to a word.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np

from curation.text.unicode import BEYOND_CASE, CODE_POINTS

OTHER, LETTER, HEBREW, NUMERIC, KATAKANA, JOINER = range(6)
"""Each a word of its own; or what words are made of. JOINER is ExtendNumLet."""
MID_LETTER, MID_NUMBER, MID_BOTH, QUOTE, DOUBLE_QUOTE, EXTEND = range(6, 12)
"""Signs between letters, between digits, between either; "'" and '"'; and what belongs to the character before."""

_NO_LETTERS = """
e01-e3a e40-e4e e81-edf 1000-103f 1050-108f 109a-109f 1780-17d3 17d7 17dc 1950-1974 1980-19d9 1a20-1aad a9e0-a9fe
aa60-aadf 11700-1174f 3006-3007 3021-3029 3038-303a 3041-3096 309d-309f 1b001-1b11f 1b150-1b152 3400-4dbf 4e00-9fff
f900-faff 17000-18dff 1b170-1b2fb 20000-3ffff
"""  # written without spaces (Line_Break=SA), ideographs, Hiragana
_KATAKANA = """
3031-3035 309b-309c 30a0-30fa 30fc-30ff 31f0-31ff 32d0-32fe 3300-3357 ff66-ff9d 1aff0-1afff 1b000 1b120-1b122
1b155 1b164-1b167
"""
_HEBREW = "5d0-5ea 5ef-5f2 fb1d fb1f-fb28 fb2a-fb36 fb38-fb3c fb3e fb40-fb41 fb43-fb44 fb46-fb4f"
_SIGNS = (
    (MID_LETTER, "3a b7 387 55f 5f4 2027 fe13 fe55 ff1a"),
    (MID_NUMBER, "2c 3b 37e 589 60c-60d 66c 7f8 2044 fe50 fe54 ff0c ff1b"),
    (MID_BOTH, "2e 2018-2019 2024 fe52 ff07 ff0e"),
    (QUOTE, "27"),
    (DOUBLE_QUOTE, "22"),
    (JOINER, "202f"),
    (NUMERIC, "600-605 66b 6dd 890-891 8e2 110bd 110cd"),
    (
        LETTER,
        "b8 2c2-2c5 2d2-2d7 2de-2df 2e5-2eb 2ed 2ef-2ff 55a-55c 55e 58a 5f3 70f a708-a716 a720-a721 a789-a78a ab5b",
    ),
    (LETTER, "24b6-24e9 1f130-1f149 1f150-1f169 1f170-1f189"),
    (EXTEND, "200c-200d ff9e-ff9f 1f3fb-1f3ff"),
    (OTHER, "200b"),
)
_CATEGORIES = {"Nd": NUMERIC, "Nl": LETTER, "Pc": JOINER, "Mn": EXTEND, "Me": EXTEND, "Mc": EXTEND, "Cf": EXTEND}


@cache
def breaks() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The class of every code point, (0x110000,)."""
    classes = np.zeros(CODE_POINTS, np.uint8)
    for code in [*range(BEYOND_CASE), *range(0xE0000, 0xE0200)]:
        category = unicodedata.category(chr(code))
        classes[code] = LETTER if category[0] == "L" else _CATEGORIES.get(category, OTHER)
    letters = classes == LETTER
    for kind, ranges in ((OTHER, _NO_LETTERS), (KATAKANA, _KATAKANA), (HEBREW, _HEBREW)):
        for part in ranges.split():
            first, _, last = part.partition("-")
            inside = slice(int(first, 16), int(last or first, 16) + 1)
            classes[inside][letters[inside] | (kind == KATAKANA)] = kind
    for kind, ranges in _SIGNS:
        for part in ranges.split():
            first, _, last = part.partition("-")
            classes[int(first, 16) : int(last or first, 16) + 1] = kind
    return classes
