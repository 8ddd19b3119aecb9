"""Where the repeated parts are: every part is sent to the partition of its key, which tells all copies but the first.

Three maps: over groups of shards, which send (key, place) of each part of each kept document; over partitions, which
send the places of copies back; over groups, which write them. A part costs 32 bytes of shuffle, and a window of words
begins at every word, so `substring_dedup` writes about five times the text, before compression.
"""

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
from curation.dedup.fates import read_losers
from curation.dedup.fingerprint import exact_keys
from curation.dedup.shard import Addresses, Group, ShardInput, addresses_of, divide, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, spread
from curation.dedup.spans import kernels
from curation.dedup.spans.stages import ParagraphDedup, SpanStage, SubstringDedup
from curation.dedup.stage import Uint64s
from curation.document import TEXT
from curation.runner.runner import Runner
from curation.text.arrow import text_buffers
from curation.text.words import word_spans
from curation.work import Work

SPANS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("begin", pa.int64(), nullable=False),
        pa.field("end", pa.int64(), nullable=False),
        pa.field("stage", pa.uint8(), nullable=False),
    ]
)
"""The stretches of a shard's documents that are copies, by stage, row and place; those of one stage do not touch. `row`
is a document's place among the shard's documents, from 0; `begin` and `end` are in bytes of UTF-8 from its own
beginning; `stage` is the place of the stage among those asked for."""

_PLACES = pa.schema([("doc", pa.uint64()), ("begin", pa.uint32()), ("end", pa.uint32()), ("stage", pa.uint8())])
_PARTS = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), *_PLACES])
_BATCH_ROWS = 256


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
    bounds: Bounds | None = None,
) -> list[str | None]:
    """The key of each shard's file of repeated stretches (SPANS), None where there is none.

    `losers` are those that `deduplicate` gave: what is dropped is not looked at. `work` is a folder of the run for this
    alone; done twice is the same as done once.
    """
    bounds = bounds or Bounds()
    groups = divide(shards, bounds)
    addresses = addresses_of(groups)
    lost = {shard.number: key for shard, key in zip(shards, losers, strict=True)}
    partitions = bounds.partitions(_parts_about(shards))
    sent = runner.map(partial(_send, work, tuple(stages), lost, partitions), groups)
    parts = gathered("parts", partitions, sent)
    found = runner.map(partial(_find, work, addresses, parts), range(partitions))
    copies = gathered("copies", addresses.groups, found)
    written = runner.map(partial(_write, work, copies), groups)
    return [key for each in written for key in each.spans]


def _parts_about(shards: Sequence[ShardInput]) -> int:
    """How many rows there may be: a document has about so many words."""
    return 500 * sum(shard.documents for shard in shards)


def _send(
    work: Work, stages: tuple[SpanStage, ...], lost: dict[int, str | None], partitions: int, group: Group
) -> Sent:
    """Send the parts of a group's kept documents."""

    def send() -> Sent:
        outbox = Outbox(work, "parts", group.number, partitions)
        for shard in group.shards:
            salts = [np.uint64(stage.salt(shard.source)) for stage in stages]
            for texts, docs in _kept(work, shard, lost[shard.number]):
                for number, (stage, salt) in enumerate(zip(stages, salts, strict=True)):
                    keys, which, begin, end = _parts(stage, texts)
                    columns = [keys[:, 0] ^ salt, keys[:, 1], docs[which], begin, end]
                    columns.append(np.full(which.size, number, np.uint8))
                    arrays = [pa.array(column, field.type) for column, field in zip(columns, _PARTS, strict=True)]
                    rows = pa.RecordBatch.from_arrays(arrays, schema=_PARTS)
                    outbox.add(rows, partition_of(spread(columns[0]), partitions))
        return outbox.close()

    return work.once(f"parts/{group.number:05d}", Sent, send)


def _kept(work: Work, shard: ShardInput, losers: str | None) -> Iterator[tuple[pa.LargeStringArray, Uint64s]]:
    """The texts of a shard's kept documents, a bounded number at a time, with their addresses."""
    is_lost = np.zeros(shard.documents, np.bool_)
    if losers is not None:
        is_lost[read_losers(work.storage, losers)["row"].to_numpy()] = True
    first = 0
    with work.storage.open_seekable(shard.texts) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=[TEXT]):
            kept = np.flatnonzero(~is_lost[first : first + batch.num_rows])
            if kept.size:
                docs = np.uint64(shard.number << 32) | (first + kept).astype(np.uint64)
                yield batch[TEXT].take(pa.array(kept)), docs
            first += batch.num_rows


