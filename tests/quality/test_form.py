"""The form of a text is what a plain reading of its definition says."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.quality.form import CLOSING_MARKS, NARROW_MARKS, WIDE_MARKS, form_shares, form_words, thresholds
from curation.text.unicode import PUNCTUATION, tables

ALPHABET = "aB Éß.,!?…\"')»。！？」।ไท中文ก0٣²\n\r\u2028\u00a0\u0301\u093f_-#$<x🙂"


def is_letter(c: str) -> bool:
    return not (c.isspace() or c.isdigit() or tables().classes[ord(c)] & PUNCTUATION)


def stands_alone(c: str) -> bool:
    blocks = [(0xE00, 0xF00), (0x1000, 0x10A0), (0x1780, 0x1800), (0x3040, 0x3100), (0x3400, 0xA000), (0xF900, 0xFB00)]
    return any(low <= ord(c) < high for low, high in blocks) or ord(c) >= 0x20000


def words_of(text: str) -> list[str]:
    """Runs of letters; one of a script without spaces ends the run and is a word with what came before it."""
    words, run = [], ""
    for c in text:
        if is_letter(c):
            run += c
            if stands_alone(c):
                words.append("")
                run = ""
        elif run:
            words.append(run)
            run = ""
    return words + [run] * bool(run)


def ends_in(text: str) -> int:
    """How many sentences end in the text."""
    ends, mark = 0, ""
    for c in text + " ":
        if c in NARROW_MARKS + WIDE_MARKS:
            mark = "wide" if c in WIDE_MARKS or mark == "wide" else "narrow"
        elif c not in CLOSING_MARKS:
            ends += mark == "wide" or (mark == "narrow" and c.isspace())
            mark = ""
    return ends


def reference(text: str) -> list[float]:
    visible = [c for c in text if not c.isspace()]
    letters = [c for c in visible if is_letter(c)]
    words = words_of(text)
    lines = [line for line in text.splitlines() if line.strip()]
    ended = [line for line in lines if line.strip().rstrip(CLOSING_MARKS)[-1:] in {*NARROW_MARKS, *WIDE_MARKS}]
    shouted = [word for word in words if len(word) > 1 and all(c.isupper() for c in word)]
    capitals = [c for c in letters if c.isupper()]
    pairs = ((letters, visible), (capitals, letters), (shouted, words), (ended, lines))
    shares = [len(part) / len(whole) if whole else 0.0 for part, whole in pairs]
    return [*shares, ends_in(text) / len(words) if words else 0.0]


@given(st.lists(st.one_of(st.text(ALPHABET, max_size=60), st.text(max_size=30)), min_size=1, max_size=5))
def test_shares_are_what_their_definition_says(texts: list[str]) -> None:
    np.testing.assert_array_equal(form_shares(pa.array(texts, pa.large_string())), [reference(text) for text in texts])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 0, 0, 0, 0]),
        ("He said: “Go!”\nNow. 3.14 is pi", [15 / 24, 3 / 15, 0, 0.5, 2 / 6]),
        ("今日は晴れです。明日は雨。", [11 / 13, 0, 0, 1, 2 / 11]),
        ("BUY NOW\n\n* ok", [8 / 9, 6 / 8, 2 / 3, 0, 0]),
    ],
)
def test_shares_of_some_texts(text: str, expected: list[float]) -> None:
    np.testing.assert_allclose(form_shares(pa.array([text], pa.large_string()))[0], expected)


def test_words_say_on_which_side_of_each_threshold_a_share_is() -> None:
    texts = pa.array(["", "A plain sentence stands here. And another one."], pa.large_string())
    data, offsets = form_words(texts)
    shares = form_shares(texts)
    for row in range(2):
        words = data[offsets[row] : offsets[row + 1]].tobytes().decode().split()
        assert len(words) == thresholds().size
        assert [word[2] == "+" for word in words] == (shares[row][:, None] > thresholds()).ravel().tolist()
        assert len({word[:2] + word[3:] for word in words}) == len(words)


def test_a_slice_has_the_words_of_its_own_texts() -> None:
    texts = pa.array(["One. Two.", "three four", "FIVE!"], pa.large_string())
    data, _ = form_words(texts.slice(1))
    assert data.tobytes() == form_words(pa.array(["three four", "FIVE!"], pa.large_string()))[0].tobytes()
