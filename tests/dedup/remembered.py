"""What is known, held in memory and searched by looking at everything: what the tests compare new documents with."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from curation.dedup import ExactDedup, MinHashDedup, fingerprints
from curation.dedup.bands import band_keys
from curation.dedup.fingerprint import (
    KEY_HIGH,
    KEY_LOW,
    KEY_PRIORITY,
    SET_HIGH,
    SET_LOW,
    SET_PRIORITY,
    SHINGLES,
    signatures_of,
)
from curation.dedup.known import Hits, Records, Table
from curation.dedup.shard import addresses
from curation.dedup.stage import Uint64s
from curation.document import ID, ROW, SHARD, SOURCE, TEXT

_TABLES: tuple[Table, ...] = ("exact", "sets", "bands")


@dataclass
class Remembered:
    """The documents of `kept`, a batch of one source for each piece; `copies` is for how many each stands.

    A document's ordinal is its place in the batch, with gaps, as those that were dropped leave them.
    """

    kept: Sequence[pa.RecordBatch]
    copies: Sequence[Sequence[int]]
    exact: ExactDedup | None
    minhash: MinHashDedup | None
    pieces: int = 0
    asked: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """How many documents or keys each method was asked for."""

    def __post_init__(self) -> None:
        self.pieces = len(self.kept)
        self._places: dict[int, tuple[int, int]] = {}
        self._entries: dict[Table, dict[int, list[tuple[int, int]]]] = {name: defaultdict(list) for name in _TABLES}
        self._records: dict[int, tuple[int, int, int, int]] = {}
        for piece, batch in enumerate(self.kept):
            docs = addresses(piece, 3 * np.arange(batch.num_rows) + 1).tolist()
            self._places |= {doc: (piece, place) for place, doc in enumerate(docs)}
            self._remember(docs, fingerprints(batch, self.exact, self.minhash), batch[SOURCE][0].as_py(), piece)

    def _remember(self, docs: list[int], prints: pa.RecordBatch, source: str, piece: int) -> None:
        columns = {name: prints[name].to_pylist() for name in prints.schema.names}
        nothing = [0] * len(docs)
        if self.exact:
            salt = self.exact.salt(source)
            for doc, high, low in zip(docs, columns[KEY_HIGH], columns[KEY_LOW], strict=True):
                self._entries["exact"][high ^ salt].append((low, doc))
        if self.minhash:
            salt = self.minhash.salt(source)
            keys = band_keys(signatures_of(prints), self.minhash, salt).tolist()
            for place, doc in enumerate(docs):
                if columns[SHINGLES][place]:
                    self._entries["sets"][columns[SET_HIGH][place] ^ salt].append((columns[SET_LOW][place], doc))
                    for key in keys[place]:
                        self._entries["bands"][key].append((0, doc))
        names = (KEY_PRIORITY, SET_PRIORITY, SHINGLES)
        values = [columns.get(name, nothing) for name in names]
        self._records |= dict(zip(docs, zip(*values, self.copies[piece], strict=True), strict=True))

    def hits(self, table: Table, keys: Uint64s) -> Hits:
        entries = [
            (number, low, doc)
            for number, key in enumerate(self._asked(table, keys))
            for low, doc in sorted(self._entries[table].get(key, []), key=lambda entry: entry[1])
        ]
        key, low, docs = ([entry[side] for entry in entries] for side in range(3))
        return Hits(np.array(key, np.int64), np.array(low, np.uint64), np.array(docs, np.uint64))

    def records(self, docs: Uint64s) -> Records:
        found = [self._records[doc] for doc in self._asked("records", docs)]
        columns = [[record[side] for record in found] for side in range(4)]
        kinds = (np.uint64, np.uint64, np.uint32, np.uint32)
        return Records(*(np.array(values, kind) for values, kind in zip(columns, kinds, strict=True)))

    def names(self, docs: Uint64s) -> pa.Table:
        return self._rows("names", docs).select([ID, SHARD, ROW])

    def texts(self, docs: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
        text = self._rows("texts", docs)[TEXT].combine_chunks()
        for begin in range(0, docs.size, 2):
            yield docs[begin : begin + 2], text.slice(begin, 2)

    def _rows(self, method: str, docs: Uint64s) -> pa.Table:
        places = [self._places[doc] for doc in self._asked(method, docs)]
        return pa.Table.from_batches([self.kept[piece].slice(place, 1) for piece, place in places])

    def _asked(self, method: str, values: Uint64s) -> list[int]:
        """What was asked for, which must be different and ascend."""
        asked: list[int] = values.tolist()
        assert asked == sorted(set(asked)), method
        self.asked[method] += len(asked)
        return asked
