"""Refreshes where names, places and chains of copies meet: each of these once ended wrong, or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import ConflictError, RecipeError, RedoError, StorageError
from curation.pipeline import curate, refresh
from curation.pipeline.reindex import check_index, reindex
from curation.pipeline.takedown import takedown
from curation.tombstones import Criteria, WantedId
from tests.pipeline.test_refresh import RUNNER, check, document, fates, kept, make, night
from tests.texts import edited, essay, write_jsonl

LONGEST: dict[str, Any] = {
    "stages": [{"kind": "exact_dedup", "keep": "longest"}, {"kind": "minhash_dedup", "keep": "longest"}],
    "refresh": {"better_copies": "replace", "vanished": "retire"},
}
Z = edited(essay(1), 1, 2)[:-30]
X = essay(1)
Y = f"{X} and a few words more"


def sources(folder: Path, **patterns: str) -> list[dict[str, Any]]:
    return [{"name": name, "uri": f"{folder}/{pattern}"} for name, pattern in patterns.items()]


def nightly(folder: Path, name: str, text: str) -> Corpus:
    """A night of one more document, of a recipe whose better copies replace the kept ones."""
    night(folder, name, [document(name, text)])
    return unchanged(folder)


def unchanged(folder: Path) -> Corpus:
    """The corpus after a refresh, checked against its own decisions."""
    recipe = make(folder, **LONGEST)
    refresh(recipe, RUNNER)
    corpus = Corpus(recipe.output)
    check(corpus)
    check_index(corpus, RUNNER)
    return corpus


def test_a_replaced_copy_that_comes_back_brings_its_duplicates(tmp_path: Path) -> None:
    nightly(tmp_path, "x", X)
    nightly(tmp_path, "z", Z)
    corpus = nightly(tmp_path, "y", Y)
    assert fates(corpus)["x"] == ("minhash_dedup.replaced", "y")
    assert fates(corpus)["z"] == ("minhash_dedup.duplicate", "x"), "its survivor does not flip"
    (tmp_path / "in/y.jsonl").unlink()
    assert fates(unchanged(tmp_path)) == {"x": ("kept", None), "z": ("minhash_dedup.duplicate", "x")}
    (tmp_path / "in/z.jsonl").unlink()
    assert fates(unchanged(tmp_path)) == {"x": ("kept", None)}


def test_a_chain_of_replaced_copies_is_followed_to_its_end(tmp_path: Path) -> None:
    for name, text in (("x", X), ("z", Z), ("y", Y), ("w", f"{Y} or so")):
        corpus = nightly(tmp_path, name, text)
    assert {name: survivor for name, (_, survivor) in fates(corpus).items()} == {
        "x": "y",
        "z": "x",
        "y": "w",
        "w": None,
    }
    (tmp_path / "in/w.jsonl").unlink()
    assert kept(unchanged(tmp_path)) == {"y"}
    (tmp_path / "in/y.jsonl").unlink()
    assert kept(unchanged(tmp_path)) == {"x"}


@pytest.mark.parametrize("leaving", ["x", "z"])
def test_a_file_leaves_that_holds_a_link_of_a_chain(tmp_path: Path, leaving: str) -> None:
    for name, text in (("x", X), ("z", Z), ("y", Y)):
        nightly(tmp_path, name, text)
    (tmp_path / f"in/{leaving}.jsonl").unlink()
    corpus = unchanged(tmp_path)
    assert kept(corpus) == {"y"}
    assert len(fates(corpus)) == 2


def test_a_source_that_moves_its_files_keeps_what_it_had(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "old/1.jsonl", [document("a", essay(1))])
    refresh(make(tmp_path, sources=sources(tmp_path, web="old/*.jsonl")), RUNNER)
    write_jsonl(tmp_path / "new/1.jsonl", [document("b", essay(2)), document("a2", essay(1), 2)])
    refresh(make(tmp_path, sources=sources(tmp_path, web="new/*.jsonl")), RUNNER)
    corpus = Corpus(str(tmp_path / "corpus"))
    assert fates(corpus) == {"a": ("kept", None), "b": ("kept", None), "a2": ("exact_dedup.duplicate", "a")}
    check(corpus)


def test_a_file_of_two_sources_cannot_be_deduplicated(tmp_path: Path) -> None:
    night(tmp_path, "1", [document("a", essay(1))])
    twice: dict[str, Any] = {"sources": sources(tmp_path, web="in/*.jsonl", all="in/1.jsonl")}
    for step in (curate, refresh):
        with pytest.raises(RecipeError, match=r"sources.all: .*in/1.jsonl is a file of source web, too"):
            step(make(tmp_path, **twice), RUNNER)
    assert refresh(make(tmp_path, stages=[], **twice), RUNNER).report.documents("kept") == 2


def test_a_source_with_another_name_takes_over_what_it_retires(tmp_path: Path) -> None:
    night(tmp_path, "1", [document("a", essay(1)), document("a2", edited(essay(1), 1, 3), 2)])
    refresh(make(tmp_path), RUNNER)
    renamed: dict[str, Any] = {"sources": sources(tmp_path, site="in/*.jsonl")}
    with pytest.raises(RecipeError, match="is a file of source web, too"):
        refresh(make(tmp_path, **renamed), RUNNER)
    refresh(make(tmp_path, refresh={"vanished": "retire"}, **renamed), RUNNER)
    corpus = Corpus(str(tmp_path / "corpus"))
    assert fates(corpus) == {"a": ("kept", None), "a2": ("minhash_dedup.duplicate", "a")}
    check(corpus)
    check_index(corpus, RUNNER)


def test_a_source_that_left_the_recipe_is_no_other_recipe(tmp_path: Path) -> None:
    night(tmp_path, "1", [document("a", essay(1)), document("a2", edited(essay(1), 1, 3), 2)])
    write_jsonl(tmp_path / "more/1.jsonl", [document("b", essay(2))])
    both = sources(tmp_path, web="in/*.jsonl", more="more/*.jsonl")
    refresh(make(tmp_path, sources=both), RUNNER)
    refresh(make(tmp_path, sources=both[:1], refresh={"vanished": "retire"}), RUNNER)
    done = takedown(str(tmp_path / "corpus"), Criteria(ids=(WantedId(id="a"),)), RUNNER)
    assert (done.certificate.promoted, done.certificate.stranded) == (1, 0)


def test_a_source_that_comes_back_must_be_read_as_it_was(tmp_path: Path) -> None:
    night(tmp_path, "1", [document("a", essay(1))])
    write_jsonl(tmp_path / "more/1.jsonl", [document("b", essay(2)) | {"body": essay(3)}])
    both = sources(tmp_path, web="in/*.jsonl", more="more/*.jsonl")
    refresh(make(tmp_path, sources=both), RUNNER)
    night(tmp_path, "2", [document("c", essay(4))])
    refresh(make(tmp_path, sources=both[:1]), RUNNER)
    assert kept(Corpus(str(tmp_path / "corpus"))) == {"a", "b", "c"}
    other = [both[0], both[1] | {"columns": {"text": "body"}}]
    with pytest.raises(RedoError, match=r"sources.more: is not what it was when its files were read"):
        refresh(make(tmp_path, sources=other), RUNNER)
    assert not refresh(make(tmp_path, sources=both), RUNNER).published


def test_whoever_publishes_while_the_input_is_listed_is_not_overwritten(tmp_path: Path) -> None:
    night(tmp_path, "1", [document("a", essay(1)), document("b", essay(2))])
    refresh(make(tmp_path), RUNNER)
    night(tmp_path, "2", [document("c", essay(3))])

    class Meanwhile:
        """Takes a document down before anything has been read."""

        def inputs(self, _files: object) -> None:
            takedown(str(tmp_path / "corpus"), Criteria(ids=(WantedId(id="a"),)), RUNNER)

        def publish(self, *_drafts: object) -> None:
            pass

    with pytest.raises(ConflictError, match="somebody else published"):
        refresh(make(tmp_path), RUNNER, guard=Meanwhile())
    assert kept(Corpus(str(tmp_path / "corpus"))) == {"b"}
    refresh(make(tmp_path), RUNNER)
    assert kept(Corpus(str(tmp_path / "corpus"))) == {"b", "c"}


def test_a_copy_leaves_in_the_night_in_which_its_survivor_is_replaced(tmp_path: Path) -> None:
    nightly(tmp_path, "x", X)
    nightly(tmp_path, "z", Z)
    night(tmp_path, "z", [document("y", Y)])
    corpus = unchanged(tmp_path)
    assert fates(corpus) == {"x": ("minhash_dedup.replaced", "y"), "y": ("kept", None)}
    assert corpus.report().clusters == {2: 1}


@pytest.mark.parametrize("damaged", [False, True], ids=["lost", "damaged"])
def test_a_file_of_the_index_that_is_not_what_it_was_is_told_with_the_cure(tmp_path: Path, damaged: bool) -> None:
    night(tmp_path, "1", [document("a", essay(1)), document("b", essay(2))])
    refresh(make(tmp_path), RUNNER)
    night(tmp_path, "2", [document("a2", essay(1)), document("b2", edited(essay(2), 1, 3))])
    (sketch,) = (tmp_path / "corpus/_index").rglob("bands-*.sketch")
    if damaged:
        sketch.write_bytes(sketch.read_bytes()[:-1])
    else:
        sketch.unlink()
    with pytest.raises(StorageError, match=r"bands-.*`curation index CORPUS --rebuild` makes it anew"):
        refresh(make(tmp_path), RUNNER)
    corpus = Corpus(str(tmp_path / "corpus"))
    reindex(corpus, RUNNER, "rebuild")
    refresh(make(tmp_path), RUNNER)
    assert kept(corpus) == {"a", "b"}
    check_index(corpus, RUNNER)
