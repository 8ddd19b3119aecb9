"""Keepers: who is kept, decided greedily in the order of the keep policy.

A document is dropped if and only if a better one that is kept is similar enough. That is a chain of dependencies, so
edges (better, worse) are decided by whoever has all the better ones' fates: in memory where one group of edges holds
them all; else in rounds, in which groups tell each other the fates that they have decided and were asked for. The best
open document of all can always be decided, so every round brings some, and the result does not depend on the grouping.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curation.dedup import kernels
from curation.dedup.bounds import Bounds
from curation.dedup.shard import Rows, contained
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, partition_of, receive, reshuffle, spread
from curation.dedup.stage import Uint64s
from curation.dedup.verification import EDGES
from curation.errors import AccountingError
from curation.runner.runner import Runner
from curation.work import Work

FATES = pa.schema([("doc", pa.uint64()), ("survivor", pa.uint64()), ("similarity", pa.float64())])
KEPT, DROPPED = 1, 2

_ASKS = pa.schema([("doc", pa.uint64()), ("asker", pa.int64())])
_ANSWERS = pa.schema([("doc", pa.uint64()), ("fate", pa.int8())])

Fate = np.ndarray[Any, np.dtype[np.int8]]


class _Round(BaseModel):
    """What a group did in a round: answers sent, fates decided, documents still open."""

    model_config = ConfigDict(frozen=True)

    sent: Sent
    decided: int
    open: int


def keepers(
    work: Work, runner: Runner, edges: Shuffle, count: int, partitions: int, bounds: Bounds
) -> tuple[Shuffle, int]:
    """The fates of the documents that are dropped, partitioned by document, and how many rounds it took.

    `count` is the number of edges, all in the one partition of `edges`. A fate names the most similar of the better
    documents that are kept; of equally similar ones the best.
    """
    groups = 1 + max(0, count - 1) // bounds.group_edges
    edges = reshuffle(work, runner, edges, "edges-by-worse", "worse", groups, EDGES)
    asks = gathered("asks", groups, runner.map(partial(_ask, work, edges), range(groups)))
    answers, number = Shuffle("answers/none", groups, ()), 0
    while True:
        step = f"answers/{number:04d}"
        done = runner.map(partial(_decide, work, edges, asks, answers, number), range(groups))
        answers = gathered(step, groups, [each.sent for each in done])
        if not any(each.open for each in done):
            break
        if not any(each.decided or each.sent.rows for each in done):
            raise AccountingError("the fates of documents depend on each other in a circle")
        number += 1
    task = partial(_name_survivors, work, edges, answers, number, partitions)
    return gathered("fates", partitions, runner.map(task, range(groups))), number + 1


def decide_all(better: Rows, worse: Rows, priority: Uint64s, docs: Uint64s, fate: Fate) -> int:
    """Decide, in place, whatever can be decided; how many documents were. Edges are places in `docs`.

    `better`, `worse` (edges,), the priority of the worse `priority` (edges,), `docs` and `fate` (documents,).
    """
    order = np.lexsort((docs[worse], ~priority))
    return int(kernels.decide(worse[order], better[order], fate))


def survivors(better: Rows, worse: Rows, similarity: np.ndarray[Any, Any], rank: Uint64s, docs: Uint64s) -> Rows:
    """The places of the edges that name each worse document's survivor: the most similar, then the best, then the first
    address. Only edges whose better document is kept may be given; `rank` is the better ones' priority. All (edges,)
    but for `docs` (documents,), into which edges point."""
    order = np.lexsort((docs[better], ~rank, -similarity, docs[worse]))
    is_first = np.ones(order.size, np.bool_)
    is_first[1:] = worse[order[1:]] != worse[order[:-1]]
    return order[is_first]


class _Edges:
    """The edges of one group, over a list of the documents in them."""

    def __init__(self, work: Work, edges: Shuffle, group: int) -> None:
        table = receive(work, edges, group, EDGES)
        better, worse = numbers(table, "better"), numbers(table, "worse")
        self.docs, places = np.unique(np.concatenate([better, worse]), return_inverse=True)
        self.better, self.worse = places[: better.size], places[better.size :]
        self.better_priority = numbers(table, "better_priority")
        self.worse_priority = numbers(table, "worse_priority")
        self.similarity = numbers(table, "similarity")
        self.is_worse = np.zeros(self.docs.size, np.bool_)
        self.is_worse[self.worse] = True

    def foreign(self, groups: int, group: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which documents another group decides, (documents,)."""
        return np.asarray(partition_of(spread(self.docs), groups) != group)


