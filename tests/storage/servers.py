"""Servers to test against: an S3 by moto, or any other that is told how to be reached."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import boto3

from curation.storage import forget_storages

_VARIABLES = ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION")
_UNSET = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")


@dataclass(frozen=True)
class S3Server:
    """An S3 server, and how to reach it."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    @contextmanager
    def used(self) -> Iterator[S3Server]:
        """Within, the AWS variables of this process (and of those it starts) point to this server."""
        before = {name: os.environ.get(name) for name in (*_VARIABLES, *_UNSET)}
        values = (self.endpoint, self.access_key, self.secret_key, self.region, self.region)
        try:
            _set_environment({**dict.fromkeys(_UNSET), **dict(zip(_VARIABLES, values, strict=True))})
            yield self
        finally:
            _set_environment(before)

    def make_bucket(self, name: str, *, versioned: bool = False) -> str:
        """A new bucket, and its URL."""
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
        )
        client.create_bucket(Bucket=name)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.close()
        return f"s3://{name}"


@contextmanager
def moto_server() -> Iterator[S3Server]:
    """A moto server on a free port of the loopback, with empty buckets; in a process of its own, because `deltalake`
    holds the interpreter's lock while it waits for some of its answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait_for(port, process)
            yield S3Server(f"http://127.0.0.1:{port}", "moto-key", "moto-secret")
        finally:
            process.kill()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the server takes connections."""
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"no moto server on port {port}; its process ended with {process.poll()}")


def _set_environment(values: dict[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    forget_storages()
