"""From fates to files: losers learn the names of their survivors, clusters get their sizes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.fingerprint import read_fingerprints
from curation.dedup.keepers import FATES
from curation.dedup.meeting import Meeting
from curation.dedup.shard import Addresses, Group, Rows, ShardInput, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, receive, slices
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD
from curation.errors import AccountingError
from curation.runner.runner import Runner
from curation.storage import Storage
from curation.work import Work

LOSERS = pa.schema(
    [
        pa.field("row", pa.int64(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("survivor", pa.string(), nullable=False),
        pa.field("similarity", pa.float64(), nullable=False),
        pa.field("survivor_shard", pa.string(), nullable=False),
        pa.field("survivor_row", pa.int64(), nullable=False),
    ]
)
"""The dropped documents of a shard, in order. `row` is a document's place among the shard's documents, from 0,
`survivor` the kept copy's id, `survivor_shard` and `survivor_row` the input file and the record it was read from."""
CLUSTERS = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("size", pa.int64(), nullable=False)])
"""The kept documents of a shard that stand for more than themselves, in order; `size` counts themselves too."""
REPLACED = pa.schema(
    [
        pa.field("piece", pa.int64(), nullable=False),
        pa.field("ordinal", pa.int64(), nullable=False),
        pa.field(SHARD, pa.string(), nullable=False),
        *LOSERS,
    ]
)
"""The known documents that are dropped now, in the order of their addresses. `piece` is the piece's place among those
that keep any and `ordinal` the document's in it, as in an address; `shard` and `row` are the input file and the record
it was read from; the others as in LOSERS."""
GROWN = pa.schema([pa.field("doc", pa.uint64(), nullable=False), pa.field("copies", pa.int64(), nullable=False)])
"""The known documents, by address and in that order, that so many documents more name as their survivor."""

_LOST = pa.schema([*FATES, ("stage", pa.uint8())])
_NAMES = (ID, SHARD, ROW)
_NAMED = pa.schema([*_LOST, (ID, pa.string()), (SHARD, pa.string()), (ROW, pa.int64())])
_NAME_FIELDS = pa.schema([field for field in _NAMED if field.name in _NAMES])


class Settled(BaseModel):
    """What became of a group's shards: the keys of their files, None where there is nothing to say, and how many
    documents each loses to each stage."""

    model_config = ConfigDict(frozen=True)

    losers: tuple[str | None, ...]
    lost: tuple[tuple[int, ...], ...]


class Clustered(BaseModel):
    """The keys of the files of a group's cluster sizes, one a shard, and the losers sent to theirs."""

    model_config = ConfigDict(frozen=True)

    sent: Sent
    clusters: tuple[str | None, ...]


class _Written(BaseModel):
    """The key of a file, None where there was nothing to write, and what was sent beside."""

    model_config = ConfigDict(frozen=True)

    key: str | None
    sent: Sent = Sent(objects=0, rows=0)


class Settlement(BaseModel):
    """What became of all groups, in order; and of known documents, where there are any: the key of those that are
    dropped (REPLACED) and of those that stand for more (GROWN), None where none is."""

    model_config = ConfigDict(frozen=True)

    settled: list[Settled]
    clustered: list[Clustered]
    replaced: str | None = None
    grown: str | None = None


def settle(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    addresses: Addresses,
    stages: Sequence[str],
    fates: Sequence[Sequence[Shuffle]],
    meeting: Meeting | None = None,
) -> Settlement:
    """Write the losers and the cluster sizes of each shard, and what changes for known documents. `fates[s]` are those
    that `stages[s]` decided."""
    partitions = fates[0][0].partitions if fates else 0
    task = partial(_send_to_survivors, work, addresses, tuple(map(tuple, fates)))
    lost = gathered("lost", addresses.groups, runner.map(task, range(partitions)))
    clustered = runner.map(partial(_name, work, addresses, lost), groups)
    grown: list[_Written] = []
    if meeting:
        grown = runner.map(partial(_name_known, work, addresses, lost, meeting), addresses.known_groups)
    sent = [each.sent for each in clustered] + [each.sent for each in grown]
    named = gathered("named", addresses.groups, sent)
    settled = runner.map(partial(_settle, work, tuple(stages), named), groups)
    if meeting is None:
        return Settlement(settled=settled, clustered=clustered)
    replaced = runner.map(partial(_settle_known, work, tuple(stages), named, meeting), addresses.known_groups)
    ends = [("replaced", [each.key for each in replaced]), ("grown", [each.key for each in grown])]
    joined = [each.key for each in runner.map(partial(_join, work), ends)]
    return Settlement(settled=settled, clustered=clustered, replaced=joined[0], grown=joined[1])


