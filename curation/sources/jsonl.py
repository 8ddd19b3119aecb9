"""JSON lines: one object a line, UTF-8, plain or compressed.

Lines end in LF, or CR LF, and nothing else ends a line; blank lines are no records. JSON is read as RFC 8259 has it,
by orjson: no NaN, no raw control characters, no lone surrogates, no number beyond a double, at most 1,024 levels. Of a
key that comes twice the last value counts; an integer beyond 64 bits becomes a double.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import orjson

from curation.sources.compression import BrokenStreamError, decompressed
from curation.sources.gathering import Gathering
from curation.sources.record import Document, UnusableRecordError, document_of
from curation.sources.source import Chunk, Columns, Limits, Source
from curation.storage import Entry, Storage, object_url

UTF8_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF16 = "the file begins with the mark of UTF-16; convert it to UTF-8"


def read_jsonl(storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    """The documents and failures of a file of JSON lines."""
    gathering = Gathering(source.name, object_url(storage, entry.key), limits)
    with storage.open(entry.key) as file:
        for line in lines(decompressed(file), limits.max_record_bytes):
            if line.fault is not None:
                _end(gathering, line, line.fault, source.columns)
            elif line.number == 1 and line.data is not None and line.data.startswith(UTF16_MARKS):
                gathering.fail("jsonl.not_utf8", UTF16, 1, ends_file=True)
                break
            else:
                _gather(gathering, line, source.columns, limits)
            if gathering.is_full:
                yield gathering.take()
    if not gathering.is_empty:
        yield gathering.take()


class Line(NamedTuple):
    """A line without its end, `number` from 1; `data` is None where it is larger than a line may be.

    With a `fault` it is the last: what was left when the stream broke off, maybe not a whole line, maybe nothing.
    """

    number: int
    data: bytes | None
    size: int
    fault: BrokenStreamError | None = None


def lines(pieces: Iterator[bytes], max_bytes: int) -> Iterator[Line]:
    """The lines of a stream; one that is larger than `max_bytes` is passed over without being held."""
    number, size, held = 1, 0, list[bytes]()
    fault: BrokenStreamError | None = None
    try:
        for piece in pieces:
            *ended, rest = piece.split(b"\n")
            for part in ended:
                held.append(part)
                size += len(part)
                yield Line(number, b"".join(held) if size <= max_bytes else None, size)
                number, size, held = number + 1, 0, []
            size += len(rest)
            if size <= max_bytes:
                held.append(rest)
            else:
                held.clear()
    except BrokenStreamError as broken:
        fault = broken
    if size or fault is not None:
        yield Line(number, b"".join(held) if size <= max_bytes else None, size, fault)


def _gather(gathering: Gathering, line: Line, columns: Columns, limits: Limits) -> None:
    """Keep or fail the record of a line; a blank line is none."""
    if line.data is None:
        detail = f"a line of {line.size} bytes, at most {limits.max_record_bytes} are read (max_record_bytes)"
        gathering.fail("jsonl.too_large", detail, line.number)
        return
    data = line.data.removeprefix(UTF8_MARK) if line.number == 1 else line.data
    if not data or data.isspace():
        return
    try:
        gathering.keep(_document(data, columns))
    except UnusableRecordError as error:
        gathering.fail(f"jsonl.{error.why}", error.detail, line.number, ends_file=error.ends_file, begins=error.begins)


def _end(gathering: Gathering, line: Line, fault: BrokenStreamError, columns: Columns) -> None:
    """The file broke off here: one failure for all that is missing, the cut record with it; a whole one is kept."""
    if line.data:
        with suppress(UnusableRecordError):
            gathering.keep(_document(line.data.removeprefix(UTF8_MARK), columns))
    gathering.fail(fault.reason, fault.detail, line.number, ends_file=True)


def _document(data: bytes, columns: Columns) -> Document:
    try:
        record = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _unreadable(data, error) from None
    if not isinstance(record, dict):
        holds_records = isinstance(record, list) and any(isinstance(item, dict) for item in record)
        detail = "a line of JSON that is no object"
        raise UnusableRecordError("not_object", detail, ends_file=holds_records, begins=_begins(data))
    return document_of(record, columns)


def _unreadable(data: bytes, error: orjson.JSONDecodeError) -> UnusableRecordError:
    try:
        data.decode()
    except UnicodeDecodeError as wrong:
        detail = f"{wrong.reason} at byte {wrong.start} of the line"
        return UnusableRecordError("not_utf8", detail, begins=_begins(data))
    has_cr = b"\r" in data.strip()
    hint = "; lines must end in LF, this has CR within" if has_cr else ""
    detail = f"{error.msg} at character {error.pos}{hint}"
    return UnusableRecordError("not_json", detail, ends_file=has_cr, begins=_begins(data))


def _begins(data: bytes) -> str:
    return repr(data[:40])
