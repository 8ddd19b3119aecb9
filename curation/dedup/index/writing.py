"""Writing a segment: what a run adds to the index."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.bands import band_keys
from curation.dedup.bounds import Bounds
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.fates import read_clusters, read_losers
from curation.dedup.fingerprint import (
    KEY_HIGH,
    KEY_LOW,
    KEY_PRIORITY,
    SET_HIGH,
    SET_LOW,
    SET_PRIORITY,
    SHINGLES,
    SIGNATURE,
    signatures_of,
)
from curation.dedup.index import sketch
from curation.dedup.index.layout import (
    DOCS,
    ENTRIES,
    KEYED,
    META,
    SKETCH,
    TABLES,
    Entries,
    address_hashes,
    file_name,
)
from curation.dedup.index.meta import meta_of
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Group, ShardInput, addresses, divide, places, read_shard
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive
from curation.dedup.stage import Uint64s
from curation.document import ROW, SHARD
from curation.manifest import Part, part
from curation.runner.runner import Runner
from curation.work import Work

Counts = np.ndarray[Any, np.dtype[np.int64]]

PIECES = pa.schema([pa.field("name", pa.string(), nullable=False), pa.field("documents", pa.int64(), nullable=False)])
"""The pieces of a segment, in order, each with the number of its documents."""
_ADDRESSED = pa.schema([("doc", pa.uint64()), *((name, pa.from_numpy_dtype(DOCS[name])) for name in DOCS.names or ())])
_SENT = {name: pa.schema([(field, pa.uint64()) for field in TABLES[name].names or ()]) for name in KEYED}


@dataclass(frozen=True)
class Growth:
    """How many copies more (or, below 0, fewer) documents of the version before stand for, (documents,) each."""

    addresses: Uint64s
    """Of `address_hashes`; several of one document add up."""
    counts: Counts


class Plan(BaseModel):
    """How the records of a segment are divided into files: by its documents alone."""

    model_config = ConfigDict(frozen=True)

    docs: tuple[int, ...]
    """The file of each piece's documents."""
    partitions: dict[str, int]

    @property
    def files(self) -> dict[str, int]:
        return {"docs": len(set(self.docs)), **self.partitions}


class _Item(BaseModel):
    """A group with what its shards lost, the clusters they have and, for each shard, the number of its piece."""

    model_config = ConfigDict(frozen=True)

    group: Group
    losers: tuple[str | None, ...]
    clusters: tuple[str | None, ...]
    pieces: tuple[int, ...]


class _Sends(BaseModel):
    docs: Sent
    tables: dict[str, Sent]


class Written(BaseModel):
    """The files of one partition: entries and sketch, of `docs` only entries."""

    parts: tuple[Part, ...]


def write_segment(
    work: Work,
    runner: Runner,
    shards: Sequence[ShardInput],
    losers: Sequence[str | None],
    clusters: Sequence[str | None],
    kept: Sequence[int],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    folder: str,
    bounds: Bounds,
    removed: Uint64s | None = None,
    growth: Growth | None = None,
) -> tuple[Part, ...]:
    """Write the segment of the kept documents below `folder` in the work's storage; its files, `index.json` last.

    `losers`, `clusters` and `kept` are those of each shard, in order; a shard that keeps nothing has no piece.
    `removed` are hashes of the addresses of documents that the version before kept and this one does not.
    """
    groups = divide(shards, bounds)
    pieces = [(shard.name, count) for shard, count in zip(shards, kept, strict=True) if count]
    plan = plan_files([count for _, count in pieces], exact, minhash, bounds)
    items, begin = [], 0
    numbered = np.cumsum([0, *(count > 0 for count in kept)])[:-1].tolist()
    for group in groups:
        mine = slice(begin, begin + len(group.shards))
        items.append(
            _Item(
                group=group,
                losers=tuple(losers[mine]),
                clusters=tuple(clusters[mine]),
                pieces=tuple(numbered[mine]),
            )
        )
        begin += len(group.shards)
    sent = runner.map(partial(_send, work, exact, minhash, plan), items)
    docs = gathered("index/docs", plan.files["docs"], [each.docs for each in sent])
    written = runner.map(partial(_write_docs, work, folder, docs), range(docs.partitions))
    parts = {"docs": written}
    for name in KEYED:
        shuffle = gathered(f"index/{name}", plan.partitions[name], [each.tables[name] for each in sent])
        parts[name] = runner.map(partial(_write_table, work, folder, name, shuffle), range(shuffle.partitions))
    parts["removed"] = write_entries(work, folder, "removed", gone(removed), bounds)
    parts["growth"] = write_entries(work, folder, "growth", grown(growth), bounds)
    return close_segment(work, folder, pieces, parts, exact, minhash)


