"""What is shown in tables of values and of languages."""

from __future__ import annotations

from curation.render import behind, commonest, measured, visible


def test_few_zeros_are_shown_each_and_many_share_a_line() -> None:
    assert list(measured({"a": 0, "b": 0.0, "c": 3, "is_b": False})) == [
        ("a", "0"),
        ("b", "0"),
        ("c", "3"),
        ("is_b", "no"),
    ]
    assert list(measured({"a": 0, "b": 0, "total": 2, "c": 0, "d": 0.0})) == [("total", "2"), ("a, b, c, d", "0")]


def test_days_are_dates() -> None:
    assert list(measured({"day": 20261122.0, "undated": 0})) == [("day", "2026-11-22"), ("undated", "0")]
    assert list(measured({"day": float("nan"), "undated": 1})) == [("day", ""), ("undated", "1")]
    assert list(measured({"day": 20261122.0})) == [("day", "20,261,122")]
    assert behind(20261122.0, "age.too_old") == "2026-11-22"
    assert behind(20261122.0, "gopher_quality.long_doc") == "20,261,122"


def test_what_holds_nothing_is_left_out_and_nothing_drives_the_terminal() -> None:
    assert list(measured({"spans": "", "label": "e\x1bn", "score": None})) == [("label", visible("e\x1bn"))]


def test_languages_beyond_the_commonest_are_summed() -> None:
    rows = list(commonest({f"l{n:03}": (n, 1) for n in range(100)} | {"": (1000, 0)}))
    assert rows[:2] == [("(not asked)", (1000, 0)), ("l099", (99, 1))]
    assert rows[-1] == ("89 more", [sum(range(89)), 89])
    assert len(rows) == 13
