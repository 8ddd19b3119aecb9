"""A corpus that grows night by night and is indexed, in which every document is kept until it is removed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import decision
from curation.dedup import Bounds, ExactDedup, MinHashDedup, ShardInput, fingerprints, write_fingerprints
from curation.dedup.fates import CLUSTERS
from curation.dedup.index import Growth, Index, address_hashes, compact, open_index, rebuild, write_segment
from curation.dedup.stage import Uint64s
from curation.document import document_batch, with_column
from curation.manifest import Manifest, Part, Piece, part
from curation.runner.local import LocalRunner
from curation.work import Work

RUNNER = LocalRunner()
ROW_GROUP = 3
"""Small, so that a piece has several."""


@dataclass
class Document:
    """A kept document; `piece` is its piece's name."""

    piece: str
    source: str
    uri: str
    row: int
    text: str
    quality: float
    copies: int = 1

    @property
    def id(self) -> str:
        return f"{self.uri}#{self.row}"

    @property
    def address(self) -> int:
        return int(address_hashes(self.source, pa.array([self.uri]), np.array([self.row]))[0])


@dataclass
class Nights:
    """`night` adds and removes; everything that it was told is in `documents`, by which an index is judged."""

    folder: Path
    exact: ExactDedup | None
    minhash: MinHashDedup | None
    bounds: Bounds
    documents: list[Document] = field(default_factory=list)
    index: tuple[Part, ...] = ()
    nights: int = 0

    @property
    def work(self) -> Work:
        return Work(str(self.folder), f"_runs/{self.nights}")

    def night(
        self,
        pieces: Sequence[tuple[str, Sequence[str]]],
        removed: Sequence[Document] = (),
        grown: Sequence[tuple[Document, int]] = (),
    ) -> None:
        """Add pieces of (source, texts), remove documents, and count copies more for known ones."""
        self.nights += 1
        news = [self._piece(number, source, texts) for number, (source, texts) in enumerate(pieces)]
        shards = [self._shard(number, documents) for number, documents in enumerate(news)]
        clusters = [self._clusters(shard, documents) for shard, documents in zip(shards, news, strict=True)]
        gone = np.array([document.address for document in removed], np.uint64)
        growth = Growth(
            np.array([document.address for document, _ in grown], np.uint64),
            np.array([count for _, count in grown], np.int64),
        )
        self.documents = [document for document in self.documents if document not in removed]
        for document, count in grown:
            document.copies += count
        self.documents += [document for documents in news for document in documents]
        self.index += write_segment(
            self.work,
            RUNNER,
            shards,
            [None] * len(shards),
            clusters,
            [len(documents) for documents in news],
            self.exact,
            self.minhash,
            f"_index/{self.nights}",
            self.bounds,
            gone,
            growth,
        )

    def open(self, removed: Sequence[Document] = ()) -> Index:
        """The index, for a run that removes these."""
        gone = np.array([document.address for document in removed], np.uint64)
        return open_index(self.work.under("open"), self.manifest(), self.exact, self.minhash, gone, self.bounds)

    def compacted(self, count: int) -> Nights:
        """The same with its youngest segments merged."""
        folder = f"_index/merged-{self.nights}-{count}"
        index = compact(
            self.work.under("compact"), RUNNER, self.manifest(), count, self.exact, self.minhash, folder, self.bounds
        )
        return replace(self, index=index)

    def rebuilt(self) -> tuple[Part, ...]:
        """The index out of the kept documents and the decisions."""
        work = self.work.under("rebuild")
        return rebuild(work, RUNNER, self.manifest(), self.exact, self.minhash, "_index/rebuilt", self.bounds)

    def manifest(self) -> Manifest:
        """The version as it is, its files written."""
        pieces, shards, decisions = [], [], []
        for name in dict.fromkeys(document.piece for document in self.documents):
            mine = [document for document in self.documents if document.piece == name]
            pieces.append(Piece(name=name, source=mine[0].source, records=sum(each.copies for each in mine), kept=True))
            shards.append(self._write(f"kept/{name}", _kept(mine), mine[0].source))
            decisions.append(self._write(f"decisions/{name}", _decisions(mine)))
        return Manifest(
            version=max(1, self.nights),
            run=str(self.nights),
            parent=0,
            created=datetime(2026, 1, 1, tzinfo=UTC),
            recipe={},
            fingerprint="",
            meaning={},
            inputs=(),
            pieces=tuple(pieces),
            shards=tuple(shards),
            decisions=tuple(decisions),
            ids=tuple(decisions),
            index=self.index,
            documents=len(self.documents),
            bytes=0,
        )

    def _piece(self, number: int, source: str, texts: Sequence[str]) -> list[Document]:
        """Documents of two files, the second of which has a bad record in front."""
        name, half = f"{source}/{self.nights:03d}-{number:04d}", len(texts) // 2
        return [
            Document(
                piece=name,
                source=source,
                uri=f"{name}-{'ab'[n >= half]}.jsonl",
                row=n if n < half else n - half + 1,
                text=text,
                quality=float(n * 7 % 5),
                copies=1 + n % 3,
            )
            for n, text in enumerate(texts)
        ]

    def _shard(self, number: int, documents: Sequence[Document]) -> ShardInput:
        key = write_fingerprints(
            self.work,
            f"filter/{number}",
            [fingerprints(batch, self.exact, self.minhash) for batch in _batches(documents)],
            self.exact,
            self.minhash,
        )
        return ShardInput(
            number=number,
            name=documents[0].piece if documents else f"none-{number}",
            source=documents[0].source if documents else "",
            fingerprints=key,
            texts="",
            documents=len(documents),
        )

    def _clusters(self, shard: ShardInput, documents: Sequence[Document]) -> str:
        rows = [{"row": row, "size": document.copies} for row, document in enumerate(documents)]
        table = pa.Table.from_pylist(rows, CLUSTERS)
        return self._write(f"clusters/{self.nights}-{shard.number}", table).path

    def _write(self, name: str, table: pa.Table, source: str = "") -> Part:
        sink = io.BytesIO()
        pq.write_table(table, sink, row_group_size=ROW_GROUP)
        path = f"{name}-{self.nights}.parquet"
        self.work.storage.write(path, sink.getvalue())
        return part(path, sink.getvalue(), table.num_rows, source)


