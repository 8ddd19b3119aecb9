"""`${occurrence}`: where it may stand, and what it becomes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from services.recipes.placeholders import fill_placeholders, has_placeholders, placeholder_problems

MOMENT = datetime(2026, 3, 1, 2, 5, tzinfo=UTC)


def recipe(uri: str, **fields: Any) -> dict[str, Any]:
    return {"name": "web", "output": "corpus", "sources": [{"name": "crawl", "uri": uri}], **fields}


@pytest.mark.parametrize(
    ("uri", "filled"),
    [
        ("raw/${occurrence}/*.gz", "raw/2026-03-01/*.gz"),
        ("raw/${occurrence:%Y/%m/%d}/${occurrence:%H}.jsonl", "raw/2026/03/01/02.jsonl"),
        ("raw/${occurrence:%j-%M}", "raw/060-05"),
        ("s3://b/day=${occurrence:%Y%m%d}/x", "s3://b/day=20260301/x"),
        ("raw/$occurrence/{a}", "raw/$occurrence/{a}"),
    ],
)
def test_placeholders_become_the_occurrence(uri: str, filled: str) -> None:
    assert placeholder_problems(recipe(uri)) == []
    assert fill_placeholders(recipe(uri), MOMENT)["sources"][0]["uri"] == filled
    assert has_placeholders(recipe(uri)) == (uri != filled)


def test_times_are_utc_and_years_have_four_digits() -> None:
    east = datetime(2026, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=5)))
    assert fill_placeholders(recipe("${occurrence}"), east)["sources"][0]["uri"] == "2026-02-28"
    assert fill_placeholders(recipe("${occurrence}"), MOMENT.replace(year=7))["sources"][0]["uri"] == "0007-03-01"


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (recipe("raw/${occurence}/x"), "sources.0.uri"),
        (recipe("raw/${occurrence"), "sources.0.uri"),
        (recipe("raw/${}"), "sources.0.uri"),
        (recipe("raw/${occurrence:}"), "sources.0.uri"),
        (recipe("raw/${occurrence:%s}"), "sources.0.uri"),
        (recipe("raw/${occurrence:%Y%}"), "sources.0.uri"),
        (recipe("raw/${occurrence:%-d}"), "sources.0.uri"),
        (recipe("raw/${HOME}"), "sources.0.uri"),
        (recipe("raw/x", output="corpora/${occurrence}"), "output"),
        (recipe("raw/x", stages=[{"kind": "language", "model": "${occurrence}"}]), "stages.0.model"),
    ],
)
def test_others_are_told_by_their_path(body: dict[str, Any], path: str) -> None:
    assert [problem.path for problem in placeholder_problems(body)] == [path]


@pytest.mark.parametrize("body", [{}, {"sources": None}, {"sources": [3, {"uri": 4}]}, {"sources": {"uri": "${x}"}}])
def test_any_shape_can_be_asked(body: dict[str, Any]) -> None:
    placeholder_problems(body)
    assert has_placeholders(body) is False
    assert fill_placeholders(body, MOMENT) == body
