"""A recipe says everything that is wrong with it, each by its path, and its fingerprint is its meaning."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.errors import MissingError, ModelError, RecipeError
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
    assert found["output"] == "must be given"
    assert "name" in found
    assert found["sources.0.colums"] == "unknown option; did you mean columns?"
    assert found["stages.0"] == "unknown stage 'langage'; did you mean language?"
    assert found["stages.1.keep"] == "must be given"
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
        ("1: a", 'the key 1 is no text; write "1"'),
    ],
)
def test_what_is_no_recipe_at_all(text: str, message: str) -> None:
    assert message in problems(text)[""]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"name": "a", "name": "b"}', "the key 'name' stands twice"),
        ('{"name": "a", "limits": {"x": 1, "x": 1}}', "the key 'x' stands twice"),
        ('{"max_failed": NaN, "max_failed"}', "NaN is not JSON"),
        ('{"name": "a"', "not JSON"),
        ("name: a\nsources:\n  - &base {uri: a, uri: b}", "the key 'uri' stands twice"),
        ("[a]: b", "is no text"),
        ("name: 2020-13-45", "month must be in 1..12"),
        ("name: !!bool maybe", "not a value"),
        ("name: " + 5000 * "[" + 5000 * "]", "nested too deeply"),
        ('{"name": ' + 200_000 * "[" + 200_000 * "]" + "}", "nested too deeply"),
        ("{name: " + 5000 * "[" + 5000 * "]" + "}", "nested too deeply"),
    ],
)
def test_what_cannot_be_read(text: str, message: str) -> None:
    assert message in problems(text)[""]


def test_json_may_be_indented_with_tabs_and_have_surrogate_pairs() -> None:
    source = {"name": "a", "uri": "in-\U0001f600.jsonl"}
    text = json.dumps({"name": "docs", "output": "o", "sources": [source]}, indent="\t")
    assert "\\ud83d\\ude00" in text
    assert parse_recipe(text).sources[0].uri == "in-\U0001f600.jsonl"


def test_what_begins_as_json_may_still_be_yaml() -> None:
    assert parse_recipe("{name: docs, output: o, sources: [{name: a, uri: x}]}").name == "docs"


def test_merge_keys_give_what_a_mapping_does_not_say_itself() -> None:
    recipe = parse_recipe(
        """
name: docs
output: o
sources:
  - &base {name: a, uri: x, format: text}
  - &other {<<: *base, name: b, uri: y}
  - {<<: *other, name: c}
"""
    )
    assert [(source.name, source.uri, source.format) for source in recipe.sources] == [
        ("a", "x", "text"),
        ("b", "y", "text"),
        ("c", "y", "text"),
    ]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"name": "a", "output": "o", "sources": [{"name": "s", "uri": "\\ud800"}]}', "sources.0.uri"),
        ('{"name": "a", "output": "o", "sources": [{"name": "s", "uri": "u", "\\udfff": 1}]}', "sources.0.\\udfff"),
        ('{name: a, output: "\\ud83d", sources: [{name: s, uri: u}]}', "output"),
    ],
)
def test_half_a_surrogate_pair_is_no_text(text: str, path: str) -> None:
    assert "lone surrogate" in problems(text)[path]


def test_a_recipe_that_holds_itself_is_refused() -> None:
    assert problems("&a {name: x, output: o, sources: [*a]}")


@pytest.mark.parametrize(
    ("stages", "path", "message"),
    [
        ("[{kind: c4}, {kind: c4}]", "stages.1.name", "the name 'c4' is used more than once"),
        ("[{kind: exact_dedup}, {kind: c4}]", "stages.1", "c4 stands behind deduplication"),
        ("[{kind: minhash_dedup}, {kind: exact_dedup}]", "stages.1", "one each of exact_dedup, minhash_dedup"),
        ("[{kind: exact_dedup}, {kind: exact_dedup, name: b}]", "stages.1", "one each of exact_dedup, minhash_dedup"),
        ("[{kind: exact_dedup}, {kind: minhash_dedup, scope: source}]", "stages.1.scope", "outside its source"),
        ("[{kind: exact_dedup, keep: best_quality, quality: c4.words}]", "stages.0.quality", "no stage before"),
        (
            "[{kind: minhash_dedup, keep: best_quality, quality: minhash_dedup.cluster_size}]",
            "stages.0.quality",
            "none",
        ),
        (
            "[{kind: language, keep: [en]}, {kind: exact_dedup, keep: best_quality, quality: language.scroe}]",
            "stages.1.quality",
            "language.score",
        ),
        (
            "[{kind: language, keep: [en]}, {kind: exact_dedup, keep: best_quality, quality: language.label}]",
            "stages.1.quality",
            "is string, expected a number",
        ),
        ("[{kind: language, keep: [1]}]", "stages.0.keep.0", "found 1, expected text"),
        ("[{kind: language, keep: [no]}]", "stages.0.keep.0", "found false, expected text; YAML takes no"),
        ("[{kind: language, keep: en}]", "stages.0.keep", "found 'en', expected a list"),
        ("[{kind: gopher_quality, min_words: 1e3}]", "stages.0.min_words", "found '1e3', expected a whole number"),
        ("[c4]", "stages.0", "found 'c4', expected a mapping"),
        ("{kind: c4}", "stages", "found {'kind': 'c4'}, expected a list"),
    ],
)
def test_stages_that_do_not_go_together(stages: str, path: str, message: str) -> None:
    found = problems(f"{{name: a, output: o, sources: [{{name: s, uri: u}}], stages: {stages}}}")
    assert list(found) == [path]
    assert message in found[path]


@pytest.mark.parametrize(
    "stages",
    [
        "[{kind: exact_dedup, scope: source}, {kind: minhash_dedup}]",
        "[{kind: exact_dedup, scope: source}, {kind: minhash_dedup, scope: source}]",
        "[{kind: language, keep: [en]}, {kind: minhash_dedup, keep: best_quality, quality: language.score}]",
    ],
)
def test_stages_that_do_go_together(stages: str) -> None:
    assert parse_recipe(f"{{name: a, output: o, sources: [{{name: s, uri: u}}], stages: {stages}}}").stages


@pytest.mark.parametrize(
    ("output", "uri", "path"),
    [
        ("", "u", "output"),
        ("http://host/x", "u", "output"),
        ("s3://", "u", "output"),
        ("a%20b", "u", "output"),
        ("o", "", "sources.0.uri"),
        ("o", "http://host/*.jsonl", "sources.0.uri"),
        ("o", "file://host/x", "sources.0.uri"),
    ],
)
def test_addresses_are_checked_with_the_recipe(output: str, uri: str, path: str) -> None:
    assert list(problems(f"{{name: a, output: '{output}', sources: [{{name: s, uri: '{uri}'}}]}}")) == [path]


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        """
name: a
output: ""
seed: -1
sources:
  - {name: s, uri: u}
  - {name: s, uri: "http://host"}
