"""Which documents only one of two versions keeps, which they keep with another text, and what the other says of them.

Four exchanges, each of records parted by a hash, so that a partition is small whatever the versions hold:

by key        a document that both keep cancels where its text must be the same: same record of the same input file,
              read by the same rules. What is left on one side only finds what the other side has decided about it.
by piece      what is left on both sides is compared by text: the texts are read, file by file.
by key        equal texts cancel; what is left on both sides has changed.
by survivor   a document that is kept instead of its survivor was promoted: the survivor is among those not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar

import numpy as np

from curation.difference.records import (
    ABSENT,
    CHANGED,
    KEPT,
    RECORD,
    A,
    B,
    Reader,
    mixed,
    text_hashes,
)
from curation.difference.spill import Records, Spill, Uint64s, partition_bits
from curation.document import TEXT

THREADS = 4
"""How many files are read at once."""

UNACCOUNTED, INPUT_ABSENT, INPUT_CHANGED, PROMOTED = 0, 1 << 29, 1 << 30, 1 << 31
"""Causes; smaller numbers are reasons' names, and PROMOTED is added to one."""

Numbers = np.ndarray[Any, np.dtype[np.int64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Sink(Protocol):
    """Who is told what was found, some records at a time."""

    def single(self, records: Records) -> None:
        """Documents that only their side keeps, with their `cause`."""

    def changed(self, before: Records, after: Records) -> None:
        """Documents whose text has changed, in the same order, (documents,) each."""


def match(reader: Reader, sink: Sink) -> None:
    """Tell the sink every document that one version keeps and the other does not, or not with this text."""
    bits = partition_bits(reader.rows())
    with ExitStack() as stack:
        by_key, by_piece, again, by_survivor = (stack.enter_context(Spill(RECORD, bits)) for _ in range(4))
        for records in _read(reader):
            by_key.add(records, records["key"])

        def single(records: Records) -> None:
            is_asking = (records["side"] == B) & (records["survivor"] != 0)
            sink.single(records[~is_asking])
            by_survivor.add(records[is_asking], records["survivor"][is_asking])
            gone = records[records["side"] == A]
            by_survivor.add(gone, gone["address"])

        for records in by_key.partitions():
            left = _with_causes(uncancelled(records[records["reason"] == KEPT]), records)
            is_double = on_both_sides(left)
            single(left[~is_double])
            double = left[is_double]
            by_piece.add(double, mixed(double["piece"].astype(np.uint64), double["side"]))
        for records in by_piece.partitions():
            for read in _with_texts(reader, records):
                again.add(read, read["key"])
        for records in again.partitions():
            before, after, rest = _paired(uncancelled(records))
            sink.changed(before, after)
            by_survivor.add(before, before["address"])
            single(rest)
        for records in by_survivor.partitions():
            gone, asking = records[records["side"] == A], records[records["side"] == B]
            asking["cause"] += np.where(np.isin(asking["survivor"], gone["address"]), PROMOTED, 0).astype(np.uint32)
            sink.single(asking)


def _read(reader: Reader) -> Iterator[Records]:
    """The records of both sides; at most so many pieces at once are in memory."""
    pieces = [(side, piece) for side in reader.sides for piece in range(len(side.pieces))]
    for found in _each(lambda one: list(reader.records(*one)), pieces):
        yield from found


def _each(ask: Callable[[Asked], Answer], of: Sequence[Asked]) -> Iterator[Answer]:
    """The answers, in order; a few are asked for at once, and no more are in memory."""
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(of), THREADS):
            yield from threads.map(ask, of[start : start + THREADS])


def uncancelled(records: Records) -> Records:
    """The records without those that have their like (same key, same token) on the other side, one for one; by key."""
    records = records[np.lexsort((records["side"], records["token"], records["key"]))]
    return np.asarray(records[~_has_partner(records, _groups(records["key"], records["token"]))])


def on_both_sides(records: Records) -> Flags:
    """Whether the other side has the key, too; `records` are sorted by key. (records,)"""
    group = _groups(records["key"])
    on_a, on_b = _counts(records, group)
    return np.asarray(((on_a > 0) & (on_b > 0))[group])


def _paired(records: Records) -> tuple[Records, Records, Records]:
    """The records of a key that both sides have, one for one, as two arrays in the same order; and the rest."""
    records = records[np.lexsort((records["side"], records["key"]))]
    is_paired = _has_partner(records, _groups(records["key"]))
    paired = records[is_paired]
    return paired[paired["side"] == A], paired[paired["side"] == B], records[~is_paired]


def _has_partner(records: Records, group: Numbers) -> Flags:
    """Whether each record is among the first of its side in its group that the other side has a record for, one for
    one; within a group, those of side A come first. (records,)"""
    on_a, on_b = _counts(records, group)
    starts = np.cumsum(on_a + on_b) - on_a - on_b
    rank = np.arange(len(records)) - starts[group] - np.where(records["side"] == B, on_a[group], 0)
    return np.asarray(rank < np.minimum(on_a, on_b)[group])


def _groups(*columns: Uint64s) -> Numbers:
    """The number of each record's group, from 0, where the groups are runs of equal values; (records,)."""
    if not len(columns[0]):
        return np.zeros(0, np.int64)
    begins = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.concatenate([[0], np.cumsum(begins)]).astype(np.int64)


def _counts(records: Records, group: Numbers) -> tuple[Numbers, Numbers]:
    """How many records of each group are on side A, and on side B; (groups,)."""
    count = int(group[-1]) + 1 if len(group) else 0
    on_b = np.bincount(group, records["side"] == B, count).astype(np.int64)
    return np.bincount(group, minlength=count) - on_b, on_b


def _with_causes(left: Records, every: Records) -> Records:
    """The kept documents with what the other side decided about them instead: about the same record, else anew about
    another one of the same id, else nothing, because of the input file."""
    left = left.copy()
    left["survivor"] = 0
    left["cause"] = np.select(
        [left["input"] == ABSENT, left["input"] == CHANGED], [INPUT_ABSENT, INPUT_CHANGED], UNACCOUNTED
    )
    lost = every[every["reason"] != KEPT]
    for decisions, place in ((uncancelled(lost), _key), (lost, _record)):
        for side in (A, B):
            mine = np.flatnonzero(left["side"] == side)
            theirs = decisions[decisions["side"] != side]
            theirs = theirs[np.lexsort((theirs["address"], place(theirs)))]
            at = np.searchsorted(place(theirs), place(left[mine]))
            is_hit = np.append(place(theirs), np.uint64(0))[at] == place(left[mine])
            is_hit &= at < len(theirs)
            left["cause"][mine[is_hit]] = theirs["reason"][at[is_hit]]
            left["survivor"][mine[is_hit]] = theirs["survivor"][at[is_hit]]
    return left


def _key(records: Records) -> Uint64s:
    return np.asarray(records["key"])


def _record(records: Records) -> Uint64s:
    return mixed(records["key"], records["address"])


def _with_texts(reader: Reader, records: Records) -> Iterator[Records]:
    """The records with a hash of their text as token, file by file."""
    place = records["piece"].astype(np.int64) * 2 + records["side"]
    records, place = records[(order := np.argsort(place, kind="stable"))], place[order]
    parts = np.split(records, np.flatnonzero(place[1:] != place[:-1]) + 1) if len(records) else []
    return _each(lambda part: _hashed(reader, part), parts)


def _hashed(reader: Reader, records: Records) -> Records:
    records = records[np.argsort(records["address"])]
    for found, table in reader.documents(records, [TEXT]):
        records["token"][np.searchsorted(records["address"], found)] = text_hashes(table[TEXT])
    return np.asarray(records)
