"""A recipe says everything that is wrong with it, each by its path, and its fingerprint is its meaning."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import MissingError, RecipeError
from curation.recipe import load_recipe, parse_recipe

GOOD = """
name: docs
output: ./corpus
sources:
  - {name: a, uri: "data/*.jsonl.gz"}
stages:
  - {kind: language, keep: [en], min_score: 0.65}
  - {kind: gopher_quality, flavour: fineweb}
  - {kind: minhash_dedup, ngram: 5, bands: 14, rows: 8, min_similarity: 0.7, keep: longest, scope: corpus}
"""


def problems(text: str, *settings: str) -> dict[str, str]:
    """Path → message of everything that is wrong."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, settings)
    return {problem.path: problem.message for problem in caught.value.problems}


def test_the_shape_in_the_documentation_is_read() -> None:
    recipe = parse_recipe(GOOD)
    assert [stage.name for stage in recipe.stages] == ["language", "gopher_quality", "minhash_dedup"]
    assert recipe.minhash is not None
    assert recipe.exact is None
    assert [stage.kind for stage in recipe.row_stages] == ["language", "gopher_quality"]


def test_every_problem_is_named_by_its_path() -> None:
    found = problems(
        """
name: "bad name!"
sources:
  - {name: a, uri: x, colums: {text: body}}
stages:
  - {kind: langage, keep: [en]}
  - {kind: language}
  - {keep: [en]}
  - {kind: gopher_quality, min_wrods: 3}
  - {kind: gopher_quality, min_words: many}
"""
    )
    assert found["output"] == "Field required"
    assert "name" in found
    assert found["sources.0.colums"] == "unknown option; did you mean columns?"
    assert found["stages.0"] == "unknown stage 'langage'; did you mean language?"
    assert found["stages.1.keep"] == "Field required"
    assert found["stages.2"].startswith("a stage needs a `kind`")
    assert found["stages.3.min_wrods"] == "unknown option; did you mean min_words?"
    assert "stages.4.min_words" in found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b", "a recipe is a mapping, found list"),
        ("", "a recipe is a mapping, found NoneType"),
        ("a: [", "not YAML"),
        ("name: a\nname: b", "the key 'name' stands twice"),
        ("1: a", "the key 1 is no text"),
    ],
)
def test_what_is_no_recipe_at_all(text: str, message: str) -> None:
    assert message in problems(text)[""]


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ("[{kind: c4}, {kind: c4}]", "the name 'c4' is used more than once"),
        ("[{kind: exact_dedup}, {kind: c4}]", "c4 stands behind deduplication"),
        ("[{kind: minhash_dedup}, {kind: exact_dedup}]", "at most one exact_dedup, then at most one minhash_dedup"),
    ],
)
def test_stages_that_do_not_go_together(stages: str, message: str) -> None:
    text = f"{{name: a, output: o, sources: [{{name: s, uri: u}}], stages: {stages}}}"
    assert message in problems(text)[""]


def test_one_kind_twice_under_two_names() -> None:
    recipe = parse_recipe(
        GOOD.replace("  - {kind: minhash", "  - {kind: gopher_quality, name: again}\n  - {kind: minhash")
    )
    assert [stage.name for stage in recipe.stages] == ["language", "gopher_quality", "again", "minhash_dedup"]


def test_settings_reach_by_index_name_and_kind() -> None:
    recipe = parse_recipe(
        GOOD,
        ["stages.language.min_score=0.5", "stages.2.bands=20", "sources.a.uri=other.jsonl", "limits.batch_documents=7"],
    )
    assert recipe.row_stages[0].min_score == 0.5  # type: ignore[attr-defined]
    assert recipe.minhash is not None
    assert recipe.minhash.bands == 20
    assert recipe.sources[0].uri == "other.jsonl"
    assert recipe.limits.batch_documents == 7


@pytest.mark.parametrize(
    ("setting", "path"),
    [
        ("nonsense", "nonsense"),
        ("stages.none.x=1", "stages.none"),
        ("name.first=a", "name.first"),
        ("stages.language.min_scroe=0.5", "stages.0.min_scroe"),
        ("stages.9.x=1", "stages.9"),
    ],
)
def test_a_setting_that_reaches_nothing_is_an_error(setting: str, path: str) -> None:
    assert path in problems(GOOD, setting)


def test_the_fingerprint_is_what_determines_the_result() -> None:
    base = parse_recipe(GOOD).fingerprint()
    assert parse_recipe(GOOD, ["name=other", "output=elsewhere"]).fingerprint() == base
    assert parse_recipe(GOOD, ["stages.gopher_quality.min_words=50"]).fingerprint() == base
    for setting in ("seed=1", "stages.gopher_quality.min_words=51", "sources.a.uri=b", "stages.2.keep=newest"):
        assert parse_recipe(GOOD, [setting]).fingerprint() != base


def test_a_recipe_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no such recipe"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError):
        load_recipe(tmp_path / "bytes.yaml")
