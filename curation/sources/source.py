"""What a source is: a named set of input files, and what reading one file (a shard) gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curation.storage import Entry, Storage

Format = Literal["jsonl", "parquet", "warc", "text"]
MIB = 1 << 20


class Columns(BaseModel):
    """Which field of a record is which column of a document; dots reach into nested objects."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str = "id"
    """The document's own id; where a record has none, its id is a hash of its text."""
    text: str = "text"
    """The text; a record without it is counted as failed."""
    url: str = "url"
    """Where the document came from."""
    added: str = "added"
    """When it was added: ISO 8601, or seconds since 1970."""


class Source(BaseModel):
    """A named set of input files, all of one format."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
    """The name in reports, decisions and mixtures."""
    uri: str
    """A file, or a glob (`*`, `**`, `?`, `[…]`); local or `s3://bucket/…`."""
    format: Format | None = None
    """How the files are read; by default each file's suffix tells."""
    columns: Columns = Columns()
    """How the records' fields are named."""


class Limits(BaseModel):
    """Bounds that keep a worker's memory flat whatever the input holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_record_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 32 * MIB
    """A record larger than this, uncompressed, is quarantined without being loaded."""
    batch_documents: Annotated[int, Field(ge=1, le=1 << 20)] = 1024
    """The most documents in a batch."""
    batch_bytes: Annotated[int, Field(ge=1024, le=1 << 30)] = 16 * MIB
    """A batch is closed once its strings (texts, ids, URLs, metadata) reach this size in UTF-8."""


@dataclass(frozen=True)
class Failure:
    """A record, or a record and an unknown number of others, that could not be read.

    `row` is the number of the record in its shard (bad ones counted too); a failure that ends the file takes the number
    that its next record would have had. `line` is the line number from 1 where there are lines. `reason` is
    `format.why` (`jsonl.not_json`, `gzip.truncated`), one of a small fixed set; `detail` says what was found, and
    nothing of what it holds: that is `begins`, how the record begins, where this helps to see what it is.

    `ends_file`: records after this one, an unknown number, are lost with it: the rest of the file, or of a Parquet row
    group, or what lies between here and the next record that can be found. It counts as one record all the same.
    """

    row: int
    reason: str
    detail: str
    line: int | None = None
    ends_file: bool = False
    begins: str = ""


@dataclass(frozen=True)
class Chunk:
    """Documents and failures of one shard, in the order of the file; either may be empty."""

    batch: pa.RecordBatch
    failures: tuple[Failure, ...] = ()


class Reader(Protocol):
    """Reads one shard of one format, streaming: memory is bounded by `limits`, whatever the file holds.

    Every record is in exactly one chunk's batch or failures. What is wrong with the content never raises: it becomes a
    Failure. StorageError (and its TransientError) passes through.
    """

    def __call__(self, storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]: ...
