"""Documents made of lists, menus and repeated lines."""

from __future__ import annotations

import math
import textwrap

import pytest
from hypothesis import given

from curation.document import document_batch
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


def test_lines_that_are_broken_at_a_width_may_be_made_whole() -> None:
    text = "\n".join(textwrap.wrap(" ".join(map(_LINE.strip().format, ("Mon", "Tue", "Wed"))), 70)) + "\n\nA list\n"
    assert values(FineWebQuality(), text)["lines"] == 4
    found = values(FineWebQuality(wrap_columns=60), text)
    assert (found["lines"], found["line_punct_ratio"], found["short_line_ratio"]) == (2, 0.5, 0.5)
    assert found["list_ratio"] == pytest.approx(1 / len(words_of(text)))
    japanese = "橋は氷のため閉鎖されましたが、\nすぐにまた開きました。"
    assert [values(FineWebQuality(wrap_columns=columns), japanese)["lines"] for columns in (30, 31)] == [1, 2]


def test_one_source_may_have_broken_lines() -> None:
    text = "橋は氷のため閉鎖されましたが、\nすぐにまた開きました。"
    stage = FineWebQuality(by_source={"mail": {"wrap_columns": 30}})
    for source, lines in (("mail", 1), ("web", 2)):
        batch = stage.annotate(document_batch([text], source=source, shard="s"))
        assert batch["fineweb_quality.lines"].to_pylist() == [lines]


@pytest.mark.parametrize("wrap_columns", [None, 5, 40])
@given(text=TEXTS)
def test_values_are_those_of_the_definition(wrap_columns: int | None, text: str) -> None:
    want = reference.fineweb_quality(text, words_of(text), wrap_columns or math.inf)
    assert values(FineWebQuality(wrap_columns=wrap_columns), text) == pytest.approx(want, abs=0)