def _ask(work: Work, edges: Shuffle, group: int) -> Sent:
    """Ask the other groups for the fates of the better documents that are theirs."""

    def ask() -> Sent:
        mine = _Edges(work, edges, group)
        docs = mine.docs[mine.foreign(edges.partitions, group)]
        outbox = Outbox(work, "asks", group, edges.partitions)
        columns = [pa.array(docs), pa.array(np.full(docs.size, group, np.int64))]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=_ASKS), partition_of(spread(docs), edges.partitions))
        return outbox.close()

    return work.once(f"asks/{group:05d}", Sent, ask)


def _decide(work: Work, edges: Shuffle, asks: Shuffle, answers: Shuffle, number: int, group: int) -> _Round:
    """One round of one group: hear answers, decide, answer those who asked."""

    def decide() -> _Round:
        mine = _Edges(work, edges, group)
        before = _state(work, number - 1, group, mine.docs.size)
        fate = before.copy()
        if number == 0:
            fate[~mine.is_worse & ~mine.foreign(edges.partitions, group)] = KEPT
        fate = _heard(work, answers, group, mine, fate)
        decided = decide_all(mine.better, mine.worse, mine.worse_priority, mine.docs, fate)
        work.storage.write(work.key(_state_name(number, group)), fate.tobytes())
        asked = receive(work, asks, group, _ASKS)
        outbox = Outbox(work, f"answers/{number:04d}", group, edges.partitions)
        docs, askers, fates = _answers(mine, before, fate, number, asked)
        outbox.add(pa.RecordBatch.from_arrays([pa.array(docs), pa.array(fates)], schema=_ANSWERS), askers)
        return _Round(sent=outbox.close(), decided=decided, open=int((fate[mine.is_worse] == 0).sum()))

    return work.once(f"answers/{number:04d}/{group:05d}", _Round, decide)


def _answers(mine: _Edges, before: Fate, fate: Fate, number: int, asked: pa.Table) -> tuple[Uint64s, Rows, Fate]:
    """(documents, askers, fates) of what was asked for and is decided since `before`. A document that stands in none of
    the group's edges as the worse one is kept, which is said in round 0."""
    docs, askers = numbers(asked, "doc"), numbers(asked, "asker")
    is_known = contained(docs, mine.docs)
    place = np.searchsorted(mine.docs, docs[is_known])
    news = np.full(docs.size, KEPT if number == 0 else 0, np.int8)
    news[is_known] = np.where(before[place] == 0, fate[place], 0)
    return docs[news > 0], askers[news > 0], news[news > 0]


def _name_survivors(work: Work, edges: Shuffle, answers: Shuffle, number: int, partitions: int, group: int) -> Sent:
    """Send the fate of each of the group's documents that is dropped. One that is kept is enough to drop it, so that
    the most similar one is kept may be among the last round's answers."""

    def name() -> Sent:
        mine = _Edges(work, edges, group)
        fate = _heard(work, answers, group, mine, _state(work, number, group, mine.docs.size))
        usable = np.flatnonzero((fate[mine.worse] == DROPPED) & (fate[mine.better] == KEPT))
        better, worse = mine.better[usable], mine.worse[usable]
        chosen = survivors(better, worse, mine.similarity[usable], mine.better_priority[usable], mine.docs)
        docs = mine.docs[worse[chosen]]
        columns = (docs, mine.docs[better[chosen]], mine.similarity[usable][chosen])
        outbox = Outbox(work, "fates", group, partitions)
        rows = pa.RecordBatch.from_arrays([pa.array(values) for values in columns], schema=FATES)
        outbox.add(rows, partition_of(spread(docs), partitions))
        return outbox.close()

    return work.once(f"fates/{group:05d}", Sent, name)


def _heard(work: Work, answers: Shuffle, group: int, mine: _Edges, fate: Fate) -> Fate:
    """The fates of a group's documents, (documents,), with what others answered."""
    heard = receive(work, answers, group, _ANSWERS)
    fate = fate.copy()
    fate[np.searchsorted(mine.docs, numbers(heard, "doc"))] = numbers(heard, "fate")
    return fate


def _state_name(number: int, group: int) -> str:
    return f"answers/{number:04d}/{group:05d}.fates"


def _state(work: Work, number: int, group: int, documents: int) -> Fate:
    """The fates of a group's documents after a round, (documents,); all open before the first."""
    if number < 0:
        return np.zeros(documents, np.int8)
    return np.frombuffer(work.storage.read(work.key(_state_name(number, group))), np.int8)
