"""Refresh: what is new is read and nothing else, N nights equal one run, and what was removed is accounted for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.corpus import Corpus
from curation.errors import ConflictError, InputError, RedoError
from curation.pipeline import Outcome, curate, refresh
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from tests.texts import edited, essay, write_jsonl

RUNNER = LocalRunner()
EARLIEST = [{"kind": "exact_dedup", "keep": "earliest"}, {"kind": "minhash_dedup", "keep": "earliest"}]
Document = dict[str, Any]


def document(name: str, text: str, day: int = 1) -> Document:
    return {"id": name, "text": text, "added": f"2026-03-{day:02d}"}


def make(folder: Path, output: str = "corpus", **changes: Any) -> Recipe:
    """A recipe over `folder/in`, that only deduplicates unless told otherwise."""
    data: dict[str, Any] = {
        "name": "nightly",
        "output": str(folder / output),
        "sources": [{"name": "web", "uri": f"{folder}/in/*.jsonl"}],
        "stages": EARLIEST,
    }
    return validate_recipe(data | changes)


def night(folder: Path, name: str, documents: Sequence[Document]) -> None:
    write_jsonl(folder / f"in/{name}.jsonl", documents)


def kept(corpus: Corpus, number: int | None = None) -> set[str]:
    return set(corpus.documents(number).to_table(["id"])["id"].to_pylist())


def fates(corpus: Corpus) -> dict[str, tuple[str, str | None]]:
    """Document id → (outcome or reason, survivor)."""
    rows = corpus.decisions().to_table().to_pylist()
    assert len(rows) == len({(row["shard"], row["row"]) for row in rows}) == corpus.report().documents()
    return {row["id"]: (row["reason"] or row["outcome"], row["survivor"]) for row in rows}


def survivors(corpus: Corpus) -> dict[str, tuple[str | None, float | None]]:
    """Document id → its survivor and how similar they are. Which stage dropped it is not in it: a copy of a document
    that an earlier night dropped as similar is compared by its words, where one run finds it equal to that one (and may
    then name a more similar survivor: docs/dedup.md)."""
    return {row["id"]: (row["survivor"], row["similarity"]) for row in corpus.decisions().to_table().to_pylist()}


def check(corpus: Corpus) -> None:
    """Every file is what the manifest says, and counts agree wherever they stand."""
    corpus.verify()
    manifest, report = corpus.manifest(), corpus.report()
    assert report.documents("kept") == manifest.documents == corpus.documents().count_rows()
    assert sum(piece.records for piece in manifest.pieces) == report.documents()
    named: dict[str, int] = {}
    for _, survivor in fates(corpus).values():
        if survivor in kept(corpus):
            named[survivor] = named.get(survivor, 0) + 1
    sizes: dict[int, int] = {}
    for count in named.values():
        sizes[count + 1] = sizes.get(count + 1, 0) + 1
    assert report.clusters == sizes


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    """A first night: a, b and a near copy of b."""
    night(
        tmp_path, "1", [document("a", essay(1)), document("b", essay(2)), document("b2", edited(essay(2), 1, 3), day=2)]
    )
    assert refresh(make(tmp_path), RUNNER).version == 1
    return Corpus(str(tmp_path / "corpus"))


def test_nothing_new_is_no_version_and_says_what_was_looked_at(corpus: Corpus, tmp_path: Path) -> None:
    outcome = refresh(make(tmp_path), RUNNER)
    assert (outcome.published, outcome.version, outcome.change.looked.unchanged) == (False, 1, 1)
    assert not outcome.change.looked.is_new
    assert len(corpus.versions()) == 1
    assert not curate(make(tmp_path), RUNNER).published


def test_only_what_is_new_is_read_and_the_rest_stays_as_it_lies(corpus: Corpus, tmp_path: Path) -> None:
    before = corpus.manifest()
    night(
        tmp_path,
        "2",
        [document("c", essay(3), 5), document("a2", essay(1).upper(), 5), document("b3", edited(essay(2), 2, 2), 5)],
    )
    outcome = refresh(make(tmp_path), RUNNER)
    after = corpus.manifest()
    assert (outcome.version, outcome.change.read.documents(), outcome.report.documents()) == (2, 3, 6)
    assert set(before.shards) < set(after.shards)
    assert set(before.decisions) < set(after.decisions)
    assert [file.uri.rpartition("/")[2] for file in outcome.change.looked.new] == ["2.jsonl"]
    assert kept(corpus) == {"a", "b", "c"}
    assert fates(corpus)["a2"] == ("exact_dedup.duplicate", "a")
    assert fates(corpus)["b3"] == ("minhash_dedup.duplicate", "b")
    check(corpus)
    whole = curate(make(tmp_path, "whole"), RUNNER)
    assert fates(Corpus(str(tmp_path / "whole"))) == fates(corpus)
    assert whole.report.cells == outcome.report.cells
    assert whole.report.clusters == outcome.report.clusters
    assert kept(corpus, 1) == {"a", "b"}


def test_a_changed_file_replaces_its_documents(corpus: Corpus, tmp_path: Path) -> None:
    night(tmp_path, "2", [document("c", essay(3), 5)])
    refresh(make(tmp_path), RUNNER)
    night(tmp_path, "2", [document("c", essay(4), 5), document("d", essay(5), 5)])
    outcome = refresh(make(tmp_path), RUNNER)
    assert kept(corpus) == {"a", "b", "c", "d"}
    assert {(cell.reason, cell.documents) for cell in outcome.change.removed} == {("refresh.changed", 1)}
    check(corpus)


@pytest.mark.parametrize("vanished", ["keep", "retire"])
def test_a_vanished_file(corpus: Corpus, tmp_path: Path, vanished: str) -> None:
    night(tmp_path, "2", [document("c", essay(3), 5), document("b3", edited(essay(2), 2, 2), 5)])
    refresh(make(tmp_path), RUNNER)
    (tmp_path / "in/1.jsonl").unlink()
    outcome = refresh(make(tmp_path, refresh={"vanished": vanished}), RUNNER)
    assert outcome.published == (vanished == "retire")
    assert len(outcome.change.looked.vanished) == 1
    if vanished == "keep":
        assert kept(corpus) == {"a", "b", "c"}
        return
    assert kept(corpus) == {"b3", "c"}
    assert outcome.change.promoted == 1
    assert {(cell.reason, cell.documents) for cell in outcome.change.removed} == {("refresh.retired", 2)}
    check(corpus)
    night(tmp_path, "3", [document("b4", edited(essay(2), 3, 2), 6)])
    refresh(make(tmp_path, refresh={"vanished": vanished}), RUNNER)
    assert fates(corpus)["b4"] == ("minhash_dedup.duplicate", "b3")
    (tmp_path / "in/2.jsonl").unlink()
    refresh(make(tmp_path, refresh={"vanished": vanished}), RUNNER)
    assert kept(corpus) == {"b4"}
    check(corpus)


def test_duplicates_that_cannot_be_read_again_are_stranded(corpus: Corpus, tmp_path: Path) -> None:
    night(tmp_path, "2", [document("b3", edited(essay(2), 2, 2), 5), document("c", essay(3), 5)])
    refresh(make(tmp_path), RUNNER)
    (tmp_path / "in/2.jsonl").unlink()
    night(tmp_path, "1", [document("a", essay(1))])
    outcome = refresh(make(tmp_path), RUNNER)
    assert (outcome.change.promoted, outcome.change.stranded) == (0, 1)
    assert kept(corpus) == {"a", "c"}
    assert fates(corpus)["b3"] == ("minhash_dedup.duplicate", "b")
    night(tmp_path, "1", [document("a", essay(1)), document("other", essay(7))])
    refresh(make(tmp_path), RUNNER)
    night(tmp_path, "1", [document("a", essay(1))])
    assert refresh(make(tmp_path), RUNNER).change.stranded == 0, "it was taken for a copy of what stood in b's place"
    check(corpus)


def test_promotion_can_be_switched_off(corpus: Corpus, tmp_path: Path) -> None:
    night(tmp_path, "2", [document("b3", edited(essay(2), 2, 2), 5)])
    refresh(make(tmp_path), RUNNER)
    night(tmp_path, "1", [document("a", essay(1))])
    outcome = refresh(make(tmp_path, refresh={"promote": False}), RUNNER)
    assert (outcome.change.promoted, outcome.change.stranded) == (0, 1)
    assert kept(corpus) == {"a"}


@pytest.mark.parametrize("better_copies", ["stay", "replace"])
def test_a_better_copy(corpus: Corpus, tmp_path: Path, better_copies: str) -> None:
    stages = [{"kind": "exact_dedup"}, {"kind": "minhash_dedup"}]
    longest = make(tmp_path, "longest", stages=stages, refresh={"better_copies": better_copies})
    refresh(longest, RUNNER)
    night(tmp_path, "2", [document("b3", essay(2) + " And one word more than that.", 5)])
    refresh(longest, RUNNER)
    found = Corpus(longest.output)
    if better_copies == "stay":
        assert kept(found) == {"a", "b"}
        assert fates(found)["b3"] == ("minhash_dedup.duplicate", "b")
    else:
        assert kept(found) == {"a", "b3"}
        assert fates(found)["b"] == ("minhash_dedup.replaced", "b3")
        assert {(cell.reason, cell.documents) for cell in found.change().removed} == {("minhash_dedup.replaced", 1)}
    check(found)


def test_a_changed_recipe_names_what_must_be_done_again(corpus: Corpus, tmp_path: Path) -> None:
    night(tmp_path, "2", [document("c", essay(3), 5)])
    other = make(tmp_path, stages=[{"kind": "gopher_quality"}, *EARLIEST])
    with pytest.raises(RedoError, match=r"stages.gopher_quality: is new.*1 files, [\d,]+ bytes.*--redo"):
        refresh(other, RUNNER)
    assert len(corpus.versions()) == 1
    assert refresh(other, RUNNER, redo=True).report.stages == ("gopher_quality", "exact_dedup", "minhash_dedup")
    assert kept(corpus) == {"a", "b", "c"}


def test_policies_and_new_sources_need_no_redo(corpus: Corpus, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "more/x.jsonl", [document("x", essay(9), 9)])
    sources = [
        {"name": "web", "uri": f"{tmp_path}/in/*.jsonl"},
        {"name": "more", "uri": f"{tmp_path}/more/*.jsonl"},
    ]
    other = make(
        tmp_path, sources=sources, name="renamed", seed=0, refresh={"promote": False}, retention={"versions": 3}
    )
    outcome = refresh(other, RUNNER)
    assert outcome.change.read.documents() == 1
    assert kept(corpus) == {"a", "b", "x"}
    check(corpus)


def test_a_source_that_is_gone_altogether_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "in/1.jsonl").unlink()
    with pytest.raises(InputError, match="nothing matches"):
        refresh(make(tmp_path, refresh={"vanished": "retire"}), RUNNER)


def test_of_two_refreshes_at_once_one_wins(corpus: Corpus, tmp_path: Path) -> None:
    night(tmp_path, "2", [document("c", essay(3), 5)])

    class Slow(LocalRunner):
        """Another refresh publishes while this one works."""

        def map(self, task: Any, items: Sequence[Any], on_result: Any = None) -> list[Any]:
            if not is_done:
                is_done.append(True)
                refresh(make(tmp_path), RUNNER, run_id="fast")
            return super().map(task, items, on_result)

    is_done: list[bool] = []
    with pytest.raises(ConflictError, match="somebody else published"):
        refresh(make(tmp_path), Slow(), run_id="slow")
    assert [version.run for version in corpus.versions()][1:] == ["fast"]
    check(corpus)


@st.composite
def nights(draw: st.DrawFn) -> list[list[Document]]:
    """A few nights in the order of time, each of files' worth of documents of which many resemble one another."""
    count, day, made = draw(st.integers(2, 4)), 1, []
    for n in range(count):
        documents: list[Document] = []
        for _ in range(draw(st.integers(1, 6))):
            text = essay(draw(st.integers(0, 3)), 8)
            words = draw(st.sampled_from([0, 0, 1, 3, 12]))
            day += draw(st.integers(1, 2)) if day < 27 else 0
            text = edited(text, draw(st.integers(0, 3)), words) if words else text
            documents.append(document(f"n{n}-{len(documents)}", text, day))
        made.append(draw(st.permutations(documents)))
    return made


@settings(max_examples=20, deadline=None)
@given(nights=nights())
def test_nights_equal_one_run_over_the_union(
    tmp_path_factory: pytest.TempPathFactory, nights: list[list[Document]]
) -> None:
    folder = tmp_path_factory.mktemp("nights")
    outcome: Outcome | None = None
    for number, documents in enumerate(nights):
        night(folder, str(number), documents)
        outcome = refresh(make(folder), RUNNER)
        check(Corpus(str(folder / "corpus")))
    assert outcome is not None
    whole = curate(make(folder, "whole"), RUNNER)
    by_night, at_once = (survivors(Corpus(str(folder / name))) for name in ("corpus", "whole"))
    assert by_night.keys() == at_once.keys()
    for name, (survivor, similarity) in at_once.items():
        assert (by_night[name][0] is None) == (survivor is None)
        assert (by_night[name][1] or 0) >= (similarity or 0)
    assert outcome.report.by("source") == whole.report.by("source")
