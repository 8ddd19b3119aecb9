"""The tables of code points say what CPython's own `str` says."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.text.punctuation import DECIMAL, IS_PUNCTUATION, SENTENCE_END, SYMBOL, TERMINAL, punctuation
from curation.text.unicode import ALPHA, DIGIT, LINE_END, SPACE, UPPER, WIDE, WORD, tables

CHARACTERS = st.characters(exclude_categories=["Cs"])


@given(st.text(CHARACTERS, min_size=50, max_size=200))
def test_classes(text: str) -> None:
    for character in text:
        flags = tables().classes[ord(character)]
        assert bool(flags & SPACE) == character.isspace()
        assert bool(flags & ALPHA) == character.isalpha()
        assert bool(flags & DIGIT) == character.isdigit()
        if unicodedata.category(character) != "Cn":
            assert bool(flags & WIDE) == (unicodedata.east_asian_width(character) in "WF")
        assert bool(flags & UPPER) == character.isupper()
        assert bool(flags & WORD) == bool(re.match(r"\w", character))
        assert bool(flags & LINE_END) == (len(f"a{character}b".splitlines()) == 2)


@given(st.text(CHARACTERS, min_size=50, max_size=200))
def test_lower_case(text: str) -> None:
    for character in text:
        lowered = tables().lower[ord(character)]
        assert chr(lowered) == character.lower() if lowered >= 0 else character in "İΣ"


@given(st.text(CHARACTERS, min_size=50, max_size=200))
def test_decimals_are_those_of_the_module_re(text: str) -> None:
    for character in text:
        assert bool(punctuation()[ord(character)] & DECIMAL) == bool(re.match(r"\d", character))


@pytest.mark.parametrize(
    ("characters", "flag"),
    [
        (".?!。؟।։", TERMINAL | SENTENCE_END | SYMBOL | IS_PUNCTUATION),
        (",#(「«", SYMBOL),
        ("\x00\x07\x7f", SYMBOL),
        ("…—", SYMBOL | IS_PUNCTUATION),
    ],
)
def test_marks(characters: str, flag: int) -> None:
    assert all(punctuation()[ord(character)] & flag == flag for character in characters)


@pytest.mark.parametrize(("characters", "flag"), [(",…a1", TERMINAL | SENTENCE_END), ("aé世\t\n£", SYMBOL)])
def test_no_marks(characters: str, flag: int) -> None:
    assert not any(punctuation()[ord(character)] & flag for character in characters)
