"""Where the repeated parts are: every part is sent to the partition of its key, which tells all copies but the first.

Four maps: over groups of shards, which send (key, place) of each part of each kept document; over partitions, which
send the places of copies back, and ask for the names of the documents that have the first; over groups, which give the
names; and over groups again, which write. A part costs 33 bytes of shuffle, and a window of words begins at every word,
so `substring_dedup` writes about six times the text, before compression.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.candidates import first_of_each
from curation.dedup.fates import read_losers
from curation.dedup.shard import Addresses, Group, ShardInput, addresses, addresses_of, divide, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, slices, spread
from curation.dedup.spans import kernels
from curation.dedup.spans.firsts import FirstCopies
from curation.dedup.spans.parts import parts_about, parts_of
from curation.dedup.spans.stages import SpanStage
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD, TEXT
from curation.runner.runner import Runner
from curation.work import Work

SPANS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("begin", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("stage", pa.uint8(), nullable=False),
        pa.field("first_id", pa.string()),
        pa.field("first_shard", pa.string(), nullable=False),
        pa.field("first_row", pa.int64(), nullable=False),
        pa.field("first_begin", pa.int64(), nullable=False),
    ]
)
"""The stretches of a shard's documents that are copies, by stage, row and place; those of one stage do not touch. `row`
is a document's place among the shard's documents, from 0; `begin` and `end` are in bytes of UTF-8 from its own
beginning; `stage` is the place of the stage among those asked for. The rest says where the part that the stretch begins
with stood first: the document's id and address, and the byte in its text as it was before anything was cut."""

GROUP_BYTES = 128 << 20
"""So much text a group of shards is meant to have at most."""

_PLACES = pa.schema([("doc", pa.uint64()), ("begin", pa.uint32()), ("end", pa.uint32()), ("stage", pa.uint8())])
_PARTS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), *_PLACES])
_COPIES = pa.schema([*_PLACES, ("first_doc", pa.uint64()), ("first_begin", pa.uint32())])
_ASKED = pa.schema([("doc", pa.uint64()), ("group", pa.uint64())])
_NAMED = pa.schema([("doc", pa.uint64()), (ID, pa.string()), (SHARD, pa.string()), (ROW, pa.int64())])
_BATCH_ROWS = 256


class Found(BaseModel):
    """What a partition sent: copies to their groups, and what it asks of those of the first copies."""

    model_config = ConfigDict(frozen=True)

    copies: Sent
    asked: Sent


class Written(BaseModel):
    """The keys of a group's files (SPANS), one a shard, None where nothing is repeated."""

    model_config = ConfigDict(frozen=True)

    spans: tuple[str | None, ...]


def find_repeats(
    work: Work,
    runner: Runner,
    shards: Sequence[ShardInput],
    losers: Sequence[str | None],
    stages: Sequence[SpanStage],
    text_bytes: int,
    bounds: Bounds | None = None,
) -> list[str | None]:
    """The key of each shard's file of repeated stretches (SPANS), None where there is none.

    The shards' texts have the columns `id`, `shard` and `row` too. `losers` are those that `deduplicate` gave: what is
    dropped is not looked at. `text_bytes`, about how much text there is, and `bounds` say how the work is divided,
    which changes nothing else. `work` is a folder of the run for this alone; done twice is the same as done once.
    """
    bounds = _by_size(bounds or Bounds(), sum(shard.documents for shard in shards), text_bytes)
    groups = divide(shards, bounds)
    where = addresses_of(groups)
    lost = {shard.number: key for shard, key in zip(shards, losers, strict=True)}
    partitions = bounds.partitions(sum(parts_about(stage, text_bytes) for stage in stages))
    parts = gathered("parts", partitions, runner.map(partial(_send, work, tuple(stages), lost, partitions), groups))
    found = runner.map(partial(_find, work, where, parts), range(partitions))
    copies = gathered("copies", where.groups, [each.copies for each in found])
    asked = gathered("asked", where.groups, [each.asked for each in found])
    names = gathered("named", where.groups, runner.map(partial(_name, work, where, asked), groups))
    written = runner.map(partial(_write, work, copies, names), groups)
    return [key for each in written for key in each.spans]


def _by_size(bounds: Bounds, documents: int, text_bytes: int) -> Bounds:
    """The bounds with smaller groups where documents are long."""
    fitting = GROUP_BYTES * documents // max(1, text_bytes)
    return bounds.model_copy(update={"group_documents": max(1, min(bounds.group_documents, fitting))})


def _send(
    work: Work, stages: tuple[SpanStage, ...], lost: dict[int, str | None], partitions: int, group: Group
) -> Sent:
    """Send the parts of a group's kept documents, those of a key in the order of their documents and places."""

    def send() -> Sent:
        outbox = Outbox(work, "parts", group.number, partitions)
        for shard in group.shards:
            salts = [np.uint64(stage.salt(shard.source)) for stage in stages]
            for texts, docs in _kept(work, shard, lost[shard.number]):
                for number, (stage, salt) in enumerate(zip(stages, salts, strict=True)):
                    for keys, of, begin, end in parts_of(stage, texts):
                        high = keys[:, 0] ^ salt
                        columns = [high, keys[:, 1], docs[of], begin, end, np.full(of.size, number, np.uint8)]
                        outbox.add(_batch(columns, _PARTS), partition_of(spread(high), partitions))
        return outbox.close()

    return work.once(f"parts/{group.number:05d}", Sent, send)