stages:
  - {kind: exact_dedup, keep: best_quality, quality: nothing}
  - {kind: c4}
  - {kind: minhash_dedup, scope: source}
"""
    )
    assert sorted(found) == [
        "output",
        "seed",
        "sources.1.name",
        "sources.1.uri",
        "stages.0.quality",
        "stages.1",
        "stages.2.scope",
    ]


def test_a_wrong_item_is_not_told_as_a_missing_one_too() -> None:
    assert list(problems("{name: a, output: o, sources: [{name: s}]}")) == ["sources.0.uri"]
    assert list(problems("{name: a, output: o, sources: []}")) == ["sources"]


def test_a_label_that_the_model_does_not_have_is_named_by_its_path() -> None:
    recipe = parse_recipe(GOOD, ["stages.language.keep=[english, en, deutsch]"])
    for call in (recipe.fingerprint, recipe.pinned):
        with pytest.raises(RecipeError) as caught:
            call()
        assert [problem.path for problem in caught.value.problems] == ["stages.0.keep", "stages.0.keep"]


def test_a_pinned_recipe_names_its_models_digests_and_means_the_same() -> None:
    recipe = parse_recipe(GOOD)
    pinned = recipe.pinned()
    (digest,) = recipe.stages[0].models().values()
    assert pinned.stages[0].model_sha256 == digest  # type: ignore[attr-defined]
    assert pinned.stages[1:] == recipe.stages[1:]
    assert pinned.fingerprint() == recipe.fingerprint()
    assert pinned.pinned() == pinned
    with pytest.raises(ModelError):
        parse_recipe(GOOD, [f"stages.language.model_sha256='{64 * '0'}'"]).pinned()


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
        ("sources.²uri=x", "sources.²uri"),
        ("sources.٠.uri=x", "sources.٠"),
        (f"sources.{5000 * '1'}.uri=x", f"sources.{5000 * '1'}"),
        ("name=[a", "name"),
        ("name=a: b: c", "name"),
        ("name=2020-13-45", "name"),
        ("sources.a.uri=[ab]*.jsonl", "sources.a.uri"),
        (f"name={5000 * '['}", "name"),
        ("sources.a.uri=", "sources.0.uri"),
    ],
)
def test_a_setting_that_reaches_nothing_is_an_error(setting: str, path: str) -> None:
    assert path in problems(GOOD, setting)


def test_a_setting_may_begin_with_a_star() -> None:
    assert parse_recipe(GOOD, ["sources.0.uri=*.jsonl"]).sources[0].uri == "*.jsonl"
    assert parse_recipe(GOOD, ["sources.0.uri='*.jsonl'"]).sources[0].uri == "*.jsonl"


def test_a_setting_that_is_no_yaml_says_what_to_do() -> None:
    assert "quote it" in problems(GOOD, "name=[a")["name"]


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