def addresses(documents: Sequence[Document]) -> Uint64s:
    return np.array([document.address for document in documents], np.uint64)


def _batches(documents: Sequence[Document]) -> list[pa.RecordBatch]:
    if not documents:
        return []
    texts = [document.text for document in documents]
    batch = document_batch(
        texts,
        source=documents[0].source,
        shard="",
        ids=[each.id for each in documents],
        rows=[d.row for d in documents],
    )
    batch = with_column(batch, "shard", pa.array([document.uri for document in documents]))
    return [with_column(batch, "some.quality", pa.array([document.quality for document in documents]))]


def _kept(documents: Sequence[Document]) -> pa.Table:
    names = ["id", "text", "shard", "row", "url", "added", "metadata"]
    return pa.Table.from_batches(_batches(documents)).select(names)


def _decisions(documents: Sequence[Document]) -> pa.Table:
    """A decision for each, and one for every copy, sorted by address."""
    rows = []
    for document in documents:
        place = {"source": document.source, "shard": document.uri, "row": document.row, "outcome": decision.KEPT}
        rows.append({**place, "id": document.id, "some.quality": document.quality})
        survivor = {"survivor": document.id, "survivor_shard": document.uri, "survivor_row": document.row}
        rows += [
            {"source": document.source, "shard": "copies.jsonl", "row": n, "outcome": decision.DROPPED, **survivor}
            for n in range(1, document.copies)
        ]
    schema = decision.decision_schema(pa.schema([("some.quality", pa.float64())]))
    columns = {name: pa.array([row.get(name) for row in rows], schema.field(name).type) for name in schema.names}
    return pa.table(columns).sort_by([("source", "ascending"), ("shard", "ascending"), ("row", "ascending")])
