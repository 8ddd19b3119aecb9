"""Stages that decide by a survey: as if one looked at all documents at once, however the work is divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.difference import difference
from curation.errors import CorruptError, InputError, RecipeError, RedoError
from curation.pipeline import Outcome, Progress, curate, filter, refresh, reindex, survey, takedown
from curation.pipeline.restore import restore
from curation.recipe import Recipe
from curation.recipe.validation import validate_recipe
from curation.runner.local import LocalRunner
from curation.runner.ray import RayRunner
from curation.stage import COUNT
from curation.tombstones import Criteria
from tests.moments import Killed, at_moment
from tests.pipeline.surveyed import Longest, SurveyRecipe, longest, stage
from tests.texts import edited, essay, write_jsonl

RUNNER = LocalRunner()
DEDUP = [{"kind": "exact_dedup"}, {"kind": "minhash_dedup"}]
Sizes = Mapping[str, tuple[str, int]]


def make(folder: Path, stages: Sequence[dict[str, Any]], output: str = "corpus", **changes: Any) -> SurveyRecipe:
    """A recipe over the folders `a` and `b` of `folder`."""
    sources = [{"name": name, "uri": f"{folder}/{name}/*.jsonl"} for name in "ab" if (folder / name).is_dir()]
    data = {"name": "surveyed", "output": f"{folder}/{output}", "sources": sources, "stages": stages}
    return SurveyRecipe.model_validate(data | changes)


def night(folder: Path, name: str, count: int, first: int = 0) -> dict[str, tuple[str, int]]:
    """Write a file of each source with so many documents of different sizes; document id → (source, size)."""
    sizes: dict[str, tuple[str, int]] = {}
    for source, more in (("a", 0), ("b", 7)):
        texts = {f"{source}{n}": essay(n + 100 * more, 9 + n + more) for n in range(first, first + count)}
        write_jsonl(folder / f"{source}/{name}.jsonl", [{"id": key, "text": text} for key, text in texts.items()])
        sizes |= {key: (source, len(text)) for key, text in texts.items()}
    return sizes


def kept(corpus: Corpus) -> set[str]:
    return set(corpus.documents().to_table(columns=["id"])["id"].to_pylist())


def fates(corpus: Corpus) -> list[dict[str, Any]]:
    """All decisions, but for which version and run made them."""
    return sorted(corpus.decisions().to_table().drop(["version", "run"]).to_pylist(), key=str)


def corpus_of(wanted: Recipe, **options: Any) -> Corpus:
    curate(wanted, RUNNER, **options)
    return Corpus(wanted.output)


def the_fate(corpus: Corpus, name: str) -> dict[str, Any]:
    (row,) = corpus.explain(name)
    return row


@given(
    st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 12)), max_size=12), min_size=1, max_size=3),
    st.sampled_from([0.1, 0.5, 0.75, 1.0]),
    st.sampled_from([1, 300, 1 << 20]),
    st.integers(1, 5),
)
@settings(max_examples=8)
def test_keeps_what_looking_at_all_documents_keeps(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[list[tuple[str, int]]],
    keep_top: float,
    part_bytes: int,
    batch: int,
) -> None:
    folder, sizes = tmp_path_factory.mktemp("survey"), {"always": ("a", 20)}
    write_jsonl(folder / "a/always.jsonl", [{"id": "always", "text": "x" * 20}])
    for number, documents in enumerate(files):
        for source in "ab":
            named = {f"{number}-{n}": size for n, (of, size) in enumerate(documents) if of == source}
            rows = [{"id": name, "text": "y" * size} for name, size in named.items()]
            write_jsonl(folder / f"{source}/{number}.jsonl", rows)
            sizes |= {name: (source, size) for name, size in named.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter, "PART_BYTES", part_bytes)
        patch.setattr(survey, "_GROUP", 2)
        patch.setattr(survey, "SUM_ROWS", 2)
        corpus = corpus_of(make(folder, [stage(keep_top)], limits={"batch_documents": batch}))
    assert kept(corpus) == longest(sizes, keep_top)
    report = corpus.report()
    assert (report.documents(), report.documents("kept")) == (len(sizes), len(kept(corpus)))
    assert report.documents("dropped") == len(sizes) - len(kept(corpus))
    corpus.verify()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of two sources; nobody changes them."""
    folder = tmp_path_factory.mktemp("surveyed")
    night(folder, "1", 4)
    night(folder, "2", 5, first=10)
    write_jsonl(folder / "a/3.jsonl", [{"id": "copy", "text": essay(13, 22) + " "}, {"id": "tiny", "text": "Oh."}])
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> tuple[Corpus, list[Progress]]:
    seen: list[Progress] = []
    return corpus_of(make(folder, [stage(), *DEDUP], "whole"), watch=seen.append), seen


