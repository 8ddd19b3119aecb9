"""Bringing rows that belong together to one task, through files.

A mapper sorts its rows by partition into objects of one slice a partition; a reducer reads only its own byte range of
each. An object begins with the slices' offsets, (partitions + 1) little-endian int64, so nobody has to hold the table
of all mappers' offsets; an empty slice takes no bytes and no request for its rows. A mapper with more rows than fit in
memory writes several objects. Slices are Arrow IPC streams.
"""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel

from curation.dedup.stage import Uint64s
from curation.runner.runner import Runner
from curation.work import Work

Partitions = np.ndarray[Any, np.dtype[np.int64]]

FLUSH_BYTES = 32 << 20
_READERS = 8
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Sent(BaseModel):
    """What a mapper wrote: how many objects and how many rows."""

    objects: int
    rows: int


@dataclass(frozen=True)
class Shuffle:
    """The rows that the mappers of a step sent: `objects[m]` objects of mapper m, each with this many partitions."""

    step: str
    partitions: int
    objects: tuple[int, ...]

    def keys(self) -> Iterator[str]:
        """The objects' names below the work."""
        for mapper, count in enumerate(self.objects):
            for number in range(count):
                yield object_name(self.step, mapper, number)


def object_name(step: str, mapper: int, number: int) -> str:
    """The name of a mapper's n-th object."""
    return f"{step}/{mapper:05d}-{number:04d}"


def gathered(step: str, partitions: int, sent: Sequence[Sent]) -> Shuffle:
    """The shuffle that these mappers, in the order of their numbers, made together."""
    return Shuffle(step, partitions, tuple(receipt.objects for receipt in sent))


def partition_of(keys: Uint64s, partitions: int) -> Partitions:
    """The partition of each key, (rows,), by its upper half; keys must be spread (a hash)."""
    return (((keys >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)).astype(np.int64)


def spread(values: Uint64s) -> Uint64s:
    """A hash of each value, (rows,), one to one (the finaliser of MurmurHash3)."""
    shift = np.uint64(33)
    values = (values ^ (values >> shift)) * np.uint64(0xFF51AFD7ED558CCD)
    values = (values ^ (values >> shift)) * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> shift)


class Outbox:
    """Collects a mapper's rows and writes them whenever enough are held."""

    def __init__(self, work: Work, step: str, mapper: int, partitions: int, flush_bytes: int = FLUSH_BYTES) -> None:
        self._work, self._step, self._mapper, self._partitions = work, step, mapper, partitions
        self._flush_bytes = flush_bytes
        self._held: list[tuple[pa.RecordBatch, Partitions]] = []
        self._held_bytes = 0
        self._sent = Sent(objects=0, rows=0)

    def add(self, batch: pa.RecordBatch, partition: Partitions | int) -> None:
        """Send each row of the batch to its partition, (rows,), or all rows to one."""
        if not batch.num_rows:
            return
        where = np.broadcast_to(np.asarray(partition, np.int64), (batch.num_rows,))
        self._held.append((batch, where))
        self._held_bytes += batch.nbytes
        if self._held_bytes >= self._flush_bytes:
            self._flush()

    def close(self) -> Sent:
        """Write what is left; the receipt."""
        if self._held:
            self._flush()
        return self._sent

    def _flush(self) -> None:
        table = pa.Table.from_batches([batch for batch, _ in self._held])
        partition = np.concatenate([where for _, where in self._held])
        self._held, self._held_bytes = [], 0
        order = np.argsort(partition, kind="stable")
        bounds = np.searchsorted(partition[order], np.arange(self._partitions + 1))
        table = table.take(pa.array(order))
        name = object_name(self._step, self._mapper, self._sent.objects)
        self._work.storage.write(self._work.key(name), _sliced(table, bounds))
        self._sent = Sent(objects=self._sent.objects + 1, rows=self._sent.rows + table.num_rows)


