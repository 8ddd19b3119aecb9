"""What a storage is: a flat set of named objects below a URL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO, Protocol


@dataclass(frozen=True)
class Entry:
    """One object: its key below the storage's URL, its size in bytes, and a tag that changes when its content does."""

    key: str
    size: int
    etag: str
    modified: datetime | None = field(default=None, compare=False)
    """When it was last written, by the store's clock, to the second or finer; always there in a listing and after
    `head`, but a put may not know it."""


class Storage(Protocol):
    """A folder or a bucket's prefix. Raises MissingError, TransientError and other StorageErrors.

    A storage pickles as its URL, so that tasks may carry one; connections are made in the process that needs them.
    """

    url: str

    def list(self, prefix: str = "", *, deep: bool = True) -> list[Entry]:
        """The objects whose keys begin with `prefix`, sorted by key; folders are not objects.

        `deep=False` leaves out what lies in folders further down (keys with a `/` after the prefix).
        """
        ...

    def head(self, key: str) -> Entry: ...

    def is_folder(self, key: str) -> bool:
        """Whether this is the name of a folder, or of S3 the beginning of keys up to a `/`; an empty key is the
        storage itself. One short request."""
        ...

    def read(self, key: str, *, size: int | None = None, sha256: str | None = None) -> bytes:
        """The whole object. Raises CorruptError unless it has this size and digest (hex), where given."""
        ...

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; CorruptError where the object is shorter."""
        ...

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        """As `read_range`, of several (offset, length), in their order: several at once, or the object opened once."""
        ...

    def open(self, key: str) -> BinaryIO:
        """The object as a forward stream in bounded memory; CorruptError at its end if it came short."""
        ...

    def open_seekable(self, key: str) -> BinaryIO:
        """The object as a seekable file in bounded memory (for Parquet)."""
        ...

    def write(self, key: str, data: bytes) -> Entry:
        """Put, replacing what is there. What was written is on the disk or in the store when this returns."""
        ...

    def create(self, key: str, data: bytes, *, writer: str | None = None) -> Entry:
        """Put if absent. Raises ConflictError if another writer's object is there; a lost acknowledgement of our own
        put is recognised by the writer's id and is no conflict.

        Each call is a writer of its own unless it says who it is. After a TransientError nobody knows whether the
        object is there: only a call with the same `writer` and the same data takes it for its own. A folder answers
        every call, keeps no ids, and refuses whatever is there.
        """
        ...

    def delete(self, key: str) -> None:
        """Remove; no error where there is nothing."""
        ...

    def delete_many(self, keys: Sequence[str]) -> None:
        """Remove all of them, a thousand a request where the store can; no error for one that is not there."""
        ...

    def delete_prefix(self, prefix: str) -> int:
        """Remove every object whose key begins with `prefix`; how many there were."""
        ...

    def clear_unfinished(self) -> None:
        """Remove what killed writers have left behind, which no listing shows: temporary files, parts of uploads. A
        write that goes on meanwhile may fail."""
        ...

    def delta_options(self) -> dict[str, str]:
        """What `deltalake` needs as `storage_options` to reach the same place; holds credentials, so never log it."""
        ...