def plan_files(counts: Sequence[int], exact: ExactDedup | None, minhash: MinHashDedup | None, bounds: Bounds) -> Plan:
    """How a segment of pieces with so many documents is divided. Pieces stay whole."""
    total, files = sum(counts), bounds.partitions(sum(counts))
    starts = np.cumsum([0, *counts])[:-1]
    partitions = {
        "exact": files if exact else 0,
        "sets": files if minhash else 0,
        "bands": bounds.partitions(total * minhash.bands) if minhash else 0,
    }
    docs = np.unique(starts * files // max(1, total), return_inverse=True)[1]
    return Plan(docs=tuple(docs.tolist()), partitions=partitions)


def write_partition(
    work: Work, folder: str, name: str, partition: int, partitions: int, entries: Entries
) -> tuple[Part, ...]:
    """Write a partition of a table, its records sorted: its entries and its sketch."""
    rows = entries.size
    datas = {ENTRIES: entries.tobytes(), SKETCH: sketch.encode(entries["key"].copy(), partition, partitions)}
    return tuple(_file(work, folder, name, partition, what, data, rows) for what, data in datas.items())


def write_docs(work: Work, folder: str, number: int, records: Entries) -> tuple[Part, ...]:
    """Write a file of documents."""
    return (_file(work, folder, "docs", number, ENTRIES, records.tobytes(), records.size),)


def close_segment(
    work: Work,
    folder: str,
    pieces: Sequence[tuple[str, int]],
    parts: dict[str, list[tuple[Part, ...]]],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
) -> tuple[Part, ...]:
    """Write what a segment ends with; all its files, given those of its documents and tables by partition."""
    columns = [pa.array([name for name, _ in pieces], pa.string()), pa.array([n for _, n in pieces], pa.int64())]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_arrays(columns, schema=PIECES), sink, compression="zstd")
    data = sink.getvalue()
    path = f"{folder}/pieces-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    work.storage.write(path, data)
    listed = part(path, data, len(pieces))
    files = {name: len(partitions) for name, partitions in parts.items()}
    documents = sum(count for _, count in pieces)
    data = meta_of(exact, minhash, documents, files).encode()
    work.storage.write(f"{folder}/{META}", data)
    by_kind = (each for written in parts.values() for each in zip(*written, strict=True))
    return (*(each for kind in by_kind for each in kind), listed, part(f"{folder}/{META}", data, 0))


def gone(addresses: Uint64s | None) -> Entries:
    """The records of `removed`."""
    keys = np.unique(np.zeros(0, np.uint64) if addresses is None else addresses)
    entries = np.zeros(keys.size, TABLES["removed"])
    entries["key"] = keys
    return entries


def grown(growth: Growth | None) -> Entries:
    """The records of `growth`: one a document, and none of those that end where they were."""
    if growth is None:
        return np.zeros(0, TABLES["growth"])
    keys, place = np.unique(growth.addresses, return_inverse=True)
    counts = np.zeros(keys.size, np.int64)
    np.add.at(counts, place, growth.counts)
    entries = np.zeros(keys.size, TABLES["growth"])
    entries["key"], entries["count"] = keys, counts
    changed: Entries = entries[counts != 0]
    return changed


def write_entries(work: Work, folder: str, name: str, entries: Entries, bounds: Bounds) -> list[tuple[Part, ...]]:
    """Write a table whose records, sorted, are at hand; no partition for none."""
    partitions = bounds.partitions(entries.size) if entries.size else 0
    where = partition_of(entries["key"], partitions) if partitions else np.zeros(0, np.int64)
    ends = np.searchsorted(where, np.arange(partitions + 1)).tolist()
    return [
        write_partition(work, folder, name, number, partitions, entries[ends[number] : ends[number + 1]])
        for number in range(partitions)
    ]


def _file(work: Work, folder: str, name: str, number: int, what: str, data: bytes, rows: int) -> Part:
    path = f"{folder}/{file_name(name, number, data, what)}"
    work.storage.write(path, data)
    return part(path, data, rows)


def _send(work: Work, exact: ExactDedup | None, minhash: MinHashDedup | None, plan: Plan, item: _Item) -> _Sends:
    def send() -> _Sends:
        group = item.group.number
        docs = Outbox(work, "index/docs", group, plan.files["docs"])
        outboxes = {name: Outbox(work, f"index/{name}", group, plan.partitions[name]) for name in KEYED}
        for shard, losers, clusters, piece in zip(
            item.group.shards, item.losers, item.clusters, item.pieces, strict=True
        ):
            _send_shard(work, shard, losers, clusters, piece, exact, minhash, plan, docs, outboxes)
        return _Sends(docs=docs.close(), tables={name: outbox.close() for name, outbox in outboxes.items()})

    return work.once(f"index/{item.group.number:05d}", _Sends, send)


