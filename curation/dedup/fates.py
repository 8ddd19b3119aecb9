"""From fates to files: followers learn the fate of their leaders, survivors get their names, clusters their sizes."""

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
from curation.dedup.leaders import Followers
from curation.dedup.shard import Addresses, Group, Rows, ShardInput, addresses_of, contained, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, slices, spread
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

_ASKS = pa.schema([("leader", pa.uint64()), ("asker", pa.int64())])
_LOST = pa.schema([*FATES, ("stage", pa.uint8())])
_NAMES = (ID, SHARD, ROW)
_NAMED = pa.schema([*_LOST, (ID, pa.string()), (SHARD, pa.string()), (ROW, pa.int64())])


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


def follow(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    step: str,
    followers: Followers,
    fates: Sequence[Shuffle],
    partitions: int,
) -> Shuffle:
    """The fates of followers: their leader, if it is kept, with similarity 1, else what became of the leader.

    `fates` are partitioned by document, and so is the result. A group of shards asks once for each leader.
    """
    numbers_of_groups = range(len(groups))
    asked = runner.map(partial(_ask_for_leaders, work, step, followers, partitions), numbers_of_groups)
    asks = gathered(f"{step}/asks", partitions, asked)
    told = runner.map(partial(_tell, work, step, asks, tuple(fates), len(groups)), range(partitions))
    answers = gathered(f"{step}/answers", len(groups), told)
    task = partial(_follow, work, step, followers, answers, partitions)
    return gathered(step, partitions, runner.map(task, numbers_of_groups))


def settle(
    work: Work, runner: Runner, groups: Sequence[Group], stages: Sequence[str], fates: Sequence[Sequence[Shuffle]]
) -> tuple[list[Settled], list[Clustered]]:
    """Write the losers and the cluster sizes of each shard. `fates[s]` are those that `stages[s]` decided."""
    addresses = addresses_of(groups)
    partitions = fates[0][0].partitions if fates else 0
    task = partial(_send_to_survivors, work, addresses, tuple(map(tuple, fates)))
    lost = gathered("lost", addresses.groups, runner.map(task, range(partitions)))
    clustered = runner.map(partial(_name, work, addresses, lost), groups)
    named = gathered("named", addresses.groups, [each.sent for each in clustered])
    return runner.map(partial(_settle, work, tuple(stages), named), groups), clustered


def read_losers(storage: Storage, key: str) -> pa.Table:
    """The dropped documents of a shard, with the columns of LOSERS."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def read_clusters(storage: Storage, key: str) -> pa.Table:
    """The cluster sizes of a shard's kept documents, with the columns of CLUSTERS."""
    return pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)


def _ask_for_leaders(work: Work, step: str, followers: Followers, partitions: int, group: int) -> Sent:
    """Ask what became of each document that any of a group's follow."""

    def ask() -> Sent:
        leader = np.unique(followers.of_group(work, group)[1])
        outbox = Outbox(work, f"{step}/asks", group, partitions)
        columns = [pa.array(leader), pa.array(np.full(leader.size, group, np.int64))]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=_ASKS), partition_of(spread(leader), partitions))
        return outbox.close()

    return work.once(f"{step}/asks/{group:05d}", Sent, ask)


def _tell(work: Work, step: str, asks: Shuffle, fates: tuple[Shuffle, ...], groups: int, partition: int) -> Sent:
    """Tell those who asked the fates of the leaders that are lost themselves."""

    def tell() -> Sent:
        lost = _sorted_fates(work, fates, partition)
        docs = numbers(lost, "doc")
        outbox = Outbox(work, f"{step}/answers", partition, groups)
        for asked in slices(work, asks, partition):
            leader, asker = numbers(asked, "leader"), numbers(asked, "asker")
            is_lost = contained(leader, docs)
            rows = lost.take(pa.array(np.searchsorted(docs, leader[is_lost])))
            columns = [pa.array(numbers(rows, name)) for name in FATES.names]
            outbox.add(pa.RecordBatch.from_arrays(columns, schema=FATES), asker[is_lost])
        return outbox.close()

    return work.once(f"{step}/answers/{partition:05d}", Sent, tell)


