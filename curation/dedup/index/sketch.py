"""Where in a sorted file which keys are, in about a byte a key.

A partition's range of keys is divided into equal *cells*, 64 for each of its N keys; a sketch has the cells of the keys
in ascending order, each as the number of cells since the one before: a byte, or 255 for "255 cells on, and no key yet".
Keys are uniform hashes, so that is 1.02 bytes a key. The n-th key of a sketch is that of the n-th entry; a key that
is not there shares its cell with one that is in 1 of 64 cases, so only then an entry is read in vain.

Every 2^18 cells, about 4,096 keys, a new *block* begins, which counts from its own first cell. A sketch begins with its
directory, (blocks + 1) × (offset in the bytes that follow, keys before) little-endian uint64, so that a few keys cost a
few blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.dedup.index import kernels
from curation.dedup.stage import Uint64s

CELLS_A_KEY = 64
BLOCK_CELLS = 1 << 18
ROW_BYTES = 16

Cells = np.ndarray[Any, np.dtype[np.int64]]
Directory = np.ndarray[tuple[int, int], np.dtype[np.int64]]


@dataclass(frozen=True)
class Shape:
    """How the range of a partition's keys is divided."""

    first: int
    """The smallest key that the partition could have."""
    cell_keys: int
    """Keys (of the 2^64 there are) in a cell."""
    blocks: int

    @property
    def directory_bytes(self) -> int:
        return (self.blocks + 1) * ROW_BYTES

    def cells(self, keys: Uint64s) -> Cells:
        """The cell of each key of the partition, (keys,)."""
        return ((keys - np.uint64(self.first)) // np.uint64(self.cell_keys)).astype(np.int64)


def shape(partition: int, partitions: int, rows: int) -> Shape:
    """How a partition of so many keys is divided: a function of these numbers alone."""
    first, end = first_key(partition, partitions), first_key(partition + 1, partitions)
    cell_keys = max(1, (end - first) // (CELLS_A_KEY * max(1, rows)))
    cells = -(-(end - first) // cell_keys)
    return Shape(first, cell_keys, -(-cells // BLOCK_CELLS))


def first_key(partition: int, partitions: int) -> int:
    """The smallest key in a partition, as `partition_of` deals them; 2^64 for the one after the last."""
    return -(-(partition << 32) // partitions) << 32


def encode(keys: Uint64s, partition: int, partitions: int) -> bytes:
    """The sketch of a partition's keys, (keys,) ascending."""
    form = shape(partition, partitions, keys.size)
    cells = form.cells(keys)
    directory = np.zeros((form.blocks + 1, 2), np.int64)
    body = np.empty(kernels.body_bytes(cells, BLOCK_CELLS), np.uint8)
    kernels.encode(cells, BLOCK_CELLS, directory, body)
    return directory.astype("<u8").tobytes() + body.tobytes()


def decode_directory(data: bytes) -> Directory:
    """The directory of a sketch, (blocks + 1, 2): offset, keys before."""
    return np.frombuffer(data, "<u8").astype(np.int64).reshape(-1, 2)
