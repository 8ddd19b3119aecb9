"""From a recipe to a published version: every document is accounted for, twice is once, and order does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import InputError, RecipeError
from curation.pipeline import Outcome, Progress, curate, filter
from curation.runner.local import LocalRunner
from curation.storage.local import LocalStorage
from tests.pipeline.inputs import recipe, write_inputs
from tests.texts import essay, write_jsonl


@pytest.fixture(scope="module")
def curated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, Outcome, list[Progress]]:
    """One run over the small input, shared by the tests that only look."""
    folder = tmp_path_factory.mktemp("curated")
    write_inputs(folder)
    seen: list[Progress] = []
    outcome = curate(recipe(folder, folder / "corpus"), LocalRunner(), watch=seen.append)
    return Corpus(str(folder / "corpus")), outcome, seen


def fates(corpus: Corpus, number: int | None = None) -> dict[str, str]:
    """Document id → `kept` or its reason."""
    rows = corpus.decisions(number).to_table().to_pylist()
    return {row["id"]: row["reason"] or row["outcome"] for row in rows if row["id"]}


def test_every_record_has_exactly_one_decision(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    corpus, outcome, _ = curated
    rows = corpus.decisions().to_table().to_pylist()
    assert len(rows) == 25 == outcome.report.documents()
    assert len({(row["source"], row["shard"], row["row"]) for row in rows}) == 25
    counts = {name: sum(row["outcome"] == name for row in rows) for name in ("kept", "dropped", "failed")}
    assert counts == {name: outcome.report.documents(name) for name in counts}  # type: ignore[arg-type]
    assert counts["failed"] == 4
    assert corpus.documents().count_rows() == counts["kept"] == corpus.version().documents
    assert outcome.report == corpus.report()


def test_each_document_meets_the_fate_it_deserves(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    corpus, _, _ = curated
    fate = fates(corpus)
    assert {name for name in fate if fate[name] == "kept" and name.startswith("w")} == {f"w{n}" for n in range(8)}
    assert fate["german"] == "language.other"
    assert fate["short"] == "gopher_quality.short_doc"
    assert fate["lines"].startswith("gopher_repetition.")
    assert fate["exact"] == "exact_dedup.duplicate"
    assert fate["near"] == "minhash_dedup.duplicate"
    assert fate["far"] == "kept"
    failures = {row["reason"] for row in corpus.decisions().to_table().to_pylist() if row["outcome"] == "failed"}
    assert all(reason.startswith("jsonl.") for reason in failures)


def test_a_decision_can_be_explained(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    corpus, _, _ = curated
    (short,) = corpus.explain("short")
    assert (short["value"], short["threshold"]) == (short["gopher_quality.words"], 50)
    assert short["language.label"] == "en" == short["language"]
    (near,) = corpus.explain("near")
    assert near["survivor"] == "w2"
    assert 0.7 <= near["similarity"] < 1
    (german,) = corpus.explain("german")
    assert german["detail"] == "de"


def test_every_survivor_is_kept_and_stands_for_its_cluster(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    corpus, outcome, _ = curated
    kept = {row["id"]: row["cluster_size"] for row in corpus.documents().to_table().to_pylist()}
    rows = [row for row in corpus.decisions().to_table().to_pylist() if row["survivor"]]
    assert len(rows) == 4
    assert all(row["survivor"] in kept and row["similarity"] >= 0.7 for row in rows)
    assert sum(size - 1 for size in kept.values()) == len(rows)
    assert outcome.report.clusters == {2: 4}


def test_progress_reaches_the_end_of_every_step(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    _, _, seen = curated
    last = {progress.step: progress for progress in seen}
    assert list(last) == ["filter", "deduplicate", "finish", "index", "publish"]
    assert all(progress.done == progress.total for progress in last.values())
    assert last["filter"].documents == 25


def test_nothing_of_the_work_stays(curated: tuple[Corpus, Outcome, list[Progress]]) -> None:
    corpus, _, _ = curated
    assert corpus.storage.list("_runs/") == []


def test_the_same_again_publishes_nothing(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus")
    first = curate(wanted, LocalRunner())
    again = curate(wanted, LocalRunner())
    assert (first.published, again.published) == (True, False)
    assert (again.version, again.run, again.report) == (first.version, first.run, first.report)
    assert len(Corpus(wanted.output).versions()) == 1


def test_changed_input_makes_a_new_version_and_the_old_one_stays(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus")
    curate(wanted, LocalRunner())
    write_jsonl(tmp_path / "web/d.jsonl", [{"id": "new", "text": essay(77)}])
    outcome = curate(wanted, LocalRunner())
    corpus = Corpus(wanted.output)
    assert outcome.version == 2
    assert set(fates(corpus)) - set(fates(corpus, 1)) == {"new"}
    assert corpus.documents(1).count_rows() + 1 == corpus.documents(2).count_rows()


def test_a_run_id_stands_for_one_recipe_and_input(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus")
    assert curate(wanted, LocalRunner(), "nightly").run == "nightly"
    assert not curate(wanted, LocalRunner(), "nightly").published
    assert curate(wanted, LocalRunner(), "tomorrow").run == "nightly"  # nothing is new under another name either
    strict = recipe(tmp_path, tmp_path / "corpus", max_failed=0.0)
    with pytest.raises(RecipeError, match="run nightly published version 1 from another recipe"):
        curate(strict, LocalRunner(), "nightly")
    with pytest.raises(InputError):
        curate(strict, LocalRunner(), "other")
    with pytest.raises(RecipeError, match="run other was begun with another recipe"):
        curate(recipe(tmp_path, tmp_path / "corpus", max_failed=0.01), LocalRunner(), "other")


@pytest.mark.parametrize("run_id", ["", "..", "a/b", "line\nbreak", "x" * 81])
def test_a_run_id_that_cannot_name_a_folder_is_refused(tmp_path: Path, run_id: str) -> None:
    write_inputs(tmp_path)
    with pytest.raises(RecipeError, match="--run-id"):
        curate(recipe(tmp_path, tmp_path / "corpus"), LocalRunner(), run_id)


def test_a_corpus_among_its_own_sources_is_refused(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(
        tmp_path, tmp_path / "notes/corpus", stages=[], sources=[{"name": "n", "uri": f"{tmp_path}/notes/**"}]
    )
    curate(wanted, LocalRunner())
    with pytest.raises(RecipeError, match="lies among the files of source n"):
        curate(wanted, LocalRunner())


def test_broken_files_count_as_files_not_as_one_record(tmp_path: Path) -> None:
    for n in range(8):
        path = write_jsonl(
            tmp_path / f"in/{n}.jsonl.gz", [{"id": f"{n}-{i}", "text": essay(50 * n + i)} for i in range(30)]
        )
        if n % 4 == 0:
            path.write_bytes(path.read_bytes()[:10])
    sources = [{"name": "in", "uri": f"{tmp_path}/in/*"}]
    with pytest.raises(InputError, match="2 of 182 records are unreadable, 2 of 8 files broken"):
        curate(recipe(tmp_path, tmp_path / "corpus", sources=sources, max_failed=0.2), LocalRunner())
    outcome = curate(recipe(tmp_path, tmp_path / "corpus", sources=sources, max_failed=0.25), LocalRunner())
    assert outcome.report.documents("failed") == 2


def test_work_that_can_never_be_published_is_swept_away(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    with pytest.raises(InputError):
        curate(recipe(tmp_path, tmp_path / "corpus", max_failed=0.0), LocalRunner(), "failed")
    corpus = Corpus(str(tmp_path / "corpus"))
    assert corpus.storage.list("_runs/failed/")
    curate(recipe(tmp_path, tmp_path / "corpus"), LocalRunner())
    assert corpus.storage.list("_runs/") == []


@pytest.mark.parametrize("max_failed", [0.0, 0.5])
def test_records_that_somebody_else_sweeps_away_at_that_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, max_failed: float
) -> None:
    """Of the same run, as it begins, or of another one, as this one sweeps."""
    write_inputs(tmp_path)
    with pytest.raises(InputError):
        curate(recipe(tmp_path, tmp_path / "corpus", max_failed=0.0), LocalRunner(), "left")
    storage, read, swept = Corpus(str(tmp_path / "corpus")).storage, LocalStorage.read, []

    def too_late(self: LocalStorage, key: str, **expected: Any) -> bytes:
        if key == "_runs/left/run.json":
            swept.append(storage.delete_prefix("_runs/left/"))
        return read(self, key, **expected)

    monkeypatch.setattr(LocalStorage, "read", too_late)
    if max_failed:
        assert curate(recipe(tmp_path, tmp_path / "corpus", max_failed=max_failed), LocalRunner()).published
    else:
        with pytest.raises(InputError, match="more than max_failed"):
            curate(recipe(tmp_path, tmp_path / "corpus", max_failed=max_failed), LocalRunner(), "left")
    assert sum(swept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"max_failed": 0.1},
            r"sources.web: 4 of 18 records are unreadable, 0 of 3 files broken; more than max_failed=0.1.*jsonl\.",
        ),
        ({"sources": [{"name": "gone", "uri": "/nowhere/*.jsonl"}]}, "sources.gone: nothing matches /nowhere"),
        ({"stages": [{"kind": "language", "keep": ["sw"]}]}, "of 25 records none is kept"),
    ],
)
def test_a_run_that_cannot_be_trusted_publishes_nothing(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus", **change)
    with pytest.raises(InputError, match=message):
        curate(wanted, LocalRunner())
    assert Corpus(wanted.output).versions() == []


def test_a_recipe_without_stages_keeps_what_can_be_read(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    outcome = curate(recipe(tmp_path, tmp_path / "corpus", stages=[]), LocalRunner())
    assert (outcome.report.documents("kept"), outcome.report.documents("dropped")) == (21, 0)


def test_parts_and_batches_change_no_decision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_inputs(tmp_path)
    curate(recipe(tmp_path, tmp_path / "whole"), LocalRunner())
    monkeypatch.setattr(filter, "PART_BYTES", 3000)
    curate(recipe(tmp_path, tmp_path / "parts", limits={"batch_documents": 2}), LocalRunner())
    whole, parts = (
        sorted(Corpus(str(tmp_path / name)).decisions().to_table().drop(["version", "run"]).to_pylist(), key=str)
        for name in ("whole", "parts")
    )
    assert whole == parts
    assert len(Corpus(str(tmp_path / "parts")).manifest().decisions) > 4


def test_an_empty_file_is_no_document_and_no_failure(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    (tmp_path / "web/z.jsonl").write_bytes(b"")
    outcome = curate(recipe(tmp_path, tmp_path / "corpus"), LocalRunner())
    assert outcome.report.documents() == 25
    assert len(Corpus(str(tmp_path / "corpus")).manifest().inputs) == 11


def test_a_survivor_is_found_even_where_ids_repeat(tmp_path: Path) -> None:
    same = [{"id": "one", "text": essay(1)}, {"id": "one", "text": essay(1) + " "}, {"id": "one", "text": essay(2)}]
    path = write_jsonl(tmp_path / "in.jsonl", same)
    sources = [{"name": "in", "uri": str(path)}]
    curate(recipe(tmp_path, tmp_path / "corpus", sources=sources), LocalRunner())
    rows = {row["row"]: row for row in Corpus(str(tmp_path / "corpus")).explain("one")}
    assert [rows[n]["outcome"] for n in range(3)] == ["kept", "dropped", "kept"]
    assert (rows[1]["survivor"], rows[1]["survivor_shard"], rows[1]["survivor_row"]) == ("one", str(path), 0)
