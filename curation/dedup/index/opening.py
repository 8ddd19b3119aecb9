"""The index of a version, opened: what is known of its kept documents (`Known`)."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.index.kept import Kept, KeptTexts
from curation.dedup.index.layout import DOCS, REBUILD, Entries, Segment, Table, segments_of
from curation.dedup.index.meta import read_index_meta
from curation.dedup.index.reading import Rows, find, read_docs
from curation.dedup.index.writing import PIECES, gone, write_entries
from curation.dedup.known import Hits, Records
from curation.dedup.known import Table as TableName
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import places, shard_numbers
from curation.dedup.stage import Uint64s
from curation.errors import CorruptError
from curation.manifest import Manifest
from curation.storage import Storage, open_storage
from curation.work import Work

PLACES = pa.schema(
    [
        ("path", pa.string()),
        ("source", pa.string()),
        ("rows", pa.int64()),
        ("segment", pa.int64()),
        ("local", pa.int64()),
        ("first", pa.int64()),
        ("documents", pa.int64()),
    ]
)
"""The version's pieces that keep any, in its order: the file with the kept documents, and where the index has them: the
segment, the piece's number in it, its first document there, and how many it had when the segment was written."""


class _Files(BaseModel):
    """The files of an opened index."""

    model_config = ConfigDict(frozen=True)

    segments: tuple[Segment, ...]
    pieces: tuple[int, ...]
    """How many each segment has, kept by the version or not."""
    removed: Table
    """What is gone since."""


