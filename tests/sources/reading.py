"""Reading a file as a source does, and what came of it."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import zstandard

from curation.document import SCHEMA
from curation.sources import Chunk, Columns, Failure, Format, Limits, Source, read_shard
from curation.storage import Entry, Storage, open_storage

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, mtime=0),
    ".zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}


@dataclass(frozen=True)
class Outcome:
    """All that reading a file gave."""

    chunks: Sequence[Chunk]

    @property
    def table(self) -> pa.Table:
        return pa.Table.from_batches([chunk.batch for chunk in self.chunks], SCHEMA)

    @property
    def documents(self) -> list[dict[str, Any]]:
        return cast(list[dict[str, Any]], self.table.to_pylist())

    @property
    def texts(self) -> list[str]:
        return [document["text"] for document in self.documents]

    @property
    def failures(self) -> list[Failure]:
        return [failure for chunk in self.chunks for failure in chunk.failures]

    @property
    def reasons(self) -> list[str]:
        return [failure.reason for failure in self.failures]

    def check(self) -> None:
        """What holds of every read: each record is in one place, and the numbers of the rows ascend."""
        kept = [document["row"] for document in self.documents]
        failed = [failure.row for failure in self.failures]
        assert kept == sorted(kept)
        assert failed == sorted(failed)
        assert len({*kept, *failed}) == len(kept) + len(failed)
        for failure in self.failures:
            assert "." in failure.reason
            assert failure.detail.isprintable()
            assert len(failure.detail) <= 300
            assert failure.detail


def read(
    path: Path, *, format: Format | None = None, columns: Columns | None = None, limits: Limits | None = None
) -> Outcome:
    """What reading this file gives, checked."""
    storage = open_storage(str(path.parent))
    source = Source(name="here", uri=str(path), format=format, columns=columns or Columns())
    outcome = Outcome(list(read_shard(storage, storage.head(path.name), source, limits or Limits())))
    outcome.check()
    return outcome


def read_bytes(folder: Path, name: str, data: bytes, **options: Any) -> Outcome:
    """What reading a file of these bytes gives."""
    path = folder / name
    path.write_bytes(data)
    return read(path, **options)


def json_lines(*records: object) -> bytes:
    """The records as JSON lines."""
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class BreakingStorage:
    """A folder whose files raise an error once more than this many bytes of them are read."""

    def __init__(self, folder: Path, after_bytes: int, error: Exception) -> None:
        self._inner: Storage = open_storage(str(folder))
        self.url = self._inner.url
        self._after_bytes = after_bytes
        self._error = error

    def head(self, key: str) -> Entry:
        return self._inner.head(key)

    def open(self, key: str) -> BinaryIO:
        return cast(BinaryIO, _BreakingFile(self._inner.read(key), self._after_bytes, self._error))

    open_seekable = open


class _BreakingFile(io.BytesIO):
    def __init__(self, data: bytes, left: int, error: Exception) -> None:
        super().__init__(data)
        self._left = left
        self._error = error

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        self._left -= len(data)
        if self._left < 0:
            raise self._error
        return data
