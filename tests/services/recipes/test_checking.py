"""Whether a recipe may be stored: everything that is wrong with it, by path."""

from __future__ import annotations

from typing import Any

import pytest

from services.errors import Invalid
from services.recipes.checking import checked, recipe_problems
from tests.services.recipes.test_store import body


@pytest.mark.parametrize(
    ("wrong", "paths"),
    [
        (body(sed=1, seed=-1), ["sed", "seed"]),
        (body(max_failed=float("nan")), ["max_failed"]),
        (body(output="s3://bucket/\0"), ["output"]),
        (body(seed=2**64), ["seed"]),
        (body(stages=[{"kind": "language", "model": "\ud800"}]), ["stages.0.model"]),
        (body(deep=[[[[{}]]]] * 2), ["deep"]),
        ({}, ["name", "output", "sources"]),
        ({**body(), "\0": 1}, [""]),
    ],
)
def test_problems_are_told_by_their_path(wrong: dict[str, Any], paths: list[str]) -> None:
    assert sorted(problem.path for problem in recipe_problems(wrong)) == paths
    with pytest.raises(Invalid) as raised:
        checked(wrong)
    assert sorted(problem.path for problem in raised.value.problems) == paths


def test_nesting_without_end_is_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(100_000):
        nested = {"a": nested}
    with pytest.raises(Invalid):
        checked(nested)


def test_a_recipe_with_placeholders_can_be_stored() -> None:
    daily = body(sources=[{"name": "crawl", "uri": "raw/${occurrence}/*.jsonl"}])
    assert recipe_problems(daily) == []
    assert checked(daily).sources[0].uri == "raw/2000-01-01/*.jsonl"
