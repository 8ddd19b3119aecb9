"""A folder as a storage.

A write goes to a file of a name of its own (`.tmp-…`) in the same folder, reaches the disk, and only then takes its
name; then the folder reaches the disk too. So a reader sees all or nothing, and a record that is there after a power
loss has its data, which was written before it. A killed process may leave a `.tmp-…` file: it is never listed, and
goes with `delete_prefix` of a folder above it.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from curation.errors import ConflictError, CorruptError, MissingError, StorageError, TransientError
from curation.storage.key import TEMPORARY, check_content, check_key, check_prefix
from curation.storage.storage import Entry

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BUFFER_BYTES = 1 << 20
SEEKING_BUFFER_BYTES = 1 << 16
"""Of a file that is read here and there, as Parquet is: what is read ahead is mostly in vain."""
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)
_TRY_AGAIN = (errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.EINTR, errno.EMFILE)
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK)


class LocalStorage:
    """The files below a folder, which is made when something is first written.

    Symbolic links are followed; a folder that is met again below itself is not entered twice. What is neither a file
    nor a folder (a pipe, a socket, a dangling link) is not an object. A name that is not UTF-8 is listed with the
    surrogates that Python puts in it; `find` refuses it where it is asked for.
    """

    def __init__(self, root: str) -> None:
        """`root` is an absolute path."""
        self.url = root

    def __repr__(self) -> str:
        return f"LocalStorage({self.url!r})"

    def __reduce__(self) -> tuple[type[LocalStorage], tuple[str]]:
        return LocalStorage, (self.url,)

    def list(self, prefix: str = "", *, deep: bool = True) -> list[Entry]:
        check_prefix(prefix)
        folder, slash, begin = prefix.rpartition("/")
        found = _walk(Path(self.url, folder), folder + slash, begin, deep, ())
        return sorted(found, key=lambda entry: entry.key)

    def head(self, key: str) -> Entry:
        path = self._path(key)
        with _storage_errors(path):
            return _entry(key, _regular(path, path.stat()))

    def is_folder(self, key: str) -> bool:
        path = self._path(key) if key else Path(self.url)
        with suppress(MissingError), _storage_errors(path):
            return path.is_dir()
        return False

    def read(self, key: str, *, size: int | None = None, sha256: str | None = None) -> bytes:
        with self.open(key) as file:
            data = file.read()
        check_content(str(self._path(key)), data, size, sha256)
        return data

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        return self.read_ranges(key, [(offset, length)])[0]

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        path = self._path(key)
        with self._raw(key) as file:
            return [_exactly(file, path, *each) for each in ranges]

    def open(self, key: str) -> BinaryIO:
        return io.BufferedReader(self._raw(key), BUFFER_BYTES)

    def open_seekable(self, key: str) -> BinaryIO:
        return io.BufferedReader(self._raw(key), SEEKING_BUFFER_BYTES)

    def write(self, key: str, data: bytes) -> Entry:
        return self._put(key, data, os.replace)

    def create(self, key: str, data: bytes, *, writer: str | None = None) -> Entry:
        return self._put(key, data, _link)

    def delete(self, key: str) -> None:
        path = self._path(key)
        with suppress(MissingError), _storage_errors(path):
            path.unlink()

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)
        for folder in sorted({self._path(key).parent for key in keys}):
            with _storage_errors(folder):
                _remove_empty(folder, above=Path(self.url))

    def delete_prefix(self, prefix: str) -> int:
        entries = self.list(prefix)
        for entry in entries:
            self.delete(entry.key)
        folder, _, begin = prefix.rpartition("/")
        with _storage_errors(Path(self.url, folder)):
            _sweep(Path(self.url, folder), begin)
            _remove_empty(Path(self.url, folder), above=Path(self.url))
        return len(entries)

    def clear_unfinished(self) -> None:
        with _storage_errors(Path(self.url)):
            for folder, _, names in os.walk(self.url):
                for name in names:
                    if name.startswith(TEMPORARY):
                        Path(folder, name).unlink(missing_ok=True)

    def delta_options(self) -> dict[str, str]:
        return {}

    def _path(self, key: str) -> Path:
        check_key(key)
        return Path(self.url, key)

    def _raw(self, key: str) -> _File:
        path = self._path(key)
        with _storage_errors(path):
            _regular(path, path.stat())  # a pipe would hang on opening
            return _File(path)

    def _put(self, key: str, data: bytes, publish: Callable[[Path, Path], None]) -> Entry:
        path = self._path(key)
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(16)}"
        with _storage_errors(path, missing=StorageError):
            try:
                status = _write_durably(temporary, data)
                publish(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_folder(path.parent)
        return _entry(key, status)


class _File(io.FileIO):
    """A file whose reading raises StorageErrors, and which notices that it became shorter while it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._path = path
        self._size = os.fstat(self.fileno()).st_size

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        with _storage_errors(self._path):
            count = super().readinto(buffer) or 0
        if count == 0 and memoryview(buffer).nbytes and self.tell() < self._size:
            raise CorruptError(f"{self._path}: ends at {self.tell()} bytes, but had {self._size} when it was opened")
        return count

    def readall(self) -> bytes:
        parts = []
        while part := self.read(max(1, self._size - self.tell())):
            parts.append(part)
        return b"".join(parts)

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return self.readall()
        data = bytearray(size)
        count = self.readinto(data)
        return bytes(memoryview(data)[:count])


