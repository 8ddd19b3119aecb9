"""The index of a corpus that a run made: made anew it is the same, and it can be merged and published alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.corpus import Corpus
from curation.dedup.index import segments_of
from curation.errors import CorruptError
from curation.pipeline import curate
from curation.pipeline.reindex import check_index, reindex
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import recipe, write_inputs


def test_the_index_of_a_run_is_what_its_documents_give(tmp_path: Path) -> None:
    write_inputs(tmp_path / "in")
    corpus = Corpus(str(tmp_path / "corpus"))
    runner = LocalRunner()
    outcome = curate(recipe(tmp_path / "in", corpus.url), runner)
    before = corpus.manifest(outcome.version)
    (segment,) = segments_of(before.index)
    assert segment.documents == before.documents
    assert check_index(corpus, runner) == len(before.index)
    assert not reindex(corpus, runner, "compact").published, "one segment is merged already"

    again = reindex(corpus, runner, "rebuild")
    after = corpus.manifest(again.version)
    assert (again.published, after.kind) == (True, "index")
    assert [part.sha256 for part in after.index] == [part.sha256 for part in before.index]
    assert (after.shards, after.decisions) == (before.shards, before.decisions)
    corpus.verify()

    (tmp_path / "corpus" / after.index[0].path).write_bytes(bytes(after.index[0].bytes))
    with pytest.raises(CorruptError, match="rebuild"):
        check_index(corpus, runner)
    reindex(corpus, runner, "rebuild")
    assert check_index(corpus, runner) == len(before.index)
