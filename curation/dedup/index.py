"""The index that outlives a run: the keys of the documents that a version keeps, so that a later run can compare new
documents with them and with nothing else."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.bands import band_keys
from curation.dedup.bounds import Bounds
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.fates import read_losers
from curation.dedup.fingerprint import (
    KEY_HIGH,
    KEY_LOW,
    KEY_PRIORITY,
    SET_HIGH,
    SET_LOW,
    SET_PRIORITY,
    SHINGLES,
    SIGNATURE,
    signatures_of,
)
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import Group, ShardInput, addresses, read_shard
from curation.dedup.shingle import NORMALISER
from curation.dedup.shuffle import Outbox, Sent, Shuffle, gathered, partition_of, receive
from curation.dedup.stage import Uint64s
from curation.document import ID
from curation.errors import Problem, RecipeError
from curation.manifest import Part, part
from curation.runner.runner import Runner
from curation.storage import Storage
from curation.work import Work

META = "index.json"
FORMAT = 1

EXACT = pa.schema(
    [
        *(pa.field(name, pa.uint64(), nullable=False) for name in ("high", "low", "priority")),
        pa.field("shard", pa.uint32(), nullable=False),
        pa.field("row", pa.uint32(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
    ]
)
"""One row a kept document, by key: its exact key (the source mixed in where the scope is the source), its priority
(larger wins), and where it is: `shard` is its file's place among the manifest's `shards`, `row` its row there."""
BANDS = pa.schema(
    [
        pa.field("band", pa.uint8(), nullable=False),
        pa.field("key", pa.uint64(), nullable=False),
        *(pa.field(name, pa.uint64(), nullable=False) for name in ("set_high", "set_low", "priority")),
        pa.field("shingles", pa.uint32(), nullable=False),
        *(EXACT.field(name) for name in ("shard", "row", "id")),
    ]
)
"""One row for each band of each kept document that has words, by (band, key)."""


class IndexMeta(BaseModel):
    """What the keys of an index mean; keys of different meaning must not be compared."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    normaliser: str = NORMALISER
    scheme: str = "affine32"
    exact: dict[str, str | int | float | None] | None
    minhash: dict[str, str | int | float | None] | None
    exact_partitions: int
    band_partitions: int


class _Item(BaseModel):
    """A group with what its shards lost and, for each shard, its place among the manifest's files."""

    model_config = ConfigDict(frozen=True)

    group: Group
    losers: tuple[str | None, ...]
    files: tuple[int, ...]


class _Sent(BaseModel):
    exact: Sent
    bands: Sent


def write_index(
    work: Work,
    runner: Runner,
    groups: Sequence[Group],
    losers: Sequence[str | None],
    kept: Sequence[int],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    folder: str,
    bounds: Bounds,
) -> tuple[Part, ...]:
    """Write the index of the kept documents below `folder` in the work's storage; its files, `index.json` last.

    `losers` and `kept` are those of each shard, in order; a shard that keeps nothing has no file in the manifest.
    """
    total = sum(kept)
    exact_partitions = bounds.partitions(total) if exact else 0
    band_partitions = bounds.partitions(total * minhash.bands) if minhash else 0
    files = (np.cumsum([count > 0 for count in kept]) - 1).tolist()
    items, begin = [], 0
    for group in groups:
        end = begin + len(group.shards)
        items.append(_Item(group=group, losers=tuple(losers[begin:end]), files=tuple(files[begin:end])))
        begin = end
    task = partial(_send, work, exact, minhash, exact_partitions, band_partitions)
    sent = runner.map(task, items)
    parts: list[Part] = []
    for name, schema, count, receipts in (
        ("exact", EXACT, exact_partitions, [each.exact for each in sent]),
        ("bands", BANDS, band_partitions, [each.bands for each in sent]),
    ):
        shuffle = gathered(f"index/{name}", count, receipts)
        parts += runner.map(partial(_write, work, folder, name, shuffle, schema), range(count))
    meta = IndexMeta(
        exact=_meaning(exact),
        minhash=_meaning(minhash),
        exact_partitions=exact_partitions,
        band_partitions=band_partitions,
    )
    data = json.dumps(meta.model_dump(mode="json"), sort_keys=True, indent=1).encode()
    work.storage.write(f"{folder}/{META}", data)
    return (*parts, part(f"{folder}/{META}", data, 0))


def read_index_meta(storage: Storage, folder: str, exact: ExactDedup | None, minhash: MinHashDedup | None) -> IndexMeta:
    """What the index in a folder means. Raises RecipeError, naming every difference, where its keys are not those that
    these stages would make."""
    data = json.loads(storage.read(f"{folder}/{META}"))
    wanted = {
        "format": FORMAT,
        "normaliser": NORMALISER,
        "scheme": "affine32",
        "exact": _meaning(exact),
        "minhash": _meaning(minhash),
    }
    problems = [
        Problem(name, f"{folder}: the index has {data.get(name)!r}, this recipe needs {value!r}")
        for name, value in wanted.items()
        if data.get(name) != value
    ]
    if problems:
        raise RecipeError(problems)
    return IndexMeta.model_validate(data)


