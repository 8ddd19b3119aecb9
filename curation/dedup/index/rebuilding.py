"""The index out of what a corpus holds: the kept documents, and the decisions that say for how many each stands."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.fates import CLUSTERS
from curation.dedup.fingerprint import fingerprints, write_fingerprints
from curation.dedup.index.layout import address_hashes
from curation.dedup.index.writing import write_segment
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Addresses, Group, ShardInput, addresses, addresses_of, divide, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive
from curation.dedup.stage import Uint64s
from curation.document import ADDED, ID, ROW, SHARD, TEXT
from curation.errors import CorruptError
from curation.ids import id_hash
from curation.manifest import Manifest, Part
from curation.runner.runner import Runner
from curation.storage import Storage
from curation.work import Work

_COLUMNS = [ID, TEXT, SHARD, ROW, ADDED]
_SURVIVORS = ["survivor", "survivor_shard", "survivor_row"]
_NAMES = pa.schema([("name", pa.uint64()), ("doc", pa.uint64())])
_COPIES = pa.schema([("doc", pa.uint64()), ("copies", pa.int64())])
_BATCH_ROWS = 1024


class _Item(BaseModel):
    """A group of pieces, and where the decisions of each are."""

    model_config = ConfigDict(frozen=True)

    group: Group
    decisions: tuple[str, ...]


class _Named(BaseModel):
    kept: Sent
    survivors: Sent


class _Fingerprinted(BaseModel):
    clusters: tuple[str | None, ...]


def rebuild(
    work: Work,
    runner: Runner,
    manifest: Manifest,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    folder: str,
    bounds: Bounds,
) -> tuple[Part, ...]:
    """The index of a version, one segment below `folder`, from its kept documents and its decisions alone; its files.

    It is what `compact` makes of all segments of the index, byte for byte. `work` is a folder of the run for this
    alone. Raises what `DedupStage.priority` raises, and CorruptError where a kept document has no decision.
    """
    items = _divided(work, manifest, bounds)
    shards = [shard for item in items for shard in item.group.shards]
    copies = _count_copies(work, runner, items, manifest, bounds)
    done = runner.map(partial(_fingerprint, work, exact, minhash, copies), items)
    clusters = [key for each in done for key in each.clusters]
    kept = [shard.documents for shard in shards]
    losers: list[str | None] = [None] * len(kept)
    return write_segment(work, runner, shards, losers, clusters, kept, exact, minhash, folder, bounds)


def _divided(work: Work, manifest: Manifest, bounds: Bounds) -> list[_Item]:
    """Groups of all pieces, with those that keep nothing: their decisions name survivors."""
    pieces = list(manifest.files())
    shards = [
        ShardInput(
            number=number,
            name=piece.name,
            source=piece.source,
            fingerprints=work.key(f"fingerprints/{number:06d}.parquet"),
            texts=kept.path if kept else "",
            documents=kept.rows if kept else 0,
        )
        for number, (piece, kept, _, _) in enumerate(pieces)
    ]
    return [
        _Item(group=group, decisions=tuple(pieces[shard.number].decisions.path for shard in group.shards))
        for group in divide(shards, bounds)
    ]


def _count_copies(work: Work, runner: Runner, items: Sequence[_Item], manifest: Manifest, bounds: Bounds) -> Shuffle:
    """(doc, copies) of the documents that decisions name as survivors, by group."""
    records = sum(piece.records for piece in manifest.pieces)
    partitions = bounds.partitions(records)
    named = runner.map(partial(_send_names, work, partitions), items)
    kept = gathered("kept", partitions, [each.kept for each in named])
    survivors = gathered("survivors", partitions, [each.survivors for each in named])
    where = addresses_of([item.group for item in items])
    counted = runner.map(partial(_count, work, where, kept, survivors), range(partitions))
    return gathered("copies", where.groups, counted)


def _send_names(work: Work, partitions: int, item: _Item) -> _Named:
    """Send the names of the kept documents and of the survivors that the decisions name."""

    def send() -> _Named:
        kept = Outbox(work, "kept", item.group.number, partitions)
        survivors = Outbox(work, "survivors", item.group.number, partitions)
        for shard, decisions in zip(item.group.shards, item.decisions, strict=True):
            begin = 0
            for batch in _batches(work.storage, shard.texts, [ID, SHARD, ROW]) if shard.documents else ():
                docs = addresses(shard.number, np.arange(begin, begin + batch.num_rows))
                begin += batch.num_rows
                _send(kept, _names(batch[ID], batch[SHARD], batch[ROW]), docs, partitions)
            for batch in _batches(work.storage, decisions, _SURVIVORS):
                named = batch.filter(batch["survivor_row"].is_valid())
                names = _names(*(named[column] for column in _SURVIVORS))
                _send(survivors, names, np.zeros(names.size, np.uint64), partitions)
        return _Named(kept=kept.close(), survivors=survivors.close())

    return work.once(f"names/{item.group.number:05d}", _Named, send)


def _count(work: Work, where: Addresses, kept: Shuffle, survivors: Shuffle, partition: int) -> Sent:
    """Send for how many documents each of a partition's kept ones stands, where that is more than itself."""

    def count() -> Sent:
        named = np.sort(numbers(receive(work, survivors, partition, _NAMES), "name"))
        table = receive(work, kept, partition, _NAMES)
        names, docs = numbers(table, "name"), numbers(table, "doc")
        losers = np.searchsorted(named, names, side="right") - np.searchsorted(named, names)
        stands = losers > 0
        outbox = Outbox(work, "copies", partition, where.groups)
        columns = [pa.array(docs[stands]), pa.array(1 + losers[stands])]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=_COPIES), where.group(docs[stands]))
        return outbox.close()

    return work.once(f"copies/{partition:05d}", Sent, count)