@dataclass(frozen=True)
class Index:
    """A `Known` over an index's segments. It pickles as the name of a file that says where everything is."""

    url: str
    key: str
    pieces: int

    def hits(self, table: TableName, keys: Uint64s) -> Hits:
        """As `Known.hits`. Raises CorruptError."""
        return self._opened.hits(table, keys)

    def records(self, docs: Uint64s) -> Records:
        """As `Known.records`. Raises CorruptError."""
        return self._opened.records(docs)

    def addresses(self, docs: Uint64s) -> Uint64s:
        """The hashes of the addresses of these documents (different, ascending): of `address_hashes`."""
        return self._opened.addresses(docs)

    def names(self, docs: Uint64s) -> pa.Table:
        """As `Known.names`. Raises CorruptError."""
        return self._opened.names(docs)

    def texts(self, docs: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
        """As `Known.texts`. Raises CorruptError."""
        return self._opened.texts(docs)

    @property
    def _opened(self) -> OpenIndex:
        return _open(self.url, self.key)


def open_index(
    work: Work,
    manifest: Manifest,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    removed: Uint64s,
    bounds: Bounds | None = None,
) -> Index:
    """Open the index of a version for a run that removes the documents with these hashes of addresses.

    Raises RecipeError, naming every difference, where its keys are not those that these stages make, and CorruptError
    where it does not have the documents that the version keeps.
    """
    storage = work.storage
    segments, owned = _checked(storage, manifest, exact, minhash)
    written = write_entries(work, work.key("known"), "removed", gone(removed), bounds or Bounds())
    files = _Files(
        segments=tuple(segments),
        pieces=tuple(segment.pieces.rows for segment in segments),
        removed=Table(
            entries=tuple(entries for entries, _ in written), sketches=tuple(sketch for _, sketch in written)
        ),
    )
    sink = io.BytesIO()
    schema = PLACES.with_metadata({"files": files.model_dump_json()})
    pq.write_table(owned.replace_schema_metadata(schema.metadata), sink, compression="zstd")
    key = work.key(f"known/{hashlib.sha256(sink.getvalue()).hexdigest()[:16]}.parquet")
    storage.write(key, sink.getvalue())
    return Index(url=work.url, key=key, pieces=owned.num_rows)


def read_index(
    storage: Storage, manifest: Manifest, exact: ExactDedup | None, minhash: MinHashDedup | None
) -> OpenIndex:
    """Open the index of a version to ask it a few things, in this process: nothing is written. Raises as
    `open_index`."""
    segments, owned = _checked(storage, manifest, exact, minhash)
    pieces = tuple(segment.pieces.rows for segment in segments)
    return OpenIndex(storage, _Files(segments=tuple(segments), pieces=pieces, removed=Table()), owned)


def _checked(
    storage: Storage, manifest: Manifest, exact: ExactDedup | None, minhash: MinHashDedup | None
) -> tuple[list[Segment], pa.Table]:
    """The segments of a version's index, whose keys are those of these stages, and where its pieces are in them."""
    segments = segments_of(manifest.index)
    for segment in segments:
        read_index_meta(storage, segment, exact, minhash)
    return segments, locate(storage, manifest, segments)


def locate(storage: Storage, manifest: Manifest, segments: Sequence[Segment]) -> pa.Table:
    """Where the index has each piece of a version that keeps any, as PLACES; of several segments that have a piece of
    that name, the youngest counts. Raises CorruptError where none has it, or fewer documents of it than are kept."""
    known: dict[str, tuple[int, int, int, int]] = {}
    for number, segment in enumerate(segments):
        names, counts = read_pieces(storage, segment)
        firsts = np.cumsum([0, *counts]).tolist()
        known |= {name: (number, n, firsts[n], counts[n]) for n, name in enumerate(names)}
    rows: list[tuple[Any, ...]] = []
    for piece, kept, _, _ in manifest.files():
        if kept is None:
            continue
        where = known.get(piece.name)
        if where is None or where[-1] < kept.rows:
            raise CorruptError(
                f"{storage.url}: version {manifest.version} keeps {kept.rows} documents of {piece.name}, its index "
                f"knows {where[-1] if where else 0}{REBUILD}"
            )
        rows.append((kept.path, piece.source, kept.rows, *where))
    columns = zip(*rows, strict=True) if rows else ([] for _ in PLACES)
    return pa.table(
        [pa.array(values, field.type) for values, field in zip(columns, PLACES, strict=True)], schema=PLACES
    )


def read_pieces(storage: Storage, segment: Segment) -> tuple[list[str], list[int]]:
    """The names of a segment's pieces, in order, and how many documents each has. Raises CorruptError."""
    part = segment.pieces
    table = pq.read_table(io.BytesIO(storage.read(part.path, size=part.bytes, sha256=part.sha256)), use_threads=False)
    counts = table["documents"].to_pylist()
    if table.schema.names != PIECES.names or (len(counts), sum(counts)) != (part.rows, segment.documents):
        raise CorruptError(f"{storage.url}/{part.path}: not the pieces of {segment.documents} documents")
    return table["name"].to_pylist(), counts


def without_gone(
    storage: Storage, addresses: Uint64s, removers: Sequence[Table]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of these documents are in none of these tables `removed`, (documents,)."""
    stays = np.ones(addresses.size, np.bool_)
    for table in removers:
        if table.rows:
            keys, place = np.unique(addresses, return_inverse=True)
            is_gone = np.zeros(keys.size, np.bool_)
            is_gone[find(storage, "removed", table, keys)[0]] = True
            stays &= ~is_gone[place]
    return stays


def total_growth(storage: Storage, addresses: Uint64s, tables: Sequence[Table]) -> Rows:
    """The counts that these tables `growth` have for each document, summed, (documents,)."""
    total = np.zeros(addresses.size, np.int64)
    for table in tables:
        if table.rows:
            keys, place = np.unique(addresses, return_inverse=True)
            probe, entries = find(storage, "growth", table, keys)
            counts = np.zeros(keys.size, np.int64)
            np.add.at(counts, probe, entries["count"])
            total += counts[place]
    return total


@dataclass(frozen=True)
class OpenIndex:
    """A `Known` over an index's segments, as a process has it open."""

    storage: Storage
    files: _Files
    where: pa.Table

    @property
    def pieces(self) -> int:
        """How many there are."""
        return int(self.where.num_rows)

    def hits(self, table: TableName, keys: Uint64s) -> Hits:
        """As `Known.hits`. Raises CorruptError."""
        asked, low, docs = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)], [np.zeros(0, np.uint64)]
        for number, segment in enumerate(self.files.segments):
            probe, entries = find(self.storage, table, segment.tables[table], keys)
            doc, stays = self.numbered(number, entries["doc"])
            asked.append(probe[stays])
            docs.append(doc[stays])
            low.append(
                (entries["low"] if "low" in (entries.dtype.names or ()) else np.zeros(doc.size, np.uint64))[stays]
            )
        key, lows, found = np.concatenate(asked), np.concatenate(low), np.concatenate(docs)
        order = np.lexsort((found, key))
        return Hits(key=key[order], low=lows[order], docs=found[order])

    def records(self, docs: Uint64s) -> Records:
        """As `Known.records`. Raises CorruptError."""
        entries = self.documents(docs)
        copies = entries["copies"] + self.growth(docs, entries["address"])
        return Records(
            exact_priority=entries["exact_priority"].copy(),
            set_priority=entries["set_priority"].copy(),
            shingles=entries["shingles"].copy(),
            copies=copies.astype(np.uint32),
        )

    def addresses(self, docs: Uint64s) -> Uint64s:
        """The hashes of the addresses of these documents (different, ascending): of `address_hashes`."""
        return np.asarray(self.documents(docs)["address"].copy())

    def names(self, docs: Uint64s) -> pa.Table:
        """As `Known.names`. Raises CorruptError."""
        return self._kept.names(docs, self.addresses(docs))

    def texts(self, docs: Uint64s) -> Iterator[tuple[Uint64s, pa.LargeStringArray]]:
        """As `Known.texts`. Raises CorruptError."""
        return self._kept.texts(docs, self.addresses(docs))

    def sources(self, docs: Uint64s) -> list[str]:
        """The source of each document, (documents,)."""
        names = self.where["source"].to_pylist()
        return [names[number] for number in shard_numbers(docs).tolist()]

    @cached_property
    def _kept(self) -> KeptTexts:
        rows = zip(*(self.where[name].to_pylist() for name in ("path", "source", "rows", "documents")), strict=True)
        return KeptTexts(self.storage, [Kept(*row) for row in rows])

    def numbered(self, segment: int, docs: Uint64s) -> tuple[Uint64s, np.ndarray[Any, np.dtype[np.bool_]]]:
        """The addresses in the version of documents of a segment, and which of them are still there, (documents,)."""
        local = shard_numbers(docs).astype(np.int64)
        numbers = self._numbers[segment]
        if local.size and local.max() >= numbers.size:
            raise CorruptError(f"{self.storage.url}/{self.files.segments[segment].folder}: it has not so many pieces")
        number = numbers[local]
        stays = number >= 0
        doc = (np.where(stays, number, 0).astype(np.uint64) << np.uint64(32)) | places(docs).astype(np.uint64)
        removers = self._since(segment, "removed")
        if stays.any() and any(table.rows for table in removers):
            asked, place = np.unique(doc[stays], return_inverse=True)
            stays[stays] = without_gone(self.storage, self.documents(asked)["address"], removers)[place]
        return doc, stays

    def documents(self, docs: Uint64s) -> Entries:
        """What the segments say of these documents (different, ascending), (documents,) of DOCS; or CorruptError."""
        number, place = shard_numbers(docs).astype(np.int64), places(docs)
        if docs.size and (number.max() >= self._first.size or (place >= self._documents[number]).any()):
            raise CorruptError(f"{self.storage.url}: the index is asked for documents that the version does not have")
        found = np.zeros(docs.size, DOCS)
        for segment in np.unique(self._segment[number]).tolist():
            mine = np.flatnonzero(self._segment[number] == segment)
            positions = self._first[number[mine]] + place[mine]
            order = np.argsort(positions)
            found[mine[order]] = read_docs(self.storage, self.files.segments[segment], positions[order])
        return found

    def growth(self, docs: Uint64s, addresses: Uint64s) -> Rows:
        """How many copies more these documents stand for than their records say, (documents,)."""
        segment = self._segment[shard_numbers(docs).astype(np.int64)]
        grown = np.zeros(docs.size, np.int64)
        for number in np.unique(segment).tolist():
            mine = segment == number
            grown[mine] = total_growth(self.storage, addresses[mine], self._since(number, "growth"))
        return grown

    def _since(self, segment: int, name: str) -> list[Table]:
        """What younger segments, and for `removed` the run, say of a segment's documents."""
        younger = [each.tables[name] for each in self.files.segments[segment + 1 :]]
        return [*younger, self.files.removed] if name == "removed" else younger

    @cached_property
    def _numbers(self) -> list[Rows]:
        """For each segment the number in the version of each of its pieces, -1 where the version has none."""
        numbers = [np.full(count, -1, np.int64) for count in self.files.pieces]
        local = self._column("local")
        for segment, of_segment in enumerate(numbers):
            mine = np.flatnonzero(self._segment == segment)
            of_segment[local[mine]] = mine
        return numbers

    @cached_property
    def _segment(self) -> Rows:
        return self._column("segment")

    @cached_property
    def _first(self) -> Rows:
        return self._column("first")

    @cached_property
    def _documents(self) -> Rows:
        return self._column("documents")

    def _column(self, name: str) -> Rows:
        return np.asarray(self.where[name].to_numpy())


@lru_cache(maxsize=2)
def _open(url: str, key: str) -> OpenIndex:
    """What `open_index` wrote, read once a process; the key has the digest of its content."""
    storage = open_storage(url)
    table = pq.read_table(io.BytesIO(storage.read(key)), use_threads=False)
    files = _Files.model_validate_json((table.schema.metadata or {})[b"files"])
    return OpenIndex(storage, files, table)
