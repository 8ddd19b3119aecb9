"""Bands of signatures: a key for each, sent to where equal keys meet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from curation.dedup import kernels
from curation.dedup.bounds import Bounds
from curation.dedup.fingerprint import SET_PRIORITY, SHINGLES, SIGNATURE, signatures_of
from curation.dedup.leaders import Followers, following
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Group, read_shard
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, partition_of
from curation.dedup.stage import Uint64s
from curation.runner.runner import Runner
from curation.work import Work

BAND_ROWS = pa.schema(
    [("key", pa.uint64()), ("doc", pa.uint64()), ("priority", pa.uint64()), ("shingles", pa.uint32())]
)
_COLUMNS = (SIGNATURE, SET_PRIORITY, SHINGLES)


def send_bands(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    minhash: MinHashDedup,
    without: Sequence[Followers],
    bounds: Bounds,
) -> Shuffle:
    """The band rows of all documents that follow no other and have words, partitioned by key."""
    documents = sum(shard.documents for group in groups for shard in group.shards)
    partitions = bounds.partitions(documents * minhash.bands)
    task = partial(_send, work, minhash, tuple(without), partitions)
    return gathered("bands", partitions, runner.map(task, groups))


def band_keys(signatures: np.ndarray[tuple[int, int], np.dtype[np.uint32]], stage: MinHashDedup, salt: int) -> Uint64s:
    """The keys of each document's bands, (documents, bands). A key knows its band and the salt."""
    keys = np.empty((len(signatures), stage.bands), np.uint64)
    kernels.band_keys(signatures, stage.bands, stage.rows, np.uint64(salt), keys)
    return keys


def _send(work: Work, minhash: MinHashDedup, without: tuple[Followers, ...], partitions: int, group: Group) -> Sent:
    def send() -> Sent:
        storage, absent = work.storage, following(work, without, group.number)
        outbox = Outbox(work, "bands", group.number, partitions)
        for shard in group.shards:
            for every_doc, every in read_shard(storage, shard, _COLUMNS, absent):
                has_shingles = every[SHINGLES].to_numpy() > 0
                docs, batch = every_doc[has_shingles], every.filter(pa.array(has_shingles))
                keys = band_keys(signatures_of(batch), minhash, minhash.salt(shard.source)).ravel()
                others = (docs, batch[SET_PRIORITY].to_numpy(), batch[SHINGLES].to_numpy())
                columns = [pa.array(keys), *(pa.array(np.repeat(values, minhash.bands)) for values in others)]
                outbox.add(pa.RecordBatch.from_arrays(columns, schema=BAND_ROWS), partition_of(keys, partitions))
        return outbox.close()

    return work.once(f"bands/{group.number:05d}", Sent, send)
