"""S3 by a real Ceph RADOS gateway: the contract, and where it differs from Amazon's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace

import pytest

from curation.errors import StorageError
from curation.storage import Storage, doctor, open_storage, s3_parts
from tests.storage.contract import BODY, StorageContract
from tests.storage.proxy import Fault, proxy_before
from tests.storage.servers import S3Server

pytestmark = pytest.mark.ceph


@pytest.fixture
def storage(ceph: S3Server) -> Iterator[Storage]:
    with ceph.used():
        yield open_storage(f"{ceph.make_bucket(f'b-{uuid.uuid4()}')}/some prefix")


class TestCeph(StorageContract):
    """The contract."""


def test_a_versioned_bucket_lets_every_writer_win_and_is_refused(ceph: S3Server) -> None:
    with ceph.used():
        checks = doctor(ceph.make_bucket(f"b-{uuid.uuid4()}", versioned=True))
    assert [check.name for check in checks if not check.ok] == ["conditional create"]


def test_wrong_credentials_are_told_apart(ceph: S3Server) -> None:
    with replace(ceph, secret_key="wrong").used(), pytest.raises(StorageError, match="the secret key is wrong"):
        open_storage("s3://bucket").list()
    with replace(ceph, access_key="nobody").used(), pytest.raises(StorageError, match="access key is not known"):
        open_storage("s3://bucket").list()


def test_cut_connections_and_lost_acknowledgements(ceph: S3Server) -> None:
    with proxy_before(ceph) as (proxy, server), server.used():
        storage = open_storage(ceph.make_bucket(f"b-{uuid.uuid4()}"))
        proxy.spoil("PUT", Fault(lost_answer=True))
        storage.create("k", BODY)
        proxy.spoil("GET", Fault(keep=500_000), Fault(keep=0))
        with storage.open("k") as stream:
            assert stream.read() == BODY


def test_large_objects_go_in_parts(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_parts, "PART_BYTES", 5 << 20)
    monkeypatch.setattr("curation.storage.s3.PART_BYTES", 5 << 20)
    body = BODY * 9
    assert storage.write("large", body) == storage.head("large")
    assert storage.read("large") == body
