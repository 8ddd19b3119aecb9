"""The copies that a version dropped: how many, how like they are, who copies whom, and the largest clusters.

One pass over a few columns of the decisions, a row group at a time. What grows with the version is 40 bytes for each
document that stands for copies.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.manifest import Frozen, Manifest, PieceFiles
from curation.storage import Storage
from curation.whatif.decided import GoOn, always

BINS = 20
"""Of similarities, equal, from 0 to 1; 1 itself is in the last."""
LARGEST = 50
PAIRS = 100
THREADS = 4
"""How many files are read at once, a row group of each."""

_COLUMNS = ("stage", "survivor_shard", "survivor_row", "similarity", "bytes")
_CODED = ("stage", "survivor_shard")
_ROW_BITS = np.int64(40)
_ROW_MASK = np.int64((1 << 40) - 1)
_PENDING = 1 << 21
"""So many rows are held before they are added up."""

Int64s = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True)
class Asked:
    """Which copies: of this source, dropped by this stage, at least so like their survivor."""

    source: str | None = None
    stage: str | None = None
    min_similarity: float = 0.0


class Cluster(Frozen):
    """A document that stands for copies."""

    id: str
    source: str
    """Empty where its input file is not among the version's any more."""
    shard: str
    row: int
    copies: int
    """How many name it, itself not counted."""
    bytes: int
    """Of the copies, when they were dropped."""
    least_similarity: float


class Similarities(Frozen):
    """How like their survivors the copies are that a stage dropped."""

    stage: str
    documents: int
    counts: tuple[int, ...]
    """In each of BINS bins."""


class SourcePair(Frozen):
    """Copies in one source of documents in another, or the same."""

    source: str
    survivor_source: str
    """Empty where the survivor's input file is not among the version's any more."""
    documents: int
    bytes: int


class Duplicates(Frozen):
    """The copies of a version that were asked for."""

    version: int
    documents: int
    """How many copies were dropped."""
    bytes: int
    clusters: int
    """How many different documents they name as their survivor."""
    largest: tuple[Cluster, ...]
    """Most copies first, then in the order of the decisions."""
    similarities: tuple[Similarities, ...]
    """By stage."""
    pairs: tuple[SourcePair, ...]
    """Most documents first."""
    pairs_left_out: int
    """How many further pairs there are."""


def duplicates(
    storage: Storage, manifest: Manifest, asked: Asked, largest: int = LARGEST, go_on: GoOn = always
) -> Duplicates:
    """The account of the copies. `go_on` is called before each row group is read."""
    scan = Scan(storage, manifest, asked, go_on)
    totals = _Totals(scan)
    scan.run(totals.add)
    top = totals.largest(largest)
    clusters = tuple(_cluster(scan, *each) for each in zip(*(column.tolist() for column in top), strict=True))
    pairs = sorted(
        (
            SourcePair(source=source, survivor_source=survivor, documents=documents, bytes=totals.pair_bytes[pair])
            for pair, documents in totals.pairs.items()
            for source, survivor in [pair]
        ),
        key=lambda pair: (-pair.documents, pair.source, pair.survivor_source),
    )
    return Duplicates(
        version=manifest.version,
        documents=sum(totals.pairs.values()),
        bytes=sum(totals.pair_bytes.values()),
        clusters=len(totals),
        largest=clusters,
        similarities=tuple(
            Similarities(stage=stage, documents=int(counts.sum()), counts=tuple(counts.tolist()))
            for stage, counts in sorted(totals.bins.items())
        ),
        pairs=tuple(pairs[:PAIRS]),
        pairs_left_out=max(0, len(pairs) - PAIRS),
    )


@dataclass(frozen=True)
class Copies:
    """The copies in a row group; arrays are (copies,)."""

    piece: int
    """Its place among the version's."""
    source: str
    stages: Sequence[str]
    stage: Int64s
    """Which of `stages` dropped each."""
    survivor: Int64s
    """The survivor's input file, by its number in the scan, and row below."""
    similarity: np.ndarray[Any, np.dtype[np.float64]]
    bytes: Int64s
    place: Int64s
    """Where the decision is: the piece in the upper 32 bits, its row in the file below."""


