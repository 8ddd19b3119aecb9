"""An old version comes back as the newest, in one commit, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.errors import ConflictError, CorruptError, MissingError
from curation.pipeline import curate
from curation.pipeline.restore import restore
from curation.retention import vacuum
from curation.runner.local import LocalRunner
from tests.moments import at_moment
from tests.nights import LATER, check, publish_night
from tests.pipeline.inputs import recipe, write_inputs


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    corpus = Corpus(str(tmp_path / "corpus"))
    for documents in ("ab", "bc", "cd"):
        publish_night(corpus, documents)
    return corpus


def kept(corpus: Corpus) -> list[str]:
    return sorted(corpus.documents().to_table()["id"].to_pylist())


def test_a_restored_version_is_the_old_one(corpus: Corpus) -> None:
    before = corpus.storage.list("source=")
    outcome = restore(corpus, 1)
    assert (outcome.version, outcome.published, outcome.change.kind, outcome.change.base) == (4, True, "restore", 3)
    assert kept(corpus) == ["a", "b"]
    assert corpus.storage.list("source=") == before
    old, new = corpus.manifest(1), corpus.manifest()
    assert (new.kind, new.restored, new.parent, new.run) == ("restore", 1, 3, outcome.run)
    assert (new.digest, new.parts, new.pieces) == (old.digest, old.parts, old.pieces)
    assert corpus.report() == corpus.report(1)
    assert corpus.explain("a")[0]["version"] == 1
    assert check(corpus) == {1, 2, 3, 4}
    assert corpus.storage.list("_runs/") == []


def test_there_is_nothing_to_do_twice(corpus: Corpus) -> None:
    assert not restore(corpus, 3).published
    assert restore(corpus, 1).published
    again = restore(corpus, 1)
    assert (again.published, again.version) == (False, 4)
    assert not restore(corpus, 4).published
    assert corpus.version().version == 4


def test_restoring_what_was_restored(corpus: Corpus) -> None:
    for number, documents in ((1, "ab"), (3, "cd"), (1, "ab"), (5, "cd")):
        assert restore(corpus, number).published
        assert kept(corpus) == list(documents)
    assert check(corpus) == set(range(1, 8))


def test_what_is_not_there_cannot_come_back(corpus: Corpus) -> None:
    with pytest.raises(MissingError, match="no version 9"):
        restore(corpus, 9)
    path = corpus.manifest(1).shards[0].path
    whole = corpus.storage.read(path)
    corpus.storage.write(path, whole[:-1])
    with pytest.raises(CorruptError, match=f"version 1 cannot be restored: {path} has"):
        restore(corpus, 1)
    corpus.storage.delete(path)
    with pytest.raises(MissingError, match=f"version 1 cannot be restored: {path} is not there any more"):
        restore(corpus, 1)
    vacuum(corpus, keep=1, grace_days=0, now=LATER)
    with pytest.raises(MissingError, match="version 1 was vacuumed on"):
        restore(corpus, 1)
    assert corpus.storage.list("_runs/") == []
    assert corpus.version().version == 3


def test_what_was_taken_down_does_not_come_back(corpus: Corpus) -> None:
    publish_night(corpus, "d", tombstones=["taken"])
    with pytest.raises(ConflictError, match="taken down after version 1, and restoring it would bring them back"):
        restore(corpus, 1)
    publish_night(corpus, "de", tombstones=["taken"])
    assert restore(corpus, 4).published
    assert kept(corpus) == ["d"]


def test_of_two_restores_at_once_one_wins(corpus: Corpus, tmp_path: Path) -> None:
    with at_moment() as moments:
        restore(corpus, 1)
    for moment in range(1, moments.count + 1):
        raced = Corpus(str(tmp_path / f"raced-{moment}"))
        for documents in ("ab", "bc", "cd"):
            publish_night(raced, documents)

        def other(raced: Corpus = raced) -> None:
            restore(raced, 2)

        with at_moment(moment, other):
            try:
                restore(raced, 1)
                is_first = True
            except ConflictError:
                is_first = False
        assert len(raced.versions()) == (5 if is_first else 4)
        assert check(raced) == {version.version for version in raced.versions()}
        assert raced.storage.list("_runs/") == []


def test_a_corpus_that_a_recipe_made(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    output = tmp_path / "corpus"
    first = curate(recipe(tmp_path, output), LocalRunner())
    curate(recipe(tmp_path, output, stages=[{"kind": "exact_dedup"}]), LocalRunner())
    corpus = Corpus(str(output))
    outcome = restore(corpus, first.version)
    assert outcome.version == 3
    assert corpus.manifest(3).digest == corpus.manifest(1).digest
    assert corpus.verify(3) == corpus.verify(1)
    assert corpus.explain("german")[0]["stage"] == "language"
    assert not curate(recipe(tmp_path, output), LocalRunner()).published
