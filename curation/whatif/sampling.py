"""A sample of a recipe's input: which files are read, how far, and which of their documents are taken.

Of an input of up to READ_BYTES every file is read, and the sample is a uniform choice. Of a larger one some files are
read, in the order of a hash, each from its beginning up to a bound: a uniform choice among what was read. Each source
has its part of the sample in proportion to the documents that it seems to have.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import pyarrow as pa

from curation.difference.records import addresses, mixed
from curation.document import ROW, SHARD, text_bytes
from curation.manifest import Frozen
from curation.pipeline.inputs import Files
from curation.sources import Limits, read_shard
from curation.storage import Entry, Storage, object_url, open_storage
from curation.whatif.decided import GoOn, always

READ_BYTES = 32 << 20
"""How much is read at most, of the files as they are stored; a little more where a source has many files."""
FILE_BYTES = 4 << 20
"""How much of one file, where not all files are read whole."""
FILES_A_DOCUMENT = 2
"""At most so many files are opened for each document of the sample."""


class SourceRead(Frozen):
    """What was read of a source, and how much there seems to be of it."""

    source: str
    files: int
    bytes: int
    """Of all its files as they are stored, compressed or not."""
    files_read: int
    """How many files were opened."""
    bytes_read: int
    """Of these files, as they are stored."""
    is_whole: bool
    """Whether every file was read to its end."""
    documents_read: int
    failed_read: int
    """Records that could not be read."""
    text_bytes_read: int
    """Of the documents that were read, in UTF-8."""
    documents: int
    """How many there are in the source: counted where all was read, else in proportion to the bytes."""
    text_bytes: int
    """Of all its documents: counted, or in proportion as `documents`."""
    sampled: int
    """How many of them are in the sample."""


class Failed(NamedTuple):
    """A record that could not be read."""

    source: str
    uri: str
    reason: str
    detail: str
    ends_file: bool


@dataclass
class Sample:
    """Documents of a recipe's input, and what was read to choose them."""

    batches: list[pa.RecordBatch]
    sources: list[SourceRead]
    failures: list[Failed]
    read_s: float
    """How long the reading took, of this process."""

    @property
    def text_bytes(self) -> int:
        """The size of the sampled texts, in UTF-8."""
        return sum(int(np.sum(text_bytes(batch).to_numpy())) for batch in self.batches)


@dataclass
class _Candidates:
    """The documents of a source with the smallest hashes, at most `count`."""

    count: int
    batches: list[pa.RecordBatch] = field(default_factory=list)
    hashes: list[np.ndarray[Any, np.dtype[np.uint64]]] = field(default_factory=list)
    rows: int = 0

    def add(self, batch: pa.RecordBatch, hashes: np.ndarray[Any, np.dtype[np.uint64]]) -> None:
        self.batches.append(batch)
        self.hashes.append(hashes)
        self.rows += batch.num_rows
        if self.rows > 4 * self.count:
            self.trim(self.count)

    def trim(self, count: int) -> None:
        """Keep the `count` with the smallest hashes, in the order in which they came."""
        every = np.concatenate([np.zeros(0, np.uint64), *self.hashes])
        if every.size <= count:
            return
        chosen = np.zeros(every.size, bool)
        chosen[np.argsort(every, kind="stable")[:count]] = True
        parts = np.split(chosen, np.cumsum([each.size for each in self.hashes])[:-1])
        self.batches = [batch.filter(pa.array(part)) for batch, part in zip(self.batches, parts, strict=True)]
        self.hashes = [hashes[part] for hashes, part in zip(self.hashes, parts, strict=True)]
        self.rows = count


def take_sample(listed: Sequence[Files], limits: Limits, size: int, seed: int, go_on: GoOn = always) -> Sample:
    """`size` documents of these files, or all there are. The same ones for the same files and seed. `go_on` is called
    before each part of a file."""
    everything = max(1, sum(entry.size for files in listed for entry in files.entries))
    is_small = everything <= READ_BYTES and sum(len(files.entries) for files in listed) <= FILES_A_DOCUMENT * size
    begin = time.perf_counter()
    reading = _Reading(limits, size, seed, go_on)
    for files in listed:
        reading.read(files, None if is_small else sum(entry.size for entry in files.entries) / everything)
    spent = time.perf_counter() - begin
    for found, count in zip(
        reading.candidates, apportioned(size, [each.documents for each in reading.sources]), strict=True
    ):
        found.trim(count)
    sources = [
        read.model_copy(update={"sampled": sum(batch.num_rows for batch in found.batches)})
        for read, found in zip(reading.sources, reading.candidates, strict=True)
    ]
    batches = [batch for found in reading.candidates for batch in found.batches if batch.num_rows]
    return Sample(_as_read(batches, limits), sources, reading.failures, spent)


