"""Which keys may be used, and whether what was read is what was recorded."""

from __future__ import annotations

import hashlib

from curation.errors import CorruptError, StorageError

TEMPORARY = ".tmp-"
"""How the names of unfinished local files begin; such names are never listed and no key may have one."""


def check_key(key: str) -> None:
    """Raises StorageError unless every part of the key is a plain name, so that it cannot leave its storage."""
    for part in key.split("/"):
        _check_part(key, part)
        if part == "":
            raise StorageError(f"{key!r} is not a key: it is empty, absolute, or has an empty part")


def check_prefix(prefix: str) -> None:
    """As `check_key`, for the beginning of a key: it may be empty, end with `/` or in the middle of a name."""
    *folders, begin = prefix.split("/")
    if folders:
        check_key("/".join(folders))
    if "\0" in begin:
        raise StorageError(f"{prefix!r} begins no key: it holds NUL")


def _check_part(key: str, part: str) -> None:
    if part in (".", "..") or "\0" in part:
        raise StorageError(f"{key!r} is not a key: a part of it is '.', '..' or holds NUL")
    if part.startswith(TEMPORARY):
        raise StorageError(f"{key!r} is not a key: names that begin with {TEMPORARY!r} are kept for unfinished files")


def check_content(url: str, data: bytes, size: int | None, sha256: str | None) -> None:
    """Raises CorruptError unless the data has this size and SHA-256 (hex), where given."""
    if size is not None and len(data) != size:
        raise CorruptError(f"{url}: {len(data)} bytes, expected {size}")
    if sha256 is not None and (found := hashlib.sha256(data).hexdigest()) != sha256.lower():
        raise CorruptError(f"{url}: SHA-256 is {found}, expected {sha256.lower()}")
