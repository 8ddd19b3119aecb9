"""Sources: bytes to document batches. Each format has one reader; `read_shard` picks it.

| format    | files                                            | a document is                                    |
|-----------|--------------------------------------------------|--------------------------------------------------|
| `jsonl`   | `.jsonl`, `.ndjson`, `.json` (one object a line) | a line                                           |
| `parquet` | `.parquet`, `.pq`                                | a row                                            |
| `warc`    | `.warc`, `.wet`                                  | a response, resource or conversion record        |
| `text`    | `.txt`, `.text`, `.md`, `.markdown`              | a file                                           |

A further `.gz` or `.zst` may follow (not for Parquet); how a file is really compressed is read from its content.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from curation.errors import CorruptError, InputError
from curation.sources.jsonl import read_jsonl
from curation.sources.parquet import read_parquet
from curation.sources.source import Chunk, Columns, Failure, Format, Limits, Reader, Source
from curation.sources.text import read_text
from curation.sources.warc import read_warc
from curation.storage import Entry, Storage, object_url

__all__ = [
    "READING_VERSION",
    "Chunk",
    "Columns",
    "Failure",
    "Format",
    "Limits",
    "Reader",
    "Source",
    "format_of",
    "read_shard",
]

READING_VERSION = 1
"""Raised when a reader gives other documents for the same file, so that old results are not taken for new ones."""

READERS: dict[Format, Reader] = {"jsonl": read_jsonl, "parquet": read_parquet, "warc": read_warc, "text": read_text}

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".warc": "warc",
    ".wet": "warc",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
}
COMPRESSED = (".gz", ".zst", ".zstd")


def read_shard(storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    """The documents and failures of one input file, in its order and in bounded memory.

    Every record is in exactly one chunk, kept or failed. An empty file has none. Raises InputError, at once, if the
    file's format cannot be told; StorageError passes through while reading. The file must be the one that was listed
    from the beginning to the end: CorruptError where it is another, and then no chunk may be used.
    """
    reader = READERS[format_of(entry.key, source)]
    return _unchanged(reader, storage, entry, source, limits)


def _unchanged(reader: Reader, storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    _check_unchanged(storage, entry)
    if entry.size:
        yield from reader(storage, entry, source, limits)
        _check_unchanged(storage, entry)


def _check_unchanged(storage: Storage, entry: Entry) -> None:
    """Raises CorruptError unless the object is still what was listed."""
    if storage.head(entry.key) != entry:
        raise CorruptError(f"{object_url(storage, entry.key)} was changed while it was read; run again")


def format_of(key: str, source: Source) -> Format:
    """The format that the source states, else what the file's suffix says. Raises InputError for any other suffix."""
    if source.format is not None:
        return source.format
    name = PurePosixPath(key.lower())
    suffix = PurePosixPath(name.stem).suffix if name.suffix in COMPRESSED else name.suffix
    if suffix not in SUFFIXES:
        raise InputError(
            f"source {source.name!r}: {key}: suffix {name.suffix!r} is none of {', '.join(SUFFIXES)}"
            f" (with {', '.join(COMPRESSED)} or without); say format: {' | '.join(READERS)}"
        )
    return SUFFIXES[suffix]
