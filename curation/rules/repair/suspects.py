"""What makes a text a suspect: tables for `kernels.find_suspects`, from what ftfy itself says of characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from ftfy import TextFixerConfig, fixes
from ftfy.badness import MOJIBAKE_CATEGORIES

from curation.rules.repair import kernels
from curation.text.arrow import Bytes
from curation.text.unicode import CODE_POINTS

# Which kinds of neighbours ftfy 6.3.1 may take for mojibake (badness.BADNESS_RE), whatever stands around them.
_MARKS = "opening closing currency numeric law degree"
_PAIRS = (
    (f"{_MARKS} bad box upper lower letter lead", "bad"),
    ("bad", f"{_MARKS} box upper lower lead"),
    ("lower letter closing currency numeric degree", "upper lead"),
    ("closing currency numeric", "lower"),
    ("lower upper closing letter", "currency"),
    ("upper", "numeric law opening degree lead"),
    ("opening", "numeric degree lead"),
    ("closing", "opening lead"),
    ("currency numeric", "opening lead"),
    (f"{_MARKS} upper lower lead", "box"),
    ("box lead", f"{_MARKS} bad box upper lower letter lead plain"),
)
_PAIRS_BEFORE_WORDS = (("upper lower letter", "opening closing lead"), ("letter", "numeric degree"))
_LEADS = "ÂÃÎÐØÙà√≈‚×"  # suspect before whatever is beyond ASCII
_KINDS = {  # ftfy's categories; what comes later holds
    "plain": ("common", "kaomoji"),
    "letter": ("upper_common", "lower_common"),
    "lower": ("lower_accented",),
    "upper": ("upper_accented",),
    "numeric": ("numeric",),
    "closing": ("end_punctuation",),
    "opening": ("start_punctuation",),
    "currency": ("currency",),
    "law": ("law",),
    "box": ("box",),
    "bad": ("bad",),
}


class Suspects(NamedTuple):
    """The tables, as `kernels.find_suspects` wants them."""

    signs: Bytes
    kinds: Bytes
    pairs: np.ndarray[Any, np.dtype[np.uint8]]


@cache
def suspects(config: TextFixerConfig) -> Suspects:
    """The tables for what this configuration of ftfy changes."""
    signs, kinds = np.zeros(CODE_POINTS, np.uint8), np.zeros(CODE_POINTS, np.uint8)
    changes: list[Callable[[str], str]] = [
        getattr(fixes, name)
        for name in ("remove_control_chars", "fix_latin_ligatures", "uncurl_quotes", "fix_line_breaks")
        if getattr(config, name)
    ]
    changes += [fixes.fix_character_width] * config.fix_character_width
    for code in [*range(0xD800), *range(0xE000, 0x10000)]:
        character = chr(code)
        if any(change(character) != character for change in changes):
            signs[code] |= kernels.ALONE
    if config.remove_terminal_escapes:
        signs[0x1B] |= kernels.ALONE
    if config.fix_c1_controls or config.fix_encoding:
        signs[0x80:0xA0] |= kernels.ALONE
    if config.normalization:
        signs |= _may_be_unnormalised(config.normalization) * np.uint8(kernels.ALONE)
    if config.fix_encoding:
        _mark_mojibake(signs, kinds)
    pairs = np.zeros((kernels.KINDS, kernels.KINDS), np.uint8)
    for value, sides in ((2, _PAIRS_BEFORE_WORDS), (1, _PAIRS)):
        for first, second in sides:
            for a in first.split():
                for b in second.split():
                    pairs[getattr(kernels, a.upper()), getattr(kernels, b.upper())] = value
    return Suspects(signs, kinds, pairs)


def _mark_mojibake(signs: Bytes, kinds: Bytes) -> None:
    """The kinds of characters that mojibake is made of, and the flags of those that need no neighbour beyond ASCII."""
    for name, categories in _KINDS.items():
        for category in categories:
            for character in expanded(MOJIBAKE_CATEGORIES[category]):
                kinds[ord(character)] = getattr(kernels, name.upper())
    kinds[ord("°")] = kernels.DEGREE
    kinds[ord("Ђ")] = kernels.BAD
    for character in _LEADS:
        kinds[ord(character)] = kernels.LEAD
    for character in "Œœ":
        signs[ord(character)] |= kernels.NOT_BEFORE_ASCII_LETTER
    for character in "ÃÂ":
        signs[ord(character)] |= kernels.BEFORE_BLANK


def expanded(characters: str) -> set[str]:
    """The characters of a class of regular expressions: its ranges written out."""
    found = set(characters)
    for place in range(1, len(characters) - 1):
        if characters[place] == "-":
            found |= set(map(chr, range(ord(characters[place - 1]), ord(characters[place + 1]))))
    return found - {"-"}


def _may_be_unnormalised(form: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which code points a text that is not in this normal form must have one of, (0x110000,)."""
    found = np.zeros(CODE_POINTS, bool)
    found[0x1161:0x1200] = True  # the later parts of Hangul syllables
    for code in [*range(0xA0, 0xD800), *range(0xE000, 0x30000), *range(0xE0000, 0xE0200)]:
        character = chr(code)
        if unicodedata.combining(character) or not unicodedata.is_normalized(form, character):  # type: ignore[arg-type]
            found[code] = True
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and parts[0][0] != "<":
            found[int(parts[1], 16)] = True  # may be joined with what stands before it
    return found
