"""The words that are compared: the same for every way in which a text may be copied."""

from __future__ import annotations

import html
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.contamination import kernels
from curation.contamination.words import ALONE, NOTHING, SEPARATOR, reading
from curation.text.arrow import text_buffers
from curation.text.unicode import CODE_POINTS
from tests.contamination import reference

_LETTERS = [
    "a",
    "B",
    "é",
    "e\u0301",
    "Ω",
    "ς",
    "İ",
    "ß",
    "Ａ",
    "²",
    "ﬁ",
    "漢",
    "ｶ",
    "ไ",
    "ก็",
    "한",
    "\u200d",
    "\xad",
    "_",
    "7",
]
_ENTITIES = ["&amp;", "&quot;", "&#39;", "&#x27;", "&eacute;", "&amp;lt;", "&#xD800;", "&#1114112;", "&nope;", "amp;"]
_TAGS = [
    "<b>",
    "</p>",
    "<br/>",
    '<a href="x">',
    "<int>",
    "<",
    ">",
    "< b>",
    "<b",
    "&",
    "&#",
    ";",
    "#",
    " ",
    "\n",
    "\xa0",
]
_BLANKS = ["\u200d", "\xad", "\xa0"]
PIECES = st.sampled_from([*_LETTERS, *_ENTITIES, *_TAGS, *_BLANKS])


def split(text: str) -> list[tuple[int, int]]:
    """The code points of the kernel's words."""
    data, offsets = text_buffers(pa.array([text], pa.large_string()))
    _, starts, ends = kernels.word_spans(data, offsets[0], offsets[1], reading())
    whole = text.encode()
    return [(len(whole[:a].decode()), len(whole[:b].decode())) for a, b in zip(starts, ends, strict=True)]


def hashes(*texts: str) -> list[list[int]]:
    words, ends = kernels.word_hashes(*text_buffers(pa.array(texts, pa.large_string())), reading())
    return [words[a:b].tolist() for a, b in pairwise(ends)]


@given(st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=30)))
def test_as_the_reference(text: str) -> None:
    expected = reference.words(text)
    assert split(text) == [(start, end) for _, start, end in expected]
    (own,), (clean,) = hashes(text), hashes(" ".join(word for word, _, _ in expected))
    assert own == clean


@pytest.mark.parametrize(
    "copy",
    [
        "Janet’s ducks lay 16 eggs: <b>is 3 < 4</b>?",
        "JANET'S DUCKS LAY 16 EGGS IS 3 4",
        "janet s\tducks\xa0lay \n 16 eggs, is (3) 4",
        "<p>Janet&#8217;s ducks lay 16 eggs:<br>\n is 3 &lt; 4?</p>",
        html.escape(html.escape("Janet's ducks lay 16 eggs: is 3 < 4?")),
        "Ja\xadnet's dúcks lay １６ eggs, is 3 4",
    ],
)
def test_copies_have_the_same_words(copy: str) -> None:
    first, second = hashes("Janet's ducks lay 16 eggs. Is 3 < 4?", copy)
    assert first == second


def test_numbers_and_other_words_count() -> None:
    first, second, third = hashes("lays 16 eggs", "lays 17 eggs", "lay 16 eggs")
    assert first != second
    assert first != third


def test_the_table_is_the_definition() -> None:
    folds = reading().folds
    for code in [*range(0x3000), *range(0xAC00, 0xAC40), *range(0xF900, 0x10000), *range(0x1D400, 0x1D800), 0x2F800]:
        if 0xD800 <= code < 0xE000:
            continue
        form, alone = reference.fold(chr(code))
        expected = NOTHING if form is None else SEPARATOR if form == "" else ord(form) | alone * ALONE
        assert folds[code] == expected, hex(code)
    assert folds.shape == (CODE_POINTS,)
    assert folds.dtype == np.int32