def _exactly(file: _File, path: Path, offset: int, length: int) -> bytes:
    """These bytes of a file. Raises CorruptError where it is shorter."""
    file.seek(offset)
    data = file.read(length) or b""
    while len(data) < length and (more := file.read(length - len(data))):
        data += more
    if len(data) < length:
        raise CorruptError(f"{path}: {len(data)} bytes at offset {offset}, expected {length}")
    return data


def _entry(key: str, status: os.stat_result) -> Entry:
    tag = f"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"
    return Entry(key, status.st_size, tag, datetime.fromtimestamp(status.st_mtime, UTC))


def _regular(path: Path, status: os.stat_result) -> os.stat_result:
    if not stat.S_ISREG(status.st_mode):
        raise MissingError(f"{path}: not a file")
    return status


def _walk(folder: Path, key: str, begin: str, deep: bool, above: tuple[tuple[int, int], ...]) -> Iterator[Entry]:
    """The files below `folder`, whose names begin with `begin`; `key` is the folder's key with its slash.

    `above` holds the (device, inode) of the folders on the way here, so that a loop of links ends.
    """
    with _storage_errors(folder):
        try:
            here = folder.stat()
            found = builtins.list(os.scandir(folder)) if stat.S_ISDIR(here.st_mode) else []
        except (FileNotFoundError, NotADirectoryError):
            return
    if (here.st_dev, here.st_ino) in above:
        return
    for item in found:
        if item.name.startswith(TEMPORARY) or not item.name.startswith(begin):
            continue
        with _storage_errors(Path(item.path)):
            status = _status(item)
        if status is None:
            continue
        if stat.S_ISDIR(status.st_mode):
            if deep:
                yield from _walk(Path(item.path), f"{key}{item.name}/", "", True, (*above, (here.st_dev, here.st_ino)))
        elif stat.S_ISREG(status.st_mode):
            yield _entry(key + item.name, status)


def _status(item: os.DirEntry[str]) -> os.stat_result | None:
    """What the item or the end of its link is; None for a dangling or looping link, or a file just removed."""
    try:
        return item.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise


def _write_durably(path: Path, data: bytes) -> os.stat_result:
    """The status of the file, whose bytes are on the disk; folders are made where they are missing."""
    descriptor = _open_new(path)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _open_new(path: Path) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    for _ in range(3):  # a concurrent delete_prefix may take the folder away again
        try:
            return os.open(path, flags, 0o666)
        except FileNotFoundError:
            _make_folder(path.parent)
    return os.open(path, flags, 0o666)


def _make_folder(folder: Path) -> None:
    """Make the folder and those above it, each known to the disk."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with suppress(FileExistsError):
        folder.mkdir()
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link(temporary: Path, path: Path) -> None:
    """Give the file its name unless the name is taken (a rename would replace what is there)."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise ConflictError(f"{path}: somebody else's file is already there") from None
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise StorageError(f"{path}: this file system has no hard links, which an atomic create needs") from None
        raise


def _sweep(folder: Path, begin: str) -> None:
    """Remove the empty folders below `folder` whose names begin with `begin`, and what killed writers left in them.

    An empty `begin` means the whole folder, which goes too.
    """
    if not begin:
        _sweep_folder(folder)
        return
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as items:
        for item in items:
            if item.name.startswith(begin) and item.is_dir(follow_symlinks=False):
                _sweep_folder(Path(item.path))


def _sweep_folder(folder: Path) -> None:
    for path, _, names in os.walk(folder, topdown=False):
        for name in names:
            if name.startswith(TEMPORARY):
                Path(path, name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: somebody has written there since
            Path(path).rmdir()


def _remove_empty(folder: Path, above: Path) -> None:
    """Remove the folder and those over it, up to `above`, as far as they are empty."""
    while folder != above:
        with suppress(OSError):
            folder.rmdir()
        folder = folder.parent


@contextmanager
def _storage_errors(path: Path, *, missing: type[StorageError] = MissingError) -> Iterator[None]:
    """OSErrors as StorageErrors that name the path; `missing` for one that says that nothing is there."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        kind: type[StorageError] = StorageError
        if error.errno in _NOT_THERE:
            kind = missing
        elif error.errno in _TRY_AGAIN:
            kind = TransientError
        raise kind(f"{path}: {reason}") from None
