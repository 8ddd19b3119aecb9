"""Candidates: each pair once, those too unlike in size set aside, and who has to bring which shingles where."""

from __future__ import annotations

import io
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.buckets import PAIRS
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Addresses
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, numbers, receive
from curation.dedup.stage import Uint64s
from curation.runner.runner import Runner
from curation.work import Work

CANDIDATES = pa.schema([PAIRS.field(name) for name in ("better", "worse", "better_priority", "worse_priority")])
REQUESTS = pa.schema([("doc", pa.uint64()), ("partition", pa.uint32()), ("lot", pa.uint32())])

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class Candidates(BaseModel):
    """What a partition holds: different pairs, those whose sizes alone rule them out, and the number of lots, each of
    which one task verifies."""

    model_config = ConfigDict(frozen=True)

    sent: Sent
    pairs: int
    too_unlike: int
    lots: int


def find_candidates(
    work: Work, runner: Runner, pairs: Shuffle, minhash: MinHashDedup, addresses: Addresses, bounds: Bounds
) -> tuple[list[Candidates], Shuffle]:
    """What each partition holds, and the requests for shingles, a partition for each group of shards."""
    task = partial(_find, work, pairs, minhash.min_similarity, addresses, bounds.lot_bytes)
    found = runner.map(task, range(pairs.partitions))
    return found, gathered("candidates", addresses.groups, [each.sent for each in found])


def lot_name(partition: int, lot: int) -> str:
    """The name, below the work, of the candidates of one lot."""
    return f"candidates/{partition:05d}/{lot:05d}.arrow"


def first_of_each(better: Uint64s, worse: Uint64s) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The place of the first of each different pair, in the order of (worse, better)."""
    order = np.lexsort((better, worse))
    is_first = np.ones(order.size, np.bool_)
    is_first[1:] = (worse[order[1:]] != worse[order[:-1]]) | (better[order[1:]] != better[order[:-1]])
    return order[is_first]


def _find(
    work: Work, pairs: Shuffle, min_similarity: float, addresses: Addresses, lot_bytes: int, partition: int
) -> Candidates:
    def find() -> Candidates:
        table = receive(work, pairs, partition, PAIRS)
        table = table.take(pa.array(first_of_each(numbers(table, "better"), numbers(table, "worse"))))
        alike = _alike_in_size(table, min_similarity)
        pairs_found, too_unlike = table.num_rows, int((~alike).sum())
        table = table.filter(pa.array(alike))
        lots = _lots(table, lot_bytes)
        outbox = Outbox(work, "candidates", partition, addresses.groups)
        for lot in range(count := int(lots[-1]) + 1 if lots.size else 0):
            begin, end = np.searchsorted(lots, [lot, lot + 1]).tolist()
            mine = table.slice(begin, end - begin).select(CANDIDATES.names)
            work.storage.write(work.key(lot_name(partition, lot)), _encoded(mine))
            docs = np.unique(np.concatenate([numbers(mine, "better"), numbers(mine, "worse")]))
            where = [np.full(docs.size, number, np.uint32) for number in (partition, lot)]
            outbox.add(
                pa.RecordBatch.from_arrays([pa.array(docs), *map(pa.array, where)], schema=REQUESTS),
                addresses.group(docs),
            )
        return Candidates(sent=outbox.close(), pairs=pairs_found, too_unlike=too_unlike, lots=count)

    return work.once(f"candidates/{partition:05d}", Candidates, find)


def _alike_in_size(table: pa.Table, min_similarity: float) -> Flags:
    """Whether the sizes allow the similarity: the Jaccard of two sets is at most the smaller size over the larger."""
    sizes = [numbers(table, name).astype(np.float64) for name in ("better_shingles", "worse_shingles")]
    return np.asarray(np.minimum(*sizes) / np.maximum(*sizes) >= min_similarity)


def _lots(table: pa.Table, lot_bytes: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The lot of each pair, ascending, (pairs,), so that the shingles of a lot fit in a task's memory."""
    shingles = numbers(table, "better_shingles").astype(np.int64) + numbers(table, "worse_shingles")
    before = np.cumsum(8 * shingles) - 8 * shingles
    _, lots = np.unique(before // lot_bytes, return_inverse=True)
    return lots.astype(np.int64)


def _encoded(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(table)
    return sink.getvalue()
