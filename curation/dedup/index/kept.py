"""Texts and names of known documents, out of the files that the version keeps them in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation.dedup.index.layout import REBUILD, address_hashes
from curation.dedup.shard import places, shard_numbers
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD, TEXT
from curation.errors import CorruptError
from curation.storage import Storage

Rows = np.ndarray[Any, np.dtype[np.int64]]

NAMES = pa.schema([(ID, pa.string()), (SHARD, pa.string()), (ROW, pa.int64())])


@dataclass(frozen=True)
class Kept:
    """A piece's file of kept documents."""

    path: str
    source: str
    rows: int
    documents: int
    """How many it had when the index was written. Documents may have left it since; none has come, and they stand in
    their old order."""


@dataclass(frozen=True)
class KeptTexts:
    """Reads kept documents by their place in the index: the row groups that hold one, and in them few columns."""

    storage: Storage
    pieces: Sequence[Kept]

    def names(self, docs: Uint64s, addresses: Uint64s) -> pa.Table:
        """`id`, `shard` and `row` of these documents (different, ascending), whose addresses have these hashes."""
        tables = [table.select(NAMES.names).cast(NAMES) for _, table in self._read(docs, addresses, [ID, SHARD, ROW])]
        return pa.concat_tables([NAMES.empty_table(), *tables])

    def texts(self, docs: Uint64s, addresses: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
        """(addresses, texts) of these documents, a row group at a time."""
        for mine, table in self._read(docs, addresses, [TEXT, SHARD, ROW]):
            yield docs[mine], table[TEXT].combine_chunks()

    def _read(self, docs: Uint64s, addresses: Uint64s, columns: list[str]) -> Iterator[tuple[Rows, pa.Table]]:
        """(which of the documents, their rows), row group after row group. Raises CorruptError where a document is not
        the one that the index knows."""
        numbers = shard_numbers(docs)
        ends = np.flatnonzero(np.concatenate([numbers[1:] != numbers[:-1], np.ones(min(1, docs.size), np.bool_)])) + 1
        begin = 0
        for end in ends.tolist():
            piece = self.pieces[int(numbers[begin])]
            with self.storage.open_seekable(piece.path) as file, pq.ParquetFile(file) as parquet:
                rows = self._rows(piece, parquet, places(docs[begin:end]), addresses[begin:end])
                first = 0
                for group in range(parquet.num_row_groups):
                    last = first + parquet.metadata.row_group(group).num_rows
                    low, high = (begin + np.searchsorted(rows, [first, last])).tolist()
                    if high > low:
                        within = pa.array(rows[low - begin : high - begin] - first)
                        table = parquet.read_row_group(group, columns, use_threads=False).take(within)
                        self._check(piece, table, addresses[low:high])
                        yield np.arange(low, high), table
                    first = last
            begin = end

    def _rows(self, piece: Kept, parquet: pq.ParquetFile, place: Rows, addresses: Uint64s) -> Rows:
        """Where in the piece's file these documents are, (documents,) ascending: where they were, unless some have left
        it; then their addresses tell."""
        if parquet.metadata.num_rows == piece.documents:
            return place
        table = parquet.read([SHARD, ROW], use_threads=False)
        hashes = address_hashes(piece.source, table[SHARD], table[ROW].to_numpy())
        order = np.argsort(hashes)
        found = np.searchsorted(hashes[order], addresses)
        rows = order[np.minimum(found, max(0, hashes.size - 1))] if hashes.size else np.full(place.size, -1)
        if (rows < 0).any() or (hashes[rows] != addresses).any() or (np.diff(rows) <= 0).any():
            raise CorruptError(
                f"{self._url(piece)}: documents that the index knows are not in it, in their order{REBUILD}"
            )
        return rows

    def _check(self, piece: Kept, table: pa.Table, addresses: Uint64s) -> None:
        if (address_hashes(piece.source, table[SHARD], table[ROW].to_numpy()) != addresses).any():
            raise CorruptError(f"{self._url(piece)}: its documents are not where the index knows them{REBUILD}")

    def _url(self, piece: Kept) -> str:
        return f"{self.storage.url}/{piece.path}"
