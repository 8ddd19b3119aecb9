"""Parquet: a row is a record, read a row group at a time and of that a few rows at a time.

The columns beside id, text, url and added become metadata, but for those that hold binary values, which are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.sources.gathering import Gathering
from curation.sources.record import Fields, UnusableRecordError, document_of
from curation.sources.source import MIB, Chunk, Columns, Limits, Source
from curation.storage import Entry, Storage, object_url

MAX_DICTIONARY_BYTES = 256 * MIB
BOMB_BYTES, BOMB_RATIO = 256 * MIB, 1000
"""A column chunk larger than the first that is packed tighter than the second to one is no text."""

BOMB_CHARACTERS = 4 << 30
"""The same of the texts of a whole file, whose rows may share values."""

UNREADABLE = (pa.ArrowException, OSError, EOFError)
"""What pyarrow raises for content that is no Parquet, or damaged. Storage errors are none of these."""


def read_parquet(storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    """The documents and failures of a Parquet file; a row group that cannot be read is one failure."""
    gathering = Gathering(source.name, object_url(storage, entry.key), limits)
    with storage.open_seekable(entry.key) as file:
        parquet = _opened(file, gathering, source.columns)
        if parquet is not None:
            for group in range(parquet.num_row_groups):
                yield from _row_group(parquet, group, file, gathering, entry, source.columns, limits)
    if not gathering.is_empty:
        yield gathering.take()


def _opened(file: BinaryIO, gathering: Gathering, columns: Columns) -> pq.ParquetFile | None:
    """The file if it is Parquet and has a text column, else None and one failure."""
    try:
        parquet = pq.ParquetFile(file, buffer_size=MIB, pre_buffer=False)
    except UNREADABLE as error:
        gathering.fail("parquet.not_parquet", str(error), ends_file=True)
        return None
    names = parquet.schema_arrow.names
    if columns.text not in names and _outer(columns.text) not in names:
        found = ", ".join(map(repr, names))
        detail = f"no column {columns.text!r}; the file has {found or 'no column'}"
        gathering.fail("parquet.no_text", detail, ends_file=True)
        return None
    return parquet


def _row_group(
    parquet: pq.ParquetFile,
    group: int,
    file: BinaryIO,
    gathering: Gathering,
    entry: Entry,
    columns: Columns,
    limits: Limits,
) -> Iterator[Chunk]:
    """The full chunks of a row group; after it the row is that of the next one, however this one ended."""
    next_row = gathering.row + parquet.metadata.row_group(group).num_rows
    try:
        for batch in _batches(parquet, file, group, columns, limits):
            for record in _records(batch, limits):
                _gather(gathering, record, columns, limits)
                if gathering.is_full:
                    yield gathering.take()
                _refuse_bomb(gathering, entry)
    except UnusableRecordError as refused:
        gathering.fail(f"parquet.{refused.why}", f"row group {group}: {refused.detail}", ends_file=True)
    except UNREADABLE as error:
        gathering.fail("parquet.corrupt", f"row group {group}: {error}", ends_file=True)
    gathering.row = max(gathering.row, next_row)


def _batches(
    parquet: pq.ParquetFile, file: BinaryIO, group: int, columns: Columns, limits: Limits
) -> Iterator[pa.RecordBatch]:
    """The rows of a row group, so many at a time that no batch can be large; refuses what cannot be read so."""
    wanted = _wanted(parquet.schema_arrow, columns)
    metadata = parquet.metadata.row_group(group)
    chunks = [metadata.column(index) for index in range(metadata.num_columns)]
    chunks = [chunk for chunk in chunks if _outer(chunk.path_in_schema) in wanted]
    mean = sum(chunk.total_uncompressed_size for chunk in chunks) / max(1, metadata.num_rows)
    rows = min([limits.batch_documents, *(_rows_at_once(chunk, file, limits) for chunk in chunks)])
    rows = max(1, min(rows, int(limits.batch_bytes / max(mean, 1))))
    batches = parquet.iter_batches(rows, row_groups=[group], columns=wanted, use_threads=False)
    yield from (_plain(batch) for batch in batches)


def _rows_at_once(chunk: pq.ColumnChunkMetaData, file: BinaryIO, limits: Limits) -> int:
    """How many rows of a column may be decoded together, as each may hold the largest value of its dictionary."""
    size, packed = chunk.total_uncompressed_size, max(1, chunk.total_compressed_size)
    mean = size / max(1, chunk.num_values)
    if size > BOMB_BYTES and size > BOMB_RATIO * packed:
        raise UnusableRecordError("bomb", f"column {chunk.path_in_schema!r} unpacks {packed} bytes to {size}")
    if mean > limits.max_record_bytes:
        raise UnusableRecordError("too_large", f"column {chunk.path_in_schema!r} has values of {mean:.0f} bytes")
    dictionary = _dictionary_bytes(chunk, file)
    if dictionary > MAX_DICTIONARY_BYTES:
        raise UnusableRecordError("bomb", f"column {chunk.path_in_schema!r} has a dictionary of {dictionary} bytes")
    return max(1, int(min(limits.batch_documents, MAX_DICTIONARY_BYTES / max(dictionary, 1))))


def _dictionary_bytes(chunk: pq.ColumnChunkMetaData, file: BinaryIO) -> int:
    """The unpacked size of a column chunk's dictionary, from the header of its first page; 0 if it has none.

    A page header begins, in Thrift's compact protocol, with the fields 1 (type) and 2 (uncompressed_page_size), each a
    byte 0x15 and a zigzag varint (parquet-format, `PageHeader`).
    """
    if not chunk.has_dictionary_page:
        return 0
    file.seek(chunk.dictionary_page_offset)
    header = file.read(16)
    if len(header) < 8 or header[0] != 0x15 or header[2] != 0x15:
        raise UnusableRecordError("corrupt", f"column {chunk.path_in_schema!r} has no page header at its dictionary")
    value = shift = 0
    for byte in header[3:13]:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value >> 1


def _refuse_bomb(gathering: Gathering, entry: Entry) -> None:
    """A dictionary of one large text may stand for any number of rows."""
    if gathering.characters > BOMB_CHARACTERS and gathering.characters > BOMB_RATIO * entry.size:
        detail = f"{gathering.characters} characters of text from a file of {entry.size} bytes"
        raise UnusableRecordError("bomb", detail)


def _wanted(schema: pa.Schema, columns: Columns) -> list[str]:
    """The names of the columns to read: those of a document, and all others that can be metadata."""
    named = {name for path in (columns.id, columns.text, columns.url, columns.added) for name in (path, _outer(path))}
    return [field.name for field in schema if field.name in named or not _holds_binary(field.type)]


def _outer(path: str) -> str:
    return path.split(".", maxsplit=1)[0]


def _holds_binary(kind: pa.DataType) -> bool:
    if any(_holds_binary(kind.field(index).type) for index in range(kind.num_fields)):
        return True
    is_binary = (
        pa.types.is_binary,
        pa.types.is_large_binary,
        pa.types.is_binary_view,
        pa.types.is_fixed_size_binary,
    )
    return any(check(kind) for check in is_binary)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its times in microseconds, which is what Python's own times can hold."""
    for index, field in enumerate(batch.schema):
        if pa.types.is_timestamp(field.type) and field.type.unit == "ns":
            kind = pa.timestamp("us", field.type.tz)
            batch = batch.set_column(index, field.name, pc.cast(batch.column(index), kind, safe=False))
    return batch


