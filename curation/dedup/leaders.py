"""Documents with the same 128-bit key: one leads, the others follow it.

Serves exact duplicates (the key of the normalised text) and, before bands are made, documents with equal shingle sets
(the digest of the set): followers share every property of their leader that near-duplicate search looks at, so one
stands for all, and a hundred thousand copies make no hot bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from curation.dedup import kernels
from curation.dedup.bounds import Bounds
from curation.dedup.fingerprint import (
    KEY_HIGH,
    KEY_LOW,
    KEY_PRIORITY,
    SET_HIGH,
    SET_LOW,
    SET_PRIORITY,
    SHINGLES,
)
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Addresses, Group, addresses_of, read_shard
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive
from curation.dedup.stage import DedupStage, Uint64s
from curation.runner.runner import Runner
from curation.work import Work

FOLLOWERS = pa.schema([("doc", pa.uint64()), ("leader", pa.uint64())])
_KEYS = pa.schema([(name, pa.uint64()) for name in ("high", "low", "priority", "doc")])


def followers(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    step: str,
    stage: DedupStage,
    without: Sequence[Shuffle],
    bounds: Bounds,
) -> Shuffle:
    """(doc, leader) of every document that is not the best of its key, a partition for each group of shards.

    `without` are earlier such shuffles: their followers take no part.
    """
    documents = sum(shard.documents for group in groups for shard in group.shards)
    partitions = bounds.partitions(documents)
    keys = f"{step}/keys"
    sent = runner.map(partial(_send_keys, work, keys, stage, tuple(without), partitions), groups)
    task = partial(_elect, work, step, gathered(keys, partitions, sent), addresses_of(groups))
    return gathered(step, len(groups), runner.map(task, range(partitions)))


def following(work: Work, shuffles: Sequence[Shuffle], group: int) -> Uint64s:
    """The followers in a group of shards, sorted, (documents,)."""
    docs = [numbers(receive(work, shuffle, group, FOLLOWERS), "doc") for shuffle in shuffles]
    return np.sort(np.concatenate([np.zeros(0, np.uint64), *docs]))


def _send_keys(
    work: Work, step: str, stage: DedupStage, without: tuple[Shuffle, ...], partitions: int, group: Group
) -> Sent:
    is_minhash = isinstance(stage, MinHashDedup)
    columns = [SET_HIGH, SET_LOW, SET_PRIORITY, SHINGLES] if is_minhash else [KEY_HIGH, KEY_LOW, KEY_PRIORITY]

    def send() -> Sent:
        storage, absent = work.storage, following(work, without, group.number)
        outbox = Outbox(work, step, group.number, partitions)
        for shard in group.shards:
            salt = np.uint64(stage.salt(shard.source))
            for docs, batch in read_shard(storage, shard, columns, absent):
                high = batch[columns[0]].to_numpy() ^ salt
                rows = pa.RecordBatch.from_arrays(
                    [pa.array(high), batch[columns[1]], batch[columns[2]], pa.array(docs)], schema=_KEYS
                )
                if is_minhash:
                    has_shingles = batch[SHINGLES].to_numpy() > 0
                    rows, high = rows.filter(pa.array(has_shingles)), high[has_shingles]
                outbox.add(rows, partition_of(high, partitions))
        return outbox.close()

    return work.once(f"{step}/{group.number:05d}", Sent, send)


def _elect(work: Work, step: str, keys: Shuffle, addresses: Addresses, partition: int) -> Sent:
    def elect() -> Sent:
        table = receive(work, keys, partition, _KEYS)
        high, low, priority, docs = (numbers(table, name) for name in _KEYS.names)
        leader = np.empty(docs.size, np.uint32)
        order, _ = key_order(high)
        kernels.elect(order, high, low, priority, docs, leader)
        follows = np.flatnonzero(leader != np.arange(docs.size, dtype=np.uint32))
        doc = docs[follows]
        outbox = Outbox(work, step, partition, addresses.groups)
        rows = pa.RecordBatch.from_arrays([pa.array(doc), pa.array(docs[leader[follows]])], schema=FOLLOWERS)
        outbox.add(rows, addresses.group(doc))
        return outbox.close()

    return work.once(f"{step}/{partition:05d}", Sent, elect)


def key_order(keys: Uint64s) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint32]], Uint64s]:
    """(order, keys so ordered), (rows,) each: equal keys stand together, in the order that they have."""
    order, ordered = np.empty(keys.size, np.uint32), np.empty_like(keys)
    if not kernels.group_by_key(keys, order, ordered):
        order[:] = np.argsort(keys, kind="stable")
        ordered = keys[order]
    return order, ordered
