"""What a version says about a document is the same by the index of ids and by reading everything."""

from __future__ import annotations

from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import CorruptError, MissingError
from curation.pipeline import curate
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import recipe, write_inputs
from tests.texts import essay, write_jsonl


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("explanation")
    write_inputs(folder)
    write_jsonl(folder / "web/d.jsonl", [{"id": "twice", "text": essay(70)}, {"id": "twice", "text": essay(71)}])
    write_jsonl(folder / "other/e.jsonl", [{"id": "twice", "text": essay(72)}, {"id": "w1", "text": essay(73)}])
    made = recipe(folder, folder / "corpus")
    sources = [*made.model_dump()["sources"], {"name": "other", "uri": f"{folder}/other/*.jsonl"}]
    curate(recipe(folder, folder / "corpus", sources=sources), LocalRunner())
    return Corpus(str(folder / "corpus"))


def every_id(corpus: Corpus) -> set[str]:
    return {value for value in corpus.decisions().to_table(columns=["id"])["id"].to_pylist() if value is not None}


def test_the_index_and_a_scan_of_everything_agree(corpus: Corpus) -> None:
    every = corpus.decisions().to_table().to_pylist()
    for document_id in every_id(corpus):
        by_index = corpus.explain(document_id)
        by_scan = [row for row in every if row["id"] == document_id]
        assert sorted(by_index, key=address) == sorted(by_scan, key=address)


def address(row: dict[str, Any]) -> tuple[str, str, int]:
    return row["source"], row["shard"], row["row"]


def test_an_id_that_repeats_has_a_decision_for_each(corpus: Corpus) -> None:
    manifest = corpus.manifest()
    assert len(corpus.decisions_about(manifest, "twice")) == 3
    assert [found.row["source"] for found in corpus.decisions_about(manifest, "twice", "other")] == ["other"]
    assert len(corpus.decisions_about(manifest, "twice", limit=2)) == 2
    with pytest.raises(MissingError, match=r"knows no document 'twice', kept or dropped in source 'notes'"):
        corpus.decisions_about(manifest, "twice", "notes")


def test_a_kept_document_is_found_with_its_text(corpus: Corpus) -> None:
    manifest = corpus.manifest()
    texts = {row["id"]: row["text"] for row in corpus.documents().to_table().to_pylist() if row["id"] != "twice"}
    kept = 0
    for document_id in every_id(corpus) - {"twice"}:
        for found in corpus.decisions_about(manifest, document_id):
            document = corpus.kept_document(manifest, found)
            assert (document is not None) == (found.row["outcome"] == "kept")
            if document is not None and document_id != "w1":
                kept += 1
                assert document["text"] == texts[document_id]
                assert (document["source"], document["shard"]) == (found.row["source"], found.row["shard"])
    assert kept


def test_records_without_an_id_are_not_indexed(corpus: Corpus) -> None:
    decided = corpus.decisions().to_table(columns=["id"])["id"]
    assert decided.null_count
    assert sum(part.rows for part in corpus.manifest().ids) == len(decided) - decided.null_count


def test_the_index_is_verified_and_counts_as_content(corpus: Corpus) -> None:
    manifest = corpus.manifest()
    assert corpus.verify() == sum(
        len(parts) for parts in (manifest.shards, manifest.decisions, manifest.index, manifest.ids)
    )
    assert manifest.model_copy(update={"ids": ()}).digest != manifest.digest


def test_an_index_that_points_nowhere_is_corrupt(corpus: Corpus) -> None:
    manifest = corpus.manifest()
    short = tuple(part.model_copy(update={"rows": 0}) for part in manifest.decisions)
    with pytest.raises(CorruptError, match="its index names row"):
        corpus.decisions_about(manifest.model_copy(update={"decisions": short}), "w2")
    with pytest.raises(CorruptError, match=r"pieces, \d+ files of decisions"):
        corpus.decisions_about(manifest.model_copy(update={"decisions": short[1:]}), "w2")


def test_nobody_is_an_error(corpus: Corpus) -> None:
    with pytest.raises(MissingError, match="knows no document"):
        corpus.decisions_about(corpus.manifest(), "nobody")
