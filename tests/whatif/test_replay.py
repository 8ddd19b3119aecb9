"""A replay against a plain account of the same documents, and against runs with the other thresholds."""

from __future__ import annotations

import json
import operator
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.errors import InputError
from curation.language import Language
from curation.pipeline import curate, refresh
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.stage import RowStage, RuleStage
from curation.whatif import WhatIf, sweep, what_if
from curation.whatif.asking import Case
from curation.whatif.decided import Decided, Names
from curation.whatif.replay import Replay
from tests.pipeline.surveyed import SurveyRecipe, stage
from tests.pipeline.test_survey import make, night
from tests.texts import edited, essay, sentences, write_jsonl
from tests.whatif.made import STAGES, chance_values, decided, publish, recipe_of

OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
SETTINGS = st.lists(
    st.sampled_from(
        [
            "stages.language.min_score=0.4",
            "stages.language.min_score=0.8",
            "stages.language.keep=[de]",
            "stages.language.keep=[en, de, fr]",
            "stages.gopher_quality.min_words=20",
            "stages.gopher_quality.min_words=150",
            "stages.gopher_quality.max_avg_word_length=null",
            "stages.gopher_quality.min_alpha_words_ratio=0.6",
            "stages.gopher_quality.by_language.de.min_words=200",
            "stages.gopher_quality.by_source.web.min_stop_words=0",
            "stages.fineweb_quality.char_duplicates_ratio=0.1",
            "stages.fineweb_quality.line_punct_thr=null",
            "stages.fineweb_quality.new_line_ratio=0.05",
        ]
    ),
    max_size=3,
    unique_by=lambda setting: setting.partition("=")[0],
)


@settings(max_examples=25)
@given(st.integers(0, 1 << 30), SETTINGS)
def test_a_replay_is_what_a_plain_account_says(seed: int, wanted: list[str]) -> None:
    recipe = recipe_of("x")
    shards = {f"f{n}": chance_values(seed + n, 60, recipe) for n in range(2)}
    copies = {row: row - 7 for row in range(20, 60, 3)}
    with TemporaryDirectory() as folder:
        recipe = recipe_of(f"{folder}/c")
        corpus = Corpus(recipe.output)
        publish(corpus, recipe, [decided(recipe, uri, values, copies) for uri, values in shards.items()])
        answer = what_if(corpus, wanted, examples=2)
    other = validate_recipe(_set(recipe, wanted))
    expected: Counter[tuple[str, str, str]] = Counter()
    for values in shards.values():
        expected += Counter(account(recipe, other, values, copies))
    assert {(move.before, move.fate, move.after): move.amount.documents for move in answer.moves} == {
        key: count for key, count in expected.items() if key[0] != key[2] or key[1] in ("unknown", "freed")
    }
    _adds_up(answer, sum(expected.values()))


def account(
    recipe: Recipe, other: Recipe, values: Mapping[str, Any], copies: Mapping[int, int]
) -> list[tuple[str, str, str]]:
    """What becomes of each document: the version's reason, its fate, and its reason."""
    rows = [{name: column[row] for name, column in values.items()} for row in range(len(values["bytes"]))]
    old = [[verdict(stage, row) for stage in recipe.row_stages] for row in rows]
    new = [[verdict(stage, row) for stage in other.row_stages] for row in rows]
    first = [next((place for place, reason in enumerate(each) if reason), len(each)) for each in old]
    duplicates = {copy: original for copy, original in copies.items() if first[copy] == first[original] == len(old[0])}
    found = []
    for row in range(len(rows)):
        before = "exact_dedup.duplicate" if row in duplicates else "".join(old[row][first[row] : first[row] + 1])
        reason = next((why for why in new[row][: first[row] + 1] if why), "")
        if reason:
            found.append((before, "dropped", reason))
        elif first[row] < len(old[row]):
            found.append((before, "unknown", ""))
        elif row in duplicates:
            is_freed = any(new[duplicates[row]])
            found.append((before, "freed", "") if is_freed else (before, "dropped", before))
        else:
            found.append((before, "kept", ""))
    return found


