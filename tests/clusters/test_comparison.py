"""What two texts share is told so that each can be put together again."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.clusters.comparison import COMPARED, WORDS, Stretch, compare

WORD = st.sampled_from(["one", "two", "three", "four", " ", "\n", "\u3000x"])


def only(stretches: Iterable[Stretch]) -> tuple[str, str]:
    """What is in one text alone."""
    differing = [each for each in stretches if not each.is_same]
    return "".join(each.kept for each in differing), "".join(each.dropped for each in differing)


@given(st.lists(WORD, max_size=12), st.lists(WORD, max_size=12))
def test_nothing_of_either_text_is_lost(a: list[str], b: list[str]) -> None:
    kept, dropped = " ".join(a), " ".join(b)
    found = compare(kept, dropped)
    assert not found.is_cut
    assert "".join(each.kept for each in found.stretches) == kept
    assert "".join(each.dropped for each in found.stretches) == dropped
    assert all(each.kept.split() == each.dropped.split() for each in found.stretches if each.is_same)


@pytest.mark.parametrize(
    ("kept", "dropped", "only_kept", "only_dropped"),
    [
        ("a b c d", "a x c d", " b", " x"),
        ("a b c", "a b c", "", ""),
        ("a b", "a b c d", "", " c d"),
        ("", "a", "", "a"),
        ("a  b", "a b", "", ""),
        ("x " * 5 + "end", "x " * 3 + "end", " x x", ""),
    ],
)
def test_what_differs_is_named(kept: str, dropped: str, only_kept: str, only_dropped: str) -> None:
    assert only(compare(kept, dropped).stretches) == (only_kept, only_dropped)


def test_long_texts_are_cut() -> None:
    long = "word " * COMPARED
    assert compare(long, long).is_cut
    a, b = ("".join(f"{n}{letter} " for n in range(WORDS + 10)) for letter in "ab")
    found = compare(a, b)
    assert found.is_cut
    assert a.startswith(only(found.stretches)[0])
