"""Small corpora for the tests, deduplicated the real way: through a run's files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.dedup import (
    Bounds,
    DedupResult,
    ExactDedup,
    MinHashDedup,
    ShardInput,
    deduplicate,
    fingerprints,
    read_clusters,
    read_losers,
    write_fingerprints,
)
from curation.document import ID, SOURCE, TEXT, document_batch
from curation.runner.local import LocalRunner
from curation.runner.runner import Runner
from curation.work import Work
from tests.dedup.reference import Document, Fates

SMALL = Bounds(group_documents=3, partition_rows=60, lot_bytes=400, group_edges=2)
"""Bounds that divide even a few documents into many groups, partitions and rounds."""


@dataclass(frozen=True)
class Deduplicated:
    """The outcome, by place (shard, place in it)."""

    result: DedupResult
    fates: Fates
    survivor_ids: dict[tuple[int, int], str]
    clusters: dict[tuple[int, int], int]


def write_shards(
    work: Work,
    shards: Sequence[tuple[str, Sequence[str]]],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    batch_rows: int = 1000,
) -> list[ShardInput]:
    """Write (source, texts) as the pipeline does before it deduplicates. A document's id is `shard/place`."""
    batches = [shard_batch(number, source, texts) for number, (source, texts) in enumerate(shards)]
    return write_batches(work, batches, exact, minhash, batch_rows)


def shard_batch(file: int, source: str, texts: Sequence[str], days: Sequence[int] | None = None) -> pa.RecordBatch:
    """The documents of a file, added so many days after the first one; a document's id is `file/place`."""
    return document_batch(
        texts,
        source=source,
        shard=f"{file}.jsonl",
        ids=[f"{file}/{place}" for place in range(len(texts))],
        added=[datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in days] if days else None,
    )


def write_batches(
    work: Work,
    shards: Sequence[pa.RecordBatch],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    batch_rows: int = 1000,
    first: int = 0,
) -> list[ShardInput]:
    """Write documents as the pipeline does before it deduplicates; shards are numbered from `first`."""
    inputs = []
    for number, batch in enumerate(shards, first):
        batches = [batch.slice(begin, batch_rows) for begin in range(0, batch.num_rows, batch_rows)]
        prints = [fingerprints(each, exact, minhash) for each in batches]
        key = write_fingerprints(work, f"filter/{number}.fingerprints", prints, exact, minhash)
        sink = io.BytesIO()
        table = pa.Table.from_batches(batches, batch.schema).select([ID, TEXT])
        pq.write_table(table, sink, row_group_size=batch_rows)
        work.storage.write(work.key(f"filter/{number}.texts.parquet"), sink.getvalue())
        inputs.append(
            ShardInput(
                number=number,
                name=f"shard/{number}",
                source=batch[SOURCE][0].as_py() if batch.num_rows else "nothing",
                fingerprints=key,
                texts=work.key(f"filter/{number}.texts.parquet"),
                documents=batch.num_rows,
            )
        )
    return inputs


def run(
    folder: Path,
    shards: Sequence[tuple[str, Sequence[str]]],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    bounds: Bounds | None = None,
    batch_rows: int = 1000,
    runner: Runner | None = None,
) -> Deduplicated:
    """Deduplicate (source, texts) in a run of its own below `folder`."""
    work = Work(str(folder), "run")
    inputs = write_shards(work, shards, exact, minhash, batch_rows)
    result = deduplicate(work.under("dedup"), inputs, exact, minhash, runner or LocalRunner(), bounds)
    return read(work, result)


def read(work: Work, result: DedupResult, first: int = 0) -> Deduplicated:
    """What the files of a result say, if that is the number of the first shard's file."""
    fates: Fates = {}
    ids: dict[tuple[int, int], str] = {}
    clusters: dict[tuple[int, int], int] = {}
    for number, (losers, sizes) in enumerate(zip(result.losers, result.clusters, strict=True), first):
        for row in read_losers(work.storage, losers).to_pylist() if losers else []:
            survivor = (int(row["survivor_shard"].removesuffix(".jsonl")), row["survivor_row"])
            fates[number, row["row"]] = (row["stage"], survivor, row["similarity"])
            ids[number, row["row"]] = row["survivor"]
        for row in read_clusters(work.storage, sizes).to_pylist() if sizes else []:
            clusters[number, row["row"]] = row["size"]
    return Deduplicated(result, fates, ids, clusters)


def documents(shards: Sequence[tuple[str, Sequence[str]]]) -> list[Document]:
    """The documents as the reference takes them, with `keep: longest`."""
    return [
        Document((number, place), source, text, len(text))
        for number, (source, texts) in enumerate(shards)
        for place, text in enumerate(texts)
    ]
