"""The words that are compared: what of a text is left when case, marks, accents, entities and tags are taken away.

A text is read as HTML as far as that is sure: `&quot;`, `&#x27;` and `&amp;quot;` are the characters that they mean,
and a tag of an HTML element (`<br>`, `<p class="x">`) is a gap. Then every run of letters and digits is a word, in
lower case, without accents, in the compatibility form (`Ｆ１` is `f1`). Marks, soft hyphens and other characters of no
width vanish, everything else separates words. In scripts that are written without spaces each character is a word.
"""

from __future__ import annotations

import html.entities
import unicodedata
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from curation.text.unicode import BEYOND_CASE, CODE_POINTS, WORD, tables
from curation.text.words.kernels import UNSPACED
from curation.text.words.kinds import kinds

SEPARATOR, NOTHING = 0, -1
ALONE = 1 << 24
"""Beside a code point: it is a word of its own."""
LONGEST_ENTITY, LONGEST_TAG, LONGEST_NAME = 32, 512, 10
"""Bounds of an entity's name, of a tag, and of an element's name, in bytes."""

_ELEMENTS = """
a abbr address area article aside audio b base bdi bdo big blockquote body br button canvas caption center cite code
col colgroup dd del details dfn dialog div dl dt em embed fieldset figcaption figure font footer form h1 h2 h3 h4 h5
h6 head header hr html i iframe img input ins kbd label legend li link main map mark meta nav noscript object ol
optgroup option p param picture pre q rp rt ruby s samp script section select small source span strike strong style
sub summary sup svg table tbody td template textarea tfoot th thead time title tr track tt u ul var video wbr
"""
"""What `<…>` is a tag of; others, as `<int>`, are text."""
_SIGMA = {"ς": "σ"}
_WIDTHLESS = ("Mn", "Mc", "Me", "Cf")
_BEYOND = (*range(0x2F800, 0x2FA20), *range(0xE0000, 0xE01F0))  # compatibility characters, tags, selectors

Int32s = np.ndarray[Any, np.dtype[np.int32]]
Uint64s = np.ndarray[Any, np.dtype[np.uint64]]


class Reading(NamedTuple):
    """How texts are read, for kernels."""

    folds: Int32s
    """(0x110000,): what `fold` gives for each code point."""
    entities: Uint64s
    """(names,) sorted `name_key` of the named entities of one code point."""
    points: Int32s
    """(names,) their code points."""
    elements: Uint64s
    """(elements,) sorted `name_key` of the elements."""


def fold(character: str) -> int:
    """NOTHING, SEPARATOR, or the code point that this character is compared as, with ALONE where it is a word."""
    code = ord(character)
    if unicodedata.category(character) in _WIDTHLESS:
        return NOTHING
    if not character.isalnum():
        return SEPARATOR
    if 0xAC00 <= code <= 0xD7A3:
        return code
    parts = [part for part in unicodedata.normalize("NFKD", character) if unicodedata.category(part)[0] != "M"]
    folded = next((part for part in parts[0].lower() if part.isalnum()), character) if len(parts) == 1 else character
    folded = folded.lower() if len(folded.lower()) == 1 else folded
    folded = _SIGMA.get(folded, folded)
    return ord(folded) | (ALONE if kinds()[ord(folded)] & UNSPACED else 0)


@cache
def reading() -> Reading:
    """The tables of the running interpreter's Unicode version; some tenths of a second, once a process."""
    classes, lower = tables()
    folds = np.zeros(CODE_POINTS, np.int32)
    plain = np.flatnonzero(classes & WORD)
    folds[plain] = np.where(lower[plain] >= 0, lower[plain], plain)
    folds[plain[kinds()[plain] & UNSPACED != 0]] |= ALONE
    folds[ord("_")] = SEPARATOR
    for code in (*range(0x3400), *range(0xA000, 0xAC00), *range(0xE000, BEYOND_CASE), *_BEYOND):
        character = chr(code)
        if unicodedata.decomposition(character) or unicodedata.category(character) in _WIDTHLESS:
            folds[code] = fold(character)
    for code in (*map(ord, _SIGMA), *np.flatnonzero(lower < 0).tolist()):
        folds[code] = fold(chr(code))
    named = {name[:-1]: value for name, value in html.entities.html5.items() if name[-1] == ";" and len(value) == 1}
    points = {name_key(name): ord(value) for name, value in named.items()}
    keys = np.array(sorted(points), np.uint64)
    elements = np.array(sorted(map(name_key, _ELEMENTS.split())), np.uint64)
    return Reading(folds, keys, np.array([points[int(key)] for key in keys], np.int32), elements)


def name_key(name: str) -> int:
    """64 bits that tell the names of entities and elements apart."""
    key = 0
    for byte in name.encode():
        key = (key * 0x100000001B3 + byte + 1) & 0xFFFFFFFFFFFFFFFF
    return key
