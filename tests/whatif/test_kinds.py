"""Every kind of stage that has thresholds is replayed as a run with other ones decides."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import RecipeError
from curation.pipeline import curate
from curation.recipe import Recipe, load_recipe, validate_recipe
from curation.recipe.setting import apply_setting
from curation.runner.local import LocalRunner
from curation.stage import stage_kinds
from curation.whatif import curve, sweep, thresholds, what_if
from tests.quality.models import JUNK, PROSE, model_at, texts_of
from tests.texts import edited, essay, write_jsonl

KEY = "AKIA" + "QX7BZ2MWPL4RTS6V"
ITEM = (
    "Which of the four instruments on the bench measures the pressure of the air above the harbour at noon in winter?"
)
TIGHTER = {
    "c4": ["min_num_sentences=8", "min_num_sentences=3,8"],
    "code": ["max_line_length=360", "max_line_length=300,360,3000"],
    "contamination": ["threshold=0.2", "threshold=0.2,0.9,null"],
    "fineweb_quality": ["new_line_ratio=0.012", "new_line_ratio=0.005,0.012,null"],
    "gopher_quality": ["min_words=90", "min_words=20,90"],
    "gopher_repetition": ["top_2_gram=0.03", "top_2_gram=0.02,0.03,null"],
    "language": ["min_score=0.985", "min_score=0.2,0.985"],
    "line_modifiers": ["max_removed_ratio=0.02", "max_removed_ratio=0.02,0.9,null"],
    "period": ["first=2024-01-20", ""],
    "pii": ["max_counts.email=1", "max_counts.email=0,1,9"],
    "quality_classifier": ["min_score={score}", "min_score=0.1,{score}"],
    "secrets": ["max_count=0", "max_count=0,4"],
    "urls": ["min_soft_words=1", "min_soft_words=1,2"],
}
"""By kind a setting that drops more, and values that have a curve."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents around every threshold, and the files that the stages read."""
    folder = tmp_path_factory.mktemp("kinds")
    model_at(folder / "m.bin")
    (folder / "soft.txt").write_text("harbour\nwinter\n")
    write_jsonl(folder / "registry.jsonl", [{"benchmark": "b", "id": "1", "text": ITEM}])
    texts = [essay(n, 3 + n % 14) for n in range(40)]
    texts += [essay(n).replace("\n", " ") for n in range(40, 50)]
    texts += [f"{essay(n)}\n{' '.join(ITEM.split()[: 6 + n % 14])}." for n in range(50, 70)]
    texts += [essay(n) + "\nHome" * (n % 9) for n in range(70, 90)]
    texts += [f"{essay(n)} Write to a{n}@example.com and b{n}@example.org." for n in range(90, 96)]
    texts += [f"{essay(n)} The key is {KEY}." for n in range(96, 100)]
    texts += [edited(essay(n), seed=n, words=3 * (n % 20)) for n in range(100, 120)]
    texts += [
        f"{essay(n, 4 + n % 8)}\n{junk}" for n, junk in enumerate([*texts_of(JUNK, 12), *texts_of(PROSE, 12)], 120)
    ]
    rows = [
        {
            "id": f"d{n}",
            "text": text,
            "url": f"https://example.org/{'harbour/' * (n % 5 == 0)}{n}",
            "added": f"2024-01-{1 + n % 28:02}T00:00:00Z",
        }
        for n, text in enumerate(texts)
    ]
    write_jsonl(folder / "in/a.jsonl", rows)
    return folder


def recipe_of(folder: Path, output: str, *extra: dict[str, Any], settings: Sequence[str] = ()) -> Recipe:
    stages: list[dict[str, Any]] = [
        {"kind": "urls", "soft_words": f"{folder}/soft.txt"},
        {"kind": "period", "first": "2024-01-02"},
        {"kind": "language", "keep": ["en"], "min_score": 0.3},
        {"kind": "code", "max_avg_line_length": None, "max_line_length": 3000},
        {"kind": "contamination", "registry": f"{folder}/registry.jsonl", "threshold": 0.9},
        {"kind": "gopher_repetition"},
        {"kind": "gopher_quality"},
        {"kind": "c4", "min_num_sentences": 3},
        {"kind": "line_modifiers", "max_removed_ratio": 0.9},
        {"kind": "fineweb_quality", "line_punct_thr": 0.05, "short_line_thr": 0.9},
        {"kind": "pii", "max_counts": {"email": 9}},
        {"kind": "secrets", "max_count": 4},
        {"kind": "tokens"},
        *([copy.deepcopy(each) for each in extra] or [classifier(folder, min_score=0.01)]),
    ]
    data = {"name": "n", "output": f"{folder}/{output}", "stages": stages}
    data["sources"] = [{"name": "web", "uri": f"{folder}/in/*.jsonl"}]
    for setting in settings:
        apply_setting(data, setting)
    return validate_recipe(data)


def classifier(folder: Path, model: str = "m.bin", **options: Any) -> dict[str, Any]:
    return {"kind": "quality_classifier", "classifiers": [{"path": f"{folder}/{model}", "view": "form"}], **options}


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return run(recipe_of(folder, "base"))


