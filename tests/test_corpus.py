"""A version is published whole, once, or not at all."""

from __future__ import annotations

import socket
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from curation import corpus as corpus_module
from curation import decision
from curation.change import Change
from curation.corpus import Corpus
from curation.errors import ConflictError, CorruptError, MissingError, StorageError, TransientError
from curation.ids import encode
from curation.manifest import Manifest, Part, Piece, part
from curation.report import Cell, Report

VALUES = pa.schema([("rule.words", pa.float64())])


def write_version(corpus: Corpus, run: str, ids: list[str], parent: int, values: pa.Schema = VALUES) -> Manifest:
    """The files of a version with these documents, and its manifest; nothing is published yet."""
    rows = len(ids)
    documents = decision.fill(
        pa.schema([field for field in corpus_module.SCHEMA if field.name != "source"]),
        rows,
        {
            "id": pa.array(ids),
            "text": pa.array([f"text of {i}" for i in ids]),
            "shard": pa.array(["in.jsonl"] * rows),
            "row": pa.array(range(rows)),
            "cluster_size": pa.array([1] * rows),
        },
    )
    data = decision.parquet(pa.Table.from_batches([documents]), corpus_module.ROW_GROUP)
    kept = part(f"source=web/{'-'.join(ids)}.parquet", data, rows, "web")
    corpus.storage.write(kept.path, data)
    schema = decision.decision_schema(values)
    decisions = decision.fill(
        schema,
        rows,
        {
            "source": pa.array(["web"] * rows),
            "shard": pa.array(["in.jsonl"] * rows),
            "row": pa.array(range(rows)),
            "id": pa.array(ids),
            "outcome": pa.array(["kept"] * rows),
            **{field.name: pa.array([1.5] * rows) for field in values},
        },
    )
    data = decision.encode(decision.ordered([decisions], schema))
    decided = part(f"_decisions/version={parent + 1}/run={run}/part.parquet", data, rows)
    corpus.storage.write(decided.path, data)
    index, entries = encode(decisions["id"])
    indexed = part(corpus_module.ids_path(run, "part"), index, entries, "web")
    corpus.storage.write(indexed.path, index)
    return Manifest(
        version=parent + 1,
        run=run,
        parent=parent,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        recipe={"name": "docs"},
        fingerprint="f",
        meaning={},
        inputs=(),
        pieces=(Piece(name="web/part-0000", source="web", records=rows, kept=True),),
        shards=(kept,),
        decisions=(decided,),
        ids=(indexed,),
        documents=rows,
        bytes=10 * rows,
    )


REPORT = Report(cells=(Cell(outcome="kept", source="web", documents=2),))


def publish(corpus: Corpus, manifest: Manifest, values: pa.Schema = VALUES) -> int:
    return corpus.publish(manifest, REPORT, Change(base=manifest.parent), decision.decision_schema(values))


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return Corpus(str(tmp_path / "corpus"))


def test_an_unpublished_corpus_says_so(corpus: Corpus) -> None:
    assert corpus.versions() == []
    assert corpus.head() == 0
    for question in (corpus.version, corpus.manifest, corpus.report, corpus.documents):
        with pytest.raises(MissingError, match="no version has been published"):
            question()


def test_versions_replace_one_another_and_stay_readable(corpus: Corpus) -> None:
    first = write_version(corpus, "run-a", ["a", "b"], 0)
    assert publish(corpus, first) == 1
    second = write_version(corpus, "run-b", ["b", "c", "d"], 1)
    assert publish(corpus, second) == 2

    assert [version.version for version in corpus.versions()] == [1, 2]
    assert corpus.version().documents == 3
    assert sorted(corpus.documents().to_table()["id"].to_pylist()) == ["b", "c", "d"]
    assert sorted(corpus.documents(1).to_table()["id"].to_pylist()) == ["a", "b"]
    assert corpus.documents(1).to_table()["source"].to_pylist() == ["web", "web"]
    assert corpus.manifest(1) == first
    assert corpus.report(2) == REPORT
    assert corpus.explain("d")[0]["outcome"] == "kept"
    assert corpus.explain("a", 1)[0]["rule.words"] == 1.5
    with pytest.raises(MissingError, match="knows no document 'a'"):
        corpus.explain("a")
    with pytest.raises(MissingError, match="no version 7; there are 1, 2"):
        corpus.manifest(7)


def test_a_file_that_is_in_both_versions_stays(corpus: Corpus) -> None:
    publish(corpus, write_version(corpus, "run-a", ["a"], 0))
    publish(corpus, write_version(corpus, "run-b", ["a"], 1))
    assert corpus.documents().to_table()["id"].to_pylist() == ["a"]


def test_publishing_twice_is_publishing_once(corpus: Corpus) -> None:
    manifest = write_version(corpus, "run-a", ["a", "b"], 0)
    assert publish(corpus, manifest) == 1
    assert publish(corpus, manifest) == 1
    assert len(corpus.versions()) == 1
    assert corpus.published("run-a") == 1
    assert corpus.published("run-b") is None
    assert corpus.decisions().count_rows() == 2


def test_a_run_on_an_old_version_publishes_nothing(corpus: Corpus) -> None:
    early, late = write_version(corpus, "early", ["a"], 0), write_version(corpus, "late", ["b"], 0)
    publish(corpus, early)
    with pytest.raises(ConflictError, match=r"somebody else published .* while run late worked: it is at version 1"):
        publish(corpus, late)
    assert corpus.documents().to_table()["id"].to_pylist() == ["a"]
    assert corpus.explain("a")[0]["outcome"] == "kept"


