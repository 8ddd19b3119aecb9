"""The first copy of every key that comes, and of all others whose copies they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from curation.dedup.spans import kernels
from curation.dedup.stage import Uint64s

Uint32s = np.ndarray[Any, np.dtype[np.uint32]]
Bools = np.ndarray[Any, np.dtype[np.bool_]]
_LEAST = 1 << 10


class FirstCopies:
    """The place of the first part that had each key, of parts that come in their order: 48 to 96 bytes a key, whatever
    the copies."""

    def __init__(self) -> None:
        self._count = 0
        self._slots = np.full(2 * _LEAST, -1, np.int64)
        self._keys = np.empty((_LEAST, 2), np.uint64)
        self._docs = np.empty(_LEAST, np.uint64)
        self._begins = np.empty(_LEAST, np.uint32)

    def of(self, high: Uint64s, low: Uint64s, docs: Uint64s, begins: Uint32s) -> tuple[Bools, Uint64s, Uint32s]:
        """Which of these parts are copies, and document and first byte of the first that had their key, itself if it is
        the first; (parts,) each."""
        self._make_room(high.size)
        first = np.empty(high.size, np.int64)
        fresh = np.empty(high.size, np.int64)
        before = self._count
        self._count = kernels.find_firsts(high, low, self._slots, self._keys, before, first, fresh)
        fresh = fresh[: self._count - before]
        self._docs[before : self._count] = docs[fresh]
        self._begins[before : self._count] = begins[fresh]
        is_copy = np.ones(high.size, np.bool_)
        is_copy[fresh] = False
        return is_copy, self._docs[first], self._begins[first]

    def _make_room(self, parts: int) -> None:
        """Room for so many more keys."""
        room = self._docs.size
        if self._count + parts <= room:
            return
        while room < self._count + parts:
            room *= 2
        for name in ("_keys", "_docs", "_begins"):
            old = getattr(self, name)
            new = np.empty((room, *old.shape[1:]), old.dtype)
            new[: self._count] = old[: self._count]
            setattr(self, name, new)
        self._slots = np.full(2 * room, -1, np.int64)
        kernels.fill_slots(self._slots, self._keys, self._count)
