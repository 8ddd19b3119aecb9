"""Documents made of lists, menus and repeated lines."""

from __future__ import annotations

import pytest
from hypothesis import given

from curation.rules import FineWebQuality
from tests.rules import reference
from tests.rules.texts import TEXTS, reason, values, words_of

_LINE = "The bridge over the river was closed on account of ice, {}.\n"
_LINES = "".join(_LINE.format(day) for day in ("Monday", "Tuesday", "Friday", "Saturday"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        (" \n\t\n\u00a0", "empty"),
        ("A heading without a full stop that goes on for a while\n" * 3, "line_punct_ratio"),
        ("Short one.\nShort two.\nShort three.\n" + _LINE, "short_line_ratio"),
        (_LINES + _LINE.format("Monday"), "char_dup_ratio"),
        (_LINES + "\n" * 40, "list_ratio"),
        (_LINES, None),
        ("橋は氷のため閉鎖されました。" * 5, None),
    ],
)
def test_reason(text: str, why: str | None) -> None:
    assert reason(FineWebQuality(), text) == (why and f"fineweb_quality.{why}")


def test_how_long_a_short_line_is() -> None:
    assert reason(FineWebQuality(short_line_length=0), "Short one.\nShort two.\nShort three.") is None


@given(TEXTS)
def test_values_are_those_of_the_definition(text: str) -> None:
    assert values(FineWebQuality(), text) == pytest.approx(reference.fineweb_quality(text, words_of(text)), abs=0)