@pytest.fixture(scope="module")
def score(corpus: Corpus) -> float:
    """By which the classifier would drop some of what it has seen."""
    (column,) = corpus.decisions().to_table(["quality_classifier.score"]).columns
    scores: list[float] = sorted(column.drop_null().to_pylist())
    return scores[len(scores) // 3] + 1e-6


def run(recipe: Recipe) -> Corpus:
    curate(recipe, LocalRunner())
    return Corpus(recipe.output)


def test_no_kind_is_forgotten() -> None:
    recipes = Path(__file__).parents[2] / "recipes"
    kinds = {stage.kind for path in recipes.glob("*.yaml") for stage in load_recipe(path).stages if stage.thresholds()}
    assert kinds <= TIGHTER.keys() <= stage_kinds().keys()


@pytest.mark.parametrize("kind", TIGHTER)
def test_a_replay_is_a_run(folder: Path, corpus: Corpus, score: float, kind: str) -> None:
    setting = f"stages.{kind}.{TIGHTER[kind][0]}".format(score=score)
    answer = what_if(corpus, [setting])
    report = run(recipe_of(folder, f"tight-{kind}", settings=[setting])).report()
    assert answer.after.low == answer.after.high
    assert answer.after.low.documents == report.documents("kept") < answer.before.documents
    assert answer.after.low.bytes == report.bytes("kept")
    reasons = {cell.reason: cell.documents for cell in report.cells if cell.outcome == "dropped"}
    assert {rule.reason: rule.after for rule in answer.rules if rule.after} == reasons


@pytest.mark.parametrize("kind", [kind for kind in TIGHTER if TIGHTER[kind][1]])
def test_a_curve_is_a_sweep_of_every_kind(corpus: Corpus, score: float, kind: str) -> None:
    spec = f"stages.{kind}.{TIGHTER[kind][1]}".format(score=score)
    found, swept = curve(corpus, spec), sweep(corpus, spec, examples=0)
    assert found.reason
    assert [(point.value, point.after) for point in found.points] == [
        (point.value, point.answer.after) for point in swept.points
    ]
    assert len({point.after.low.documents for point in found.points}) > 1


@pytest.mark.parametrize("path", ["contamination.threshold", "gopher_quality.min_words", "code.max_avg_line_length"])
def test_a_curve_has_values_that_a_recipe_may_have(corpus: Corpus, path: str) -> None:
    points = curve(corpus, f"stages.{path}").points
    assert len(points) > 3
    for point in points:
        what_if(corpus, [f"stages.{path}={json.dumps(point.value)}"], examples=0)


def test_ranks_are_settled_anew(folder: Path, score: float) -> None:
    ranked = classifier(folder, keep_top=0.5, by_language={"en": {"keep_top": 0.6}})
    corpus = run(recipe_of(folder, "ranked", ranked))
    wanted = (
        "stages.quality_classifier.by_language.en.keep_top=0.3",
        "stages.quality_classifier.by_language.en.keep_top=0.9",
        f"stages.quality_classifier.min_score={score}",
        "stages.gopher_quality.min_words=90",
    )
    for number, setting in enumerate(wanted):
        answer = what_if(corpus, [setting])
        report = run(recipe_of(folder, f"ranked-{number}", ranked, settings=[setting])).report()
        assert answer.after.low.documents == answer.after.high.documents == report.documents("kept"), setting
        assert answer.after.low.documents != answer.before.documents
    with pytest.raises(RecipeError, match="quality_classifier decides by a survey"):
        curve(corpus, "stages.gopher_quality.min_words")


def test_a_classifier_that_would_begin_to_rank_is_refused(corpus: Corpus) -> None:
    with pytest.raises(RecipeError, match="by a survey of the corpus where it did not"):
        what_if(corpus, ["stages.quality_classifier.keep_top=0.5"])


def test_a_model_that_is_gone_matters_to_its_own_stage_alone(folder: Path) -> None:
    (folder / "gone.bin").write_bytes((folder / "m.bin").read_bytes())
    gone = classifier(folder, "gone.bin", min_score=0.01)
    corpus = run(recipe_of(folder, "gone", gone))
    (folder / "gone.bin").unlink()
    assert what_if(corpus, ["stages.gopher_quality.min_words=90"]).moves


def test_all_that_can_be_set_is_listed(corpus: Corpus) -> None:
    listed = {each.path: each for each in thresholds(corpus).thresholds}
    assert listed["stages.gopher_quality.min_words"].value == 50
    assert listed["stages.pii.max_counts.email"].is_number
    assert not listed["stages.language.keep"].is_number
    assert not listed["stages.period.last"].is_number
    assert not listed["stages.code.allow_licences"].is_number
    assert {each.stage for each in listed.values()} == set(TIGHTER)
    for path, each in listed.items():
        if each.is_number and each.value is not None:
            assert what_if(corpus, [f"{path}={each.value}"]).moves == ()
