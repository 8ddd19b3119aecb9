"""Documents with the same 128-bit key: one leads, the others follow it.

Serves exact duplicates (the key of the normalised text) and, before bands are made, documents with equal shingle sets
(the digest of the set): followers share every property of their leader that near-duplicate search looks at, so one
stands for all, and a hundred thousand copies make no hot bucket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

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
from curation.dedup.known import Table
from curation.dedup.meeting import Meeting, Met
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Addresses, Group, addresses_of, contained, read_shard
from curation.dedup.shuffle import (
    Outbox,
    Sent,
    Shuffle,
    gathered,
    numbers,
    partition_of,
    receive,
    receive_own,
    slices,
)
from curation.dedup.stage import DedupStage, Uint64s
from curation.runner.runner import Runner
from curation.work import Work

FOLLOWERS = pa.schema([("doc", pa.uint64()), ("leader", pa.uint64())])
_KEYS = pa.schema([(name, pa.uint64()) for name in ("high", "low", "priority", "doc")])
_MOST = np.iinfo(np.uint64).max


@dataclass(frozen=True)
class Followers:
    """The documents that are not the best of their key, in two hops, both as FOLLOWERS: the leader of `within`, of
    which each group of shards has its own, is the best of the group; `across` sends those to the best of all, a
    partition for each group. Known documents that follow new ones are in `known`, by the partition of their keys."""

    within: Shuffle
    across: Shuffle
    known: Shuffle

    @property
    def groups(self) -> int:
        """Those of shards and, behind them, those of the known documents that follow."""
        return len(self.within.objects) + len(self.known.objects)

    def of_group(self, work: Work, group: int) -> tuple[Uint64s, Uint64s]:
        """(followers, the best of all with their key) in a group, (documents,) each."""
        if (mapper := group - len(self.within.objects)) >= 0:
            rows = receive_own(work, self.known, mapper, FOLLOWERS)
            return numbers(rows, "doc"), numbers(rows, "leader")
        near = receive_own(work, self.within, group, FOLLOWERS)
        far = receive(work, self.across, group, FOLLOWERS).sort_by("doc")
        bests, leaders = numbers(far, "doc"), numbers(far, "leader")
        leader = numbers(near, "leader").copy()
        goes_on = contained(leader, bests)
        leader[goes_on] = leaders[np.searchsorted(bests, leader[goes_on])]
        return np.concatenate([numbers(near, "doc"), bests]), np.concatenate([leader, leaders])


class _Elected(BaseModel):
    """What a group of shards sent: its followers to itself, the best of each key to the key's partition."""

    model_config = ConfigDict(frozen=True)

    within: Sent
    keys: Sent


class _Led(BaseModel):
    """What a partition of keys sent: the groups' best that follow, and the known documents that do."""

    model_config = ConfigDict(frozen=True)

    across: Sent
    known: Sent


def followers(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    step: str,
    stage: DedupStage,
    without: Sequence[Followers],
    bounds: Bounds,
    meeting: Meeting | None = None,
) -> Followers:
    """Every document that is not the best of its key, known documents with that key included. The followers in
    `without` take no part."""
    documents = sum(shard.documents for group in groups for shard in group.shards)
    partitions = bounds.partitions(documents)
    elected = runner.map(partial(_elect_within, work, step, stage, tuple(without), partitions), groups)
    keys = gathered(f"{step}/keys", partitions, [each.keys for each in elected])
    table: Table = "sets" if isinstance(stage, MinHashDedup) else "exact"
    task = partial(_elect_across, work, step, table, keys, addresses_of(groups), tuple(without), meeting)
    led = runner.map(task, range(partitions))
    return Followers(
        within=gathered(f"{step}/within", 1, [each.within for each in elected]),
        across=gathered(f"{step}/across", len(groups), [each.across for each in led]),
        known=gathered(f"{step}/known", 1, [each.known for each in led] if meeting and not meeting.stays else []),
    )


def following(work: Work, without: Sequence[Followers], group: int) -> Uint64s:
    """The followers in a group of shards, sorted, (documents,)."""
    docs = [each.of_group(work, group)[0] for each in without]
    return np.sort(np.concatenate([np.zeros(0, np.uint64), *docs]))


def meet(work: Work, meeting: Meeting, without: Sequence[Followers], table: Table, keys: Uint64s) -> Met:
    """The known documents that have one of these keys, but for the followers in `without`."""
    met = meeting.meet(table, keys)
    follows = np.zeros(met.docs.size, np.bool_)
    for each in without:
        for rows in slices(work, each.known, 0):
            follows |= contained(met.docs, np.sort(numbers(rows, "doc")))
    return Met(met.keys[~follows], met.low[~follows], met.docs[~follows])