def read_losers(storage: Storage, key: str) -> pa.Table:
    """The dropped documents of a shard, with the columns of LOSERS."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def read_clusters(storage: Storage, key: str) -> pa.Table:
    """The cluster sizes of a shard's kept documents, with the columns of CLUSTERS."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def read_replaced(storage: Storage, key: str) -> pa.Table:
    """The known documents that are dropped, with the columns of REPLACED."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def read_grown(storage: Storage, key: str) -> pa.Table:
    """The known documents that stand for more, with the columns of GROWN."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def _send_to_survivors(
    work: Work, addresses: Addresses, fates: tuple[tuple[Shuffle, ...], ...], partition: int
) -> Sent:
    def send() -> Sent:
        outbox = Outbox(work, "lost", partition, addresses.groups)
        for stage, shuffles in enumerate(fates):
            for shuffle in shuffles:
                for batch in receive(work, shuffle, partition, FATES).to_batches():
                    stages = pa.array(np.full(batch.num_rows, stage, np.uint8))
                    rows = pa.RecordBatch.from_arrays([*batch.columns, stages], schema=_LOST)
                    outbox.add(rows, addresses.group(batch["survivor"].to_numpy()))
        return outbox.close()

    return work.once(f"lost/{partition:05d}", Sent, send)


def _name(work: Work, addresses: Addresses, lost: Shuffle, group: Group) -> Clustered:
    """Name the survivors among a group's documents, and count for how many each stands. There may be any number of
    losers for a survivor, so they are gone through a slice at a time."""

    def name() -> Clustered:
        outbox = Outbox(work, "named", group.number, addresses.groups)
        firsts = np.cumsum([0, *(shard.documents for shard in group.shards)])
        numbers_of_shards = np.array([shard.number for shard in group.shards], np.uint64)
        losers, names = np.zeros(firsts[-1], np.int64), None
        for rows in slices(work, lost, group.number):
            if names is None:
                names = _names(work.storage, group)
            survivor = numbers(rows, "survivor")
            place = firsts[np.searchsorted(numbers_of_shards, shard_numbers(survivor))] + places(survivor)
            np.add.at(losers, place, 1)
            _send_named(outbox, addresses, rows, names.take(pa.array(place)))
        counts = np.split(losers, firsts[1:-1])
        clusters = [_write_clusters(work, shard, each) for shard, each in zip(group.shards, counts, strict=True)]
        return Clustered(sent=outbox.close(), clusters=tuple(clusters))

    return work.once(f"named/{group.number:05d}", Clustered, name)


def _name_known(work: Work, addresses: Addresses, lost: Shuffle, meeting: Meeting, group: int) -> _Written:
    """Name the survivors among a group of known pieces, and write by how many more each stands for."""

    def name() -> _Written:
        outbox = Outbox(work, "named", group, addresses.groups)
        asked = [np.unique(numbers(rows, "survivor")) for rows in slices(work, lost, group)]
        if not asked:
            return _Written(key=None)
        survivors = np.unique(np.concatenate(asked))
        names = meeting.known.names(survivors).select(_NAMES).cast(_NAME_FIELDS)
        copies = np.zeros(survivors.size, np.int64)
        for rows in slices(work, lost, group):
            place = np.searchsorted(survivors, numbers(rows, "survivor"))
            np.add.at(copies, place, 1)
            _send_named(outbox, addresses, rows, names.take(pa.array(place)))
        return _Written(key=_write(work, f"grown/{group:05d}", [survivors, copies], GROWN), sent=outbox.close())

    return work.once(f"named/{group:05d}", _Written, name)


def _send_named(outbox: Outbox, addresses: Addresses, rows: pa.Table, names: pa.Table) -> None:
    """Send losers with the names of their survivors, (losers,) both, to the losers' groups."""
    named = pa.Table.from_arrays([*rows.columns, *names.columns], schema=_NAMED)
    for batch in named.combine_chunks().to_batches():
        outbox.add(batch, addresses.group(batch["doc"].to_numpy()))


