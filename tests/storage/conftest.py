"""Servers for the storage tests, started once and only when a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.storage.ceph import ceph_server, why_not
from tests.storage.servers import S3Server, moto_server


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ceph: needs a Ceph gateway (tests/install_debian.sh)")


@pytest.fixture(scope="session")
def moto() -> Iterator[S3Server]:
    with moto_server() as server:
        yield server


@pytest.fixture(scope="session")
def ceph() -> Iterator[S3Server]:
    reason = why_not()
    if reason:
        pytest.skip(f"CEPH GATEWAY NOT TESTED: {reason}")
    with ceph_server() as server:
        yield server
