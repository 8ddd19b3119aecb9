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
from curation.dedup.leaders import FOLLOWERS
from curation.dedup.shard import Addresses, Group, ShardInput, addresses_of, places, shard_numbers
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, spread
from curation.dedup.stage import Uint64s
from curation.document import ID
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
        pa.field("survivor_shard", pa.int64(), nullable=False),
        pa.field("survivor_row", pa.int64(), nullable=False),
    ]
)
"""The dropped documents of a shard, in order. `row` is a document's place among the shard's documents, from 0,
`survivor` the kept copy's id, `survivor_shard` and `survivor_row` its address."""
CLUSTERS = pa.schema([pa.field("row", pa.int64(), nullable=False), pa.field("size", pa.int64(), nullable=False)])
"""The kept documents of a shard that stand for more than themselves, in order; `size` counts themselves too."""

_LOST = pa.schema([*FATES, ("stage", pa.uint8())])
_NAMED = pa.schema([*_LOST, ("id", pa.string())])


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
    followers: Shuffle,
    fates: Sequence[Shuffle],
    partitions: int,
) -> Shuffle:
    """The fates of followers: their leader, if it is kept, with similarity 1, else what became of the leader.

    `fates` are partitioned by document, and so is the result.
    """
    by_leader = f"{step}/by-leader"
    sent = runner.map(partial(_send_to_leaders, work, by_leader, followers, partitions), range(len(groups)))
    task = partial(_follow, work, step, gathered(by_leader, partitions, sent), tuple(fates))
    return gathered(step, partitions, runner.map(task, range(partitions)))


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


def _send_to_leaders(work: Work, step: str, followers: Shuffle, partitions: int, group: int) -> Sent:
    def send() -> Sent:
        outbox = Outbox(work, step, group, partitions)
        for batch in receive(work, followers, group, FOLLOWERS).to_batches():
            outbox.add(batch, partition_of(spread(batch["leader"].to_numpy()), partitions))
        return outbox.close()

    return work.once(f"{step}/{group:05d}", Sent, send)


def _follow(work: Work, step: str, followers: Shuffle, fates: tuple[Shuffle, ...], partition: int) -> Sent:
    def lead() -> Sent:
        rows = receive(work, followers, partition, FOLLOWERS)
        docs, leader = numbers(rows, "doc"), numbers(rows, "leader")
        fate = pa.concat_tables([FATES.empty_table(), *(receive(work, each, partition, FATES) for each in fates)])
        fate = fate.sort_by("doc")
        known, place = numbers(fate, "doc"), np.zeros(leader.size, np.int64)
        survivor, similarity = leader.copy(), np.ones(leader.size)
        if known.size:
            place = np.minimum(np.searchsorted(known, leader), known.size - 1)
            is_lost = known[place] == leader
            survivor[is_lost] = numbers(fate, "survivor")[place[is_lost]]
            similarity[is_lost] = numbers(fate, "similarity")[place[is_lost]]
        outbox = Outbox(work, step, partition, followers.partitions)
        columns = [pa.array(values) for values in (docs, survivor, similarity)]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=FATES), partition_of(spread(docs), followers.partitions))
        return outbox.close()

    return work.once(f"{step}/{partition:05d}", Sent, lead)


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
    """Name the survivors among a group's documents, and count for how many each stands."""

    def name() -> Clustered:
        rows = receive(work, lost, group.number, _LOST).sort_by([("survivor", "ascending"), ("doc", "ascending")])
        survivor = numbers(rows, "survivor")
        outbox = Outbox(work, "named", group.number, addresses.groups)
        clusters: list[str | None] = []
        for shard in group.shards:
            begin, end = np.searchsorted(shard_numbers(survivor), [shard.number, shard.number + 1]).tolist()
            clusters.append(_write_clusters(work, shard, survivor[begin:end]))
            mine = rows.slice(begin, end - begin)
            if end > begin:
                ids = _ids(work.storage, shard).take(pa.array(places(survivor[begin:end])))
                for batch in mine.append_column("id", ids).cast(_NAMED).to_batches():
                    outbox.add(batch, addresses.group(batch["doc"].to_numpy()))
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


def _ids(storage: Storage, shard: ShardInput) -> pa.StringArray:
    return pa.concat_arrays([batch[ID] for batch in read_fingerprints(storage, shard.fingerprints, [ID])])


def _write_clusters(work: Work, shard: ShardInput, survivor: Uint64s) -> str | None:
    """Write the sizes of the clusters that these survivors, sorted, one a loser, stand for."""
    if not survivor.size:
        return None
    docs, losers = np.unique(survivor, return_counts=True)
    return _write(work, f"clusters/{shard.number:06d}", [places(docs), losers.astype(np.int64) + 1], CLUSTERS)


def _write_losers(work: Work, stages: tuple[str, ...], shard: ShardInput, rows: pa.Table) -> str | None:
    if not rows.num_rows:
        return None
    survivor = numbers(rows, "survivor")
    columns = [
        places(numbers(rows, "doc")),
        np.array(stages, dtype=object)[numbers(rows, "stage")],
        rows["id"].combine_chunks(),
        numbers(rows, "similarity"),
        shard_numbers(survivor).astype(np.int64),
        places(survivor),
    ]
    return _write(work, f"losers/{shard.number:06d}", columns, LOSERS)


def _write(work: Work, name: str, columns: list[Any], schema: pa.Schema) -> str:
    sink = io.BytesIO()
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    pq.write_table(pa.Table.from_arrays(arrays, schema=schema), sink, compression="zstd")
    key = work.key(f"{name}.parquet")
    work.storage.write(key, sink.getvalue())
    return key