class Scan:
    """Goes through the decisions about copies."""

    def __init__(self, storage: Storage, manifest: Manifest, asked: Asked, go_on: GoOn = always) -> None:
        self.storage = storage
        self.pieces: list[PieceFiles] = list(manifest.files())
        self._asked = asked
        self._go_on = go_on
        self._lock = threading.Lock()
        self._sources = {file.uri: file.source for file in manifest.inputs}
        self._numbers: dict[str, int] = {}
        self._files: list[tuple[str, str]] = []

    def run(self, take: Callable[[Copies], None]) -> None:
        """Hand over the copies of every row group that has any, in the order of the manifest."""
        wanted = [
            number
            for number, files in enumerate(self.pieces)
            if self._asked.source in {None, files.piece.source} and files.decisions.rows
        ]
        with ThreadPoolExecutor(THREADS) as threads:
            for first in range(0, len(wanted), 4 * THREADS):
                for found in threads.map(self._read, wanted[first : first + 4 * THREADS]):
                    for copies in found:
                        take(copies)

    def file(self, number: int) -> tuple[str, str]:
        """(URI, source) of a survivor's input file."""
        return self._files[number]

    def decision(self, place: int, columns: Sequence[str]) -> dict[str, Any]:
        """Some columns of one decision."""
        files, row = self.pieces[place >> 32], place & 0xFFFFFFFF
        with self.storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
            for group in range(decisions.num_row_groups):
                rows = decisions.metadata.row_group(group).num_rows
                if row < rows:
                    table = decisions.read_row_group(group, list(columns), use_threads=False)
                    (found,) = table.slice(row, 1).to_pylist()
                    return dict(found)
                row -= rows
        raise IndexError(place)

    def _read(self, number: int) -> list[Copies]:
        path = self.pieces[number].decisions.path
        with (
            self.storage.open_seekable(path) as file,
            pq.ParquetFile(file, read_dictionary=list(_CODED)) as decisions,
        ):
            return list(self._groups(number, decisions))

    def _groups(self, number: int, decisions: pq.ParquetFile) -> Iterator[Copies]:
        begin = 0
        for group in range(decisions.num_row_groups):
            metadata = decisions.metadata.row_group(group)
            first, begin = begin, begin + metadata.num_rows
            if has_none(decisions, group, self._asked.min_similarity):
                continue
            self._go_on()
            table = decisions.read_row_group(group, list(_COLUMNS), use_threads=False)
            position = np.flatnonzero(table["survivor_row"].is_valid().to_numpy())
            copies = self._copies(number, table.take(pa.array(position)), first + position)
            if copies.place.size:
                yield copies

    def _copies(self, number: int, table: pa.Table, position: Int64s) -> Copies:
        stages, stage = _coded(table["stage"])
        similarity = table["similarity"].to_numpy()
        asked = similarity >= self._asked.min_similarity
        if self._asked.stage is not None:
            asked &= stage == (stages.index(self._asked.stage) if self._asked.stage in stages else -1)
        uris, uri = _coded(table["survivor_shard"])
        files = np.array([self._number(each) for each in uris], np.int64)
        rows = table["survivor_row"].to_numpy()
        return Copies(
            piece=number,
            source=self.pieces[number].piece.source,
            stages=stages,
            stage=stage[asked],
            survivor=((files[uri] << _ROW_BITS) | rows)[asked],
            similarity=similarity[asked],
            bytes=table["bytes"].to_numpy()[asked],
            place=(np.int64(number) << np.int64(32)) | position[asked],
        )

    def _number(self, uri: str) -> int:
        with self._lock:
            if uri not in self._numbers:
                self._numbers[uri] = len(self._files)
                self._files.append((uri, self._sources.get(uri, "")))
            return self._numbers[uri]


