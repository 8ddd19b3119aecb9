"""The fingerprints of documents: all that deduplication needs to know of them until candidates are verified."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.dedup import kernels, shingle
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD, TEXT
from curation.storage import Storage
from curation.text.arrow import text_buffers
from curation.text.unicode import tables
from curation.work import Work

KEY_HIGH, KEY_LOW, KEY_PRIORITY = "exact_high", "exact_low", "exact_priority"
SET_HIGH, SET_LOW, SET_PRIORITY = "set_high", "set_low", "minhash_priority"
SHINGLES, SIGNATURE = "shingles", "signature"

_NAMES = {ID: pa.string(), SHARD: pa.string(), ROW: pa.int64()}
_BATCH_ROWS = 16_384
_SET_BYTES = 8 << 20


def fingerprint_schema(exact: ExactDedup | None, minhash: MinHashDedup | None) -> pa.Schema:
    """`id`, `shard` and `row`, the columns of each stage that is asked for, and, for MinHash, the signature:
    `bands · rows` uint32, little-endian, as datasketch has them in `MinHash.hashvalues`."""
    fields = [pa.field(name, kind, nullable=False) for name, kind in _NAMES.items()]
    if exact:
        fields += [pa.field(name, pa.uint64(), nullable=False) for name in (KEY_HIGH, KEY_LOW, KEY_PRIORITY)]
    if minhash:
        fields += [pa.field(name, pa.uint64(), nullable=False) for name in (SET_HIGH, SET_LOW, SET_PRIORITY)]
        fields.append(pa.field(SHINGLES, pa.uint32(), nullable=False))
        fields.append(pa.field(SIGNATURE, pa.binary(4 * minhash.permutations), nullable=False))
    return pa.schema(fields)


def fingerprints(batch: pa.RecordBatch, exact: ExactDedup | None, minhash: MinHashDedup | None) -> pa.RecordBatch:
    """One row a document of the batch, in its order, with the columns of `fingerprint_schema`.

    Raises what `DedupStage.priority` raises.
    """
    arrays = _computed(batch[TEXT], minhash)
    columns: list[pa.Array] = [batch[name].cast(kind) for name, kind in _NAMES.items()]
    if exact:
        columns += [pa.array(values) for values in (arrays.keys[:, 0], arrays.keys[:, 1], exact.priority(batch))]
    if minhash:
        digests = (arrays.digests[:, 0], arrays.digests[:, 1])
        columns += [pa.array(values) for values in (*digests, minhash.priority(batch), arrays.sizes)]
        buffers = [None, pa.py_buffer(arrays.signatures)]
        columns.append(pa.FixedSizeBinaryArray.from_buffers(pa.binary(4 * minhash.permutations), len(batch), buffers))
    return pa.RecordBatch.from_arrays(columns, schema=fingerprint_schema(exact, minhash))


def exact_keys(text: pa.LargeStringArray) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """The exact keys of texts, (documents, 2): the two halves of 128 bits that are equal for equal normalised texts,
    with no source mixed in."""
    return _computed(text, None).keys


def signatures_of(batch: pa.RecordBatch) -> np.ndarray[tuple[int, int], np.dtype[np.uint32]]:
    """The signatures of a batch of fingerprints, (documents, permutations), without a copy."""
    column = batch[SIGNATURE]
    width = column.type.byte_width // 4
    flat = np.frombuffer(column.buffers()[1], np.uint32)
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)


def write_fingerprints(
    work: Work,
    name: str,
    batches: Iterable[pa.RecordBatch],
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
) -> str:
    """Write a shard's fingerprints, in the order of its documents, as one Parquet object of the work; its key, which is
    that of `name` with `.parquet` (once, also where the name has it already)."""
    schema = fingerprint_schema(exact, minhash)
    codecs = {column: "zstd" if column in _NAMES else "none" for column in schema.names}
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, schema, compression=codecs, use_dictionary=False, write_statistics=False) as writer:
        for batch in batches:
            writer.write_batch(batch)
    key = work.key(f"{name.removesuffix('.parquet')}.parquet")
    work.storage.write(key, sink.getvalue())
    return key


def read_fingerprints(storage: Storage, key: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """These columns of a shard's fingerprints, a bounded number of rows at a time."""
    with storage.open_seekable(key) as file, pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(_BATCH_ROWS, columns=list(columns)):
            yield batch.select(list(columns))


def shingle_sets(text: pa.LargeStringArray, ngram: int) -> Iterator[Uint64s]:
    """The sorted, distinct shingle hashes of each text, in order."""
    begin = 0
    while begin < len(text):
        end, held = begin, 0
        while end < len(text) and (end == begin or held < _SET_BYTES):
            held += len(text[end].as_buffer())
            end += 1
        yield from _sets(text.slice(begin, end - begin), ngram)
        begin = end


def _sets(text: pa.LargeStringArray, ngram: int) -> Iterator[Uint64s]:
    data, offsets = text_buffers(text)
    out = np.empty(int(offsets[-1] - offsets[0]) // 2 + len(text), np.uint64)
    ends = np.empty(len(text), np.int64)
    classes, lower = tables()
    kernels.shingle_hashes(data, offsets, classes, lower, ngram, out, ends)
    begin = 0
    for document, end in enumerate(ends.tolist()):
        if end == kernels.NEEDS_PYTHON:
            yield from _sets(_lowered(text.slice(document, 1)), ngram)
            continue
        yield _distinct(out[begin:end])
        begin = end


def _distinct(hashes: Uint64s) -> Uint64s:
    """The different ones, sorted; `hashes` is sorted in place, which `np.unique` does not do (nor is it as fast)."""
    hashes.sort()
    is_first = np.ones(hashes.size, np.bool_)
    is_first[1:] = hashes[1:] != hashes[:-1]
    return hashes[is_first]


@dataclass(frozen=True)
class _Arrays:
    """What the kernel fills; each (documents, …)."""

    keys: np.ndarray[Any, np.dtype[np.uint64]]
    digests: np.ndarray[Any, np.dtype[np.uint64]]
    sizes: np.ndarray[Any, np.dtype[np.uint32]]
    signatures: np.ndarray[Any, np.dtype[np.uint32]]


def _computed(text: pa.LargeStringArray, minhash: MinHashDedup | None) -> _Arrays:
    """The keys and, for MinHash, the rest, of these texts."""
    count, width = len(text), minhash.permutations if minhash else 0
    arrays = _Arrays(
        keys=np.zeros((count, 2), np.uint64),
        digests=np.zeros((count, 2), np.uint64),
        sizes=np.zeros(count, np.uint32),
        signatures=np.zeros((count, width), np.uint32),
    )
    a, b = shingle.permutations(width, minhash.seed if minhash else 1)
    classes, lower = tables()
    data, offsets = text_buffers(text)
    deferred = np.zeros(count, np.bool_)
    outputs = (arrays.keys, arrays.digests, arrays.sizes, arrays.signatures, deferred)
    kernels.fingerprint(data, offsets, classes, lower, minhash.ngram if minhash else 1, a, b, outputs)
    again = np.flatnonzero(deferred)
    if again.size:
        lowered = _computed(_lowered(text.take(pa.array(again))), minhash)
        arrays.keys[again], arrays.digests[again] = lowered.keys, lowered.digests
        arrays.sizes[again], arrays.signatures[again] = lowered.sizes, lowered.signatures
    return arrays


def _lowered(text: pa.LargeStringArray) -> pa.LargeStringArray:
    """The texts in lower case by CPython's own hand, which knows the final sigma."""
    return pa.array([value.lower() for value in text.to_pylist()], pa.large_string())