def receive(work: Work, shuffle: Shuffle, partition: int, schema: pa.Schema) -> pa.Table:
    """All rows sent to a partition, in the order of the mappers."""
    return pa.concat_tables([schema.empty_table(), *slices(work, shuffle, partition)])


def receive_own(work: Work, shuffle: Shuffle, mapper: int, schema: pa.Schema) -> pa.Table:
    """All rows that one mapper of a shuffle of one partition sent."""
    names = [object_name(shuffle.step, mapper, number) for number in range(shuffle.objects[mapper])]
    tables = (read_slice(work, name, 0) for name in names)
    return pa.concat_tables([schema.empty_table(), *(table for table in tables if table is not None)])


def slices(work: Work, shuffle: Shuffle, partition: int) -> Iterator[pa.Table]:
    """The rows sent to a partition, a slice at a time, in the order of the mappers: for partitions that may be hot."""
    yield from _each(lambda key: read_slice(work, key, partition), shuffle.keys())


def read_slice(work: Work, name: str, partition: int) -> pa.Table | None:
    """One slice of one object; None where it is empty."""
    storage, key = work.storage, work.key(name)
    begin, end = np.frombuffer(storage.read_range(key, 8 * partition, 16), "<i8").tolist()
    if begin == end:
        return None
    with pa.ipc.open_stream(storage.read_range(key, begin, end - begin)) as stream:
        return stream.read_all()


def numbers(table: pa.Table, name: str) -> np.ndarray[Any, Any]:
    """A column without nulls as a flat array, (rows,)."""
    return np.asarray(table[name].to_numpy())


def _each(read: Callable[[str], pa.Table | None], keys: Iterator[str]) -> Iterator[pa.Table]:
    """The slices that are not empty, in order; a few are asked for ahead, as each costs a round trip."""
    with ThreadPoolExecutor(_READERS) as pool:
        ahead: deque[Future[pa.Table | None]] = deque()
        for key in keys:
            ahead.append(pool.submit(read, key))
            if len(ahead) > _READERS and (table := ahead.popleft().result()) is not None:
                yield table
        yield from (table for each in ahead if (table := each.result()) is not None)


def _sliced(table: pa.Table, bounds: Partitions) -> bytes:
    """The object: offsets, then the slice of each partition, rows bounds[p] to bounds[p + 1] of the table."""
    header = 8 * len(bounds)
    offsets = np.full(len(bounds), header, "<i8")
    body = io.BytesIO()
    for partition in range(len(bounds) - 1):
        begin, end = int(bounds[partition]), int(bounds[partition + 1])
        if end > begin:
            with pa.ipc.new_stream(body, table.schema, options=_OPTIONS) as stream:
                stream.write_table(table.slice(begin, end - begin))
        offsets[partition + 1] = header + body.tell()
    return offsets.tobytes() + body.getvalue()


def reshuffle(
    work: Work, runner: Runner, shuffle: Shuffle, step: str, column: str, partitions: int, schema: pa.Schema
) -> Shuffle:
    """The rows of a shuffle of one partition dealt into several, by this column; for steps that learn only when all is
    counted how many partitions there should be."""
    if partitions == 1:
        return shuffle
    task = partial(_deal, work, shuffle, step, column, partitions, schema)
    return gathered(step, partitions, runner.map(task, range(len(shuffle.objects))))


def _deal(
    work: Work, shuffle: Shuffle, step: str, column: str, partitions: int, schema: pa.Schema, mapper: int
) -> Sent:
    def deal() -> Sent:
        outbox = Outbox(work, step, mapper, partitions)
        for number in range(shuffle.objects[mapper]):
            table = read_slice(work, object_name(shuffle.step, mapper, number), 0)
            for batch in (table or schema.empty_table()).to_batches():
                outbox.add(batch, partition_of(spread(batch[column].to_numpy()), partitions))
        return outbox.close()

    return work.once(f"{step}/{mapper:05d}", Sent, deal)