def _records(batch: pa.RecordBatch, limits: Limits) -> Iterator[Fields | UnusableRecordError]:
    """The rows as fields, so many at a time as make a batch by their mean size."""
    rows = max(1, batch.num_rows * limits.batch_bytes // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield from _fields(batch.slice(start, rows))


def _fields(batch: pa.RecordBatch) -> Iterator[Fields | UnusableRecordError]:
    """The rows as fields; a row with a value that Python cannot hold is an error in its place."""
    try:
        yield from batch.to_pylist()
    except (ValueError, OverflowError):
        for row in range(batch.num_rows):
            yield _record(batch, row)


def _record(batch: pa.RecordBatch, row: int) -> Fields | UnusableRecordError:
    try:
        return {name: batch.column(index)[row].as_py() for index, name in enumerate(batch.schema.names)}
    except UnicodeDecodeError as error:
        return UnusableRecordError("not_utf8", f"{error.reason} at byte {error.start} of a string")
    except (ValueError, OverflowError) as error:
        return UnusableRecordError("bad_value", str(error))


def _gather(gathering: Gathering, record: Fields | UnusableRecordError, columns: Columns, limits: Limits) -> None:
    try:
        if isinstance(record, UnusableRecordError):
            raise record
        _decode_text(record, columns.text)
        document = document_of(record, columns)
        size = len(document.text.encode()) if len(document.text) > limits.max_record_bytes // 4 else 0
        if size > limits.max_record_bytes:
            raise UnusableRecordError(
                "too_large", f"a text of {size} bytes, at most {limits.max_record_bytes} are read (max_record_bytes)"
            )
        gathering.keep(document)
    except UnusableRecordError as error:
        gathering.fail(f"parquet.{error.why}", error.detail)


def _decode_text(record: Fields, name: str) -> None:
    """A text that is stored as binary is UTF-8."""
    value = record.get(name)
    if isinstance(value, bytes):
        try:
            record[name] = value.decode()
        except UnicodeDecodeError as error:
            raise UnusableRecordError("not_utf8", f"{error.reason} at byte {error.start} of the text") from None
