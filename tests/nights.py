"""Tiny versions that share what did not change, as refreshes make them: every document is a piece of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from curation import corpus as corpus_module
from curation import decision
from curation.change import Change
from curation.corpus import Corpus
from curation.errors import MissingError
from curation.ids import encode
from curation.manifest import Manifest, Part, Piece, PieceFiles, part
from curation.report import Report

LATER = datetime.now(UTC) + timedelta(days=400)
"""When all that these tests have written is old."""


def write_night(corpus: Corpus, run: str, documents: Collection[str], tombstones: Sequence[str] = ()) -> Manifest:
    """The files of a version that keeps these documents, but for what the newest version has already; its manifest."""
    parent, newest = corpus.head(), corpus.newest()
    known = {files.piece.name: files for files in newest.files()} if newest else {}
    found = [known.get(f"web/{name}-0") or _write_piece(corpus, run, name, parent + 1) for name in sorted(documents)]
    index = _write(corpus, f"_index/{run}/index.json", " ".join(sorted(documents)).encode())
    return Manifest(
        version=parent + 1,
        run=run,
        parent=parent,
        created=datetime(2026, 1, 1, tzinfo=UTC),
        recipe={"name": "docs"},
        fingerprint="f",
        meaning={},
        inputs=(),
        pieces=tuple(files.piece for files in found),
        shards=tuple(files.kept for files in found if files.kept),
        decisions=tuple(files.decisions for files in found),
        ids=tuple(files.ids for files in found),
        index=(index,),
        tombstones=tuple(_write(corpus, f"_tombstones/{name}.json", name.encode()) for name in tombstones),
        documents=len(found),
        bytes=10 * len(found),
    )


def publish(corpus: Corpus, manifest: Manifest) -> int:
    return corpus.publish(manifest, Report(), Change(base=manifest.parent), decision.SCHEMA)


def publish_night(corpus: Corpus, documents: Collection[str], tombstones: Sequence[str] = ()) -> int:
    """Publish a version that keeps these documents; its number."""
    return publish(corpus, write_night(corpus, f"night-{corpus.head() + 1}", documents, tombstones))


def check(corpus: Corpus) -> set[int]:
    """Every version that is not gone has all its files and can be read; their numbers. Of the others it is said."""
    there = set()
    for version in corpus.versions():
        number = version.version
        if version.gone:
            for ask in (corpus.verify, corpus.documents, corpus.decisions):
                with pytest.raises(MissingError, match="its files are not there any more"):
                    ask(number)
        else:
            manifest = corpus.manifest(number)
            assert corpus.verify(number) == len(manifest.parts)
            kept = corpus.documents(number).to_table()["id"].to_pylist()
            assert sorted(kept) == sorted(corpus.decisions(number).to_table()["id"].to_pylist())
            there.add(number)
    return there


def data_files(corpus: Corpus) -> set[str]:
    """The paths of documents, decisions, indexes."""
    every = (entry.key for entry in corpus.storage.list())
    return {key for key in every if key.startswith(("source=", "_decisions/version=", "_index/", "_ids/"))}


def named(corpus: Corpus, versions: Collection[int]) -> set[str]:
    """The data files that these versions name."""
    paths = (part.path for number in versions for part in corpus.manifest(number).parts)
    return {path for path in paths if not path.startswith("_tombstones/")}


def _write_piece(corpus: Corpus, run: str, name: str, version: int) -> PieceFiles:
    columns = {
        "id": pa.array([name]),
        "text": pa.array([f"text of {name}"]),
        "shard": pa.array([f"{name}.jsonl"]),
        "row": pa.array([0]),
        "cluster_size": pa.array([1]),
    }
    fields = pa.schema([field for field in corpus_module.SCHEMA if field.name != "source"])
    data = decision.parquet(pa.Table.from_batches([decision.fill(fields, 1, columns)]), corpus_module.ROW_GROUP)
    digest = hashlib.sha256(data).hexdigest()[:16]
    kept = _write(corpus, f"source=web/{name}-{digest}.parquet", data, 1)
    columns |= {"source": pa.array(["web"]), "outcome": pa.array(["kept"])}
    made = decision.fill(decision.SCHEMA, 1, {key: columns[key] for key in ("source", "shard", "row", "id", "outcome")})
    decisions = decision.encode(pa.Table.from_batches([made]))
    index, entries = encode(made["id"])
    return PieceFiles(
        Piece(name=f"web/{name}-0", source="web", records=1, kept=True),
        kept,
        _write(corpus, f"_decisions/version={version}/run={run}/{name}.parquet", decisions, 1, source=""),
        _write(corpus, corpus_module.ids_path(run, name), index, entries),
    )


def _write(corpus: Corpus, path: str, data: bytes, rows: int = 0, source: str = "web") -> Part:
    corpus.storage.write(path, data)
    return part(path, data, rows, source)
