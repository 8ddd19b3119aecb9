"""From an address to a storage and back."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from curation.errors import StorageError
from curation.storage.client import forget_clients
from curation.storage.local import LocalStorage
from curation.storage.storage import Storage

NOT_IN_A_CORPUS = "%?#\\[]|^"

_opened: dict[str, Storage] = {}


def open_storage(url: str) -> Storage:
    """The storage at a folder's path, `file://…` or `s3://bucket/prefix`. Cheap to call often; cached in a process.

    Nothing is reached and nothing made here. A relative path is below the working directory, `~` is the home folder.
    Raises StorageError for any other scheme.
    """
    address = absolute(url)
    storage = _opened.get(address)
    if storage is None:
        storage = _opened.setdefault(address, _new(address))
    return storage


def object_url(storage: Storage, key: str) -> str:
    """The URL of one object, as it stands in decisions and manifests: an absolute path, or `s3://bucket/key`."""
    return f"{storage.url.rstrip('/')}/{key}"


def check_corpus_url(url: str) -> None:
    """Raises StorageError unless a corpus may lie there: the library of its Delta table goes astray, or breaks off, at
    some characters (deltalake 1.6) and at empty parts of a path."""
    path = absolute(url).removeprefix("s3://")
    found = next((c for c in path if c in NOT_IN_A_CORPUS or unicodedata.category(c) == "Cc"), None)
    if found is not None:
        raise StorageError(f"{url!r}: the address of a corpus cannot have {found!r} in it")
    if "//" in path or {".", ".."} & set(path.split("/")):
        raise StorageError(f"{url!r}: the address of a corpus cannot have '//', '/./' or '/../' in it")


def forget_storages() -> None:
    """Drop what this process has cached, so that changed credentials, profiles or endpoints are seen."""
    _opened.clear()
    forget_clients()


def _new(address: str) -> Storage:
    if not address.startswith("s3://"):
        return LocalStorage(address)
    from curation.storage.s3 import S3Storage  # loads boto3, which local work never needs

    return S3Storage(address)


def absolute(url: str) -> str:
    """One spelling for one place: an absolute path without `..`, or `s3://bucket/prefix` without end slashes."""
    scheme = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://", url)
    if scheme is None:
        return _absolute_path(url)
    if scheme[1].lower() == "s3":
        bucket, _, prefix = url[len("s3://") :].partition("/")
        if not bucket:
            raise StorageError(f"{url!r}: no bucket; expected s3://bucket/prefix")
        if ":" in bucket or "@" in bucket:  # the address is not repeated: it may hold a secret
            raise StorageError(
                "s3://…: a bucket's name has neither ':' nor '@'; expected s3://bucket/prefix, and credentials in "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or a profile"
            )
        return f"s3://{bucket}/{prefix}".rstrip("/")
    if scheme[1].lower() == "file":
        return _absolute_path(_file_path(url))
    raise StorageError(f"{scheme[1]}://… is not known; expected a path, file://… or s3://…")


def _file_path(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise StorageError(f"{url!r}: a file:// URL has no host; expected file:///absolute/path")
    return unquote(url.split("://", 1)[1][len(parts.netloc) :])


def _absolute_path(path: str) -> str:
    if not path or "\0" in path:
        raise StorageError(f"{path!r} is not a path")
    try:
        expanded = Path(path).expanduser()
    except RuntimeError:
        raise StorageError(f"{path!r}: no such home folder") from None
    return os.path.abspath(expanded)  # noqa: PTH100 - Path.resolve would replace links by their targets
