"""From the fields of a record to a document: what is the text, the id, the address and the time, and what is left."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import NamedTuple, TypeVar

import orjson

from curation.sources.source import Columns

MAX_ID_BYTES = MAX_URL_BYTES = 64 << 10
MAX_METADATA_BYTES = 1 << 20
"""Bounds of what goes beside a text, in bytes of UTF-8; metadata as JSON."""

Fields = dict[str, object]
Value = TypeVar("Value")


class Document(NamedTuple):
    """A document before it is in a batch; an `id` of None becomes a hash of the text."""

    text: str
    id: str | None = None
    url: str | None = None
    added: datetime | None = None
    metadata: str | None = None


class UnusableRecordError(Exception):
    """The record is no document: `why` is one of a small fixed set, `detail` says what was found, `ends_file` that
    others are lost with it, and `begins` how it begins."""

    def __init__(self, why: str, detail: str, *, ends_file: bool = False, begins: str = "") -> None:
        self.why = why
        self.detail = detail
        self.ends_file = ends_file
        self.begins = begins
        super().__init__(f"{why}: {detail}")


def document_of(record: Fields, columns: Columns) -> Document:
    """The document that a record holds; the record is used up.

    The text must be a string, and may be empty. An id may be a string or an integer, which becomes a string. What is
    not as it should be in any other column fails nothing and is not lost: it stays among the metadata under its own
    name, and the column is null. The metadata are all the other fields as JSON with sorted keys, null if there are
    none. Raises UnusableRecordError (`no_text`, `bad_metadata`).
    """
    text = _take_text(record, columns.text)
    key = _take(record, columns.id, _as_id)
    url = _take(record, columns.url, _as_url)
    added = _take(record, columns.added, as_time)
    return Document(text, key, url, added, as_json(record) if record else None)


def checked_size(document: Document) -> int:
    """The bytes of all its strings in UTF-8. Raises UnusableRecordError (`too_large`) if one beside the text is too
    large to be kept."""
    size = _utf8_bytes(document.text)
    bounds = (
        ("id", document.id, MAX_ID_BYTES),
        ("url", document.url, MAX_URL_BYTES),
        ("metadata", document.metadata, MAX_METADATA_BYTES),
    )
    for name, value, bound in bounds:
        found = _utf8_bytes(value or "")
        if found > bound:
            raise UnusableRecordError("too_large", f"field {name!r} has {found} bytes, at most {bound} are kept")
        size += found
    return size


def as_json(fields: Fields) -> str:
    """The fields as JSON with sorted keys; infinities and NaN become null, what JSON has no type for its `str`."""
    try:
        return orjson.dumps(fields, default=str, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError as error:
        raise UnusableRecordError("bad_metadata", f"the other fields cannot be kept as JSON: {error}") from None


def as_time(value: object) -> datetime | None:
    """The time in UTC from ISO 8601 or seconds since 1970; without a zone it is UTC.

    None for anything else and for what lies outside the years 1 to 9999.
    """
    try:
        if isinstance(value, str):
            time = datetime.fromisoformat(value.strip())
        elif isinstance(value, datetime):
            time = value
        elif isinstance(value, date):
            time = datetime(value.year, value.month, value.day, tzinfo=UTC)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            time = datetime.fromtimestamp(value, UTC)
        else:
            return None
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _as_id(value: object) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None


def _as_url(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _take_text(record: Fields, path: str) -> str:
    parent, name = _locate(record, path)
    if name not in parent:
        raise UnusableRecordError("no_text", f"field {path!r} is missing, expected a string")
    value = parent.pop(name)
    if not isinstance(value, str):
        raise UnusableRecordError("no_text", f"field {path!r} is {_kind(value)}, expected a string")
    return value


def _take(record: Fields, path: str, convert: Callable[[object], Value | None]) -> Value | None:
    """The converted value, out of the record; None, and it stays where it is, if it cannot be converted."""
    parent, name = _locate(record, path)
    value = parent.get(name)
    converted = None if value is None else convert(value)
    if converted is not None or value is None:
        parent.pop(name, None)
    return converted


def _locate(record: Fields, path: str) -> tuple[Fields, str]:
    """(the object that would hold the field, its name there); a name that has dots itself comes before a nested one."""
    if path in record or "." not in path:
        return record, path
    parent: object = record
    *outer, name = path.split(".")
    for step in outer:
        parent = parent.get(step) if isinstance(parent, dict) else None
    return (parent if isinstance(parent, dict) else {}), name


def _utf8_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), f"a {type(value).__name__}")
