"""The sets of code points that the rules count by, as one table of flags for kernels.

The sets are data of the tools that the rules are to agree with, stated as code points: datatrove 0.10.1 `utils/text.py`
(PUNCTUATION_SET, TERMINAL_PUNCTUATION) and spaCy 3.8 `Sentencizer.default_punct_chars`, both of which follow Unicode's
property Sentence_Terminal.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any

import numpy as np

from curation.text.unicode import BEYOND_CASE, CODE_POINTS

Flags = np.ndarray[Any, np.dtype[np.uint8]]

SYMBOL = 1  # a word of nothing but these is not a word in the counts of words
TERMINAL = 2  # ends a sentence, for the share of lines that end in one
SENTENCE_END = 4  # ends a sentence, for the number of sentences
IS_PUNCTUATION = 8  # Unicode general category P*
DECIMAL = 16  # \d of the module `re`: general category Nd

_SENTENCE_ENDS = """
21 2e 3f 589 61f 6d4 700-702 7f9 964-965 104a-104b 1362 1367-1368 166e 1735-1736 1803 1809 1944-1945 1aa8-1aab 1b5a-1b5b
1b5e-1b5f 1c3b-1c3c 1c7e-1c7f 203c-203d 2047-2049 2e2e 2e3c 3002 a4ff a60e-a60f a6f3 a6f7 a876-a877 a8ce-a8cf a92f
a9c8-a9c9 aa5d-aa5f aaf0-aaf1 abeb fe52 fe56-fe57 ff01 ff0e ff1f ff61 10a56-10a57 11047-11048 110be-110c1 11141-11143
111c5-111c6 111cd 111de-111df 11238-11239 1123b-1123c 112a9 1144b-1144c 115c2-115c3 115c9-115d7 11641-11642 1173c-1173e
11a42-11a43 11a9b-11a9c 11c41-11c42 16a6e-16a6f 16af5 16b37-16b38 16b44 1bc9f 1da88
"""
_ALSO_TERMINAL = """
61d-61e 837 839 83d-83e 17d4-17d6 17d9-17da 1b7d-1b7e 2e53-2e54 10f55-10f59 10f86-10f89 11944 11946 11ef7-11ef8
11f43-11f44 16e98
"""
_SYMBOLS = """
0-8 b-1f 21-2f 3a-40 5b-60 7b-9f ab b4 bb 2013-2014 2019 201c-201e 2026 2236 2501 25ba 3001-3002 3008-300d 3010-3011
ff01 ff05 ff08-ff09 ff0c ff0e ff11 ff1a-ff1b ff1f ff5e
"""


@cache
def punctuation() -> Flags:
    """The flags of every code point, (0x110000,) uint8."""
    flags = np.zeros(CODE_POINTS, np.uint8)
    _mark(flags, _SENTENCE_ENDS, SENTENCE_END | TERMINAL | SYMBOL)
    _mark(flags, _ALSO_TERMINAL, TERMINAL | SYMBOL)
    _mark(flags, _SYMBOLS, SYMBOL)
    for code in range(BEYOND_CASE):
        category = unicodedata.category(chr(code))
        if category[0] == "P":
            flags[code] |= IS_PUNCTUATION
        elif category == "Nd":
            flags[code] |= DECIMAL
    return flags


def _mark(flags: Flags, ranges: str, flag: int) -> None:
    for item in ranges.split():
        first, _, last = item.partition("-")
        flags[int(first, 16) : int(last or first, 16) + 1] |= flag
