"""The S3 client of this process, made from the usual AWS variables, profiles and configuration files."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_s3.client import S3Client

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
ATTEMPTS = 5
CONNECTIONS = 32

_REGION = {"region": ("region", ["AWS_REGION", "AWS_DEFAULT_REGION"], None, None)}
"""A row of botocore's table of variables. By itself it reads only the second; AWS's other libraries read the first."""

_lock = threading.Lock()
_session: Session | None = None
_client: S3Client | None = None


def s3_client() -> S3Client:
    """The client; safe to share between threads. Raises botocore's errors for a profile that is not there and the like.

    Only checksums that an operation demands are sent, for many stores refuse the newer ones; puts carry Content-MD5.
    """
    global _client  # noqa: PLW0603 - one client a process, made when it is first needed
    session = s3_session()
    with _lock:
        if _client is None:
            from botocore.config import Config

            config = Config(
                connect_timeout=CONNECT_TIMEOUT_S,
                read_timeout=READ_TIMEOUT_S,
                retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
                max_pool_connections=CONNECTIONS,
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            )
            _client = session.client("s3", region_name=session.region_name or "us-east-1", config=config)
        return _client


def s3_session() -> Session:
    """The session, which holds the credentials and renews those that expire."""
    global _session  # noqa: PLW0603 - as above
    with _lock:
        if _session is None:
            import boto3
            import botocore.session

            _session = boto3.Session(botocore_session=botocore.session.Session(session_vars=_REGION))
        return _session


def forget_clients() -> None:
    """Drop the session and the client, so that the next call reads the configuration again."""
    global _client, _session  # noqa: PLW0603 - as above
    with _lock:
        _client = _session = None


def _after_fork() -> None:
    """Connections must not be shared with the parent, and the lock may have been held by one of its threads."""
    global _lock  # noqa: PLW0603 - as above
    _lock = threading.Lock()
    forget_clients()


os.register_at_fork(after_in_child=_after_fork)
