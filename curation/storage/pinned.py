"""Files that determine a result: read once a process, known by their SHA-256."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from curation.errors import MissingError, ModelError
from curation.storage.find import find
from curation.storage.storage import Entry

Parsed = TypeVar("Parsed")

_READING = threading.Lock()


class Pinned(NamedTuple):
    """What a file says, and the SHA-256 of its bytes in hex."""

    content: Any
    sha256: str


def read_pinned(
    url: str, sha256: str | None, parse: Callable[[bytes], Parsed], most_bytes: int, beginning: bytes = b""
) -> tuple[Parsed, str]:
    """What `parse` makes of the file at this path or `s3://` URL, and the file's SHA-256.

    It is read and parsed once a process for each parser; again where it was given without a digest and its size or its
    tag is another. Raises ModelError where there is no such file (its cause is a MissingError then), where it has more
    than `most_bytes` or does not begin with `beginning`, which is looked at before it is read, or where it has another
    digest than `sha256` (hex).
    """
    entry = None if sha256 else _entry(url)
    with _READING:  # so that it is read once, however many threads ask for it
        if sha256 is None:
            found = _read(url, entry, parse, most_bytes, beginning)
        else:
            found = _checked(url, sha256, parse, most_bytes, beginning)
    return found.content, found.sha256


def _entry(url: str) -> Entry:
    try:
        _, entries = find(url)
        if not entries:
            raise MissingError(f"{url}: nothing is there")
    except MissingError as error:
        raise ModelError(f"{url}: there is no such file") from error
    if len(entries) > 1:
        raise ModelError(f"{url}: {len(entries)} files, expected one")
    return entries[0]


@lru_cache(maxsize=32)
def _read(url: str, entry: Entry, parse: Callable[[bytes], Any], most_bytes: int, beginning: bytes) -> Pinned:
    if entry.size > most_bytes:
        raise ModelError(f"{url}: {entry.size} bytes, expected at most {most_bytes}")
    storage, _ = find(url)
    start = storage.read_range(entry.key, 0, min(len(beginning), entry.size)) if beginning and entry.size else b""
    if start != beginning:
        raise ModelError(f"{url}: it does not begin as such a file does")
    data = storage.read(entry.key, size=entry.size)
    try:
        return Pinned(parse(data), hashlib.sha256(data).hexdigest())
    except ModelError as error:
        raise ModelError(f"{url}: {error}") from error


@lru_cache(maxsize=32)
def _checked(url: str, sha256: str, parse: Callable[[bytes], Any], most_bytes: int, beginning: bytes) -> Pinned:
    found = _read(url, _entry(url), parse, most_bytes, beginning)
    if found.sha256 != sha256.lower():
        raise ModelError(f"{url}: its SHA-256 is {found.sha256}, expected {sha256}")
    return found