def test_decisions_of_a_run_that_died_before_its_commit_are_not_seen(corpus: Corpus) -> None:
    dead = write_version(corpus, "dead", ["x"], 0)
    corpus._publish_decisions(dead, decision.decision_schema(VALUES))
    publish(corpus, write_version(corpus, "alive", ["a"], 0))
    assert corpus.decisions().to_table()["id"].to_pylist() == ["a"]
    with pytest.raises(MissingError):
        corpus.explain("x")


def test_a_new_stage_adds_its_columns_to_the_decisions(corpus: Corpus) -> None:
    publish(corpus, write_version(corpus, "run-a", ["a"], 0))
    wider = pa.schema([("rule.words", pa.float64()), ("other.score", pa.float64())])
    publish(corpus, write_version(corpus, "run-b", ["b"], 1, wider), wider)
    assert corpus.explain("b")[0]["other.score"] == 1.5
    assert corpus.explain("a", 1)[0].get("other.score") is None


def test_a_damaged_file_is_not_read_as_whole(corpus: Corpus) -> None:
    manifest = write_version(corpus, "run-a", ["a"], 0)
    publish(corpus, manifest)
    kept: Part = manifest.shards[0]
    assert corpus.read(kept)
    data = bytearray(corpus.storage.read(kept.path))
    data[len(data) // 2] ^= 1
    corpus.storage.write(kept.path, bytes(data))
    with pytest.raises(CorruptError):
        corpus.read(kept)


def test_the_digest_is_of_the_content_alone(corpus: Corpus, tmp_path: Path) -> None:
    here = write_version(corpus, "run-a", ["a", "b"], 0)
    there = write_version(Corpus(str(tmp_path / "elsewhere")), "run-b", ["a", "b"], 4)
    other = write_version(Corpus(str(tmp_path / "other")), "run-a", ["a", "c"], 0)
    assert here.digest == there.digest
    assert here.digest != other.digest


def test_duckdb_reads_a_version_as_it_lies(corpus: Corpus) -> None:
    publish(corpus, write_version(corpus, "run-a", ["a", "b"], 0))
    publish(corpus, write_version(corpus, "run-b", ["b", "c", "d"], 1))
    with duckdb.connect() as database:
        database.register("documents", DeltaTable(corpus.url).to_pyarrow_dataset())
        database.register("decisions", corpus.decisions(1))
        counted = database.sql("select source, count(*), max(length(text)) from documents group by source").fetchall()
        assert counted == [("web", 3, 9)]
        joined = 'select d.id from documents d join decisions x using (id) where x."rule.words" > 1'
        assert database.sql(joined).fetchall() == [("b",)]


def test_a_commit_of_somebody_elses_is_no_version(corpus: Corpus) -> None:
    publish(corpus, write_version(corpus, "run-a", ["a"], 0))
    publish(corpus, write_version(corpus, "run-b", ["a", "b"], 1))
    DeltaTable(corpus.url).optimize.compact()
    head = corpus.head()
    newest = corpus.newest()
    assert newest is not None
    assert newest.version == 2 <= head
    manifest = write_version(corpus, "run-c", ["c"], head)
    assert publish(corpus, manifest) == head + 1
    assert [version.run for version in corpus.versions()] == ["run-a", "run-b", "run-c"]


def test_a_doubled_creation_of_the_table_is_no_version(corpus: Corpus) -> None:
    corpus.create()
    DeltaTable(corpus.url).create_write_transaction([], "append", corpus_module.SCHEMA, ["source"])
    assert corpus.head() == 1
    assert corpus.newest() is None
    assert publish(corpus, write_version(corpus, "run-a", ["a"], 1)) == 2
    assert corpus.version().documents == 1


def test_the_same_run_elsewhere_may_have_committed_the_decisions(corpus: Corpus) -> None:
    manifest = write_version(corpus, "run-a", ["a"], 0)
    corpus.create()
    stale = corpus._table("_decisions")
    assert stale is not None
    corpus._publish_decisions(manifest, decision.decision_schema(VALUES))
    schema = corpus_module._with_partitions(decision.decision_schema(VALUES))
    corpus._commit("_decisions", stale, manifest.decisions, manifest, {}, schema, ["version", "run"])
    assert publish(corpus, manifest) == 1
    assert corpus.decisions().count_rows() == 1


def test_every_file_can_be_verified(corpus: Corpus) -> None:
    manifest = write_version(corpus, "run-a", ["a"], 0)
    publish(corpus, manifest)
    assert corpus.verify() == 3
    corpus.storage.write(manifest.decisions[0].path, b"something else")
    with pytest.raises(CorruptError):
        corpus.verify(1)


def test_a_file_in_the_place_of_a_corpus_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(StorageError):
        Corpus(str(tmp_path / "file")).create()


def opened(corpus: Corpus, port: int) -> None:
    """Open a table at this port, as a corpus does."""
    options = {"endpoint_url": f"http://127.0.0.1:{port}", "allow_http": "true", "region": "us-east-1"}
    options |= {"access_key_id": "a", "secret_access_key": "b", "max_retries": "0"}
    with corpus._delta_errors():
        DeltaTable("s3://bucket/corpus", storage_options={f"aws_{name}": value for name, value in options.items()})


@pytest.mark.parametrize(("status", "error"), [(503, TransientError), (429, TransientError), (403, StorageError)])
def test_a_store_that_is_busy_under_deltalake_may_be_asked_again(
    corpus: Corpus, status: int, error: type[StorageError]
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>\nNo.\n</html>")

        def log_message(self, format: str, *args: object) -> None:
            """Nothing is written."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        with pytest.raises(StorageError, match=str(status)) as raised:
            opened(corpus, server.server_port)
        server.shutdown()
    assert type(raised.value) is error


def test_a_store_that_does_not_answer_deltalake_may_be_asked_again(corpus: Corpus) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(TransientError, match="refused"):
            opened(corpus, closed.getsockname()[1])