def verdict(stage: RowStage, row: Mapping[str, Any]) -> str:
    """The reason for which a stage drops a document, empty for none; the rules as they are written down."""
    if isinstance(stage, Language):
        if row["language.label"] not in stage.keep:
            return "language.other"
        return "" if row["language.score"] > stage.min_score else "language.low_score"
    assert isinstance(stage, RuleStage)
    options = stage.by_language.get(row["language.label"], {}) | stage.by_source.get("web", {})
    judge = stage.model_copy(update={**options, "by_language": {}, "by_source": {}})
    for bound in judge.bounds():
        value = row[stage.column(bound.column)]
        if bound.threshold is not None and OPERATORS[bound.op](value, bound.threshold):
            return stage.column(bound.why)
    return ""


def _set(recipe: Recipe, wanted: Sequence[str]) -> dict[str, Any]:
    data = recipe.model_dump(mode="json")
    for setting in wanted:
        path, _, value = setting.partition("=")
        _, name, *options = path.split(".")
        place = next(stage for stage in data["stages"] if stage["name"] == name)
        for option in options[:-1]:
            place = place.setdefault(option, {})
        place[options[-1]] = yaml.safe_load(value)
    return data


def _adds_up(answer: WhatIf, documents: int) -> None:
    """Groups add up to the whole, and what is at least kept to what is at most."""
    after = answer.after
    assert answer.documents == documents
    assert after.low.documents + answer.unknown.documents + answer.freed.documents == after.high.documents
    assert after.low.bytes + answer.unknown.bytes + answer.freed.bytes == after.high.bytes
    assert after.estimate is None or after.low.documents <= after.estimate.documents <= after.high.documents
    for groups in (answer.sources, answer.languages):
        assert sum(group.before.documents for group in groups) == answer.before.documents
        assert sum(group.after.low.bytes for group in groups) == after.low.bytes
        assert sum(group.after.high.bytes for group in groups) == after.high.bytes
    dropped = sum(rule.after for rule in answer.rules)
    assert dropped + after.high.documents == documents
    for edge in answer.edges:
        sides = [[near.value - near.threshold for near in side] for side in (edge.passing, edge.dropped)]
        for side in sides:
            assert [*map(abs, side)] == sorted(map(abs, side)), "nearest first"


# ----------------------------------------------------------------------------------------------- against runs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts around the thresholds of the rules: short and long ones, with few stop words, repeated lines, copies."""
    folder = tmp_path_factory.mktemp("inputs")
    texts = [essay(n, 2 + n % 14) for n in range(40)]
    texts += ["\n".join(sentences(n, 6)) + "\n" + (n % 9) * "the same line\n" for n in range(100, 120)]
    texts += [edited(essay(n), seed=n, words=n % 120) for n in range(20)]
    texts += [essay(n, 2 + n % 14) for n in range(0, 12, 3)]
    write_jsonl(folder / "in/a.jsonl", [{"id": f"d{n}", "text": text} for n, text in enumerate(texts)])
    return folder


def make_recipe(folder: Path, output: str, *, dedup: bool) -> Recipe:
    stages: list[dict[str, Any]] = [
        {"kind": "language", "keep": ["en"], "min_score": 0.3},
        {"kind": "gopher_quality"},
        {"kind": "c4", "min_num_sentences": 6},
        {"kind": "fineweb_quality", "line_punct_thr": 0.05, "short_line_thr": 0.9},
        {"kind": "tokens"},
    ]
    source = {"name": "web", "uri": f"{folder}/in/*.jsonl"}
    stages += [{"kind": "exact_dedup"}] if dedup else []
    return validate_recipe({"name": "n", "output": f"{folder}/{output}", "sources": [source], "stages": stages})


def run(recipe: Recipe) -> Corpus:
    curate(recipe, LocalRunner())
    return Corpus(recipe.output)


