"""Thresholds and stop words that differ by language and by source."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.document import document_batch
from curation.errors import ModelError, RecipeError
from curation.recipe import Recipe, parse_recipe
from curation.rules import C4, FineWebQuality, GopherQuality, GopherRepetition
from curation.stage import RuleStage

FRENCH = "le chat et la souris vont dans un bois qui est loin de chez eux pour y voir un ami "


def batch(texts: Sequence[str], languages: Sequence[str | None], sources: Sequence[str] = ()) -> pa.RecordBatch:
    """Documents with the column of a language stage; their source is `web` unless given."""
    found = document_batch(texts, source="web", shard="f").append_column(
        "language.label", pa.array(languages, pa.string())
    )
    if sources:
        position = found.schema.get_field_index("source")
        found = found.set_column(position, found.schema.field(position), pa.array(sources, pa.string()))
    return found


def judged(stage: RuleStage, documents: pa.RecordBatch) -> list[tuple[str | None, float | None, str | None]]:
    """The reason, threshold and detail of each document."""
    annotated = stage.annotate(documents)
    reasons = stage.drop_reasons(annotated)
    evidence = stage.evidence(annotated, reasons)
    columns = (reasons.to_pylist(), evidence.thresholds.to_pylist(), evidence.details.to_pylist())
    return list(zip(*columns, strict=True))


def test_each_document_is_judged_by_its_language_and_source() -> None:
    stage = GopherQuality(
        min_words=50,
        min_stop_words=None,
        by_language={"fr": {"min_words": 5}, "de": {"min_words": 30}},
        by_source={"mail": {"min_words": 15}},
    )
    words = "un deux trois quatre cinq six sept huit neuf dix "
    documents = batch([words] * 6, ["fr", "de", "en", None, "fr", "en"], ["web", "web", "web", "web", "mail", "mail"])
    assert judged(stage, documents) == [
        (None, None, None),
        ("gopher_quality.short_doc", 30, "language de"),
        ("gopher_quality.short_doc", 50, None),
        ("gopher_quality.short_doc", 50, None),
        ("gopher_quality.short_doc", 15, "language fr, source mail"),
        ("gopher_quality.short_doc", 15, "source mail"),
    ]


def test_a_rule_may_be_on_for_one_language_only() -> None:
    stage = FineWebQuality(short_line_thr=None, by_language={"fr": {"short_line_thr": 0.5, "line_punct_thr": None}})
    documents = batch(["short\n" * 3 + "x. y"] * 2, ["fr", "de"])
    assert [why for why, _, _ in judged(stage, documents)] == [
        "fineweb_quality.short_line_ratio",
        "fineweb_quality.line_punct_ratio",
    ]
    assert {"fineweb_quality.short_line_ratio", "fineweb_quality.line_punct_ratio"} <= stage.reasons()


def test_stop_words_by_language() -> None:
    stage = GopherQuality(by_language={"fr": {"stop_words": ["le", "et", "dans", "pour"], "min_stop_words": 3}})
    documents = stage.annotate(batch([FRENCH * 4] * 2, ["fr", "en"]))
    assert documents["gopher_quality.stop_words"].to_pylist() == [4, 0]
    assert stage.drop_reasons(documents).to_pylist() == [None, "gopher_quality.too_few_stop_words"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from([FRENCH, FRENCH * 5, "a " * 60, "x\n" * 9, "the be to of and"]),
            st.sampled_from(["fr", "de", None]),
            st.sampled_from(["web", "mail"]),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=40)
def test_it_is_as_if_each_were_judged_by_a_stage_of_its_own(documents: list[tuple[str, str | None, str]]) -> None:
    by_language: dict[str, dict[str, Any]] = {
        "fr": {"min_words": 3, "stop_words": ("le", "la")},
        "de": {"max_words": 60},
    }
    by_source: dict[str, dict[str, Any]] = {"mail": {"min_stop_words": None, "min_words": 11}}
    stage = GopherQuality(by_language=by_language, by_source=by_source)
    annotated = stage.annotate(batch(*map(list, zip(*documents, strict=True))))
    expected = []
    for text, language, source in documents:
        alone = GopherQuality(**{**by_language.get(language or "", {}), **by_source.get(source, {})})
        expected += alone.drop_reasons(alone.annotate(batch([text], [language], [source]))).to_pylist()
    assert stage.drop_reasons(annotated).to_pylist() == expected


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (GopherQuality, {"min_wrds": 3}, "by_language.fr.min_wrds\n.*did you mean min_words"),
        (GopherQuality, {"min_words": "many"}, "by_language.fr.min_words\n.*valid integer"),
        (GopherQuality, {"words": "units"}, "by_language.fr.words\n.*cannot differ"),
        (GopherQuality, {"stop_words": []}, "at least 1 item"),
        (FineWebQuality, {"short_line_length": 20}, "cannot differ"),
        (GopherRepetition, {"stop_words": ["le"]}, "unknown option"),
    ],
)
def test_wrong_options(kind: type[RuleStage], options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        kind(by_language={"fr": options})  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (GopherQuality, {"min_words": -5}, "greater than or equal to 0"),
        (GopherQuality, {"min_alpha_words_ratio": 1.1}, "less than or equal to 1"),
        (GopherQuality, {"max_avg_word_length": float("inf")}, "finite number"),
        (GopherQuality, {"min_words": 200, "max_words": 100}, "words must be at least 200 and at most 100: nothing"),
        (GopherQuality, {"max_words": 40}, "words must be at least 50 and at most 40"),
        (GopherQuality, {"min_stop_words": 3, "stop_words": ["le", "la"]}, "there are 2 stop_words: nothing could be"),
        (GopherRepetition, {"dup_line_frac": 30}, "less than or equal to 1"),
        (FineWebQuality, {"new_line_ratio": -0.1}, "greater than or equal to 0"),
        (C4, {"min_num_sentences": -1}, "greater than or equal to 0"),
    ],
)
def test_thresholds_that_mean_nothing(kind: type[RuleStage], options: dict[str, Any], message: str) -> None:
    for path, found in (("", options), ("language fr|by_language.fr", {"by_language": {"fr": options}})):
        with pytest.raises(ValidationError, match=f"(?s)({path}).*{message}"):
            kind.model_validate({"kind": kind.kinds()[0], **found})


def test_bounds_are_in_the_schema() -> None:
    """Whoever makes a form of it, and what-if, refuse what the rule refuses."""
    described = GopherQuality.model_json_schema()["properties"]["max_bullet_lines_ratio"]["anyOf"][0]
    assert (described["minimum"], described["maximum"]) == (0, 1)


RECIPE = """
name: x
output: /nowhere
sources: [{name: web, uri: "/nowhere/*.jsonl"}]
stages:
  - {kind: language, keep: [fr, de]}
  - {kind: gopher_quality, OPTIONS}
