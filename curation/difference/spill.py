"""Records parted by a hash: in memory while they are few, in temporary files when they are many."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Any

import numpy as np

Records = np.ndarray[Any, Any]
"""A structured array, (records,)."""
Uint64s = np.ndarray[Any, np.dtype[np.uint64]]

PARTITION_ROWS = 1 << 18
MAX_BITS = 7
"""Each partition may be an open file, and a handful of spills are open at once."""
MEMORY = 64 << 20
"""How many bytes all partitions together hold in memory before they go to disk."""


def partition_bits(rows: int) -> int:
    """Into how many partitions, as a power of two, so many records are parted."""
    return min(MAX_BITS, max(0, (rows - 1).bit_length() - (PARTITION_ROWS - 1).bit_length()))


class Spill:
    """Takes records in any order, and gives them back partition by partition: those whose route has the same leading
    `bits`, in the order of these, and within a partition in the order in which they were added."""

    def __init__(self, dtype: np.dtype[Any], bits: int) -> None:
        self._dtype, self._bits = dtype, bits
        self._files = [SpooledTemporaryFile(MEMORY >> bits) for _ in range(1 << bits)]  # noqa: SIM115, `close` does

    def __enter__(self) -> Spill:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            file.close()

    def add(self, records: Records, routes: Uint64s) -> None:
        """`routes` are uniform 64-bit hashes, (records,)."""
        if self._bits == 0:
            self._files[0].write(records.tobytes())
            return
        partitions = (routes >> np.uint64(64 - self._bits)).astype(np.int64)
        order = np.argsort(partitions, kind="stable")
        ends = np.cumsum(np.bincount(partitions, minlength=len(self._files)))
        for file, part in zip(self._files, np.split(records[order], ends[:-1]), strict=True):
            file.write(part.tobytes())

    def partitions(self) -> Iterator[Records]:
        """Each partition, read as it is asked for."""
        for file in self._files:
            file.seek(0)
            yield np.frombuffer(bytearray(file.read()), self._dtype)