def _fingerprint(
    work: Work, exact: ExactDedup | None, minhash: MinHashDedup | None, copies: Shuffle, item: _Item
) -> _Fingerprinted:
    """Write the fingerprints of a group's kept documents and, as deduplication does, the sizes of their clusters."""

    def fingerprint() -> _Fingerprinted:
        table = receive(work, copies, item.group.number, _COPIES).sort_by("doc")
        docs, sizes = numbers(table, "doc"), numbers(table, "copies")
        keys: list[str | None] = []
        for shard, decisions in zip(item.group.shards, item.decisions, strict=True):
            begin, end = np.searchsorted(shard_numbers(docs), [shard.number, shard.number + 1]).tolist()
            keys.append(_write_clusters(work, shard, docs[begin:end], sizes[begin:end]))
            batches = _documents(work.storage, shard, decisions, exact, minhash) if shard.documents else iter(())
            prints = (fingerprints(batch, exact, minhash) for batch in batches)
            write_fingerprints(work, f"fingerprints/{shard.number:06d}", prints, exact, minhash)
        return _Fingerprinted(clusters=tuple(keys))

    return work.once(f"fingerprints/{item.group.number:05d}", _Fingerprinted, fingerprint)


def _write_clusters(work: Work, shard: ShardInput, docs: Uint64s, sizes: np.ndarray[Any, Any]) -> str | None:
    if not docs.size:
        return None
    sink = io.BytesIO()
    pq.write_table(pa.table([pa.array(places(docs)), pa.array(sizes)], schema=CLUSTERS), sink)
    key = work.key(f"clusters/{shard.number:06d}.parquet")
    work.storage.write(key, sink.getvalue())
    return key


def _documents(
    storage: Storage, shard: ShardInput, decisions: str, exact: ExactDedup | None, minhash: MinHashDedup | None
) -> Iterator[pa.RecordBatch]:
    """A piece's kept documents with the columns that the stages compare by: values of other stages are with the
    decisions."""
    qualities = {stage.quality for stage in (exact, minhash) if stage is not None and stage.quality is not None}
    values = _values(storage, decisions, shard.source, sorted(qualities)) if qualities else None
    for batch in _batches(storage, shard.texts, _COLUMNS):
        if values is not None:
            hashes = address_hashes(shard.source, batch[SHARD], batch[ROW].to_numpy())
            known, table = values
            place = np.minimum(np.searchsorted(known, hashes), max(0, known.size - 1))
            if not known.size or (known[place] != hashes).any():
                raise CorruptError(f"{storage.url}/{shard.texts}: a kept document has no decision in {decisions}")
            mine = table.take(pa.array(place)).combine_chunks().to_batches()[0]
            yield pa.RecordBatch.from_arrays([*batch.columns, *mine.columns], [*_COLUMNS, *mine.schema.names])
        else:
            yield batch


def _values(storage: Storage, decisions: str, source: str, columns: list[str]) -> tuple[Uint64s, pa.Table]:
    """(hashes of the addresses of a piece's records, ascending; these columns of their decisions)."""
    with storage.open_seekable(decisions) as file, pq.ParquetFile(file) as parquet:
        table = parquet.read([SHARD, ROW, *columns], use_threads=False)
    hashes = address_hashes(source, table[SHARD], table[ROW].to_numpy())
    order = np.argsort(hashes)
    return hashes[order], table.select(columns).take(pa.array(order))


def _batches(storage: Storage, key: str, columns: list[str]) -> Iterator[pa.RecordBatch]:
    with storage.open_seekable(key) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=columns, use_threads=False):
            yield batch.select(columns)


def _names(ids: pa.StringArray, shards: pa.StringArray, rows: pa.Int64Array) -> Uint64s:
    """What a document and the decisions that name it have in common: a hash of its id and of where it was read. The
    address alone would do, but that a file may have changed since others were found to be copies of a record of it."""
    own = np.fromiter((id_hash(document_id) for document_id in ids.to_pylist()), np.uint64, len(ids))
    return own ^ address_hashes("", shards, rows.to_numpy())


def _send(outbox: Outbox, names: Uint64s, docs: Uint64s, partitions: int) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(names), pa.array(docs)], schema=_NAMES)
    outbox.add(batch, partition_of(names, partitions))