def _settle(work: Work, stages: tuple[str, ...], named: Shuffle, group: Group) -> Settled:
    """Write the losers of a group's shards."""

    def settle_group() -> Settled:
        rows, docs = _losers_of(work, named, group.number)
        keys: list[str | None] = []
        lost: list[tuple[int, ...]] = []
        for shard in group.shards:
            begin, end = np.searchsorted(shard_numbers(docs), [shard.number, shard.number + 1]).tolist()
            mine = rows.slice(begin, end - begin)
            keys.append(_write_losers(work, stages, shard, mine))
            lost.append(tuple(np.bincount(numbers(mine, "stage"), minlength=len(stages)).tolist()))
        return Settled(losers=tuple(keys), lost=tuple(lost))

    return work.once(f"losers/{group.number:05d}", Settled, settle_group)


def _settle_known(work: Work, stages: tuple[str, ...], named: Shuffle, meeting: Meeting, group: int) -> _Written:
    """Write the known documents of a group of pieces that are dropped."""

    def settle_group() -> _Written:
        rows, docs = _losers_of(work, named, group)
        if not docs.size:
            return _Written(key=None)
        own = meeting.known.names(docs)
        columns = [shard_numbers(docs), places(docs), own[SHARD].combine_chunks(), numbers(own, ROW)]
        return _Written(key=_write(work, f"replaced/{group:05d}", [*columns, *_fates_of(stages, rows)], REPLACED))

    return work.once(f"losers/{group:05d}", _Written, settle_group)


def _losers_of(work: Work, named: Shuffle, group: int) -> tuple[pa.Table, Uint64s]:
    """The losers in a group, as _NAMED and by address, and their addresses."""
    rows = receive(work, named, group, _NAMED).sort_by("doc")
    docs = numbers(rows, "doc")
    if (docs[1:] == docs[:-1]).any():
        raise AccountingError("a document was dropped twice")
    return rows, docs


def _join(work: Work, files: tuple[str, list[str | None]]) -> _Written:
    """Write these files of a schema, in order, as one of that name."""
    name, parts = files
    keys = [key for key in parts if key is not None]
    schema = {"replaced": REPLACED, "grown": GROWN}[name]

    def join() -> _Written:
        if not keys:
            return _Written(key=None)
        sink = io.BytesIO()
        with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
            for key in keys:
                writer.write_table(pq.read_table(io.BytesIO(work.storage.read(key)), use_threads=False))
        return _Written(key=_stored(work, name, sink))

    return work.once(name, _Written, join)


def _names(storage: Storage, group: Group) -> pa.Table:
    """The id, input file and record of each of a group's documents."""
    batches = [batch for shard in group.shards for batch in read_fingerprints(storage, shard.fingerprints, _NAMES)]
    return pa.Table.from_batches(batches).cast(_NAME_FIELDS) if batches else _NAME_FIELDS.empty_table()


def _write_clusters(work: Work, shard: ShardInput, losers: Rows) -> str | None:
    """Write for how many each of a shard's documents stands, of which so many, (documents,), lost to it."""
    rows = np.flatnonzero(losers)
    if not rows.size:
        return None
    return _write(work, f"clusters/{shard.number:06d}", [rows, losers[rows] + 1], CLUSTERS)


def _write_losers(work: Work, stages: tuple[str, ...], shard: ShardInput, rows: pa.Table) -> str | None:
    if not rows.num_rows:
        return None
    return _write(work, f"losers/{shard.number:06d}", [places(numbers(rows, "doc")), *_fates_of(stages, rows)], LOSERS)


def _fates_of(stages: tuple[str, ...], rows: pa.Table) -> list[Any]:
    """The columns of LOSERS but for the first, of rows as _NAMED."""
    return [
        np.array(stages, dtype=object)[numbers(rows, "stage")],
        rows[ID].combine_chunks(),
        numbers(rows, "similarity"),
        rows[SHARD].combine_chunks(),
        numbers(rows, ROW),
    ]


def _write(work: Work, name: str, columns: list[Any], schema: pa.Schema) -> str:
    sink = io.BytesIO()
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    return _stored(work, name, sink)


def _stored(work: Work, name: str, sink: io.BytesIO) -> str:
    key = work.key(f"{name}.parquet")
    work.storage.write(key, sink.getvalue())
    return key
