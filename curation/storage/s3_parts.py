"""Writing a large object to S3 in parts, one after the other."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART_BYTES = 64 << 20
"""Larger objects are written in parts of this size; S3 allows 10,000 of them."""


def put_parts(client: S3Client, bucket: str, key: str, data: bytes, metadata: dict[str, str]) -> None:
    """Put the object. Nothing visible is left of an upload that fails. Raises botocore's errors."""
    upload = client.create_multipart_upload(Bucket=bucket, Key=key, Metadata=metadata)["UploadId"]
    try:
        parts = [
            _put_part(client, bucket, key, upload, number=number, data=data[start : start + PART_BYTES])
            for number, start in enumerate(range(0, len(data), PART_BYTES), 1)
        ]
        client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    except (ClientError, BotoCoreError):
        with suppress(ClientError, BotoCoreError):  # what matters is the first error; the store clears away old parts
            client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        raise


def md5(data: bytes) -> str:
    """The value of Content-MD5, by which the store checks what it received."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _put_part(
    client: S3Client, bucket: str, key: str, upload: str, *, number: int, data: bytes
) -> CompletedPartTypeDef:
    answer = client.upload_part(
        Bucket=bucket, Key=key, UploadId=upload, PartNumber=number, Body=data, ContentMD5=md5(data)
    )
    return {"PartNumber": number, "ETag": answer["ETag"]}
