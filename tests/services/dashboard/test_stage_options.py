"""What a stage may be told, in words."""

from __future__ import annotations

import pytest

from services.dashboard.stage_options import option_rows
from services.recipes.recipe import StageDescription
from services.recipes.stages import describe_stages

STAGES = {stage.kind: stage for stage in describe_stages()}


@pytest.mark.parametrize(
    ("kind", "option", "takes", "default"),
    [
        ("minhash_dedup", "min_similarity", "number, above 0, at most 1", "0.7"),
        ("minhash_dedup", "scope", "one of source, corpus", "corpus"),
        ("language", "keep", "list of text", "must be given"),
        ("gopher_quality", "min_words", "whole number, at least 0 or null", "50"),
        ("code", "strip_header", "true or false", "false"),
        ("c4", "by_source", "mapping to mapping to any value", "{}"),
        ("period", "first", "date or null", "null"),
    ],
)
def test_an_option_is_told_in_words(kind: str, option: str, takes: str, default: str) -> None:
    (row,) = [row for row in option_rows(STAGES[kind]) if row["option"] == option]
    assert (row["type"], row["default"]) == (takes, default)
    assert row["meaning"]


@pytest.mark.parametrize("stage", STAGES.values(), ids=STAGES.keys())
def test_every_option_of_every_stage_is_there(stage: StageDescription) -> None:
    rows = option_rows(stage)
    own = {row["option"] for row in rows if "." not in row["option"]}
    assert own == set(stage.json_schema["properties"]) - {"kind"}
    assert all(row["type"] and row["default"] for row in rows)


def test_the_options_of_models_within_are_dotted() -> None:
    options = {row["option"] for row in option_rows(STAGES["quality_classifier"])}
    assert any(option.endswith(".0.path") for option in options)
