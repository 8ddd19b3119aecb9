"""Where a document's decisions are, by its id: an index beside each file of decisions.

Decisions are sorted by address, so no statistics of Parquet say which row group holds an id. The index of a file holds
every id in it that is not null: N hashes, sorted, as little-endian uint64, then N row numbers as little-endian uint32,
in the order of the hashes (of equal ones, by row). Hashes are uniform, so one is found where it must lie, give or take
a few times the square root of N: one read of some KiB, however many ids there are.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import pyarrow as pa

from curation.errors import CorruptError
from curation.manifest import Part
from curation.storage import Storage

HASH, ROW = np.dtype("<u8"), np.dtype("<u4")
ENTRY_BYTES = HASH.itemsize + ROW.itemsize

_WHOLE = 2048
"""An index of so many entries or fewer is read whole."""
_DEVIATIONS = 3
"""How far from its expected place a hash is looked for, in square roots of N, each of which is at least two standard
deviations: one search in a billion reads all hashes instead."""

Hashes = np.ndarray[Any, np.dtype[np.uint64]]


def encode(ids: pa.Array | pa.ChunkedArray) -> tuple[bytes, int]:
    """The index of a file with these ids, row by row, and how many entries it has; a function of the ids alone."""
    named = [(row, document_id) for row, document_id in enumerate(ids.to_pylist()) if document_id is not None]
    hashes = np.fromiter((id_hash(document_id) for _, document_id in named), np.uint64, len(named))
    rows = np.fromiter((row for row, _ in named), np.uint32, len(named))
    order = np.lexsort((rows, hashes))
    return hashes[order].astype(HASH).tobytes() + rows[order].astype(ROW).tobytes(), len(named)


def look_up(storage: Storage, index: Part, document_id: str) -> list[int]:
    """The rows that may be decisions about a document, ascending; its hash is theirs, its id must be compared.

    Raises CorruptError where the file is no index of so many entries.
    """
    count = index.rows
    if index.bytes != count * ENTRY_BYTES:
        raise CorruptError(
            f"{storage.url}/{index.path}: {index.bytes} bytes, expected {count} entries of {ENTRY_BYTES}"
        )
    if count == 0:
        return []
    wanted = np.uint64(id_hash(document_id))
    start, hashes = _around(storage, index, int(wanted))
    first, end = np.searchsorted(hashes, wanted, "left"), np.searchsorted(hashes, wanted, "right")
    if first == end:
        return []
    offset = count * HASH.itemsize + (start + int(first)) * ROW.itemsize
    data = storage.read_range(index.path, offset, int(end - first) * ROW.itemsize)
    return [int(row) for row in np.frombuffer(data, ROW)]


def id_hash(document_id: str) -> int:
    """64 bits of BLAKE2b, which nobody can choose ids for."""
    digest = hashlib.blake2b(document_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _around(storage: Storage, index: Part, wanted: int) -> tuple[int, Hashes]:
    """Consecutive hashes, and the number of the first, among which are all that equal `wanted`, if any do."""
    count = index.rows
    if count > _WHOLE:
        expected = wanted * count >> 64
        reach = _DEVIATIONS * math.isqrt(count) + 1
        first, end = max(0, expected - reach), min(count, expected + reach)
        found = _hashes(storage, index, first, end)
        if (first == 0 or int(found[0]) < wanted) and (end == count or int(found[-1]) > wanted):
            return first, found
    return 0, _hashes(storage, index, 0, count)


def _hashes(storage: Storage, index: Part, first: int, end: int) -> Hashes:
    size = HASH.itemsize
    return np.frombuffer(storage.read_range(index.path, first * size, (end - first) * size), HASH)