class _Reading:
    """Reads one source after the other."""

    def __init__(self, limits: Limits, size: int, seed: int, go_on: GoOn) -> None:
        self.candidates: list[_Candidates] = []
        self.sources: list[SourceRead] = []
        self.failures: list[Failed] = []
        self._limits = limits
        self._size = size
        self._seed = seed
        self._go_on = go_on

    def read(self, files: Files, share: float | None) -> None:
        """Read a source that is this share of a large input; None reads all of it."""
        storage = _Metered(open_storage(files.storage))
        entries = files.entries if share is None else self._in_chance_order(files)
        most_files = len(entries) if share is None else max(1, round(FILES_A_DOCUMENT * self._size * share))
        most_bytes = None if share is None else READ_BYTES * share
        found = _Candidates(self._size)
        counts = _Counts()
        for entry in entries[:most_files]:
            if most_bytes is not None and counts.files and counts.bytes >= most_bytes:
                break
            self._read_file(storage, entry, files, found, counts, None if share is None else FILE_BYTES)
        self.candidates.append(found)
        self.sources.append(_source_read(files, counts))

    def _in_chance_order(self, files: Files) -> Sequence[Entry]:
        def order(entry: Entry) -> bytes:
            return hashlib.blake2b(f"{self._seed}\0{files.source.name}\0{entry.key}".encode(), digest_size=8).digest()

        return sorted(files.entries, key=order)

    def _read_file(
        self,
        storage: _Metered,
        entry: Entry,
        files: Files,
        found: _Candidates,
        counts: _Counts,
        most_bytes: int | None,
    ) -> None:
        uri, before = object_url(storage.inner, entry.key), storage.read_bytes
        counts.files += 1
        for chunk in read_shard(cast(Storage, storage), entry, files.source, self._limits):
            self._go_on()
            if chunk.batch.num_rows:
                found.add(chunk.batch, _order(chunk.batch, self._seed))
            counts.documents += chunk.batch.num_rows
            counts.failed += len(chunk.failures)
            counts.text_bytes += int(np.sum(text_bytes(chunk.batch).to_numpy()))
            named = (files.source.name, uri)
            self.failures += [Failed(*named, each.reason, each.detail, each.ends_file) for each in chunk.failures]
            if most_bytes is not None and storage.read_bytes - before > most_bytes:
                counts.cut += 1
                counts.bytes += storage.read_bytes - before
                return
        counts.bytes += entry.size


@dataclass
class _Counts:
    """What was read of a source so far."""

    files: int = 0
    cut: int = 0
    """Files that were not read to their end."""
    bytes: int = 0
    """What was read of the files as they are stored; of one that was read to its end all of it."""
    documents: int = 0
    failed: int = 0
    text_bytes: int = 0


class _Metered:
    """A storage that counts the bytes that are read of it, as far as a reader of one file uses it."""

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.url = inner.url
        self.read_bytes = 0

    def head(self, key: str) -> Entry:
        return self.inner.head(key)

    def open(self, key: str) -> BinaryIO:
        return cast(BinaryIO, _MeteredFile(self, self.inner.open(key)))

    def open_seekable(self, key: str) -> BinaryIO:
        return cast(BinaryIO, _MeteredFile(self, self.inner.open_seekable(key)))


class _MeteredFile:
    """A file of one."""

    def __init__(self, meter: _Metered, file: BinaryIO) -> None:
        self._meter = meter
        self._file = file

    def __enter__(self) -> _MeteredFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._meter.read_bytes += len(data)
        return data


def apportioned(total: int, parts: Sequence[int]) -> list[int]:
    """`total` in proportion to the parts, in whole numbers, by the largest remainders; at most each part's own size."""
    whole = sum(parts)
    if whole <= total:
        return list(parts)
    exact = [total * part / whole for part in parts]
    counts = [int(each) for each in exact]
    by_remainder = sorted(range(len(parts)), key=lambda index: (counts[index] - exact[index], index))
    for index in by_remainder[: total - sum(counts)]:
        counts[index] += 1
    return counts


def _as_read(batches: Sequence[pa.RecordBatch], limits: Limits) -> list[pa.RecordBatch]:
    """The documents in batches as large as a run has them."""
    if not batches:
        return []
    size = sum(batch.nbytes for batch in batches)
    table = pa.Table.from_batches(batches).combine_chunks()
    rows = max(1, min(limits.batch_documents, table.num_rows * limits.batch_bytes // max(1, size)))
    return list(table.to_batches(max_chunksize=rows))


def _order(batch: pa.RecordBatch, seed: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """Where each document stands in the seeded shuffle that chooses the sample: a hash of its address."""
    return mixed(addresses(batch[SHARD], batch[ROW]), np.full(batch.num_rows, seed, np.uint64))


def _source_read(files: Files, counts: _Counts) -> SourceRead:
    size = sum(entry.size for entry in files.entries)
    is_whole = counts.files == len(files.entries) and not counts.cut
    times = 1.0 if is_whole else max(1.0, size / max(1, counts.bytes))
    return SourceRead(
        source=files.source.name,
        files=len(files.entries),
        bytes=size,
        files_read=counts.files,
        bytes_read=counts.bytes,
        is_whole=is_whole,
        documents_read=counts.documents,
        failed_read=counts.failed,
        text_bytes_read=counts.text_bytes,
        documents=round(counts.documents * times),
        text_bytes=round(counts.text_bytes * times),
        sampled=0,
    )
