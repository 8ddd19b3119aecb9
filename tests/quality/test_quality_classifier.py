"""The stage: scores, thresholds, ranks among all documents, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import document_batch, with_column
from curation.errors import InputError, ModelError, RecipeError
from curation.pipeline.survey import added
from curation.quality import QualityClassifier
from curation.quality.card import SUFFIX
from curation.recipe import validate_recipe
from tests.quality.models import JUNK, PROSE, model_at, texts_of

ONE = {"classifiers": [{"path": "m.bin"}]}
TWO = {"classifiers": [{"path": "a.bin", "name": "a"}, {"path": "b.bin", "name": "b"}]}
SCORES = st.integers(0, 20).map(lambda n: n / 20)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return model_at(tmp_path_factory.mktemp("model") / "m.bin")


@pytest.fixture(scope="module")
def words_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return model_at(tmp_path_factory.mktemp("words") / "w.bin", view="words")


def measured(rows: Sequence[Mapping[str, Any]], name: str = "quality_classifier") -> pa.RecordBatch:
    """Documents as a survey has them; keys of a row without a dot that are no columns of documents are scores."""
    plain = ("source", "language", "bytes")
    columns: dict[str, list[Any]] = {"source": [], "language.label": [], "bytes": []}
    for row in rows:
        columns["source"].append(row.get("source", "s"))
        columns["language.label"].append(row.get("language", "en"))
        columns["bytes"].append(row.get("bytes", 1))
        for key in row.keys() - set(plain):
            columns.setdefault(f"{name}.{key}", []).append(row[key])
    return pa.RecordBatch.from_pydict(columns)


def settled(
    stage: QualityClassifier, rows: Sequence[Mapping[str, Any]], parts: int = 1
) -> tuple[pa.RecordBatch, Any, pa.Array]:
    """The driver: survey in parts, settle, annotate, decide."""
    counts = [stage.survey(measured(rows[n::parts] or rows[:0])) for n in range(parts) if rows[n::parts]]
    frozen = stage.settle(added(counts))
    batch = stage.annotate_settled(measured(rows), frozen)
    return batch, frozen, stage.settled_reasons(batch, frozen)


def test_scores_part_good_from_bad(model: str) -> None:
    stage = QualityClassifier(classifiers=[{"path": model, "view": "form"}], min_score=0.5)
    batch = document_batch([*texts_of(PROSE, 20), *texts_of(JUNK, 20), ""], source="s", shard="f")
    assert not stage.is_surveyed
    batch = stage.annotate(batch)
    assert batch.schema.names[-1:] == stage.columns().names == ["quality_classifier.score"]
    scores = batch["quality_classifier.score"].to_numpy()
    assert np.array_equal(scores, np.round(scores, 6))
    reasons = stage.drop_reasons(batch)
    assert [reason is None for reason in reasons.to_pylist()] == [True] * 20 + [False] * 21
    evidence = stage.evidence(batch, reasons)
    assert evidence.values.to_pylist()[20:] == scores[20:].tolist()
    assert evidence.thresholds.to_pylist() == [None] * 20 + [0.5] * 21


def test_several_models_have_a_column_each_and_their_mean(model: str, words_model: str) -> None:
    stage = QualityClassifier(
        action="tag",
        buckets=4,
        classifiers=[{"path": model, "view": "form", "name": "form"}, {"path": words_model, "name": "words"}],
    )
    batch = stage.annotate(document_batch(texts_of(PROSE, 5), source="s", shard="f"))
    form, words, score = (batch[f"quality_classifier.{name}"].to_numpy() for name in ("form", "words", "score"))
    np.testing.assert_array_equal(score, np.round((form + words) / 2, 6))
    assert stage.columns().names == [f"quality_classifier.{n}" for n in ("form", "words", "score", "rank", "bucket")]
    assert stage.models().keys() == {model, words_model}
    assert stage.reasons() == frozenset()
    assert stage.drop_reasons(batch).null_count == 5


@given(st.lists(SCORES, min_size=1, max_size=40), st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.9, 1.0]), st.integers(1, 4))
def test_keep_top_keeps_the_smallest_share_that_is_enough(scores: list[float], share: float, parts: int) -> None:
    stage = QualityClassifier.model_validate(ONE | {"keep_top": share})
    _, _, reasons = settled(stage, [{"score": score} for score in scores], parts)
    kept = [score for score, reason in zip(scores, reasons.to_pylist(), strict=True) if reason is None]
    lost = [score for score, reason in zip(scores, reasons.to_pylist(), strict=True) if reason is not None]
    assert max(lost, default=-1.0) < min(kept)
    assert len(kept) >= share * len(scores) - 1e-9
    assert len(kept) - kept.count(min(kept)) < share * len(scores)


@given(st.lists(st.tuples(SCORES, SCORES, st.integers(1, 9), st.sampled_from("xy")), min_size=1, max_size=30))
def test_rank_is_the_best_of_the_models_within_the_group(rows: list[tuple[float, float, int, str]]) -> None:
    stage = QualityClassifier.model_validate(
        TWO | {"action": "tag", "buckets": 20, "rank_within": "source", "weight": "bytes"}
    )
    documents = [{"a": a, "b": b, "score": 0.0, "bytes": size, "source": source} for a, b, size, source in rows]
    batch, _, reasons = settled(stage, documents, 2)
    assert reasons.null_count == len(rows)

    def rank(position: int, row: tuple[float, float, int, str]) -> float:
        group = [other for other in rows if other[3] == row[3]]
        at_most = sum(other[2] for other in group if other[:2][position] <= row[:2][position])
        return at_most / sum(other[2] for other in group)

    expected = [max(rank(0, row), rank(1, row)) for row in rows]
    assert batch["quality_classifier.rank"].to_pylist() == expected
    borders = [n / 20 for n in range(1, 20)]
    buckets = [sum(border < rank for border in borders) for rank in expected]
    assert batch["quality_classifier.bucket"].to_pylist() == buckets


def test_thresholds_of_a_language_then_of_a_source() -> None:
    stage = QualityClassifier.model_validate(
        ONE
        | {
            "min_score": 0.5,
            "by_language": {"de": {"min_score": 0.3}, "fr": {"keep_top": 0.5}},
            "by_source": {"books": {"min_score": 0.1}},
        }
    )
    rows: list[Mapping[str, Any]] = [
        {"score": 0.4},
        {"score": 0.4, "language": "de"},
        {"score": 0.2, "language": "de"},
        {"score": 0.2, "language": "de", "source": "books"},
        {"score": 0.5, "language": "fr"},
        {"score": 0.9, "language": "fr"},
    ]
    batch, frozen, reasons = settled(stage, rows)
    low, rank = "quality_classifier.low_score", "quality_classifier.low_rank"
    assert reasons.to_pylist() == [low, None, low, None, None, None]
    assert stage.reasons() == {low, rank}
    evidence = stage.settled_evidence(batch, reasons, frozen)
    assert evidence.thresholds.to_pylist() == [0.5, None, 0.3, None, None, None]
    assert evidence.details.to_pylist() == [None, None, "language de", None, None, None]
    more: list[Mapping[str, Any]] = [*rows, {"score": 0.45, "language": "fr"}, *({"score": 0.99} for _ in range(5))]
    batch, frozen, reasons = settled(stage, more)
    assert reasons.to_pylist()[4:7] == [rank, None, low]
    evidence = stage.settled_evidence(batch, reasons, frozen)
    assert (evidence.values[4].as_py(), evidence.thresholds[4].as_py()) == (6 / 12, 0.5)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"keep_top": 0.5}, {"low_rank"}),
        ({"min_score": 0.5}, {"low_score"}),
        ({"by_source": {"books": {"keep_top": 0.5}}}, {"low_rank"}),
        ({"min_score": 0.1, "by_language": {"de": {"keep_top": 0.5}}}, {"low_score", "low_rank"}),
    ],
)
def test_it_knows_its_reasons(options: dict[str, Any], expected: set[str]) -> None:
    assert QualityClassifier.model_validate(ONE | options).reasons() == {f"quality_classifier.{e}" for e in expected}


def test_a_low_rank_alone_has_its_value_and_its_threshold() -> None:
    stage = QualityClassifier.model_validate(ONE | {"keep_top": 0.5})
    batch, frozen, reasons = settled(stage, [{"score": 0.1}, {"score": 0.2}, {"score": 0.3}])
    assert reasons.to_pylist() == ["quality_classifier.low_rank", None, None]
    evidence = stage.settled_evidence(batch, reasons, frozen)
    assert (evidence.values[0].as_py(), evidence.thresholds[0].as_py()) == (1 / 3, 0.5)


def test_a_group_that_the_survey_has_not_seen_is_ranked_in_the_whole_corpus() -> None:
    stage = QualityClassifier.model_validate(ONE | {"keep_top": 0.5, "rank_within": "language"})
    rows: list[Mapping[str, Any]] = [{"score": n / 10, "language": "en" if n < 5 else "de"} for n in range(10)]
    _, frozen, _ = settled(stage, rows)
    new = measured([{"score": 0.4, "language": "en"}, {"score": 0.4, "language": "pl"}])
    ranks = stage.annotate_settled(new, frozen)["quality_classifier.rank"].to_pylist()
    assert ranks == [1.0, 0.5]
    nothing = stage.settle(stage.survey(measured([{"score": 0.1}]).slice(0, 0)))
    with pytest.raises(InputError, match="the survey saw no document"):
        stage.annotate_settled(new, nothing)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "nothing to drop by"),
        ({"action": "tag", "min_score": 0.5}, "action: tag drops nothing"),
        ({"min_score": 0.5, "classifiers": [{"path": "a"}, {"path": "b"}]}, "give each a `name` of its own"),
        ({"min_score": 0.5, "classifiers": [{"path": "a", "name": "rank"}]}, "name the model otherwise"),
        ({"keep_top": 0}, "greater than 0"),
        ({"min_score": 0.5, "classifiers": []}, "at least 1 item"),
    ],
)
def test_options_that_do_not_go_together_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        QualityClassifier.model_validate(ONE | options)


def test_model_card_and_label_must_fit(model: str, tmp_path: Path) -> None:
    stage = QualityClassifier(classifiers=[{"path": model}], min_score=0.5)
    with pytest.raises(ModelError, match=r"was trained on view 'form'.*write view: form"):
        stage.models()
    with pytest.raises(RecipeError, match=r"classifiers\.0\.label: the model has no label 'hq'; it has"):
        QualityClassifier(classifiers=[{"path": model, "view": "form", "label": "hq"}], min_score=0.5).models()
    other = tmp_path / "other.bin"
    other.write_bytes(Path(model).read_bytes())
    unknown = QualityClassifier(classifiers=[{"path": str(other)}], min_score=0.5)
    assert unknown.models()  # without a card it is believed
    (tmp_path / f"other.bin{SUFFIX}").write_text("{}")
    with pytest.raises(ModelError, match="is no model's card"):
        unknown.models()
    model_at(tmp_path / "third.bin", view="words")
    (tmp_path / f"other.bin{SUFFIX}").write_text((tmp_path / f"third.bin{SUFFIX}").read_text())
    with pytest.raises(ModelError, match="is the card of another model"):
        unknown.models()
    with pytest.raises(ModelError, match=r"none\.bin: there is no such file; to train one .*--out \S+none\.bin"):
        QualityClassifier(classifiers=[{"path": str(tmp_path / "none.bin")}], min_score=0.5).models()
    (tmp_path / "text.bin").write_text("no model at all")
    with pytest.raises(ModelError, match="does not begin as such a file does"):
        QualityClassifier(classifiers=[{"path": str(tmp_path / "text.bin")}], min_score=0.5).models()


def recipe_of(**stage: object) -> dict[str, object]:
    return {
        "name": "r",
        "output": "out",
        "sources": [{"name": "web", "uri": "x.jsonl"}],
        "stages": [{"kind": "quality_classifier", **stage}],
    }


def test_a_recipe_pins_every_model(model: str, words_model: str) -> None:
    models = [{"path": model, "view": "form", "name": "f"}, {"path": words_model, "name": "w"}]
    pinned = validate_recipe(recipe_of(classifiers=models, keep_top=0.5)).pinned()
    (stage,) = pinned.stages
    assert isinstance(stage, QualityClassifier)
    assert [each.sha256 for each in stage.classifiers] == list(stage.models().values())
    assert validate_recipe(pinned.model_dump(mode="json")) == pinned
    wrong = [models[0] | {"sha256": "0" * 64}]
    with pytest.raises(ModelError, match=f"expected {'0' * 64}"):
        validate_recipe(recipe_of(classifiers=wrong, keep_top=0.5)).pinned()


def test_groups_that_the_recipe_does_not_have_are_refused(model: str) -> None:
    models = [{"path": model, "view": "form"}]
    with pytest.raises(RecipeError, match="the recipe has no such source; there are web"):
        validate_recipe(recipe_of(classifiers=models, min_score=0.5, by_source={"wb": {"min_score": 0.1}}))
    for options in ({"keep_top": 0.5, "rank_within": "language"}, {"by_language": {"en": {"min_score": 0.5}}}):
        with pytest.raises(RecipeError, match=r"no stage before gives 'language\.label'"):
            validate_recipe(recipe_of(classifiers=models, **options))


def test_columns_do_not_depend_on_the_batch(model: str) -> None:
    stage = QualityClassifier(classifiers=[{"path": model, "view": "form"}], min_score=0.5)
    texts = [*texts_of(PROSE, 7), *texts_of(JUNK, 7), "é。", ""]
    whole = stage.annotate(document_batch(texts, source="s", shard="f"))
    alone = [stage.annotate(document_batch([text], source="s", shard="f")) for text in texts]
    assert [one["quality_classifier.score"][0].as_py() for one in alone] == whole[
        "quality_classifier.score"
    ].to_pylist()
    empty = stage.annotate(document_batch([], source="s", shard="f"))
    assert empty.num_rows == stage.drop_reasons(empty).null_count == 0
    again = stage.annotate(with_column(whole, "quality_classifier.score", pa.array([0.0] * len(texts))))
    assert again.equals(whole)