TIGHTER = (
    ["stages.gopher_quality.min_words=90"],
    ["stages.c4.min_num_sentences=8", "stages.gopher_quality.min_stop_words=4"],
    ["stages.language.min_score=0.985"],
    ["stages.fineweb_quality.new_line_ratio=0.012"],
)
ANY = st.fixed_dictionaries(
    {},
    optional={
        "language.min_score": st.sampled_from([0.1, 0.6, 0.98, 0.985, 0.99]),
        "gopher_quality.min_words": st.integers(0, 150),
        "gopher_quality.min_stop_words": st.integers(0, 6),
        "gopher_quality.min_alpha_words_ratio": st.sampled_from([None, 0.6, 0.9]),
        "c4.min_num_sentences": st.integers(0, 9),
        "fineweb_quality.char_duplicates_ratio": st.sampled_from([None, 0.0, 0.02, 0.3]),
        "fineweb_quality.new_line_ratio": st.sampled_from([None, 0.005, 0.012]),
    },
)
"""Settings of several stages, by option below `stages`."""
LOOSER = (
    ["stages.gopher_quality.min_words=20"],
    ["stages.c4.min_num_sentences=1"],
    ["stages.fineweb_quality.char_duplicates_ratio=0.3", "stages.gopher_quality.min_words=120"],
)


@pytest.fixture(scope="module")
def whole(inputs: Path) -> Corpus:
    return run(make_recipe(inputs, "whole", dedup=True))


@pytest.fixture(scope="module")
def plain(inputs: Path) -> Corpus:
    """The same without deduplication."""
    return run(make_recipe(inputs, "plain", dedup=False))


@pytest.mark.parametrize("wanted", TIGHTER, ids=str)
def test_tighter_thresholds_without_deduplication_are_known_exactly(
    inputs: Path, plain: Corpus, wanted: list[str]
) -> None:
    answer = what_if(plain, wanted)
    other = make_recipe(inputs, f"tight-{TIGHTER.index(wanted)}", dedup=False)
    anew = run(validate_recipe(_set(other, wanted)))
    report = anew.report()
    assert answer.after.low == answer.after.high == answer.after.estimate
    assert answer.after.low.documents == report.documents("kept") < answer.before.documents
    assert answer.after.low.bytes == report.bytes("kept")
    assert answer.after.low.tokens == _tokens(anew)
    reasons = {cell.reason: cell.documents for cell in report.cells if cell.outcome == "dropped"}
    assert {rule.reason: rule.after for rule in answer.rules if rule.after} == reasons


@pytest.mark.parametrize("wanted", [*TIGHTER, *LOOSER], ids=str)
def test_what_a_run_keeps_lies_between_the_bounds(inputs: Path, whole: Corpus, wanted: list[str]) -> None:
    answer = what_if(whole, wanted)
    other = make_recipe(inputs, f"other-{[*TIGHTER, *LOOSER].index(wanted)}", dedup=True)
    report = run(validate_recipe(_set(other, wanted))).report()
    assert answer.after.low.documents <= report.documents("kept") <= answer.after.high.documents
    assert answer.moves


@settings(max_examples=12)
@given(wanted=ANY)
def test_any_replay_says_of_every_reason_what_a_run_says(
    inputs: Path, plain: Corpus, wanted: Mapping[str, float | None]
) -> None:
    asked = [f"stages.{option}={json.dumps(value)}" for option, value in wanted.items()]
    answer = what_if(plain, asked, examples=0)
    with TemporaryDirectory() as folder:
        recipe = make_recipe(inputs, "any", dedup=False).model_copy(update={"output": f"{folder}/any"})
        try:
            anew = run(validate_recipe(_set(recipe, asked)))
        except InputError:  # none is kept, so nothing is published
            assert not answer.after.low.documents
            return
        before, after = _reasons(plain), _reasons(anew)
        assert answer.after.low.bytes <= anew.report().bytes("kept")
    told = Counter({(reason, reason): count for reason, count in Counter(before.values()).items()})
    unknown = Counter[str]()
    for move in answer.moves:
        count = move.amount.documents
        told[move.before, move.before] -= count
        if move.fate == "unknown":
            unknown[move.before] += count
        else:
            told[move.before, move.after] += count
    untold = Counter((before[name], after[name]) for name in before)
    untold.subtract(told)
    assert min(untold.values()) >= 0
    assert {reason: sum(count for (old, _), count in untold.items() if old == reason) for reason in unknown} == unknown
    assert untold.total() == unknown.total() == answer.unknown.documents


