"""A curve says at each of its points what a sweep says."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.errors import RecipeError
from curation.pipeline import refresh
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from curation.whatif import Curve, curve, sweep
from curation.whatif.dial import chosen
from tests.texts import essay, write_jsonl
from tests.whatif.made import chance_values, decided, publish, recipe_of

SPECS = (
    "stages.language.min_score=0.2,0.3,0.5,0.51,0.9,1",
    "stages.gopher_quality.min_words=10,50,51,120,299",
    "stages.gopher_quality.max_avg_word_length=3,7.5,10.9,null",
    "stages.gopher_quality.min_alpha_words_ratio=null",
    "stages.gopher_quality.by_language.de.min_words=20,60,null",
    "stages.gopher_quality.by_source.web.min_stop_words=0,2,5",
    "stages.fineweb_quality.char_duplicates_ratio=0,0.01,0.1,null",
    "stages.fineweb_quality.line_punct_thr=0.1,0.5",
)
BESIDE = (
    "stages.language.min_score=0.4",
    "stages.language.keep=[de]",
    "stages.gopher_quality.by_language.de.max_words=350",
    "stages.gopher_quality.min_words=20",
    "stages.gopher_quality.max_words=300",
    "stages.fineweb_quality.char_duplicates_ratio=0.2",
)


@settings(max_examples=25)
@given(st.integers(0, 1 << 30), st.sampled_from(SPECS), st.lists(st.sampled_from(BESIDE), max_size=2, unique=True))
def test_a_curve_is_a_sweep(seed: int, spec: str, beside: list[str]) -> None:
    recipe = recipe_of("x")
    beside = [setting for setting in beside if setting.partition("=")[0] != spec.partition("=")[0]]
    copies = {row: row - 7 for row in range(20, 60, 3)}
    with TemporaryDirectory() as folder:
        recipe = recipe_of(f"{folder}/c")
        corpus = Corpus(recipe.output)
        publish(
            corpus, recipe, [decided(recipe, f"f{n}", chance_values(seed + n, 60, recipe), copies) for n in range(2)]
        )
        _is_swept(corpus, curve(corpus, spec, beside), spec, beside)


def _is_swept(corpus: Corpus, found: Curve, spec: str, beside: list[str]) -> None:
    swept = sweep(corpus, spec, beside, examples=0)
    assert (found.path, found.current, found.before) == (swept.path, swept.current, swept.before)
    assert [point.value for point in found.points] == [point.value for point in swept.points]
    for point, other in zip(found.points, swept.points, strict=True):
        assert (point.is_current, point.after) == (other.is_current, other.answer.after), point.value


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    recipe = recipe_of(f"{tmp_path_factory.mktemp('made')}/c")
    corpus = Corpus(recipe.output)
    publish(corpus, recipe, [decided(recipe, f"f{n}", chance_values(n, 300, recipe)) for n in range(3)])
    return corpus


def test_without_values_it_goes_from_nothing_dropped_to_everything(corpus: Corpus) -> None:
    found = curve(corpus, "stages.1.min_words")
    assert (found.path, found.reason) == ("stages.gopher_quality.min_words", "gopher_quality.short_doc")
    values = [point.value for point in found.points if point.value is not None]
    assert values == sorted(values)
    assert 50 in values
    kept = [point.after.high.documents for point in found.points]
    assert kept == sorted(kept, reverse=True)
    first, last = found.points[0], found.points[-1]
    off = curve(corpus, "stages.gopher_quality.min_words=0").points[0]
    assert first.after == off.after
    assert last.after.high.documents <= 3, "only the longest of each piece can be left"
    assert len(values) > 100


def test_a_threshold_that_decides_on_nothing_has_a_flat_curve(tmp_path: Path) -> None:
    recipe = recipe_of(f"{tmp_path}/c")
    french = chance_values(1, 50, recipe) | {"language.label": ["fr"] * 50}
    publish(Corpus(recipe.output), recipe, [decided(recipe, "f", french)])
    for spec in ("stages.gopher_quality.min_words=1,10,100", "stages.gopher_quality.min_words"):
        found = curve(Corpus(recipe.output), spec)
        assert found.reason == ""
        assert {point.after.high.documents for point in found.points} == {0}


def test_a_chain_of_copies_breaks_where_its_best_one_goes(tmp_path: Path) -> None:
    text = essay(1)
    nights = {"one": {"first": text, "shorter": " ".join(text.split()[:-3])}, "two": {"longer": text + " " + text[:40]}}
    stages = [{"kind": "gopher_quality"}, {"kind": "minhash_dedup"}]
    source = {"name": "web", "uri": f"{tmp_path}/in/*.jsonl"}
    changes = {"stages": stages, "sources": [source], "refresh": {"better_copies": "replace"}}
    for name, texts in nights.items():
        write_jsonl(tmp_path / f"in/{name}.jsonl", [{"id": key, "text": each} for key, each in texts.items()])
        refresh(validate_recipe({"name": "n", "output": f"{tmp_path}/c", **changes}), LocalRunner())
    corpus = Corpus(f"{tmp_path}/c")
    words = {name: corpus.explain(name)[0]["gopher_quality.words"] for name in ("shorter", "first", "longer")}
    spec = f"stages.gopher_quality.max_words={','.join(str(count + n) for count in words.values() for n in (-1, 0))}"
    found = curve(corpus, spec)
    _is_swept(corpus, found, spec, [])
    freed = [point.after.high.documents - point.after.low.documents for point in found.points]
    assert max(freed) == 2


def test_what_has_no_curve_says_so(corpus: Corpus) -> None:
    for spec, message in {
        "stages.language.keep": "only numbers",
        "stages.gopher_quality.words": "only numbers",
        "stages.gopher_quality.min_words=a": "expected numbers",
        "stages.gopher_quality.min_words=0:5000:1": "more than 1,000 values",
        "stages.language.min_score=-1:1:1": "greater than or equal to 0",
        "stages.language.min_score=0.5,null": "found null, expected a number",
        "stages.gopher_quality.min_words=10,10.5,11": "expected a whole number",
        "stages.gopher_quality.top_words": "did you mean",
    }.items():
        with pytest.raises(RecipeError, match=message):
            curve(corpus, spec)
    with pytest.raises(RecipeError, match="both set to a value and swept"):
        curve(corpus, "stages.gopher_quality.min_words", ["stages.1.min_words=20"])


@pytest.mark.parametrize("current", [None, 7.0])
def test_chosen_thresholds_reach_from_end_to_end(current: float | None) -> None:
    values = np.random.default_rng(1).normal(5, 3, 1000)
    found = chosen(values, current)
    assert (found[0], found[-1]) == (values.min(), values.max())
    assert current is None or current in found
    assert chosen(np.zeros(0), current) == ([] if current is None else [current])
    assert all(isinstance(each, int) for each in chosen(np.arange(90.0), None))
