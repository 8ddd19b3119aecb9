"""Globs over storages."""

from __future__ import annotations

import re
from contextlib import suppress

from curation.errors import MissingError, StorageError
from curation.storage.address import absolute, object_url, open_storage
from curation.storage.storage import Entry, Storage

_WILD = re.compile(r"[*?\[]")


def find(uri: str) -> tuple[Storage, list[Entry]]:
    """The objects that a URI or glob names, sorted by key, and the storage that holds them.

    `*` and `?` stay within one part of the path, `**` crosses parts (`a/**/*.gz` also finds `a/x.gz`), `[…]` is a set
    and `[!…]` its complement; `[*]` is a star. As in a shell, a wildcard does not match the dot that begins a hidden
    name: write the dot. An address that is an object's own, wildcards or not, names that object. Folders that match are
    left out, and nothing that matches is an empty list.

    The storage is the folder above the first wildcard; only what begins as the pattern does is listed. Raises
    MissingError for the plain address of a folder, StorageError for what matches under a name that is not UTF-8.
    """
    folder, pattern = _split(uri)
    storage = open_storage(folder)
    entries = _matching(storage, pattern)
    if not entries and storage.is_folder(pattern):
        raise MissingError(f"{uri.rstrip('/') or uri} is a folder; write {uri.rstrip('/')}/**/*.jsonl, for example")
    for entry in entries:
        _check_name(object_url(storage, entry.key))
    return storage, entries


def find_all(uri: str, within: str) -> tuple[Storage, list[Entry]]:
    """As `find`, but the plain address of a folder stands for what the glob `within` matches below it."""
    try:
        return find(uri)
    except MissingError:
        return find(f"{uri.rstrip('/')}/{within}")


def _matching(storage: Storage, pattern: str) -> list[Entry]:
    if not pattern:
        return []
    with suppress(MissingError):
        return [storage.head(pattern)]
    if not _WILD.search(pattern):
        return []
    entries = storage.list(pattern[: _first_wildcard(pattern)], deep="/" in pattern or "**" in pattern)
    matches = glob_regex(pattern).fullmatch
    return [entry for entry in entries if matches(entry.key)]


def _check_name(url: str) -> None:
    try:
        url.encode()
    except UnicodeEncodeError:
        raise StorageError(f"{url!r}: the name is not UTF-8; rename the file or its folder") from None


def _split(uri: str) -> tuple[str, str]:
    """The folder above the first wildcard (of a plain address: above the object), and the pattern below it."""
    address = absolute(uri)  # keeps wildcards, for they are no part of what it tidies
    if uri.endswith("/"):
        return address, ""
    above = len("s3://") if address.startswith("s3://") else 0
    slash = address.rfind("/", above, _first_wildcard(address))
    if slash < 0 and _WILD.search(address):
        raise StorageError(f"{uri!r}: a bucket's name cannot have wildcards")
    return (address, "") if slash < 0 else (address[: slash + 1], address[slash + 1 :])


def _first_wildcard(uri: str) -> int:
    """Where the first wildcard stands; the length of the URI where there is none."""
    found = _WILD.search(uri)
    return found.start() if found else len(uri)


def glob_regex(pattern: str) -> re.Pattern[str]:
    """The glob as a regular expression over whole keys."""
    parts: list[str] = []
    position = 0
    while position < len(pattern):
        visible = r"(?!\.)" if position == 0 or pattern[position - 1] == "/" else ""
        if pattern.startswith("**/", position) and visible:
            parts.append(r"(?:(?!\.)[^/]+/)*")
            position += 3
        elif pattern.startswith("**", position):
            parts.append(visible + r"(?:[^/]|/(?!\.))*")
            position += 2
        elif pattern[position] == "*":
            parts.append(visible + "[^/]*")
            position += 1
        elif pattern[position] == "?":
            parts.append(visible + "[^/]")
            position += 1
        elif pattern[position] == "[":
            text, position = _set(pattern, position)
            parts.append(visible + text)
        else:
            parts.append(re.escape(pattern[position]))
            position += 1
    return re.compile("".join(parts), re.DOTALL)


def _set(pattern: str, start: int) -> tuple[str, int]:
    """The set that opens at `start` as a regular expression, and where it ends; a set that never closes is a `[`."""
    first = start + 2 if pattern[start + 1 : start + 2] == "!" else start + 1
    end = pattern.find("]", first + 1)
    if end < 0:
        return re.escape("["), start + 1
    members = re.sub(r"([\\\[\]^&|~])", r"\\\1", pattern[first:end])
    complement = "^" if first == start + 2 else ""
    try:
        re.compile(f"[{members}]")
    except re.error as error:
        raise StorageError(f"{pattern!r}: the set {pattern[start : end + 1]!r} is wrong: {error}") from None
    return f"(?!/)[{complement}{members}]", end + 1