def _reasons(corpus: Corpus) -> dict[str, str]:
    """Of each document why it was dropped, empty for a kept one."""
    rows = corpus.decisions().to_table(["id", "reason"]).to_pylist()
    return {row["id"]: row["reason"] or "" for row in rows}


def test_a_let_through_document_is_kept_for_sure_where_nothing_comes_behind(plain: Corpus) -> None:
    answer = what_if(plain, ["stages.fineweb_quality.char_duplicates_ratio=0.3"])
    assert answer.unknown.documents == 0
    assert answer.after.low.documents > answer.before.documents
    assert {move.fate for move in answer.moves} == {"kept"}


def test_edges_show_the_nearest_documents_with_their_texts(whole: Corpus) -> None:
    (edge,) = what_if(whole, ["stages.gopher_quality.min_words=90"], examples=2).edges
    assert edge.reason == "gopher_quality.short_doc"
    assert len(edge.passing) == len(edge.dropped) == 2
    assert all(near.value >= near.threshold == 90 for near in edge.passing)
    assert all(near.value < near.threshold for near in edge.dropped)
    for near in (*edge.passing, *edge.dropped):
        (found,) = whole.explain(near.id)
        assert near.value == found["gopher_quality.words"]
        assert near.before == (found["reason"] or "")
        assert bool(near.excerpt)


def test_a_sweep_is_a_what_if_for_each_value(whole: Corpus) -> None:
    swept = sweep(whole, "stages.gopher_quality.min_words=30:120:45", ["stages.language.min_score=0.9"])
    assert [point.value for point in swept.points] == [30, 50, 75, 120]
    assert [point.value for point in swept.points if point.is_current] == [50]
    assert swept.path == "stages.gopher_quality.min_words"
    for point in swept.points:
        wanted = ["stages.language.min_score=0.9", f"{swept.path}={point.value}"]
        assert point.answer == what_if(whole, wanted)


def test_a_sweep_at_the_version_s_own_value_is_at_that_value(tmp_path: Path) -> None:
    recipe = recipe_of(f"{tmp_path}/c")
    corpus = Corpus(recipe.output)
    publish(corpus, recipe, [decided(recipe, "f", chance_values(1, 200, recipe))])
    general, german = ("stages.gopher_quality.min_words", "stages.gopher_quality.by_language.de.min_words")
    for point in sweep(corpus, f"{german}=50,80", [f"{general}=200"]).points:
        assert point.answer == what_if(corpus, [f"{general}=200", f"{german}={point.value}"])
        assert point.is_current == (point.value == 50)


def test_tokens_that_were_not_counted_are_guessed_from_those_that_were(tmp_path: Path) -> None:
    recipe = recipe_of(f"{tmp_path}/c", [*STAGES[:-1], {"kind": "tokens"}])
    corpus = Corpus(recipe.output)
    pieces = [decided(recipe, f"f{n}", chance_values(n, 200, recipe)) for n in range(2)]
    place = pieces[1].schema.get_field_index("tokens.count")
    pieces[1] = pieces[1].set_column(place, pieces[1].schema.field(place), [pa.nulls(200, pa.int64())])
    publish(corpus, recipe, pieces)
    kept = [piece.filter(pc.equal(piece["outcome"], "kept")) for piece in pieces]
    tokens = pc.sum(kept[0]["tokens.count"]).as_py()
    sizes = [pc.sum(piece["bytes"]).as_py() for piece in kept]
    assert what_if(corpus, []).before.tokens == tokens + round(sizes[1] * tokens / sizes[0])