def test_its_steps_stand_behind_filter_and_before_deduplication(whole: tuple[Corpus, list[Progress]]) -> None:
    corpus, seen = whole
    last = {progress.step: progress for progress in seen}
    assert list(last) == ["filter", "survey", "cut", "deduplicate", "finish", "index", "publish"]
    assert all(progress.done == progress.total for progress in last.values())
    assert [step.stage for step in corpus.report().funnel()] == ["read", "longest", "exact_dedup", "minhash_dedup"]


def test_a_decision_says_the_value_and_the_threshold(whole: tuple[Corpus, list[Progress]]) -> None:
    corpus, _ = whole
    tiny = the_fate(corpus, "tiny")
    assert (tiny["reason"], tiny["value"], tiny["threshold"]) == ("longest.short", 1 / 11, 0.5)
    assert (tiny["longest.size"], tiny["longest.rank"], tiny["bytes"]) == (3, 1 / 11, 3)
    assert the_fate(corpus, "a14")["longest.rank"] == 1
    assert the_fate(corpus, "a13")["survivor"] == "copy"
    (example,) = (each for each in corpus.report().examples if each.id == "tiny")
    assert example.excerpt == "Oh."


def test_engines_workers_and_parts_change_nothing(
    folder: Path, whole: tuple[Corpus, list[Progress]], ray_cluster: str
) -> None:
    corpus, _ = whole
    with RayRunner(2) as runner:
        wanted = make(folder, [stage(), *DEDUP], "ray")
        curate(wanted, runner)
    assert Corpus(wanted.output).manifest().digest == corpus.manifest().digest
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filter, "PART_BYTES", 1000)
        parts = corpus_of(make(folder, [stage(), *DEDUP], "parts", limits={"batch_documents": 2}))
    assert len(parts.manifest().pieces) > len(corpus.manifest().pieces)
    assert parts.manifest().settled == corpus.manifest().settled
    assert fates(parts) == fates(corpus)


def test_goes_on_from_its_records(folder: Path, whole: tuple[Corpus, list[Progress]]) -> None:
    begun: dict[str, int] = {}
    with at_moment() as moments:
        corpus_of(make(folder, [stage()], "counted"), watch=lambda told: begun.setdefault(told.step, moments.count))
    expected = Corpus(f"{folder}/counted").manifest().digest
    for killed in range(begun["survey"] + 1, begun["finish"] + 2, 5):
        wanted = make(folder, [stage()], f"killed-{killed}")
        with at_moment(killed), pytest.raises(Killed):
            curate(wanted, RUNNER)
        before = records(wanted)
        with at_moment() as again:
            assert corpus_of(wanted).manifest().digest == expected
        assert len(before) > 5
        assert again.count < moments.count - len(before)


def records(wanted: Recipe) -> list[str]:
    """The records of the run in progress."""
    return [entry.key for entry in Corpus(wanted.output).storage.list("_runs/") if entry.key.endswith(".json")]


def test_each_of_several_sees_what_those_before_it_left(tmp_path: Path) -> None:
    sizes = night(tmp_path, "1", 9)
    second = stage(0.5, name="second")
    corpus = corpus_of(make(tmp_path, [stage(0.7), second]))
    left = longest(sizes, 0.7)
    assert kept(corpus) == longest({name: sizes[name] for name in left}, 0.5)
    gone = the_fate(corpus, "a0")
    assert (gone["stage"], gone["second.size"], gone["second.rank"]) == ("longest", sizes["a0"][1], None)
    assert {step.stage: step.documents_in for step in corpus.report().funnel()}["second"] == len(left) < 18


def test_the_best_of_several_copies_may_be_told_by_what_is_settled(tmp_path: Path) -> None:
    text = essay(1, 30)
    copies = [{"id": "plain", "text": text}, {"id": "spaced", "text": text.replace(" ", "  ")}]
    write_jsonl(tmp_path / "a/1.jsonl", [*copies, {"id": "other", "text": essay(2, 40)}])
    best = [{"kind": "exact_dedup", "keep": "best_quality", "quality": "longest.rank"}]
    corpus = corpus_of(make(tmp_path, [stage(1.0), *best]))
    assert the_fate(corpus, "plain")["survivor"] == "spaced"
    assert kept(corpus) == {"spaced", "other"}


def test_without_a_share_it_decides_at_once(tmp_path: Path) -> None:
    sizes = night(tmp_path, "1", 6)
    seen: list[Progress] = []
    corpus = corpus_of(make(tmp_path, [stage(None, min_size=700), {"kind": "gopher_quality"}]), watch=seen.append)
    assert kept(corpus) == {name for name, (_, size) in sizes.items() if size >= 700}
    assert [*{progress.step: 1 for progress in seen}] == ["filter", "finish", "publish"]
    assert corpus.manifest().settled == {}


