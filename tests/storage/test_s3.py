"""S3 by a moto server, and its faults by a proxy before it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.errors import ConflictError, CorruptError, MissingError, StorageError, TransientError
from curation.storage import Storage, doctor, forget_storages, open_storage, s3_parts, s3_stream
from curation.storage import client as s3_client_module
from curation.storage.checkup import refuse
from tests.storage.contract import BODY, StorageContract
from tests.storage.proxy import Fault, Proxy, proxy_before
from tests.storage.servers import S3Server


@pytest.fixture
def storage(moto: S3Server) -> Iterator[Storage]:
    with moto.used():
        yield open_storage(f"{moto.make_bucket(f'b-{uuid.uuid4()}')}/some prefix")


class TestMoto(StorageContract):
    """The contract."""


@pytest.fixture
def proxied(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, Storage]]:
    monkeypatch.setattr(s3_stream, "PAUSE_S", 0.01)
    with proxy_before(moto) as (proxy, server), server.used():
        yield proxy, open_storage(moto.make_bucket(f"b-{uuid.uuid4()}"))


def test_a_lost_acknowledgement_of_our_own_create_is_no_conflict(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    proxy.spoil("PUT", Fault(lost_answer=True))
    entry = storage.create("record", b"ours")
    assert [method for method, _ in proxy.requests].count("PUT") == 2  # boto3 tried again below us, and was refused
    assert entry == storage.head("record")
    assert storage.read("record") == b"ours"


def test_a_lost_acknowledgement_does_not_hide_somebody_else(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    storage.write("record", b"ours")
    proxy.spoil("PUT", Fault(lost_answer=True))
    with pytest.raises(ConflictError):
        storage.create("record", b"ours")


def test_a_create_without_any_answer_is_our_own_later_if_we_say_who_we_are(
    proxied: tuple[Proxy, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, storage = proxied
    monkeypatch.setattr(s3_client_module, "ATTEMPTS", 1)
    forget_storages()
    proxy.spoil("PUT", Fault(lost_answer=True))
    proxy.spoil("HEAD", Fault(lost_answer=True))
    with pytest.raises(TransientError):
        storage.create("record", b"ours", writer="run-1")
    for body, writer in ((b"ours", None), (b"ours", "run-2"), (b"other", "run-1")):
        with pytest.raises(ConflictError):
            storage.create("record", body, writer=writer)
    assert storage.create("record", b"ours", writer="run-1") == storage.head("record")


def test_a_create_that_never_arrived_is_made_again(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    proxy.spoil("PUT", Fault(status=409, code="ConditionalRequestConflict"))
    storage.create("record", b"ours")
    assert storage.read("record") == b"ours"


def test_a_busy_store_is_asked_again(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    storage.write("k", b"x")
    proxy.spoil("GET", *[Fault(status=503)] * 3)
    assert storage.read("k") == b"x"
    assert len(proxy.requests) == 4


def test_a_store_that_stays_busy_is_a_transient_error(
    proxied: tuple[Proxy, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, storage = proxied
    monkeypatch.setattr(s3_client_module, "ATTEMPTS", 1)
    forget_storages()
    proxy.always = lambda method, path: Fault(status=503)
    with pytest.raises(TransientError, match="SlowDown"):
        storage.read("k")
    with pytest.raises(TransientError, match="SlowDown"):
        storage.list()
    proxy.always = lambda method, path: Fault(lost_answer=True)
    with pytest.raises(TransientError, match="no answer"):
        storage.write("k", b"x")


@pytest.mark.parametrize("honest", [True, False])
def test_broken_connections_are_resumed(proxied: tuple[Proxy, Storage], honest: bool) -> None:
    proxy, storage = proxied
    storage.write("k", BODY)
    cuts = [Fault(keep=count, honest_length=honest) for count in (100_000, 0, 500_000)]
    proxy.spoil("GET", *cuts)
    assert storage.read("k") == BODY
    assert len(proxy.requests) == 4
    proxy.spoil("GET", *cuts)
    with storage.open("k") as stream:
        assert stream.read() == BODY
    proxy.spoil("GET", Fault(keep=1000, honest_length=honest))
    assert storage.read_range("k", 5, 2000) == BODY[5:2005]
    proxy.spoil("GET", Fault(keep=10, honest_length=honest))
    with storage.open_seekable("k") as file:
        assert file.read(100) == BODY[:100]


def test_an_object_that_always_comes_short_is_corrupt(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    storage.write("k", BODY)
    proxy.spoil("GET", *[Fault(keep=0, honest_length=False)] * 5)
    with pytest.raises(CorruptError, match="ends at byte 0"):
        storage.read("k")


def test_an_object_that_was_replaced_while_it_was_read_is_corrupt(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    storage.write("k", BODY)
    proxy.spoil("GET", Fault(keep=1_100_000))
    with storage.open("k") as stream:
        stream.read(10)
        storage.write("k", BODY[::-1])
        with pytest.raises(CorruptError, match="replaced"):
            stream.read()
    with storage.open_seekable("k") as file:
        file.seek(5)
        storage.write("k", BODY)
        with pytest.raises(CorruptError, match="replaced"):
            file.read()


def test_a_connection_that_stalls_is_given_up_and_resumed(
    proxied: tuple[Proxy, Storage], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, storage = proxied
    storage.write("k", b"0123456789")
    monkeypatch.setattr(s3_client_module, "READ_TIMEOUT_S", 0.3)
    forget_storages()
    proxy.spoil("GET", Fault(pause_s=2))
    assert storage.read("k") == b"0123456789"
    proxy.spoil("GET", Fault(pause_s=0.02))
    assert storage.read("k") == b"0123456789"
    assert len(proxy.requests) == 1


def test_large_objects_go_in_parts(proxied: tuple[Proxy, Storage], monkeypatch: pytest.MonkeyPatch) -> None:
    proxy, storage = proxied
    part = 5 << 20
    monkeypatch.setattr(s3_parts, "PART_BYTES", part)
    monkeypatch.setattr("curation.storage.s3.PART_BYTES", part)
    body = os.urandom(2 * part + 17)
    assert storage.write("large", body) == storage.head("large")
    assert storage.read("large") == body
    proxy.spoil("POST", Fault(), Fault(lost_answer=True))  # started, then completed without our hearing of it
    storage.write("large", body[1:])
    assert storage.read("large") == body[1:]
    proxy.spoil("PUT", Fault(), Fault(status=403, code="AccessDenied"))
    with pytest.raises(StorageError, match="access denied"):
        storage.write("large", body)
    assert storage.read("large") == body[1:]


def test_a_store_that_ignores_the_condition_is_refused(proxied: tuple[Proxy, Storage]) -> None:
    proxy, storage = proxied
    proxy.always = lambda method, path: Fault(without_header="If-None-Match")
    checks = doctor(storage.url)
    assert [check.name for check in checks if not check.ok] == ["conditional create"]
    with pytest.raises(StorageError, match=r"17 of 17 writers.*If-None-Match"):
        refuse(checks)


def test_a_versioned_bucket_is_warned_of(moto: S3Server) -> None:
    with moto.used():
        url = moto.make_bucket("versioned", versioned=True)
        *_, versioning = doctor(url)
    assert versioning.ok
    assert "enabled" in versioning.found
    assert versioning.advice


def test_a_folder_mark_of_a_console_is_no_object(storage: Storage) -> None:
    from curation.storage.client import s3_client

    bucket, _, prefix = storage.url.removeprefix("s3://").partition("/")
    s3_client().put_object(Bucket=bucket, Key=f"{prefix}/folder/", Body=b"")
    storage.write("folder/k", b"x")
    assert [entry.key for entry in storage.list()] == ["folder/k"]


def test_what_is_wrong_is_said_plainly_and_without_secrets(
    moto: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with moto.used():
        with pytest.raises(StorageError, match="s3://no-such-bucket/k: the bucket does not exist") as raised:
            open_storage("s3://no-such-bucket").read("k")
        assert not isinstance(raised.value, MissingError)  # nobody shall take it for an empty one
        with pytest.raises(StorageError, match="the bucket does not exist"):
            open_storage("s3://no-such-bucket").list()
        with pytest.raises(StorageError, match="no name that S3 allows"):
            open_storage("s3://no bucket!").write("k", b"")
        options = open_storage("s3://no-such-bucket").delta_options()
        assert options["aws_secret_access_key"] == moto.secret_key
        assert moto.secret_key not in f"{options} {options!r} {caplog.text}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    forget_storages()
    for use in (open_storage("s3://bucket").list, open_storage("s3://bucket").delta_options):
        with pytest.raises(StorageError, match="no credentials found: set AWS_ACCESS_KEY_ID"):
            use()
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    forget_storages()
    with pytest.raises(StorageError, match="AWS_PROFILE"):
        open_storage("s3://bucket").list()
    forget_storages()


def test_a_profile_gives_endpoint_region_and_credentials(
    moto: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = moto.make_bucket(f"b-{uuid.uuid4()}")
    (tmp_path / "config").write_text(
        f"[profile mine]\nendpoint_url = {moto.endpoint}\nregion = eu-central-1\n"
        "aws_access_key_id = mine\naws_secret_access_key = secret\naws_session_token = token\n"
    )
    with moto.used(), monkeypatch.context() as patch:
        for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
            patch.delenv(name)
        patch.delenv("AWS_DEFAULT_REGION")
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        patch.setenv("AWS_PROFILE", "mine")
        storage = open_storage(url)
        storage.write("k", b"x")
        assert dict(storage.delta_options()) == {
            "aws_access_key_id": "mine",
            "aws_secret_access_key": "secret",
            "aws_session_token": "token",
            "aws_region": "eu-central-1",
            "aws_endpoint": moto.endpoint,
            "aws_allow_http": "true",
            "aws_conditional_put": "etag",
        }
        patch.setenv("AWS_REGION", "eu-north-1")
        forget_storages()
        assert storage.delta_options()["aws_region"] == "eu-north-1"


def test_a_store_that_is_not_there_is_a_transient_error() -> None:
    with S3Server("http://127.0.0.1:9", "key", "secret").used():
        assert [check.ok for check in doctor("s3://bucket")] == [False]
        with pytest.raises(TransientError, match="no answer"):
            open_storage("s3://bucket").head("k")


def test_a_forked_process_connects_anew(storage: Storage) -> None:
    storage.write("k", b"x")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
        process = multiprocessing.get_context("fork").Process(target=storage.write, args=("by-child", b"y"))
        process.start()
    assert storage.read("k") == b"x"
    process.join(30)
    assert process.exitcode == 0
    assert storage.read("by-child") == b"y"
