"""A bucket's prefix as a storage, through boto3.

Endpoint, region and credentials come from the usual AWS variables, profiles and configuration files.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from curation.errors import ConflictError, MissingError, StorageError, TransientError
from curation.storage.client import s3_client, s3_session
from curation.storage.key import check_content, check_key
from curation.storage.s3_errors import NO_CREDENTIALS, code_of, s3_errors, storage_error
from curation.storage.s3_parts import PART_BYTES, md5, put_parts
from curation.storage.s3_stream import S3File, S3Stream
from curation.storage.storage import Entry

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import PutObjectRequestTypeDef

BUFFER_BYTES = 1 << 20
CREATE_ATTEMPTS = 4
CREATE_PAUSE_S = 0.2
_READERS = 16
"""How many ranges of an object are asked for at once."""
_WRITER = "curation-writer"
_DELETE_BATCH = 1000
_TAKEN = ("PreconditionFailed", "412")


class S3Storage:
    """The objects below `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        """`url` has no slash at its end."""
        self.url = url
        self._bucket, _, prefix = url.removeprefix("s3://").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""

    def __repr__(self) -> str:
        return f"S3Storage({self.url!r})"

    def __reduce__(self) -> tuple[type[S3Storage], tuple[str]]:
        return S3Storage, (self.url,)

    def list(self, prefix: str = "", *, deep: bool = True) -> list[Entry]:
        with s3_errors(self._url(prefix)):
            found = builtins.list(self._pages(prefix, deep))
        return sorted(found, key=lambda entry: entry.key)

    def head(self, key: str) -> Entry:
        with s3_errors(self._url(key)):
            answer = s3_client().head_object(Bucket=self._bucket, Key=self._key(key))
        return Entry(key, answer["ContentLength"], _plain(answer["ETag"]), answer["LastModified"])

    def is_folder(self, key: str) -> bool:
        below = self._prefix + (f"{key}/" if key else "")
        with s3_errors(self._url(key)):
            answer = s3_client().list_objects_v2(Bucket=self._bucket, Prefix=below, MaxKeys=1)
        return bool(answer.get("Contents"))

    def read(self, key: str, *, size: int | None = None, sha256: str | None = None) -> bytes:
        with self._stream(key) as stream:
            data = stream.readall()
        check_content(self._url(key), data, size, sha256)
        return data

    def read_range(self, key: str, offset: int, length: int) -> bytes:
        if length == 0:
            return b""
        with self._stream(key, offset, offset + length) as stream:
            return stream.readall()

    def read_ranges(self, key: str, ranges: Sequence[tuple[int, int]]) -> Sequence[bytes]:
        if len(ranges) < 2:
            return [self.read_range(key, *each) for each in ranges]
        with ThreadPoolExecutor(min(_READERS, len(ranges))) as pool:
            return builtins.list(pool.map(lambda each: self.read_range(key, *each), ranges))

    def open(self, key: str) -> BinaryIO:
        stream = self._stream(key)
        stream.connect()
        return io.BufferedReader(stream, BUFFER_BYTES)

    def open_seekable(self, key: str) -> BinaryIO:
        entry = self.head(key)
        file = S3File(self._url(key), self._bucket, self._key(key), entry.size, f'"{entry.etag}"')
        return io.BufferedReader(file, BUFFER_BYTES)

    def write(self, key: str, data: bytes) -> Entry:
        check_key(key)
        writer = secrets.token_hex(16)
        with s3_errors(self._url(key)):
            try:
                return self._put(key, data, writer, only_if_absent=False)
            except ClientError as error:
                if code_of(error) != "NoSuchUpload":
                    raise
                ours = self._own(key, writer)  # done, only the acknowledgement of the last step was lost?
                if ours is None:
                    raise
                return ours

    def create(self, key: str, data: bytes, *, writer: str | None = None) -> Entry:
        check_key(key)
        writer = secrets.token_hex(16) if writer is None else _stamp(writer, data)
        for attempt in range(CREATE_ATTEMPTS):
            try:
                return self._put(key, data, writer, only_if_absent=True)
            except (ClientError, BotoCoreError) as error:
                trouble = storage_error(self._url(key), error)
                if not _is_unclear(error, trouble):
                    raise trouble from None
            with suppress(MissingError):
                ours = self._own(key, writer)  # only the acknowledgement was lost?
                if ours is None:
                    raise ConflictError(f"{self._url(key)}: somebody else's object is already there")
                return ours
            time.sleep(CREATE_PAUSE_S * 2**attempt)
        raise TransientError(f"{self._url(key)}: not created after {CREATE_ATTEMPTS} attempts")

    def delete(self, key: str) -> None:
        check_key(key)
        with s3_errors(self._url(key)):
            s3_client().delete_object(Bucket=self._bucket, Key=self._key(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETE_BATCH):
            self._delete_batch(keys[start : start + _DELETE_BATCH])

    def delete_prefix(self, prefix: str) -> int:
        keys = [entry.key for entry in self.list(prefix)]
        self.delete_many(keys)
        return len(keys)

    def clear_unfinished(self) -> None:
        with s3_errors(self.url):
            pages = s3_client().get_paginator("list_multipart_uploads")
            for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix):
                for upload in page.get("Uploads", ()):
                    s3_client().abort_multipart_upload(
                        Bucket=self._bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )

    def delta_options(self) -> dict[str, str]:
        with s3_errors(self.url):
            client, credentials = s3_client(), s3_session().get_credentials()
            if credentials is None:
                raise StorageError(f"{self.url}: {NO_CREDENTIALS}")
            frozen = credentials.get_frozen_credentials()
        options = _Secret(
            aws_access_key_id=frozen.access_key or "",
            aws_secret_access_key=frozen.secret_key or "",
            aws_region=client.meta.region_name,
            aws_conditional_put="etag",
        )
        if frozen.token:
            options["aws_session_token"] = frozen.token
        endpoint = client.meta.endpoint_url
        if not (urlsplit(endpoint).hostname or "").endswith((".amazonaws.com", ".amazonaws.com.cn")):
            options["aws_endpoint"] = endpoint
            options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
        return options

    def _key(self, key: str) -> str:
        if not key:
            raise StorageError(f"{self.url}: an empty key names no object")
        return self._prefix + key

    def _url(self, key: str) -> str:
        return f"{self.url}/{key}"

    def _stream(self, key: str, start: int = 0, stop: int | None = None) -> S3Stream:
        return S3Stream(self._url(key), self._bucket, self._key(key), start, stop)

    def _pages(self, prefix: str, deep: bool) -> Iterator[Entry]:
        pages = s3_client().get_paginator("list_objects_v2")
        delimiter = "" if deep else "/"
        for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix, Delimiter=delimiter):
            for item in page.get("Contents", ()):
                if not (item["Key"].endswith("/") and item["Size"] == 0):  # a console's mark of a folder
                    key = item["Key"].removeprefix(self._prefix)
                    yield Entry(key, item["Size"], _plain(item["ETag"]), item["LastModified"])

    def _put(self, key: str, data: bytes, writer: str, *, only_if_absent: bool) -> Entry:
        """Puts once, stamped with the writer's id. Raises botocore's errors.

        A conditional put is always a single one, whatever its size: Ceph's gateway ignores the condition of a multipart
        upload.
        """
        client, metadata = s3_client(), {_WRITER: writer}
        if len(data) > PART_BYTES and not only_if_absent:
            put_parts(client, self._bucket, self._key(key), data, metadata)
            return self._own(key, writer) or self.head(key)  # not every store says the ETag of a multipart upload
        request: PutObjectRequestTypeDef = {
            "Bucket": self._bucket,
            "Key": self._key(key),
            "Body": data,
            "ContentMD5": md5(data),
            "Metadata": metadata,
        }
        if only_if_absent:
            request["IfNoneMatch"] = "*"
        return Entry(key, len(data), _plain(client.put_object(**request)["ETag"]))

    def _own(self, key: str, writer: str) -> Entry | None:
        """The object if this writer put it there, None if another did. Raises MissingError if nothing is there."""
        with s3_errors(self._url(key)):
            head = s3_client().head_object(Bucket=self._bucket, Key=self._key(key))
        if head["Metadata"].get(_WRITER) != writer:
            return None
        return Entry(key, head["ContentLength"], _plain(head["ETag"]), head["LastModified"])

    def _delete_batch(self, keys: Sequence[str]) -> None:
        with s3_errors(self.url):
            answer = s3_client().delete_objects(
                Bucket=self._bucket, Delete={"Objects": [{"Key": self._key(key)} for key in keys], "Quiet": True}
            )
        for error in answer.get("Errors", ()):
            kind = TransientError if error.get("Code") in ("InternalError", "SlowDown") else StorageError
            raise kind(f"s3://{self._bucket}/{error.get('Key')}: not deleted ({error.get('Code')})")


class _Secret(dict[str, str]):
    """Options that do not print their values."""

    def __repr__(self) -> str:
        return f"<{', '.join(self)}: not shown>"

    __str__ = __repr__


def _is_unclear(error: Exception, trouble: StorageError) -> bool:
    """Whether the put may have been done in spite of the error."""
    return isinstance(trouble, TransientError) or (isinstance(error, ClientError) and code_of(error) in _TAKEN)


def _stamp(writer: str, data: bytes) -> str:
    """The id of a put by a writer that is known: with other data it is another one."""
    return hashlib.sha256(writer.encode() + b"\0" + hashlib.sha256(data).digest()).hexdigest()


def _plain(etag: str) -> str:
    return etag.strip('"')
