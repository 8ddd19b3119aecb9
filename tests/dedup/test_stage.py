"""The stages' configuration, and which copy is kept."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from curation.dedup import DedupStage, ExactDedup, MinHashDedup
from curation.document import document_batch, with_column
from curation.errors import RecipeError
from curation.stage import stage_kinds

BATCH = document_batch(
    ["ab", "äöü", ""],
    source="s",
    shard="s",
    added=[datetime(2024, 1, 2, tzinfo=UTC), datetime(1960, 1, 1, tzinfo=UTC), None],
)


@pytest.mark.parametrize(
    ("options", "order"),
    [
        ({"keep": "longest"}, [1, 0, 2]),
        ({"keep": "newest"}, [0, 1, 2]),
        ({"keep": "earliest"}, [1, 0, 2]),
        ({"keep": "best_quality", "quality": "x.score"}, [2, 0, 1]),
    ],
)
def test_the_best_first(options: dict[str, str], order: list[int]) -> None:
    batch = with_column(BATCH, "x.score", pa.array([-0.0, -2.5, 1e-9]))
    priority = ExactDedup.model_validate(options).priority(batch)
    assert (-priority.astype(object)).argsort(kind="stable").tolist() == order


def test_zero_is_zero() -> None:
    batch = with_column(BATCH, "x.score", pa.array([-0.0, 0.0, 0.0]))
    stage = ExactDedup(keep="best_quality", quality="x.score")
    assert len(set(stage.priority(batch).tolist())) == 1


@pytest.mark.parametrize(
    ("values", "error"),
    [
        (None, RecipeError),
        (pa.array(["a", "b", "c"]), RecipeError),
        (pa.array([1.0, None, 2.0]), ValueError),
        (pa.array([1.0, float("nan"), 2.0]), ValueError),
    ],
)
def test_quality_must_be_there(values: pa.Array | None, error: type[Exception]) -> None:
    batch = with_column(BATCH, "x.score", values) if values is not None else BATCH
    with pytest.raises(error, match=r"exact_dedup\.quality"):
        ExactDedup(keep="best_quality", quality="x.score").priority(batch)


@pytest.mark.parametrize(
    ("stage", "options"),
    [
        (ExactDedup, {"keep": "best_quality"}),
        (ExactDedup, {"quality": "x.score"}),
        (ExactDedup, {"scope": "world"}),
        (ExactDedup, {"bands": 3}),
        (MinHashDedup, {"min_similarity": 0}),
        (MinHashDedup, {"min_similarity": 1.1}),
        (MinHashDedup, {"bands": 0}),
        (MinHashDedup, {"rows": 65}),
        (MinHashDedup, {"ngram": 0}),
        (MinHashDedup, {"max_bucket": 1}),
    ],
)
def test_wrong_options_are_refused(stage: type[DedupStage], options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        stage.model_validate(options)


def test_names() -> None:
    assert stage_kinds()["exact_dedup"] is ExactDedup
    assert stage_kinds()["minhash_dedup"] is MinHashDedup
    assert MinHashDedup(name="near").reason == "near.duplicate"
    assert MinHashDedup().columns().names == ["minhash_dedup.cluster_size"]
    assert MinHashDedup().salt("a") == MinHashDedup().salt("b") == 0
    assert len({MinHashDedup(scope="source").salt(source) for source in "abc"}) == 3