def _meaning(stage: ExactDedup | MinHashDedup | None) -> dict[str, str | int | float | None] | None:
    """The fields of a stage that its keys and priorities depend on."""
    if stage is None:
        return None
    names = ["scope", "keep", "quality", *(["ngram", "bands", "rows", "seed"] if stage.kind == "minhash_dedup" else [])]
    return {"version": stage.version, **{name: getattr(stage, name) for name in names}}


def _send(
    work: Work,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    exact_partitions: int,
    band_partitions: int,
    item: _Item,
) -> _Sent:
    def send() -> _Sent:
        exact_outbox = Outbox(work, "index/exact", item.group.number, exact_partitions)
        bands_outbox = Outbox(work, "index/bands", item.group.number, band_partitions)
        for shard, losers, file in zip(item.group.shards, item.losers, item.files, strict=True):
            lost = _lost(work.storage, shard, losers)
            if exact:
                _send_exact(work, exact_outbox, exact, exact_partitions, shard, lost, file)
            if minhash:
                _send_bands(work, bands_outbox, minhash, band_partitions, shard, lost, file)
        return _Sent(exact=exact_outbox.close(), bands=bands_outbox.close())

    return work.once(f"index/{item.group.number:05d}", _Sent, send)


def _lost(storage: Storage, shard: ShardInput, key: str | None) -> Uint64s:
    """The addresses of the documents that a shard lost, sorted."""
    if key is None:
        return np.zeros(0, np.uint64)
    return addresses(shard.number, read_losers(storage, key)["row"].to_numpy())


def _send_exact(
    work: Work, outbox: Outbox, exact: ExactDedup, partitions: int, shard: ShardInput, lost: Uint64s, file: int
) -> None:
    begin, salt = 0, np.uint64(exact.salt(shard.source))
    for docs, batch in read_shard(work.storage, shard, (KEY_HIGH, KEY_LOW, KEY_PRIORITY, ID), lost):
        high = batch[KEY_HIGH].to_numpy() ^ salt
        columns = [pa.array(high), batch[KEY_LOW], batch[KEY_PRIORITY], *_place(file, begin, docs.size), batch[ID]]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=EXACT), partition_of(high, partitions))
        begin += docs.size


def _send_bands(
    work: Work, outbox: Outbox, minhash: MinHashDedup, partitions: int, shard: ShardInput, lost: Uint64s, file: int
) -> None:
    begin, salt = 0, minhash.salt(shard.source)
    names = (SIGNATURE, SET_HIGH, SET_LOW, SET_PRIORITY, SHINGLES, ID)
    for docs, every in read_shard(work.storage, shard, names, lost):
        has_shingles = pa.array(every[SHINGLES].to_numpy() > 0)
        where = [values.filter(has_shingles) for values in _place(file, begin, docs.size)]
        begin += docs.size
        batch = every.filter(has_shingles)
        keys = band_keys(signatures_of(batch), minhash, salt)
        repeats = pa.array(np.repeat(np.arange(batch.num_rows), minhash.bands))
        high = pa.array(batch[SET_HIGH].to_numpy() ^ np.uint64(salt))
        per_document = (high, batch[SET_LOW], batch[SET_PRIORITY], batch[SHINGLES], *where, batch[ID])
        bands = np.tile(np.arange(minhash.bands, dtype=np.uint16).astype(np.uint8), batch.num_rows)
        columns = [pa.array(bands), pa.array(keys.ravel()), *(values.take(repeats) for values in per_document)]
        outbox.add(pa.RecordBatch.from_arrays(columns, schema=BANDS), partition_of(keys.ravel(), partitions))


def _place(file: int, begin: int, count: int) -> tuple[pa.UInt32Array, pa.UInt32Array]:
    """(shard, row) columns of `count` kept documents, from `begin` on, of the manifest's file number `file`."""
    return pa.array(np.full(count, file, np.uint32)), pa.array(np.arange(begin, begin + count, dtype=np.uint32))


def _write(work: Work, folder: str, name: str, shuffle: Shuffle, schema: pa.Schema, partition: int) -> Part:
    def write() -> Part:
        keys = ["high", "low"] if name == "exact" else ["band", "key"]
        order = [(column, "ascending") for column in (*keys, "shard", "row")]
        table = receive(work, shuffle, partition, schema).sort_by(order).combine_chunks()
        sink = io.BytesIO()
        pq.write_table(table, sink, compression="zstd", use_dictionary=["id"], row_group_size=1 << 17)
        data = sink.getvalue()
        path = f"{folder}/{name}-{partition:05d}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
        work.storage.write(path, data)
        return part(path, data, table.num_rows)

    return work.once(f"index/{name}/{partition:05d}", Part, write)
