"""Followers learn the fate of their leaders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from curation.dedup.keepers import FATES
from curation.dedup.leaders import Followers
from curation.dedup.shard import contained
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, slices, spread
from curation.runner.runner import Runner
from curation.work import Work

_ASKS = pa.schema([("leader", pa.uint64()), ("asker", pa.int64())])


def follow(
    work: Work,
    runner: Runner,
    step: str,
    followers: Followers,
    fates: Sequence[Shuffle],
    partitions: int,
) -> Shuffle:
    """The fates of followers: their leader, if it is kept, with similarity 1, else what became of the leader.

    `fates` are partitioned by document, and so is the result. A group of shards asks once for each leader.
    """
    numbers_of_groups = range(followers.groups)
    asked = runner.map(partial(_ask_for_leaders, work, step, followers, partitions), numbers_of_groups)
    asks = gathered(f"{step}/asks", partitions, asked)
    told = runner.map(partial(_tell, work, step, asks, tuple(fates), followers.groups), range(partitions))
    answers = gathered(f"{step}/answers", followers.groups, told)
    task = partial(_follow, work, step, followers, answers, partitions)
    return gathered(step, partitions, runner.map(task, numbers_of_groups))


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