def test_ratios_are_swept_in_decimal_steps_and_null_switches_a_rule_off(whole: Corpus) -> None:
    ratio = "stages.gopher_quality.min_alpha_words_ratio"
    assert [point.value for point in sweep(whole, f"{ratio}=0.7:0.9:0.05").points] == [0.7, 0.75, 0.8, 0.85, 0.9]
    assert [point.value for point in sweep(whole, f"{ratio}=null,0.9").points] == [0.8, 0.9, None]


def test_nothing_moves_where_nothing_is_set_otherwise(whole: Corpus) -> None:
    answer = what_if(whole, ["stages.gopher_quality.min_words=50"])
    report = whole.report()
    assert (answer.moves, answer.settings, answer.edges) == ((), (), ())
    assert answer.after.low == answer.after.high == answer.before
    assert (answer.before.documents, answer.before.bytes) == (report.documents("kept"), report.bytes("kept"))
    assert answer.before.tokens == _tokens(whole)


def test_duplicates_are_freed_where_the_copy_goes_that_took_the_place_of_theirs(tmp_path: Path) -> None:
    text = essay(1)
    nights = {"one": {"first": text, "shorter": " ".join(text.split()[:-3])}, "two": {"longer": text + " " + text[:40]}}
    stages = [{"kind": "gopher_quality"}, {"kind": "minhash_dedup"}]
    source = {"name": "web", "uri": f"{tmp_path}/in/*.jsonl"}
    changes = {"stages": stages, "sources": [source], "refresh": {"better_copies": "replace"}}
    for name, texts in nights.items():
        write_jsonl(tmp_path / f"in/{name}.jsonl", [{"id": key, "text": each} for key, each in texts.items()])
        refresh(validate_recipe({"name": "n", "output": f"{tmp_path}/c", **changes}), LocalRunner())
    corpus = Corpus(f"{tmp_path}/c")
    (longer,) = corpus.explain("longer")
    assert [corpus.explain(name)[0]["survivor"] for name in ("shorter", "first")] == ["first", "longer"]
    answer = what_if(corpus, [f"stages.gopher_quality.max_words={longer['gopher_quality.words'] - 1}"])
    assert (answer.after.low.documents, answer.freed.documents, answer.after.high.documents) == (0, 2, 2)
    assert answer.after.estimate is not None
    assert answer.after.estimate.documents == 1, "one copy goes, so one takes its place"


def test_a_survey_is_settled_anew_from_what_comes_to_it(tmp_path: Path) -> None:
    night(tmp_path, "one", 12)
    stages = [{"kind": "gopher_quality"}, stage(0.5)]
    before = make(tmp_path, stages, "before")
    curate(before, LocalRunner())
    corpus = Corpus(before.output)
    for number, (words, top) in enumerate([(50, 0.25), (50, 0.75), (160, 0.5), (180, 0.4)]):
        changed = [{"kind": "gopher_quality", "min_words": words}, stage(top)]
        after = make(tmp_path, changed, f"after{number}")
        curate(after, LocalRunner())
        assert _replayed(corpus, before, after) == Corpus(after.output).report().documents("kept")


def _replayed(corpus: Corpus, before: SurveyRecipe, after: SurveyRecipe) -> int:
    """How many documents are kept."""
    manifest, report = corpus.manifest(), corpus.report()
    names = Names(report, [before, after])
    replay = Replay(Decided(corpus.storage, manifest, before, names), before, examples=0)
    (done,) = replay.run([Case.of(after, before, manifest)])
    return sum(int(amounts[0]) for place, amounts in done.cells.items() if place[3] == 0)


def _tokens(corpus: Corpus) -> int:
    rows = corpus.decisions().to_table(["outcome", "tokens.count"]).to_pylist()
    return sum(row["tokens.count"] for row in rows if row["outcome"] == "kept")