"""


def recipe(options: str) -> Recipe:
    return parse_recipe(RECIPE.replace("OPTIONS", options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("by_language: {en: {min_words: 3}}", r"stages.1.by_language.en: language keeps fr, de only"),
        ("by_source: {mail: {min_words: 3}}", r"stages.1.by_source.mail: .*there are web"),
        ("language_column: lid.label, by_language: {fr: {min_words: 3}}", r"no stage before gives 'lid.label'"),
        ("by_language: {fr: {min_wrds: 3}}", r"stages.1.by_language.fr.min_wrds: unknown option"),
    ],
)
def test_what_would_go_for_nothing_is_refused(options: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe(options)


def test_tables_in_both_formats_say_the_same(tmp_path: Path) -> None:
    yaml, csv = tmp_path / "t.yaml", tmp_path / "t.csv"
    yaml.write_text(
        "gopher_quality:\n  fr: {min_words: 5, stop_words: [le, la], max_words: null}\n  de: {min_words: 7}\n"
    )
    csv.write_text(
        "language,gopher_quality.min_words,gopher_quality.stop_words,gopher_quality.max_words\n"
        "fr,5,le la,null\nde,7,,\n"
    )
    documents = batch(["un deux trois"] * 3, ["fr", "de", "en"])
    found = [judged(GopherQuality(table=str(path)), documents) for path in (yaml, csv)]
    assert found[0] == found[1]
    assert [threshold for _, threshold, _ in found[0]] == [5, 7, 50]


def test_a_table_is_pinned(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("gopher_quality: {fr: {min_words: 5}}")
    options = f"table: {path}, by_language: {{de: {{}}}}"
    stage = recipe(options).pinned().stages[1]
    assert isinstance(stage, GopherQuality)
    assert stage.models() == {str(path): stage.table_sha256}
    before = recipe(options).fingerprint()
    path.write_text("gopher_quality: {fr: {min_words: 55}}")
    assert recipe(options).fingerprint() != before
    with pytest.raises(ModelError, match="its SHA-256 is"):
        GopherQuality(table=str(path), table_sha256="0" * 64).models()


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "gopher_quality: {fr: {min_word: 3, words: fast}}",
            RecipeError,
            r"fr.min_word: .*did you mean.*fr.words: .*cannot",
        ),
        ("gopher_quality: {no: {min_words: 3}}", ModelError, "quote it"),
        ("gopher_quality: {fr: {min_words: 3}, fr: {min_words: 4}}", ModelError, "stands twice"),
        ("c4: {fr: {min_num_sentences: 3}}", RecipeError, "says nothing of gopher_quality; it has c4"),
        ("gopher_quality: {fr: {min_words: 3}}", RecipeError, r"says nothing of de, which would be judged by"),
        ("gopher_quality: {fra_Latn: {min_words: 3}}", RecipeError, r"none of the languages that are kept \(de, fr\)"),
        ("gopher_quality: 3", ModelError, "expected a mapping of languages"),
        ("gopher_quality: {fr: 3}", ModelError, "expected a mapping of options"),
        ("- 3", ModelError, "a table of settings is a mapping"),
        ("\udcff", ModelError, "UTF-8"),
        ("language,min_words\nfr,3", ModelError, "kind.option"),
        ("language,gopher_quality.min_words\nfr,3,4", ModelError, "3 cells, expected 2"),
        ("language,gopher_quality.min_words\nfr,3\nfr,4", ModelError, "'fr' stands twice"),
        ("gopher_quality: {fr: {max_words: 40}}", RecipeError, "gopher_quality.fr: words must be at least 50"),
        (None, ModelError, "there is no such file"),
    ],
)
def test_wrong_tables(tmp_path: Path, text: str | None, error: type[Exception], message: str) -> None:
    path = tmp_path / "t.yaml"
    if text is not None:
        path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(error, match=f"(?s){message}"):
        recipe(f"table: {path}").pinned()


def test_fineweb2s_table_is_good_for_all_rules() -> None:
    stages: list[RuleStage] = [kind(table="fineweb2") for kind in (GopherRepetition, FineWebQuality, GopherQuality)]
    for stage, other in itertools.pairwise(stages):
        assert stage.languages() == other.languages() >= {"fr", "fra_Latn", "ja", "zh"}
    japanese = judged(GopherQuality(table="fineweb2", words="units"), batch(["これは短い。"], ["ja"]))
    assert japanese == [("gopher_quality.short_doc", 50, "language ja")]


def test_a_table_is_built_in_or_a_file() -> None:
    with pytest.raises(ValidationError, match=r"no table 'fineweb3' is built in, only fineweb2; write \./fineweb3"):
        GopherQuality(table="fineweb3")


def test_c4_rewrites_what_its_own_threshold_keeps() -> None:
    stage = C4(by_language={"fr": {"min_num_sentences": 1}})
    documents = stage.annotate(batch(["  One line of text.  "] * 2, ["fr", "en"]))
    assert stage.drop_reasons(documents).to_pylist() == [None, "c4.too_few_sentences"]
    assert documents["text"].to_pylist() == ["One line of text.", "  One line of text.  "]


def test_without_the_column_of_languages() -> None:
    stage = GopherQuality(by_language={"fr": {"min_words": 3}})
    with pytest.raises(ValueError, match=r"language.label: no such column"):
        stage.annotate(document_batch(["x"], source="web", shard="f"))