def _elect_within(
    work: Work, step: str, stage: DedupStage, without: tuple[Followers, ...], partitions: int, group: Group
) -> _Elected:
    def elect() -> _Elected:
        keys = _keys_of(work, stage, following(work, without, group.number), group)
        leader = _leaders(keys)
        within = Outbox(work, f"{step}/within", group.number, 1)
        within.add(_following_rows(numbers(keys, "doc"), leader), 0)
        bests = keys.filter(pa.array(leader == numbers(keys, "doc"))).combine_chunks()
        outbox = Outbox(work, f"{step}/keys", group.number, partitions)
        for batch in bests.to_batches():
            outbox.add(batch, partition_of(batch["high"].to_numpy(), partitions))
        return _Elected(within=within.close(), keys=outbox.close())

    return work.once(f"{step}/within/{group.number:05d}", _Elected, elect)


def _elect_across(
    work: Work,
    step: str,
    table: Table,
    keys: Shuffle,
    addresses: Addresses,
    without: tuple[Followers, ...],
    meeting: Meeting | None,
    partition: int,
) -> _Led:
    def elect() -> _Led:
        rows = receive(work, keys, partition, _KEYS)
        if meeting:
            rows = pa.concat_tables([rows, _met(work, meeting, without, table, numbers(rows, "high"))])
        led = _following_rows(numbers(rows, "doc"), _leaders(rows))
        across = Outbox(work, f"{step}/across", partition, addresses.groups)
        known = Outbox(work, f"{step}/known", partition, 1)
        if meeting:
            is_known, by_known = (meeting.is_known(led[name].to_numpy()) for name in FOLLOWERS.names)
            known.add(led.filter(pa.array(is_known & ~by_known)), 0)
            led = led.filter(pa.array(~is_known))
        across.add(led, addresses.group(led["doc"].to_numpy()))
        return _Led(across=across.close(), known=known.close())

    return work.once(f"{step}/across/{partition:05d}", _Led, elect)


def _met(work: Work, meeting: Meeting, without: tuple[Followers, ...], table: Table, high: Uint64s) -> pa.Table:
    """The known documents that may have one of these keys, as _KEYS; of the greatest priority where they stay."""
    met = meet(work, meeting, without, table, high)
    if meeting.stays:
        priority = np.full(met.docs.size, _MOST)
    else:
        records = meeting.records(met.docs)
        priority = records.set_priority if table == "sets" else records.exact_priority
    columns = [met.keys, met.low, priority, met.docs]
    return pa.Table.from_arrays([pa.array(values) for values in columns], schema=_KEYS)


def _keys_of(work: Work, stage: DedupStage, absent: Uint64s, group: Group) -> pa.Table:
    """The keys, as _KEYS, of a group's documents but for the absent ones and, for MinHash, those without shingles."""
    is_minhash = isinstance(stage, MinHashDedup)
    columns = [SET_HIGH, SET_LOW, SET_PRIORITY, SHINGLES] if is_minhash else [KEY_HIGH, KEY_LOW, KEY_PRIORITY]
    batches = []
    for shard in group.shards:
        salt = np.uint64(stage.salt(shard.source))
        for docs, batch in read_shard(work.storage, shard, columns, absent):
            high = pa.array(batch[columns[0]].to_numpy() ^ salt)
            rows = pa.RecordBatch.from_arrays(
                [high, batch[columns[1]], batch[columns[2]], pa.array(docs)], schema=_KEYS
            )
            batches.append(rows.filter(pa.array(batch[SHINGLES].to_numpy() > 0)) if is_minhash else rows)
    return pa.Table.from_batches(batches, _KEYS)


def _leaders(keys: pa.Table) -> Uint64s:
    """The best document of each row's key, (rows,)."""
    high, low, priority, docs = (numbers(keys, name) for name in _KEYS.names)
    leader = np.empty(docs.size, np.uint32)
    order, _ = key_order(high)
    kernels.elect(order, high, low, priority, docs, leader)
    return np.asarray(docs[leader])


def _following_rows(docs: Uint64s, leader: Uint64s) -> pa.RecordBatch:
    """Those that do not lead themselves, as FOLLOWERS."""
    follows = docs != leader
    return pa.RecordBatch.from_arrays([pa.array(docs[follows]), pa.array(leader[follows])], schema=FOLLOWERS)


def key_order(keys: Uint64s) -> tuple[np.ndarray[tuple[int], np.dtype[np.uint32]], Uint64s]:
    """(order, keys so ordered), (rows,) each: equal keys stand together, in the order that they have."""
    order, ordered = np.empty(keys.size, np.uint32), np.empty_like(keys)
    if not kernels.group_by_key(keys, order, ordered):
        order[:] = np.argsort(keys, kind="stable")
        ordered = keys[order]
    return order, ordered
