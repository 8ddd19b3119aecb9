"""Traces: whether anything of some texts stands in other bytes, asked without the texts.

What is looked for are hashes of all stretches of 40 bytes of the texts (a shorter text, of at least 16 bytes, as a
whole), so whoever searches need not have what must not be there any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pyarrow as pa

from curation.text.arrow import text_buffers
from curation.traces import kernels

WINDOW_BYTES = kernels.WINDOW
MOST = 1 << 25
"""Of texts with more stretches only every second, fourth … is looked for, chosen by its hash: 512 MB in memory."""

_PENDING = 1 << 22

Hashes = np.ndarray[Any, np.dtype[np.uint64]]
Flags = np.ndarray[Any, np.dtype[np.uint8]]


class Traces:
    """The stretches of some texts, to be looked for elsewhere."""

    def __init__(self, hashes: Hashes) -> None:
        """`hashes` are different and ascending."""
        self.hashes = hashes
        self._table = np.zeros(1 << max(4, int(2 * hashes.size).bit_length()), np.uint64)
        kernels.fill(hashes, self._table)

    @classmethod
    def of(cls, texts: Iterable[pa.LargeStringArray]) -> Self:
        """The stretches of these texts."""
        return cls(_gathered(map(_hashes, texts)))

    @classmethod
    def merged(cls, several: Iterable[Traces]) -> Self:
        """Those of all."""
        return cls(_gathered(traces.hashes for traces in several))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        return cls(np.frombuffer(data, "<u8").astype(np.uint64))

    def to_bytes(self) -> bytes:
        return self.hashes.astype("<u8").tobytes()

    def found(self, text: pa.LargeStringArray) -> Hashes:
        """Those that stand in some of these values, ascending."""
        slots, _ = self._search(text)
        return np.sort(self._table[slots != 0])

    def hits(self, text: pa.LargeStringArray) -> Flags:
        """1 for each value in which one of them stands, (values,)."""
        return self._search(text)[1]

    def without(self, hashes: Hashes) -> Traces:
        """All but these."""
        return Traces(np.setdiff1d(self.hashes, hashes, assume_unique=True))

    def _search(self, text: pa.LargeStringArray) -> tuple[Flags, Flags]:
        slots, values = np.zeros(self._table.size, np.uint8), np.zeros(len(text), np.uint8)
        if self.hashes.size:
            data, offsets = text_buffers(text)
            kernels.find(data, offsets, self._table, slots, values)
        return slots, values


def _hashes(text: pa.LargeStringArray) -> Hashes:
    data, offsets = text_buffers(text)
    out = np.empty(int(offsets[-1] - offsets[0]), np.uint64)
    return _distinct(out[: kernels.window_hashes(data, offsets, out)])


def _gathered(several: Iterable[Hashes]) -> Hashes:
    """Different and ascending; thinned until there are not more than `MOST`."""
    gathered, pending, thinned = np.zeros(0, np.uint64), [np.zeros(0, np.uint64)], 0
    for hashes in several:
        pending.append(_thin(hashes, thinned))
        if sum(each.size for each in pending) < _PENDING:
            continue
        gathered, pending = _distinct(np.concatenate([gathered, *pending])), []
        while gathered.size > MOST:
            thinned += 1
            gathered = _thin(gathered, thinned)
    return _distinct(np.concatenate([gathered, *pending]))


def _distinct(hashes: Hashes) -> Hashes:
    """The different ones, ascending; sorted in place, which is several times as fast as `np.unique`."""
    hashes.sort()
    is_first = np.ones(hashes.size, np.bool_)
    is_first[1:] = hashes[1:] != hashes[:-1]
    return hashes[is_first]


def _thin(hashes: Hashes, times: int) -> Hashes:
    """Of the hashes, those whose upper bits are zero: one in 2^times."""
    return hashes if times == 0 else hashes[hashes >> np.uint64(64 - times) == 0]
