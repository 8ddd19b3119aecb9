"""Buckets, documents with the same band key, and the pairs of them that are worth comparing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from curation.dedup import kernels
from curation.dedup.bands import BAND_ROWS
from curation.dedup.bounds import Bounds
from curation.dedup.leaders import Followers, key_order, meet
from curation.dedup.meeting import Meeting
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, receive, reshuffle
from curation.dedup.stage import Uint64s
from curation.runner.runner import Runner
from curation.work import Work

NEIGHBOURS = 8
"""In a hot bucket, one is also compared with so many documents just before it in the keep policy's order."""

PAIRS = pa.schema(
    [
        *((name, pa.uint64()) for name in ("better", "worse", "better_priority", "worse_priority")),
        ("better_shingles", pa.uint32()),
        ("worse_shingles", pa.uint32()),
    ]
)
_PAIRS_AT_ONCE = 1 << 20
_ALL_NEW = np.uint64(0)

Rows = np.ndarray[Any, np.dtype[np.int64]]


def send_pairs(
    work: Work,
    runner: Runner,
    bands: Shuffle,
    minhash: MinHashDedup,
    without: Sequence[Followers],
    bounds: Bounds,
    meeting: Meeting | None = None,
) -> Shuffle:
    """The pairs of all buckets, one for each band that a pair shares, partitioned by the worse document. The known
    documents that have the same bands are in the buckets too, but for the followers in `without`."""
    task = partial(_pair, work, bands, minhash.max_bucket, tuple(without), meeting)
    sent = runner.map(task, range(bands.partitions))
    partitions = bounds.partitions(sum(receipt.rows for receipt in sent))
    return reshuffle(work, runner, gathered("buckets", 1, sent), "pairs", "worse", partitions, PAIRS)


def bucket_pairs(
    keys: Uint64s, docs: Uint64s, priority: Uint64s, max_bucket: int, first_new: np.uint64 = _ALL_NEW
) -> Iterator[tuple[Rows, Rows]]:
    """(better, worse) of the pairs to compare, as row numbers, some at a time; the arrays (rows,).

    A bucket of at most `max_bucket` gives all its pairs. In a larger one each is paired with the best `max_bucket` and
    with its NEIGHBOURS in the order of priority, which for `keep: longest` are those of nearly its length. Documents
    below `first_new` count as members, but are not paired with each other.
    """
    rows, starts = _shared(keys, docs, priority, max_bucket)
    ranks, addresses = priority[rows], docs[rows]
    row, bucket = 0, 0
    size = min(_PAIRS_AT_ONCE, int((np.diff(starts) * np.minimum(np.diff(starts), max_bucket + NEIGHBOURS)).sum()))
    while bucket < len(starts) - 1:
        better = np.empty(size + max_bucket + NEIGHBOURS, np.int64)
        worse = np.empty_like(better)
        written, row, bucket = kernels.bucket_pairs(
            starts, ranks, addresses, first_new, max_bucket, NEIGHBOURS, row, bucket, better, worse
        )
        yield rows[better[:written]], rows[worse[:written]]


def _shared(keys: Uint64s, docs: Uint64s, priority: Uint64s, max_bucket: int) -> tuple[Rows, Rows]:
    """(rows, starts): the rows of buckets of two and more, bucket after bucket; the hot ones' best first."""
    order, ordered = key_order(keys)
    follows = np.zeros(keys.size + 1, np.bool_)
    follows[1:-1] = ordered[1:] == ordered[:-1]
    shared = follows[:-1] | follows[1:]
    rows = order[shared].astype(np.int64)
    starts = np.append(np.flatnonzero(~follows[:-1][shared]), rows.size)
    sizes = np.diff(starts)
    hot = np.flatnonzero(np.repeat(sizes > max_bucket, sizes))
    if hot.size:
        number = np.repeat(np.arange(sizes.size), sizes)[hot]
        rows[hot] = rows[hot][np.lexsort((docs[rows[hot]], ~priority[rows[hot]], number))]
    return rows, starts


def _pair(
    work: Work,
    bands: Shuffle,
    max_bucket: int,
    without: tuple[Followers, ...],
    meeting: Meeting | None,
    partition: int,
) -> Sent:
    def pair() -> Sent:
        table = receive(work, bands, partition, BAND_ROWS)
        if meeting:
            table = pa.concat_tables([table, _met(work, meeting, without, numbers(table, "key"))])
        keys, docs, priority, shingles = (numbers(table, name) for name in BAND_ROWS.names)
        outbox = Outbox(work, "buckets", partition, 1)
        first_new = meeting.first_new if meeting else _ALL_NEW
        for pairs in bucket_pairs(keys, docs, priority, max_bucket, first_new):
            better, worse = meeting.better_first(docs, *pairs) if meeting else pairs
            columns = [values[side] for values in (docs, priority, shingles) for side in (better, worse)]
            outbox.add(pa.RecordBatch.from_arrays([pa.array(values) for values in columns], schema=PAIRS), 0)
        return outbox.close()

    return work.once(f"buckets/{partition:05d}", Sent, pair)


def _met(work: Work, meeting: Meeting, without: tuple[Followers, ...], keys: Uint64s) -> pa.Table:
    """The known documents that have one of these bands, as BAND_ROWS."""
    met = meet(work, meeting, without, "bands", keys)
    records = meeting.records(met.docs)
    columns = [met.keys, met.docs, records.set_priority, records.shingles]
    return pa.Table.from_arrays([pa.array(values) for values in columns], schema=BAND_ROWS)
