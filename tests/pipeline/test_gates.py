"""Gates: what they measure, what they compare it with, and that a run which does not pass one waits for a person."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from curation.change import Change
from curation.corpus import Corpus
from curation.errors import ConflictError, HeldError, MissingError, RecipeError
from curation.manifest import Kind
from curation.pipeline import Outcome, curate, refresh
from curation.pipeline.gates import check_gates, measure
from curation.pipeline.held import abandon, held_run, held_runs, publish_held
from curation.recipe import Recipe
from curation.recipe.gates import Gate
from curation.report import Cell, Report
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import SHORT, recipe, write_inputs
from tests.texts import essay, write_jsonl

STAGES = [{"kind": "gopher_quality"}, {"kind": "tokens"}, {"kind": "exact_dedup"}]
JUNK = {"metric": "drop_rate", "of": "gopher_quality", "over": "new", "max": 0.3}
"""Of the small input, 2 of 21 documents are dropped so."""


def cell(outcome: str, documents: int, stage: str = "", why: str = "", **place: str) -> Cell:
    data = {"source": "web", "outcome": outcome, "stage": stage, "documents": documents, "bytes": documents * 10}
    data |= {"tokens": documents * 3} if outcome == "kept" else {}
    return Cell.model_validate({**data, "reason": f"{stage or 'jsonl'}.{why}" if why else "", **place})


def report(*cells: Cell) -> Report:
    return Report(stages=("language", "gopher_quality", "exact_dedup"), cells=cells)


READ = report(
    cell("failed", 10, why="not_json"),
    cell("dropped", 20, "language", "other", language="de"),
    cell("dropped", 9, "gopher_quality", "short_doc"),
    cell("dropped", 6, "gopher_quality", "long_doc"),
    cell("dropped", 15, "exact_dedup", "duplicate"),
    cell("kept", 30, language="en"),
    cell("kept", 10, language="fr", source="notes"),
)
"""100 records: 90 documents, of which 70 come to gopher_quality, 55 to exact_dedup, and 40 are kept."""


@pytest.mark.parametrize(
    ("metric", "of", "expected"),
    [
        ("documents", None, 40),
        ("bytes", None, 400),
        ("tokens", None, 120),
        ("failed_rate", None, 10 / 100),
        ("drop_rate", None, 50 / 90),
        ("drop_rate", "language", 20 / 90),
        ("drop_rate", "gopher_quality", 15 / 70),
        ("drop_rate", "gopher_quality.short_doc", 9 / 70),
        ("drop_rate", "gopher_quality.too_few_stop_words", 0),
        ("drop_rate", "exact_dedup", 15 / 55),
        ("drop_rate", "c4", None),
        ("duplicate_share", None, 15 / 100),
        ("language_share", "fr", 10 / 40),
        ("language_share", "de", 0),
        ("source_share", "notes", 10 / 40),
    ],
)
def test_what_is_measured(metric: str, of: str | None, expected: float | None) -> None:
    gate = Gate.model_validate({"metric": metric, "of": of, "max": 1})
    assert measure(gate, READ, frozenset({"exact_dedup"})) == expected


@pytest.mark.parametrize(
    ("metric", "of"),
    [
        ("failed_rate", None),
        ("drop_rate", None),
        ("drop_rate", "language"),
        ("duplicate_share", None),
        ("language_share", "en"),
        ("source_share", "web"),
    ],
)
def test_a_share_of_nothing_has_no_value(metric: str, of: str | None) -> None:
    gate = Gate.model_validate({"metric": metric, "of": of, "max": 1})
    assert measure(gate, report(), frozenset({"exact_dedup"})) is None


def breaches(
    gate: dict[str, Any],
    version: Report,
    read: Report | None = None,
    *,
    corpus: Corpus | None = None,
    parent: int = 0,
    kind: Kind = "refresh",
) -> list[str]:
    """What `check_gates` says of a version and of what was read for it, without the gate's number."""
    wanted = recipe(Path("/in"), corpus.url if corpus else "/nowhere/corpus", stages=STAGES, gates=[gate])
    change = Change(base=parent, kind=kind, read=version if read is None else read)
    found = check_gates(wanted, corpus or Corpus(wanted.output), parent, version, change)
    assert all(breach.gate == 0 for breach in found)
    return [breach.message.removeprefix("gates.0: ") for breach in found]


