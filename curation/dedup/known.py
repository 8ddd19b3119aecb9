"""What deduplication knows of the documents that a corpus keeps already: what a refresh compares new documents with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from curation.dedup.stage import Uint64s

Rows = np.ndarray[Any, np.dtype[np.int64]]
Table = Literal["exact", "sets", "bands"]


@dataclass(frozen=True)
class Hits:
    """Known documents that have some of the keys that were asked for; (hits,) each, in the order of (key, doc)."""

    key: Rows
    """The place of the key among those asked."""
    low: Uint64s
    """The other half of a 128-bit key; zeros for bands, whose keys have one."""
    docs: Uint64s


@dataclass(frozen=True)
class Records:
    """What the index says about known documents, (documents,) each."""

    exact_priority: Uint64s
    set_priority: Uint64s
    shingles: np.ndarray[Any, np.dtype[np.uint32]]
    copies: np.ndarray[Any, np.dtype[np.uint32]]
    """How many documents each stands for, itself included."""


class Known(Protocol):
    """The kept documents of a version. An address is, as everywhere in deduplication, a shard's number in the upper 32
    bits and a place below; the shards are the version's pieces that keep any, numbered from 0 in its order.

    It is small and pickles, so that tasks may carry it; what it answers is read from storage, in proportion to what is
    asked. Documents that have been removed are not known.
    """

    @property
    def pieces(self) -> int:
        """How many there are; the numbers of new shards begin here."""
        ...

    def hits(self, table: Table, keys: Uint64s) -> Hits:
        """Who has one of these keys (different, ascending, salted as the index was): of the exact key and of the digest
        of the shingle set the upper half is asked, of bands the key."""
        ...

    def records(self, docs: Uint64s) -> Records:
        """Of these documents (different, ascending)."""
        ...

    def names(self, docs: Uint64s) -> pa.Table:
        """`id`, `shard` and `row` of these documents (different, ascending), in their order."""
        ...

    def texts(self, docs: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
        """(addresses, texts) of these documents (different, ascending), a bounded number at a time."""
        ...
