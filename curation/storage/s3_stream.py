"""Objects of S3 as files: broken connections are resumed, a changed or short object is noticed."""

from __future__ import annotations

import io
import re
import time
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from curation.errors import CorruptError, StorageError
from curation.storage.client import s3_client
from curation.storage.s3_errors import code_of, s3_errors, storage_error

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from botocore.response import StreamingBody
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

FRUITLESS_READS = 5
"""How many connections in a row may break or end early without giving a byte."""
PAUSE_S = 0.2
"""The wait after the first fruitless connection; it doubles."""


class S3Stream(io.RawIOBase):
    """The bytes of an object from `start` to before `stop` (None: its end), in order.

    Every request asks for a range, so that the answer's Content-Range gives the object's true size whatever
    Content-Length says; a later answer with another ETag or size means that the object was replaced. (If-Match would do
    the same, but Ceph's gateway 16 to 18 answers 412 to a correct one.)
    """

    def __init__(self, url: str, bucket: str, key: str, start: int = 0, stop: int | None = None) -> None:
        super().__init__()
        self.url = url
        self.size: int | None = None
        """The whole object's size, once something was read."""
        self._bucket, self._key = bucket, key
        self._position, self._stop = start, stop
        self._etag: str | None = None
        self._body: StreamingBody | None = None

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._drop()
        super().close()

    def expect(self, size: int, etag: str) -> None:
        """Raise CorruptError on reading unless the object has this size and ETag."""
        self.size, self._etag = size, etag

    def connect(self) -> None:
        """Reach the object now; raises MissingError and the like."""
        self._end()

    def readall(self) -> bytes:
        data = bytearray(self._end() - self._position)
        self.readinto(data)
        return bytes(data)

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Fills the buffer but at the end. Raises CorruptError if the object ends early or was replaced."""
        view = memoryview(buffer).cast("B")[: max(0, self._end() - self._position)]
        filled = fruitless = 0
        while filled < len(view):
            try:
                data = self._some(len(view) - filled)
            except _BrokenOff as broken:
                fruitless += 1
                if fruitless == FRUITLESS_READS:
                    raise broken.error from None
                time.sleep(PAUSE_S * 2 ** (fruitless - 1))
                continue
            fruitless = 0
            view[filled : filled + len(data)] = data
            filled += len(data)
            self._position += len(data)
        return filled

    def _end(self) -> int:
        """Where the stream ends; opens the object at first, so that a missing one is an error at once."""
        if self.size is None:
            self._body = self._connect()
        size = self.size or 0
        return size if self._stop is None else self._stop

    def _some(self, most: int) -> bytes:
        """One to `most` bytes. Raises _BrokenOff if this connection gives no more."""
        self._body = self._body or self._connect()
        trouble: StorageError = CorruptError(f"{self.url}: ends at byte {self._position}, expected {self._end()}")
        try:
            if self._body is not None and (data := self._body.read(most)):
                return data
        except (BotoCoreError, HTTPError) as error:
            trouble = storage_error(self.url, error)
        self._drop()
        raise _BrokenOff(trouble)

    def _connect(self) -> StreamingBody | None:
        """What comes from the present position on; None where the object has no bytes there."""
        last = "" if self._stop is None else self._stop - 1
        with s3_errors(self.url):
            try:
                answer = s3_client().get_object(
                    Bucket=self._bucket, Key=self._key, Range=f"bytes={self._position}-{last}"
                )
            except ClientError as error:
                if code_of(error) not in ("InvalidRange", "416"):
                    raise
                head = s3_client().head_object(Bucket=self._bucket, Key=self._key)
                self._check_same(head["ContentLength"], head["ETag"])
                return None
        self._check_same(_total_size(answer), answer["ETag"])
        if self._position and "ContentRange" not in answer:
            raise StorageError(f"{self.url}: the store does not honour ranged reads")
        return answer["Body"]

    def _check_same(self, size: int, etag: str) -> None:
        if self.size not in (None, size) or self._etag not in (None, etag):
            raise CorruptError(f"{self.url}: the object was replaced while it was read")
        if size < (self._stop or 0):
            raise CorruptError(f"{self.url}: {size} bytes, expected at least {self._stop}")
        self.size, self._etag = size, etag

    def _drop(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


class S3File(io.RawIOBase):
    """An object of a known size as a seekable file; each read is one ranged request."""

    def __init__(self, url: str, bucket: str, key: str, size: int, etag: str) -> None:
        super().__init__()
        self._url, self._bucket, self._key = url, bucket, key
        self._size, self._etag, self._position = size, etag, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if base + offset < 0:
            raise ValueError(f"seek to {base + offset}: before the beginning")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self._size)
        if stop <= self._position:
            return 0
        with S3Stream(self._url, self._bucket, self._key, self._position, stop) as stream:
            stream.expect(self._size, self._etag)
            count = stream.readinto(view[: stop - self._position])
        self._position += count
        return count


class _BrokenOff(Exception):  # noqa: N818 - never leaves this file
    """A connection gave no more bytes, though there should be more; `error` is what to raise if that goes on."""

    def __init__(self, error: StorageError) -> None:
        self.error = error
        super().__init__(str(error))


def _total_size(answer: GetObjectOutputTypeDef) -> int:
    """The size of the whole object; a store that ignores ranges sends all of it."""
    found = re.search(r"/(\d+)$", answer.get("ContentRange", ""))
    return int(found[1]) if found else answer["ContentLength"]