@pytest.mark.parametrize(
    ("gate", "expected"),
    [
        ({"metric": "documents", "min": 40, "max": 40}, []),
        ({"metric": "documents", "min": 41}, ["documents over version is 40, below min 41"]),
        ({"metric": "bytes", "max": 399}, ["bytes over version is 400, above max 399"]),
        ({"metric": "failed_rate", "max": 0.1}, []),
        ({"metric": "drop_rate", "max": 0.5}, ["drop_rate over version is 0.555556, above max 0.5"]),
        ({"metric": "tokens", "max_rise": 0, "max_fall": 0}, []),  # of a first version nothing can be said
    ],
)
def test_bounds_on_a_first_version(gate: dict[str, Any], expected: list[str]) -> None:
    assert breaches(gate, READ) == expected


def test_what_was_read_is_measured_apart() -> None:
    junk = report(cell("dropped", 3, "gopher_quality", "short_doc"))
    gate = {"metric": "drop_rate", "of": "gopher_quality", "max": 0.3}
    assert breaches(gate, READ, junk) == []
    (message,) = breaches({**gate, "over": "new"}, READ, junk)
    assert message == "drop_rate of gopher_quality over new is 1, above max 0.3"


def test_a_share_of_nothing_is_a_breach_unless_nothing_was_read() -> None:
    gate = {"metric": "drop_rate", "of": "exact_dedup", "over": "new", "max": 1}
    unread = report(cell("dropped", 3, "gopher_quality", "short_doc"))
    (message,) = breaches(gate, READ, unread)
    assert message == "drop_rate of exact_dedup over new cannot be told: it would be a share of nothing"
    assert breaches(gate, READ, report()) == []
    assert breaches({"metric": "documents", "over": "new", "min": 1}, READ, report()) != []


def test_tokens_that_were_not_counted_are_a_breach() -> None:
    uncounted = report(cell("kept", 3).model_copy(update={"tokens": None}), cell("kept", 4, language="en"))
    (message,) = breaches({"metric": "tokens", "min": 1}, uncounted)
    assert message == "tokens over version cannot be told: not all documents are counted"
    with pytest.raises(RecipeError, match=r"no stage counts tokens: add \{kind: tokens\}"):
        recipe(Path("/in"), "/nowhere/corpus", stages=[], gates=[{"metric": "tokens", "min": 1}])