def _follow(work: Work, step: str, followers: Followers, answers: Shuffle, partitions: int, group: int) -> Sent:
    """Send the fate of each of a group's followers."""

    def lead() -> Sent:
        docs, leader = followers.of_group(work, group)
        lost = _sorted_fates(work, (answers,), group)
        is_lost = contained(leader, numbers(lost, "doc"))
        place = np.searchsorted(numbers(lost, "doc"), leader[is_lost])
        survivor, similarity = leader.copy(), np.ones(leader.size)
        survivor[is_lost] = numbers(lost, "survivor")[place]
        similarity[is_lost] = numbers(lost, "similarity")[place]
        outbox = Outbox(work, step, group, partitions)
        columns = [pa.array(values) for values in (docs, survivor, similarity)]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=FATES), partition_of(spread(docs), partitions))
        return outbox.close()

    return work.once(f"{step}/{group:05d}", Sent, lead)


def _sorted_fates(work: Work, fates: tuple[Shuffle, ...], partition: int) -> pa.Table:
    """The fates in a partition of these shuffles, by document."""
    tables = [FATES.empty_table(), *(receive(work, each, partition, FATES) for each in fates)]
    return pa.concat_tables(tables).sort_by("doc").combine_chunks()


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
            found = names.take(pa.array(place))
            named = pa.Table.from_arrays([*rows.columns, *found.columns], schema=_NAMED)
            for batch in named.combine_chunks().to_batches():
                outbox.add(batch, addresses.group(batch["doc"].to_numpy()))
        counts = np.split(losers, firsts[1:-1])
        clusters = [_write_clusters(work, shard, each) for shard, each in zip(group.shards, counts, strict=True)]
        return Clustered(sent=outbox.close(), clusters=tuple(clusters))

    return work.once(f"named/{group.number:05d}", Clustered, name)


def _settle(work: Work, stages: tuple[str, ...], named: Shuffle, group: Group) -> Settled:
    """Write the losers of a group's shards."""

    def settle_group() -> Settled:
        rows = receive(work, named, group.number, _NAMED).sort_by("doc")
        docs = numbers(rows, "doc")
        if (docs[1:] == docs[:-1]).any():
            raise AccountingError("a document was dropped twice")
        keys: list[str | None] = []
        lost: list[tuple[int, ...]] = []
        for shard in group.shards:
            begin, end = np.searchsorted(shard_numbers(docs), [shard.number, shard.number + 1]).tolist()
            mine = rows.slice(begin, end - begin)
            keys.append(_write_losers(work, stages, shard, mine))
            lost.append(tuple(np.bincount(numbers(mine, "stage"), minlength=len(stages)).tolist()))
        return Settled(losers=tuple(keys), lost=tuple(lost))

    return work.once(f"losers/{group.number:05d}", Settled, settle_group)


def _names(storage: Storage, group: Group) -> pa.Table:
    """The id, input file and record of each of a group's documents."""
    schema = pa.schema([field for field in _NAMED if field.name in _NAMES])
    batches = [
        batch for shard in group.shards for batch in read_fingerprints(storage, shard.fingerprints, schema.names)
    ]
    return pa.Table.from_batches(batches).cast(schema) if batches else schema.empty_table()


def _write_clusters(work: Work, shard: ShardInput, losers: Rows) -> str | None:
    """Write for how many each of a shard's documents stands, of which so many, (documents,), lost to it."""
    rows = np.flatnonzero(losers)
    if not rows.size:
        return None
    return _write(work, f"clusters/{shard.number:06d}", [rows, losers[rows] + 1], CLUSTERS)


def _write_losers(work: Work, stages: tuple[str, ...], shard: ShardInput, rows: pa.Table) -> str | None:
    if not rows.num_rows:
        return None
    columns = [
        places(numbers(rows, "doc")),
        np.array(stages, dtype=object)[numbers(rows, "stage")],
        rows[ID].combine_chunks(),
        numbers(rows, "similarity"),
        rows[SHARD].combine_chunks(),
        numbers(rows, ROW),
    ]
    return _write(work, f"losers/{shard.number:06d}", columns, LOSERS)


def _write(work: Work, name: str, columns: list[Any], schema: pa.Schema) -> str:
    sink = io.BytesIO()
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    key = work.key(f"{name}.parquet")
    work.storage.write(key, sink.getvalue())
    return key
