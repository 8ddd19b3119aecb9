"""Versions of a corpus that are written by hand: input files, and what was decided about each of their records."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from curation import corpus as library
from curation import decision, ids, manifest
from curation.change import Change
from curation.corpus import Corpus
from curation.manifest import InputShard, Kind, Manifest, Piece, PieceFiles
from curation.pipeline.finish import cells_of, kept_path
from curation.report import Report

VALUES = pa.schema([("rule.x", pa.float64())])
SCHEMA = decision.decision_schema(VALUES)


@dataclass(frozen=True)
class Record:
    """A record of an input file, and its fate: kept without a `reason`; `survivor` is an id, a URI and a row."""

    id: str
    text: str
    reason: str | None = None
    survivor: tuple[str, str, int] | None = None
    value: float = 0.0


Files = Mapping[str, Sequence[Record]]
"""Input files of the source `web`, by URI. A file with the same records is the same file, whatever their fates."""


def publish(
    corpus: Corpus, files: Files, *, meaning: str = "", kind: Kind = "refresh", vanished: Sequence[str] = ()
) -> Manifest:
    """The next version: a piece a file, `vanished` ones kept without being among the inputs; what was written by an
    earlier version is shared with it."""
    version = corpus.head() + 1
    before: dict[tuple[str, str], PieceFiles] = {}
    for old in corpus.versions():
        before |= {_content(piece): piece for piece in corpus.manifest_of(old).files()}
    tables = {uri: _decided(uri, records) for uri, records in files.items()}
    pieces = []
    for uri, table in tables.items():
        written = _write(corpus, version, uri, files[uri], table)
        pieces.append(before.get(_content(written), written))
    report = Report(stages=("rule", "dedup"), cells=cells_of(pa.concat_tables(tables.values()), None))
    made = Manifest(
        version=version,
        run=f"run-{version}",
        parent=version - 1,
        kind=kind,
        created=datetime.now(UTC),
        recipe={"name": "small", "stages": [{"name": "rule"}, {"name": "dedup"}]},
        fingerprint=meaning,
        meaning={"stages.rule": meaning, "sources.web": ""},
        inputs=tuple(_input(uri, records) for uri, records in files.items() if uri not in vanished),
        pieces=tuple(piece.piece for piece in pieces),
        shards=tuple(piece.kept for piece in pieces if piece.kept),
        decisions=tuple(piece.decisions for piece in pieces),
        ids=tuple(piece.ids for piece in pieces),
        documents=report.documents("kept"),
        bytes=report.bytes("kept"),
    )
    corpus.publish(made, report, Change(base=version - 1, kind=kind), SCHEMA)
    return made


def _input(uri: str, records: Sequence[Record]) -> InputShard:
    etag = hashlib.sha256(repr([(record.id, record.text) for record in records]).encode()).hexdigest()
    return InputShard(source="web", uri=uri, size=len(records), etag=etag, shard=f"web/{uri}")


def _decided(uri: str, records: Sequence[Record]) -> pa.Table:
    survivors = [record.survivor or (None, None, None) for record in records]
    columns = {
        "source": pa.array(["web"] * len(records)),
        "shard": pa.array([uri] * len(records)),
        "row": pa.array(range(len(records)), pa.int64()),
        "id": pa.array([record.id for record in records]),
        "outcome": pa.array(["dropped" if record.reason else "kept" for record in records]),
        "stage": pa.array([record.reason.split(".")[0] if record.reason else None for record in records], pa.string()),
        "reason": pa.array([record.reason for record in records], pa.string()),
        "survivor": pa.array([name for name, _, _ in survivors], pa.string()),
        "survivor_shard": pa.array([shard for _, shard, _ in survivors], pa.string()),
        "survivor_row": pa.array([row for _, _, row in survivors], pa.int64()),
        "language": pa.array(["en"] * len(records)),
        "bytes": pa.array([len(record.text.encode()) for record in records]),
        **{name: pa.array([record.value * n for record in records]) for n, name in enumerate(VALUES.names, 1)},
    }
    return decision.ordered([decision.fill(SCHEMA, len(records), columns)], SCHEMA)


def _write(corpus: Corpus, version: int, uri: str, records: Sequence[Record], table: pa.Table) -> PieceFiles:
    kept = [(row, record) for row, record in enumerate(records) if record.reason is None]
    path = f"{library.DECISIONS}/version={version}/run=run-{version}/{uri}.parquet"
    decided, (index, indexed) = decision.encode(table), ids.encode(table["id"])
    corpus.storage.write(path, decided)
    index_path = library.ids_path(f"run-{version}", uri)
    corpus.storage.write(index_path, index)
    return PieceFiles(
        Piece(name=f"web/{uri}-0000", source="web", records=len(records), kept=bool(kept)),
        _write_kept(corpus, uri, kept) if kept else None,
        manifest.part(path, decided, len(records)),
        manifest.part(index_path, index, indexed, "web"),
    )


def _write_kept(corpus: Corpus, uri: str, kept: Sequence[tuple[int, Record]]) -> manifest.Part:
    fields = pa.schema([field for field in library.SCHEMA if field.name != "source"])
    columns = {
        "id": pa.array([record.id for _, record in kept]),
        "text": pa.array([record.text for _, record in kept], pa.large_string()),
        "shard": pa.array([uri] * len(kept)),
        "row": pa.array([row for row, _ in kept], pa.int64()),
        "language": pa.array(["en"] * len(kept)),
        "cluster_size": pa.array([1] * len(kept), pa.int32()),
    }
    data = decision.parquet(pa.Table.from_batches([decision.fill(fields, len(kept), columns)]), library.ROW_GROUP)
    path = kept_path(f"web/{uri}", "web", data)
    corpus.storage.write(path, data)
    return manifest.part(path, data, len(kept), "web")


def _content(files: PieceFiles) -> tuple[str, str]:
    return files.decisions.sha256, files.kept.sha256 if files.kept else ""