def test_what_reads_nothing_is_asked_of_the_version_alone() -> None:
    assert breaches({"metric": "documents", "over": "new", "min": 1}, READ, report(), kind="takedown") == []
    assert breaches({"metric": "documents", "min": 41}, READ, report(), kind="takedown") != []


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Versions 1 to 4: a run that keeps 4 documents, then refreshes that read 1, 3 and 8 more, all kept."""
    folder = tmp_path_factory.mktemp("grown")
    sources = [{"name": "web", "uri": f"{folder}/web/*"}]
    wanted = recipe(folder, folder / "corpus", sources=sources, stages=[])
    first = 0
    for night, documents in enumerate((4, 1, 3, 8)):
        rows = [{"id": str(first + n), "text": essay(first + n)} for n in range(documents)]
        write_jsonl(folder / f"web/{night}.jsonl", rows)
        assert refresh(wanted, LocalRunner()).published
        first += documents
    return Corpus(wanted.output)


@pytest.mark.parametrize(
    ("gate", "kept", "parent", "expected"),
    [
        ({"max_fall": 0.5}, 8, 4, []),
        ({"max_fall": 0.5}, 7, 4, ["is 7, below 8: max_fall 0.5 from 16, that of version 4"]),
        ({"max_rise": 0.25}, 20, 4, []),
        ({"max_rise": 0.25}, 21, 4, ["is 21, above 20: max_rise 0.25 from 16, that of version 4"]),
        ({"max_rise": 0.25}, 11, 3, ["is 11, above 10: max_rise 0.25 from 8, that of version 3"]),
        (
            {"max_rise": 1, "against": "median"},  # 4, 5, 8, 16
            14,
            4,
            ["is 14, above 13: max_rise 1 from 6.5, the median of 4 versions from 1 to 4"],
        ),
        (
            {"max_rise": 1, "against": "median", "window": 2},
            25,
            4,
            ["is 25, above 24: max_rise 1 from 12, the median of 2 versions from 3 to 4"],
        ),
        ({"over": "new", "max_rise": 0.25}, 11, 4, ["is 11, above 10: max_rise 0.25 from 8, that of version 4"]),
        (
            {"over": "new", "max_rise": 1, "against": "median"},  # 1, 3, 8: a whole run's 4 says nothing of a refresh
            7,
            4,
            ["is 7, above 6: max_rise 1 from 3, the median of 3 versions from 2 to 4"],
        ),
        ({"over": "new", "max_rise": 0, "max_fall": 0}, 99, 1, []),
    ],
)
def test_relative_bounds(grown: Corpus, gate: dict[str, Any], kept: int, parent: int, expected: Sequence[str]) -> None:
    title = f"documents over {gate.get('over', 'version')}"
    found = breaches({"metric": "documents", **gate}, report(cell("kept", kept)), corpus=grown, parent=parent)
    assert found == [f"{title} {each}" for each in expected]


def test_from_nothing_every_rise_is_too_much(grown: Corpus) -> None:
    gate = {"metric": "failed_rate", "over": "new", "max_rise": 10}
    one = report(cell("kept", 999), cell("failed", 1, why="not_json"))
    assert breaches(gate, one, corpus=grown, parent=4) == [
        "failed_rate over new is 0.001, above 0: max_rise 10 from 0, that of version 4"
    ]
    assert breaches(gate, report(cell("kept", 999)), corpus=grown, parent=4) == []


def test_a_stage_that_no_version_had_yet_passes_relative_bounds(grown: Corpus) -> None:
    gate = {"metric": "drop_rate", "of": "gopher_quality", "max_rise": 0, "against": "median"}
    assert breaches(gate, READ, corpus=grown, parent=4) == []


# ---------------------------------------------------------------------------- runs


def small(folder: Path, *gates: dict[str, Any]) -> Recipe:
    return recipe(folder, folder / "corpus", stages=STAGES, gates=gates)


def hold(wanted: Recipe) -> HeldError:
    with pytest.raises(HeldError) as held:
        curate(wanted, LocalRunner())
    return held.value


def records(folder: Path) -> dict[str, int]:
    """Every file of runs in progress but the drafts, and when it was written."""
    found = (path for path in (folder / "corpus/_runs").rglob("*") if path.name not in {"manifest.json", "change.json"})
    return {str(path): path.stat().st_mtime_ns for path in found if path.is_file()}


def test_a_held_run_is_published_as_it_was_seen_and_says_by_whom(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = small(tmp_path, {**JUNK, "max": 0.01})
    corpus = Corpus(wanted.output)
    error = hold(wanted)
    assert not corpus.versions()
    done = records(tmp_path)
    assert hold(wanted).digest == error.digest
    assert records(tmp_path) == done

    ((manifest, kept, change),) = held_runs(corpus)
    assert (manifest.run, manifest.digest, kept.documents()) == (error.run, error.digest, 25)
    assert [breach.message for breach in change.breaches] == list(error.breaches)
    assert (change.breaches[0].value, change.breaches[0].bound) == (2 / 21, 0.01)

    with pytest.raises(ConflictError, match="not what you have seen"):
        publish_held(corpus, error.run, "ada", "0" * 64)
    assert not corpus.versions()
    assert publish_held(corpus, error.run, "ada", error.digest) == manifest == corpus.manifest()
    published = corpus.change()
    assert published.approved is not None
    assert (published.approved.by, published.breaches) == ("ada", change.breaches)
    assert corpus.verify() > 0
    assert not held_runs(corpus)

    assert publish_held(corpus, error.run, "bob", error.digest) == manifest
    assert corpus.change() == published
    assert not curate(wanted, LocalRunner()).published


def test_changed_gates_judge_anew_what_is_there(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    error = hold(small(tmp_path, {**JUNK, "max": 0.01}))
    done = records(tmp_path)
    again = hold(small(tmp_path, JUNK, {"metric": "documents", "min": 1000}))
    assert (again.run, again.digest) == (error.run, error.digest)
    assert [message.partition(":")[0] for message in again.breaches] == ["gates.1"]
    assert records(tmp_path) == done
    loose = small(tmp_path, JUNK)
    outcome = curate(loose, LocalRunner())
    assert (outcome.published, outcome.run, outcome.change.breaches) == (True, error.run, ())
    assert Corpus(loose.output).manifest().recipe == loose.pinned().model_dump(mode="json")


def test_a_held_run_is_abandoned(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = small(tmp_path, {"metric": "documents", "min": 1000})
    corpus = Corpus(wanted.output)
    error = hold(wanted)
    abandon(corpus, error.run)
    assert not held_runs(corpus)
    for gone in (abandon, held_run):
        with pytest.raises(MissingError, match="nor is any other"):
            gone(corpus, error.run)
    with pytest.raises(RecipeError, match=r"RUN: found '\.\./x'"):
        abandon(corpus, "../x")
    assert hold(wanted).digest == error.digest


def test_a_held_run_of_a_corpus_that_has_moved_on_is_a_conflict(tmp_path: Path) -> None:
    """Its records are swept away with the next version; one that comes back nevertheless is not published."""
    write_inputs(tmp_path)
    wanted = small(tmp_path, {"metric": "documents", "min": 1000})
    corpus = Corpus(wanted.output)
    error = hold(wanted)
    shutil.copytree(tmp_path / "corpus/_runs", tmp_path / "kept")
    write_jsonl(tmp_path / "in.jsonl", [{"id": "new", "text": essay(77)}])
    other = recipe(tmp_path, wanted.output, stages=STAGES, sources=[{"name": "web", "uri": f"{tmp_path}/in.jsonl"}])
    assert curate(other, LocalRunner()).published
    with pytest.raises(MissingError, match="no run"):
        publish_held(corpus, error.run, "ada")
    shutil.copytree(tmp_path / "kept", tmp_path / "corpus/_runs", dirs_exist_ok=True)
    with pytest.raises(ConflictError):
        publish_held(corpus, error.run, "ada")
    assert [version.version for version in corpus.versions()] == [1]


def test_a_night_of_junk_is_held_though_the_whole_looks_well(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    gates = (JUNK, {**JUNK, "over": "version", "max": 0.5})
    wanted = recipe(tmp_path, tmp_path / "corpus", stages=STAGES[:1], gates=gates)
    assert curate(wanted, LocalRunner()).published

    def night(*texts: str) -> Outcome:
        name = f"night-{len(list((tmp_path / 'web').iterdir()))}"
        rows = [{"id": f"{name}-{n}", "text": text} for n, text in enumerate(texts)]
        write_jsonl(tmp_path / f"web/{name}.jsonl", rows)
        return refresh(wanted, LocalRunner())

    assert night(essay(70), essay(71), essay(72), SHORT + " a").published
    with pytest.raises(HeldError) as held:
        night(essay(73), SHORT + " b")
    assert [message.split(": ")[0] for message in held.value.breaches] == ["gates.0"]
    corpus = Corpus(wanted.output)
    assert corpus.version().version == 2
    with pytest.raises(HeldError):
        refresh(wanted, LocalRunner())
    publish_held(corpus, held.value.run, "ada", held.value.digest)
    assert {row["id"] for row in corpus.decisions().to_table().to_pylist()} >= {"w0", "night-4-0", "night-4-1"}
    assert refresh(wanted, LocalRunner()).published is False


# -------------------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    ("gate", "path", "message"),
    [
        ({"metric": "documents"}, "gates.0", "at least one of min, max"),
        ({"metric": "documents", "min": 9, "max": 1}, "gates.0", "nothing passes"),
        ({"metric": "documents", "of": "web", "min": 1}, "gates.0", "goes without `of`"),
        ({"metric": "documents", "max_fall": 1}, "gates.0.max_fall", "less than 1"),
        ({"metric": "drop_rate", "max": float("nan")}, "gates.0.max", "finite"),
        ({"metric": "drop_rate", "max": 30}, "gates.0", "a share from 0 to 1"),
        ({"metric": "drop_rate", "of": "c4", "max": 0.3}, "gates.0.of", "are gopher_quality, tokens, exact_dedup"),
        ({"metric": "drop_rate", "of": "gopher_quality.short", "max": 0.3}, "gates.0.of", "gopher_quality.short_doc"),
        ({"metric": "drop_rate", "of": "exact_dedup.dup", "max": 0.3}, "gates.0.of", "exact_dedup.duplicate"),
        ({"metric": "language_share", "max": 0.3}, "gates.0", "which language"),
        ({"metric": "language_share", "of": "en", "max": 0.3}, "gates.0.of", "there are none"),
        ({"metric": "source_share", "of": "wbe", "max": 0.3}, "gates.0.of", "there are web, notes"),
    ],
)
def test_a_gate_that_would_never_speak_is_refused(gate: dict[str, Any], path: str, message: str) -> None:
    with pytest.raises(RecipeError) as wrong:
        small(Path("/in"), gate)
    (problem,) = wrong.value.problems
    assert problem.path == path
    assert message in problem.message


def test_a_share_of_duplicates_needs_a_stage_that_looks_for_them() -> None:
    gate = {"metric": "duplicate_share", "max": 0.3}
    with pytest.raises(RecipeError, match="add exact_dedup"):
        recipe(Path("/in"), "/out", stages=STAGES[:1], gates=[gate])


def test_every_reason_and_language_of_the_recipe_can_be_named() -> None:
    gates = [
        {"metric": "drop_rate", "of": of, "max": 0.3}
        for of in ("language.other", "gopher_repetition", "c4.curly_bracket", "minhash_dedup.duplicate")
    ]
    gates.append({"metric": "language_share", "of": "en", "min": 0.9})
    assert len(recipe(Path("/in"), "/out", gates=gates).gates) == 5
