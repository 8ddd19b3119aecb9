"""Which settings can be replayed, and what is said about the others."""

from __future__ import annotations

import pytest

from curation.corpus import Corpus
from curation.errors import CorruptError, MissingError, RecipeError
from curation.manifest import Manifest
from curation.whatif import sweep, what_if
from curation.whatif.alternative import alternative
from curation.whatif.swept import sweep_values
from tests.whatif.made import STAGES, chance_values, decided, publish, recipe_of


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("made")
    recipe = recipe_of(f"{folder}/c")
    corpus = Corpus(recipe.output)
    publish(corpus, recipe, [decided(recipe, "f", chance_values(1, 50, recipe))])
    return corpus


@pytest.fixture(scope="module")
def manifest(corpus: Corpus) -> Manifest:
    return corpus.manifest()


@pytest.mark.parametrize(
    ("setting", "path", "message"),
    [
        ("stages.gofer.min_words=80", "stages.gofer", "no such stage; there are language, gopher_quality"),
        ("stages.gopher_quality.min_wordz=80", "stages.1.min_wordz", "did you mean min_words"),
        ("stages.gopher_quality.min_words=many", "stages.1.min_words", "expected a whole number"),
        ("stages.gopher_quality.words=units", "stages.gopher_quality.words", "cannot be told without the texts"),
        ("stages.gopher_quality.stop_words=[a, b]", "stages.gopher_quality.stop_words", "without the texts"),
        (
            "stages.gopher_quality.by_language.de.stop_words=[der, die]",
            "stages.gopher_quality.by_language.de.",
            "texts",
        ),
        ("stages.fineweb_quality.short_line_length=9", "stages.fineweb_quality.short_line_length", "new_line_ratio"),
        ("stages.language.min_letters=9", "stages.language.min_letters", "keep, min_score can be replayed"),
        ("stages.language.keep=[xx]", "stages.0.keep", "the model knows no language 'xx'"),
        ("stages.exact_dedup.scope=source", "stages.exact_dedup.scope", "compares documents with each other"),
        ("stages.gopher_quality.max_words=" + "9" * 400, "stages.gopher_quality.max_words", "found a number beyond"),
        ("stages.fineweb_quality.line_punct_thr=.nan", "stages.2.line_punct_thr", "less than or equal to 1"),
        ("stages.gopher_quality.name=other", "stages.gopher_quality", "another stage"),
        ("stages.gopher_quality=1", "stages.gopher_quality", "only options of stages"),
        ("seed=1", "seed", "only options of stages"),
        ("stages.gopher_quality.min_words", "stages.gopher_quality.min_words", "path=value"),
    ],
)
def test_what_cannot_be_replayed_is_an_error_that_names_it(
    manifest: Manifest, setting: str, path: str, message: str
) -> None:
    with pytest.raises(RecipeError) as wrong:
        alternative(manifest, [setting])
    assert any(each.path.startswith(path) and message in each.message for each in wrong.value.problems), wrong.value


def test_thresholds_are_told_with_what_they_were(manifest: Manifest) -> None:
    of_web = "stages.gopher_quality.by_source.web.max_words=null"
    wanted = ["stages.1.min_words=80", of_web, "stages.language.keep=[de]"]
    found = {each.path: (each.before, each.after) for each in alternative(manifest, wanted).settings}
    assert found == {
        "stages.language.keep": (["en", "de"], ["de"]),
        "stages.gopher_quality.min_words": (50, 80),
        "stages.gopher_quality.by_source.web.max_words": (None, None),
    }


@pytest.mark.parametrize(
    ("spec", "values"),
    [
        ("p=1:5:2", [1, 3, 5]),
        ("p=5:1:-2", [5, 3, 1]),
        ("p=0.1:0.4:0.1", [0.1, 0.2, 0.3, 0.4]),
        ("p=1:2:0.5", [1.0, 1.5, 2.0]),
        ("p=3,null,3,0.5", [3, None, 0.5]),
    ],
)
def test_the_values_of_a_sweep(spec: str, values: list[float | None]) -> None:
    assert sweep_values(spec) == ("p", values)


BEYOND = ["p=nan:1:1", "p=0:1e99:1e98", "p=1e999999999:1:1", "p=0:1:1e-999999999", "p=.inf", "p=" + "9" * 400]


@pytest.mark.parametrize(
    "spec",
    [
        "p",
        "p=",
        "=1:2:1",
        "p=1:2",
        "p=1:2:0",
        "p=2:1:1",
        "p=a:b:c",
        "p=a,b",
        "p=true",
        "p=1:999:1",
        "p=nan:1:1",
        *BEYOND,
    ],
)
def test_no_values_of_a_sweep(spec: str) -> None:
    with pytest.raises(RecipeError, match="sweep"):
        sweep_values(spec)


def test_what_is_no_value_of_an_option_is_called_as_a_recipe_has_it(corpus: Corpus) -> None:
    with pytest.raises(RecipeError, match="found null, expected a number"):
        sweep(corpus, "stages.language.min_score=0.5,null")
    with pytest.raises(RecipeError, match=r"found \[null, true\], expected a whole number"):
        what_if(corpus, ["stages.gopher_quality.min_words=[null, true]"])


def test_only_numbers_are_swept(corpus: Corpus) -> None:
    with pytest.raises(RecipeError, match=r'it is \["en", "de"\]; only numbers'):
        sweep(corpus, "stages.language.keep=1,2")


def test_versions_and_columns_that_are_not_there(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> None:
    with pytest.raises(MissingError, match="no version 7"):
        what_if(corpus, ["stages.gopher_quality.min_words=80"], 7)
    recipe = recipe_of(f"{tmp_path_factory.mktemp('old')}/c")
    old = Corpus(recipe.output)
    publish(old, recipe, [decided(recipe, "f", chance_values(2, 50, recipe)).drop_columns(["gopher_quality.words"])])
    with pytest.raises(MissingError, match=r"has not recorded gopher_quality\.words, by which gopher_quality decides"):
        what_if(old, ["stages.gopher_quality.min_words=80"])
    assert what_if(old, ["stages.fineweb_quality.char_duplicates_ratio=0.2"]).documents == 50


def test_values_that_do_not_give_the_decisions_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = recipe_of(f"{tmp_path_factory.mktemp('other')}/c")
    lenient = recipe_of(recipe.output, [{"kind": "language", "keep": ["en", "de"], "min_score": 0.2}, *STAGES[1:]])
    wrong = Corpus(recipe.output)
    publish(wrong, recipe, [decided(lenient, "f", chance_values(3, 50, recipe))])
    with pytest.raises(RecipeError, match="another decision than the recorded one"):
        what_if(wrong, ["stages.language.min_score=0.7"])


def test_a_decision_that_the_report_does_not_know_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    recipe = recipe_of(f"{tmp_path_factory.mktemp('strange')}/c")
    strange = Corpus(recipe.output)
    publish(strange, recipe, [decided(recipe, "f", chance_values(4, 50, recipe))])
    version = strange.version()
    report = strange.report()
    cells = tuple(cell.model_copy(update={"language": "xx"}) for cell in report.cells)
    strange.storage.write(
        f"_reports/{version.version}-{version.run}.json",
        report.model_copy(update={"cells": cells}).model_dump_json().encode(),
    )
    with pytest.raises(CorruptError, match="which its report does not know"):
        what_if(strange, ["stages.language.min_score=0.7"])