def test_no_other_stage_may_stand_behind_it(tmp_path: Path) -> None:
    night(tmp_path, "1", 1)
    with pytest.raises(ValueError, match=r"gopher_quality stands behind longest, which decides last.*move it before"):
        make(tmp_path, [stage(), {"kind": "gopher_quality"}])


@pytest.mark.parametrize("rows", [[], ["not a document"], [{"id": "no", "text": ""}]])
def test_where_no_document_comes_nothing_is_settled_or_published(tmp_path: Path, rows: list[Any]) -> None:
    write_jsonl(tmp_path / "a/1.jsonl", rows)
    wanted = make(tmp_path, [{"kind": "gopher_quality"}, stage()], max_failed=1)
    with pytest.raises(InputError, match="no document comes as far as longest"):
        curate(wanted, RUNNER)
    assert Corpus(wanted.output).versions() == []


def test_what_it_settles_must_be_plain_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    night(tmp_path, "1", 1)
    monkeypatch.setattr(Longest, "settle", lambda self, counts: {1: counts[COUNT].to_pylist()})
    with pytest.raises(TypeError, match="longest: what it settles is no plain JSON"):
        corpus_of(make(tmp_path, [stage()]))


# --------------------------------------------------------------------------- changes


@pytest.fixture
def nightly(tmp_path: Path) -> tuple[Corpus, Sizes]:
    """A first night, of which the longer half is kept."""
    sizes = night(tmp_path, "1", 8)
    return corpus_of(make(tmp_path, [stage(), *DEDUP])), sizes


def refreshed(folder: Path, keep_top: float = 0.5, **options: Any) -> Outcome:
    return refresh(make(folder, [stage(keep_top), *DEDUP]), RUNNER, **options)


def test_a_refresh_decides_by_what_its_base_has_settled(nightly: tuple[Corpus, Sizes], tmp_path: Path) -> None:
    corpus, sizes = nightly
    before = kept(corpus)
    seen: list[Progress] = []
    night(tmp_path, "2", 6, first=20)  # all longer than any of the first night
    assert refreshed(tmp_path, watch=seen.append).report.documents("kept") == len(before) + 12
    assert corpus.manifest().settled == corpus.manifest(1).settled
    assert before == longest(sizes, 0.5) == kept(corpus) - {f"{s}{n}" for s in "ab" for n in range(20, 26)}
    assert [*{progress.step: 1 for progress in seen}] == ["filter", "cut", "deduplicate", "finish", "index", "publish"]
    found = difference(corpus, 1, 2)
    assert (found.added.total.documents, found.removed.total.documents) == (12, 0)


def test_what_comes_forward_is_decided_by_it_too(
    nightly: tuple[Corpus, Sizes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _ = nightly
    near = {"id": "near", "text": edited(essay(999, 60), 1, 2)}
    write_jsonl(tmp_path / "a/2.jsonl", [{"id": "best", "text": essay(999, 60)}, near])
    refreshed(tmp_path)
    assert the_fate(corpus, "near")["survivor"] == "best"
    monkeypatch.setattr(takedown, "Recipe", SurveyRecipe)
    criteria = Criteria.model_validate({"ids": [{"id": "best"}]})
    assert takedown.takedown(corpus.url, criteria, RUNNER).certificate.promoted == 1
    near_now = the_fate(corpus, "near")
    assert (near_now["outcome"], near_now["longest.rank"]) == ("kept", 1.0)
    monkeypatch.setattr(reindex, "validate_recipe", SurveyRecipe.model_validate)
    reindex.reindex(corpus, RUNNER, "rebuild")
    restore(corpus, 3)
    assert [corpus.manifest(number).settled for number in (2, 3, 4, 5)] == 4 * [corpus.manifest(1).settled]


def test_another_share_needs_a_whole_run(nightly: tuple[Corpus, Sizes], tmp_path: Path) -> None:
    corpus, sizes = nightly
    sizes = {**sizes, **night(tmp_path, "2", 3, first=30)}
    with pytest.raises(RedoError, match=r"keep_top was 0.5, is 0.9.*longest: decides by a survey of the whole corpus"):
        refreshed(tmp_path, 0.9)
    refreshed(tmp_path, 0.9, redo=True)
    assert kept(corpus) == longest(sizes, 0.9)
    assert corpus.manifest().settled != corpus.manifest(1).settled


def test_a_base_that_says_nothing_is_damaged(
    nightly: tuple[Corpus, Sizes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, _ = nightly
    (path,) = (entry.key for entry in corpus.storage.list("_manifests/"))
    manifest = corpus.manifest().model_copy(update={"settled": {}})
    corpus.storage.write(path, manifest.model_dump_json().encode())
    night(tmp_path, "2", 1, first=20)
    with pytest.raises(CorruptError, match=r"version 1.*'longest' has settled"):
        refreshed(tmp_path)


def test_the_recipes_that_users_write_know_no_such_stage() -> None:
    with pytest.raises(RecipeError):
        validate_recipe({"stages": [stage()]})