_Array = np.ndarray[Any, np.dtype[Any]]
_Found = tuple[Uint64s, _Array, _Array, _Array]


def _parts(stage: SpanStage, texts: pa.LargeStringArray) -> _Found:
    """The parts of these texts: keys (parts, 2), and (parts,) each: the text's number, first byte, byte behind."""
    match stage:
        case SubstringDedup():
            return _windows(texts, stage.min_words)
        case ParagraphDedup():
            return _units(texts, stage.unit == "line", stage.min_characters)
    raise TypeError(f"{stage.kind} looks for no parts")


def _windows(texts: pa.LargeStringArray, width: int) -> _Found:
    data, offsets = text_buffers(texts)
    spans = word_spans(texts, "fast")
    room = spans.starts.size
    keys = np.empty((room, 2), np.uint64)
    doc, begin, end = np.empty(room, np.int64), np.empty(room, np.uint32), np.empty(room, np.uint32)
    count = kernels.windows(data, offsets, *spans, width, keys, doc, begin, end)
    return keys[:count], doc[:count], begin[:count], end[:count]


def _units(texts: pa.LargeStringArray, by_line: bool, least: int) -> _Found:
    data, offsets = text_buffers(texts)
    room = int(offsets[-1] - offsets[0]) // least + len(texts)
    doc, begin, end = np.empty(room, np.int64), np.empty(room, np.uint32), np.empty(room, np.uint32)
    count = kernels.units(data, offsets, by_line, least, doc, begin, end)
    doc, begin, end = doc[:count], begin[:count], end[:count]
    copied = np.empty(int((end.astype(np.int64) - begin).sum()), np.uint8)
    ends = np.empty(count + 1, np.int64)
    kernels.gathered(data, offsets, doc, begin, end, copied, ends)
    parts = pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(copied))
    return exact_keys(parts), doc, begin, end


def _find(work: Work, addresses: Addresses, parts: Shuffle, partition: int) -> Sent:
    """Send the places of all copies but the first."""

    def find() -> Sent:
        outbox = Outbox(work, "copies", partition, addresses.groups)
        rows = receive(work, parts, partition, _PARTS)
        begin, doc, low, high = (numbers(rows, name) for name in ("begin", "doc", "low", "high"))
        repeated = kernels.is_repeated(np.lexsort((begin, doc, low, high)), high, low)
        copies = rows.select(_PLACES.names).filter(pa.array(repeated)).combine_chunks()
        for batch in copies.to_batches():
            outbox.add(batch, addresses.group(batch["doc"].to_numpy()))
        return outbox.close()

    return work.once(f"copies/{partition:05d}", Sent, find)


def _write(work: Work, copies: Shuffle, group: Group) -> Written:
    """Write what is repeated in each of a group's shards."""

    def write() -> Written:
        rows = receive(work, copies, group.number, _PLACES)
        rows = rows.sort_by([(name, "ascending") for name in ("stage", "doc", "begin")])
        stages, docs, begin, end = (numbers(rows, name).copy() for name in ("stage", "doc", "begin", "end"))
        keys: list[str | None] = []
        for shard in group.shards:
            mine = np.flatnonzero(shard_numbers(docs) == shard.number)
            keys.append(_write_shard(work, shard, stages[mine], docs[mine], begin[mine], end[mine]))
        return Written(spans=tuple(keys))

    return work.once(f"spans/{group.number:05d}", Written, write)


def _write_shard(
    work: Work, shard: ShardInput, stages: _Array, docs: Uint64s, begin: _Array, end: _Array
) -> str | None:
    if not docs.size:
        return None
    tables = []
    for stage in np.unique(stages):
        of = stages == stage
        doc, first, last = docs[of].copy(), begin[of].copy(), end[of].copy()
        count = kernels.united(doc, first, last)
        columns = [places(doc[:count]), first[:count], last[:count], np.full(count, stage)]
        arrays = [pa.array(values, field.type) for values, field in zip(columns, SPANS, strict=True)]
        tables.append(pa.Table.from_arrays(arrays, schema=SPANS))
    sink = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), sink, compression="zstd")
    key = work.key(f"spans/{shard.number:06d}.parquet")
    work.storage.write(key, sink.getvalue())
    return key