def _kept(work: Work, shard: ShardInput, losers: str | None) -> Iterator[tuple[pa.LargeStringArray, Uint64s]]:
    """The texts of a shard's kept documents, some at a time, with their addresses."""
    is_kept = np.ones(shard.documents, np.bool_)
    if losers is not None:
        is_kept[read_losers(work.storage, losers)["row"].to_numpy()] = False
    first = 0
    with work.storage.open_seekable(shard.texts) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=[TEXT], use_threads=False):
            kept = np.flatnonzero(is_kept[first : first + batch.num_rows])
            texts = batch[TEXT] if kept.size == batch.num_rows else batch[TEXT].take(pa.array(kept))
            yield texts, addresses(shard.number, first + kept)
            first += batch.num_rows


def _find(work: Work, where: Addresses, parts: Shuffle, partition: int) -> Found:
    """Send the places of all copies but the first, and ask for the names of the documents with the first: once for each
    group that has copies of it, in a slice. A key may have any number of copies, so they come a slice at a time."""

    def find() -> Found:
        copies, asked = Outbox(work, "copies", partition, where.groups), Outbox(work, "asked", partition, where.groups)
        firsts = FirstCopies()
        for rows in slices(work, parts, partition):
            doc, begin = numbers(rows, "doc"), numbers(rows, "begin")
            is_copy, first_doc, first_begin = firsts.of(numbers(rows, "high"), numbers(rows, "low"), doc, begin)
            doc, first_doc = doc[is_copy], first_doc[is_copy]
            own = [doc, begin[is_copy], numbers(rows, "end")[is_copy], numbers(rows, "stage")[is_copy]]
            group = where.group(doc)
            copies.add(_batch([*own, first_doc, first_begin[is_copy]], _COPIES), group)
            once = first_of_each(first_doc, group.astype(np.uint64))
            asked.add(_batch([first_doc[once], group[once]], _ASKED), where.group(first_doc[once]))
        return Found(copies=copies.close(), asked=asked.close())

    return work.once(f"copies/{partition:05d}", Found, find)


def _name(work: Work, where: Addresses, asked: Shuffle, group: Group) -> Sent:
    """Send the names of a group's documents to the groups that ask for them."""

    def name() -> Sent:
        outbox = Outbox(work, "named", group.number, where.groups)
        rows = receive(work, asked, group.number, _ASKED)
        docs, groups = numbers(rows, "doc"), numbers(rows, "group")
        once = first_of_each(groups, docs)
        docs, groups = docs[once], groups[once]
        for shard in group.shards:
            begin, end = np.searchsorted(shard_numbers(docs), [shard.number, shard.number + 1])
            if begin < end:
                names = _names(work, shard).take(pa.array(places(docs[begin:end])))
                columns = [docs[begin:end], *(names[column].combine_chunks() for column in (ID, SHARD, ROW))]
                outbox.add(_batch(columns, _NAMED), groups[begin:end])
        return outbox.close()

    return work.once(f"named/{group.number:05d}", Sent, name)


def _names(work: Work, shard: ShardInput) -> pa.Table:
    with work.storage.open_seekable(shard.texts) as file, pq.ParquetFile(file) as parquet:
        return parquet.read([ID, SHARD, ROW], use_threads=False)


def _write(work: Work, copies: Shuffle, names: Shuffle, group: Group) -> Written:
    """Write what is repeated in each of a group's shards."""

    def write() -> Written:
        rows = receive(work, copies, group.number, _COPIES)
        named = receive(work, names, group.number, _NAMED).sort_by("doc").combine_chunks()
        shards = shard_numbers(numbers(rows, "doc"))
        keys = [
            _write_shard(work, shard, rows.filter(pa.array(shards == np.uint64(shard.number))), named)
            for shard in group.shards
        ]
        return Written(spans=tuple(keys))

    return work.once(f"spans/{group.number:05d}", Written, write)


def _write_shard(work: Work, shard: ShardInput, copies: pa.Table, named: pa.Table) -> str | None:
    """Write the copies of a shard, joined where they touch."""
    if copies.num_rows == 0:
        return None
    stage, row = numbers(copies, "stage").astype(np.int64), places(numbers(copies, "doc"))
    of, begin = stage * shard.documents + row, numbers(copies, "begin")
    order = np.lexsort((begin, of))
    begin, end = begin[order], numbers(copies, "end")[order]
    heads = kernels.united(of[order], begin, end)
    each = order[heads]
    first = np.searchsorted(numbers(named, "doc"), numbers(copies, "first_doc")[each])
    names = [named[column].combine_chunks().take(pa.array(first)) for column in (ID, SHARD, ROW)]
    columns = [row[each], begin[heads], end[heads], stage[each], *names, numbers(copies, "first_begin")[each]]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_batches([_batch(columns, SPANS)]), sink, compression="zstd")
    key = work.key(f"spans/{shard.number:06d}.parquet")
    work.storage.write(key, sink.getvalue())
    return key


def _batch(columns: Sequence[Any], schema: pa.Schema) -> pa.RecordBatch:
    """A batch of arrays, of NumPy or Arrow."""
    arrays = [
        pc.cast(column, field.type) if isinstance(column, pa.Array) else pa.array(column).cast(field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