def has_none(decisions: pq.ParquetFile, group: int, min_similarity: float = 0.0) -> bool:
    """Whether the statistics of a row group of decisions say that it has no copy as like as that."""
    metadata, schema = decisions.metadata.row_group(group), decisions.schema_arrow
    statistics = metadata.column(schema.get_field_index("similarity")).statistics
    if statistics is None:
        return False
    if statistics.has_null_count and statistics.null_count == metadata.num_rows:
        return True
    return bool(statistics.has_min_max and statistics.max < min_similarity)


class _Totals:
    """What the copies add up to."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan
        self.pairs: Counter[tuple[str, str]] = Counter()
        self.pair_bytes: Counter[tuple[str, str]] = Counter()
        self.bins: dict[str, Int64s] = {}
        self._sums = _nothing()
        self._held: list[_Columns] = []

    def __len__(self) -> int:
        self._add_up()
        return int(self._sums[0].size)

    def add(self, copies: Copies) -> None:
        binned = np.minimum((copies.similarity * BINS).astype(np.int64), BINS - 1)
        for number, stage in enumerate(copies.stages):
            counts = np.bincount(binned[copies.stage == number], minlength=BINS)
            if counts.any():
                self.bins[stage] = self.bins.get(stage, np.zeros(BINS, np.int64)) + counts
        files = copies.survivor >> _ROW_BITS
        documents = np.bincount(files)
        size = np.zeros(documents.size, np.int64)
        np.add.at(size, files, copies.bytes)
        for file in np.flatnonzero(documents).tolist():
            pair = (copies.source, self._scan.file(file)[1])
            self.pairs[pair] += int(documents[file])
            self.pair_bytes[pair] += int(size[file])
        ones = np.ones(copies.place.size, np.int64)
        self._held.append((copies.survivor, ones, copies.bytes, copies.similarity, copies.place))
        if sum(columns[0].size for columns in self._held) >= _PENDING:
            self._add_up()

    def largest(self, count: int) -> _Columns:
        """(survivors, copies, bytes, least similarities, places of a decision that names them) of the largest."""
        self._add_up()
        order = np.lexsort((self._sums[4], -self._sums[1]))[:count]
        return tuple(column[order] for column in self._sums)

    def _add_up(self) -> None:
        if not self._held:
            return
        survivor, *columns = (np.concatenate(each) for each in zip(self._sums, *self._held, strict=True))
        self._held = []
        order = np.argsort(survivor, kind="stable")
        survivor = survivor[order]
        starts = np.flatnonzero(np.concatenate([np.ones(min(1, survivor.size), np.bool_), np.diff(survivor) != 0]))
        documents, size, similarity, place = (column[order] for column in columns)
        self._sums = (
            survivor[starts],
            np.add.reduceat(documents, starts),
            np.add.reduceat(size, starts),
            np.minimum.reduceat(similarity, starts),
            np.minimum.reduceat(place, starts),
        )


_Columns = tuple[np.ndarray[Any, Any], ...]


def _nothing() -> _Columns:
    none = np.zeros(0, np.int64)
    return none, none, none, np.zeros(0, np.float64), none


def _cluster(scan: Scan, survivor: int, copies: int, size: int, similarity: float, place: int) -> Cluster:
    uri, source = scan.file(survivor >> int(_ROW_BITS))
    return Cluster(
        id=scan.decision(place, ["survivor"])["survivor"],
        source=source,
        shard=uri,
        row=survivor & int(_ROW_MASK),
        copies=copies,
        bytes=size,
        least_similarity=similarity,
    )


def _coded(column: pa.ChunkedArray) -> tuple[list[str], Int64s]:
    """(the values, which of them each row has)."""
    encoded = column.combine_chunks() if pa.types.is_dictionary(column.type) else pc.dictionary_encode(column)
    encoded = encoded.combine_chunks() if isinstance(encoded, pa.ChunkedArray) else encoded
    return encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