def _send_shard(
    work: Work,
    shard: ShardInput,
    losers: str | None,
    clusters: str | None,
    piece: int,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    plan: Plan,
    docs: Outbox,
    outboxes: dict[str, Outbox],
) -> None:
    """Send the records of a shard's kept documents."""
    lost, sizes = _lost(work, shard, losers), _sizes(work, shard, clusters)
    begin = 0
    for docs_in_shard, batch in read_shard(work.storage, shard, _columns(exact, minhash), lost):
        doc = addresses(piece, np.arange(begin, begin + batch.num_rows))
        begin += batch.num_rows
        none = np.zeros(batch.num_rows, np.uint64)
        records = [
            doc,
            address_hashes(shard.source, batch[SHARD], batch[ROW].to_numpy()),
            batch[KEY_PRIORITY].to_numpy() if exact else none,
            batch[SET_PRIORITY].to_numpy() if minhash else none,
            batch[SHINGLES].to_numpy() if minhash else none.astype(np.uint32),
            sizes[places(docs_in_shard)],
        ]
        if batch.num_rows:
            docs.add(_batch(records, _ADDRESSED), plan.docs[piece])
        if exact:
            high = batch[KEY_HIGH].to_numpy() ^ np.uint64(exact.salt(shard.source))
            _add(outboxes["exact"], plan, "exact", [high, batch[KEY_LOW].to_numpy(), doc])
        if minhash:
            has_shingles = batch[SHINGLES].to_numpy() > 0
            worded, doc = batch.filter(pa.array(has_shingles)), doc[has_shingles]
            salt = minhash.salt(shard.source)
            high = worded[SET_HIGH].to_numpy() ^ np.uint64(salt)
            _add(outboxes["sets"], plan, "sets", [high, worded[SET_LOW].to_numpy(), doc])
            keys = band_keys(signatures_of(worded), minhash, salt).ravel()
            _add(outboxes["bands"], plan, "bands", [keys, np.repeat(doc, minhash.bands)])


def _columns(exact: ExactDedup | None, minhash: MinHashDedup | None) -> tuple[str, ...]:
    columns: tuple[str, ...] = (SHARD, ROW)
    if exact:
        columns += (KEY_HIGH, KEY_LOW, KEY_PRIORITY)
    if minhash:
        columns += (SET_HIGH, SET_LOW, SET_PRIORITY, SHINGLES, SIGNATURE)
    return columns


def _add(outbox: Outbox, plan: Plan, name: str, columns: Sequence[Uint64s]) -> None:
    outbox.add(_batch(columns, _SENT[name]), partition_of(columns[0], plan.partitions[name]))


def _batch(columns: Iterable[np.ndarray[Any, Any]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(values) for values in columns], schema=schema)


def _lost(work: Work, shard: ShardInput, key: str | None) -> Uint64s:
    """The addresses of the documents that a shard lost, sorted."""
    if key is None:
        return np.zeros(0, np.uint64)
    return addresses(shard.number, read_losers(work.storage, key)["row"].to_numpy())


def _sizes(work: Work, shard: ShardInput, key: str | None) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """For how many documents each document of a shard stands, (documents,)."""
    sizes = np.ones(shard.documents, np.uint32)
    if key is not None:
        table = read_clusters(work.storage, key)
        sizes[table["row"].to_numpy()] = table["size"].to_numpy()
    return sizes


def _write_docs(work: Work, folder: str, shuffle: Shuffle, number: int) -> tuple[Part, ...]:
    def write() -> Written:
        table = receive(work, shuffle, number, _ADDRESSED)
        records = _records(table, DOCS)[np.argsort(numbers(table, "doc"), kind="stable")]
        return Written(parts=write_docs(work, folder, number, records))

    return work.once(f"index/docs-{number:05d}", Written, write).parts


def _write_table(work: Work, folder: str, name: str, shuffle: Shuffle, partition: int) -> tuple[Part, ...]:
    def write() -> Written:
        entries = by_key(_records(receive(work, shuffle, partition, _SENT[name]), TABLES[name]))
        return Written(parts=write_partition(work, folder, name, partition, shuffle.partitions, entries))

    return work.once(f"index/{name}-{partition:05d}", Written, write).parts


def by_key(entries: Entries) -> Entries:
    """The records by (key, doc)."""
    return entries[np.lexsort((entries["doc"], entries["key"]))]


def _records(table: pa.Table, layout: np.dtype[Any]) -> Entries:
    records = np.zeros(table.num_rows, layout)
    for name in layout.names or ():
        records[name] = numbers(table, name)
    return records
