"""A folder as a storage."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import stat
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from curation.errors import ConflictError, CorruptError, MissingError, StorageError
from curation.storage import Storage, check_corpus_url, find, object_url, open_storage
from tests.storage.contract import StorageContract


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return open_storage(f"{tmp_path}/some folder")


class TestLocal(StorageContract):
    """The contract."""


def test_addresses_of_one_place_are_one_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "with space").mkdir()
    here = open_storage(str(tmp_path / "with space"))
    for url in ("with space", "./with space/", "x/../with space", f"file://{tmp_path}/with%20space/"):
        assert open_storage(url) is here
    assert object_url(here, "k") == f"{tmp_path}/with space/k"
    assert object_url(open_storage("/"), "k") == "/k"
    assert here.delta_options() == {}
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_storage("~/with space") is here


@pytest.mark.parametrize("url", ["s3://key1:hush2@bucket/x", "s3://hush2@bucket", "s3://key1:hu/sh2@b", "s3://a:hush2"])
def test_credentials_in_an_address_are_refused_and_not_repeated(url: str) -> None:
    for use in (open_storage, find, check_corpus_url):
        with pytest.raises(StorageError, match="neither ':' nor '@'") as raised:
            use(url)
        assert not re.search("key1|hu|sh2", str(raised.value))


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("s3://bucket/100%", "'%'"),
        ("/data/a%20b", "'%'"),
        ("file:///data/a%2520b", "'%'"),
        ("s3://bucket/a?b", "'?'"),
        ("s3://bucket/a#b", "'#'"),
        ("/data/a\nb", r"'\n'"),
        ("/data/a\x7f", r"'\x7f'"),
        ("/data/a\\b", r"'\\'"),
        ("/data/a[1]", "'['"),
        ("/data/a|b", "'|'"),
        ("s3://bucket/a//b", "'//'"),
        ("s3://bucket//a", "'//'"),
        ("s3://bucket/a/../b", "'//'"),
        ("//data", "'//'"),
        ("gs://bucket", "not known"),
    ],
)
def test_addresses_where_no_corpus_may_lie(url: str, found: str) -> None:
    with pytest.raises(StorageError, match=re.escape(found)):
        check_corpus_url(url)


@pytest.mark.parametrize(
    "name", ["corpora/docs-en", "with space", "ümläut", "a+b&c=d", "~x", "a:b@c", "tidied//path/."]
)
def test_a_delta_table_stands_where_a_corpus_may_lie(tmp_path: Path, name: str) -> None:
    url = f"{tmp_path}/{name}"
    check_corpus_url(url)
    check_corpus_url(f"s3://bucket/{name.removesuffix('//path/.')}/")
    for number in range(2):
        deltalake.write_deltalake(open_storage(url).url, pa.table({"n": [number]}), mode="append")
    assert deltalake.DeltaTable(open_storage(url).url).version() == 1
    assert (Path(url) / "_delta_log").is_dir()


@pytest.mark.parametrize("url", ["gs://bucket/x", "http://host/x", "file://host/x", "s3://", "s3:///x", "", "a\0b"])
def test_addresses_that_lead_nowhere_are_refused(url: str) -> None:
    with pytest.raises(StorageError):
        open_storage(url)


def test_the_schemes_that_are_known_are_named() -> None:
    with pytest.raises(StorageError, match=r"gs://… is not known; expected a path, file://… or s3://…"):
        open_storage("gs://bucket")


def test_globs_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    open_storage(".").write("a.txt", b"x")
    open_storage(".").write("data/b.txt", b"x")
    where, entries = find("data/*.txt")
    assert (where.url, [entry.key for entry in entries]) == (f"{tmp_path}/data", ["b.txt"])
    assert [entry.key for entry in find("*.txt")[1]] == ["a.txt"]
    assert [entry.key for entry in find("./a.txt")[1]] == ["a.txt"]
    assert [entry.key for entry in find(f"file://{tmp_path}/**.txt")[1]] == ["a.txt", "data/b.txt"]
    assert find("data/none.txt")[1] == find("none/*")[1] == find("x" * 300)[1] == []
    with pytest.raises(StorageError, match=r"^data is a folder; write data/\*\*/\*\.jsonl, for example$"):
        find("data/")
    (tmp_path / "empty").mkdir()
    with pytest.raises(StorageError, match="empty is a folder"):
        find("empty")
    with pytest.raises(StorageError, match="bucket"):
        find("s3://*/x")


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_bytes(b"linked")
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "sub/up").symlink_to(root)
    (root / "self").symlink_to("self")
    (root / "dangling").symlink_to("nowhere")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "file").symlink_to(tmp_path / "elsewhere/file")
    storage = open_storage(str(root))
    assert [entry.key for entry in storage.list()] == ["file", "folder/file"]
    assert storage.read("file") == storage.read("folder/file") == b"linked"
    with pytest.raises(MissingError):
        storage.read("dangling")


def test_what_is_no_file_is_no_object_and_hangs_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    storage = open_storage(str(tmp_path))
    assert storage.list() == []
    for look in (storage.head, storage.read, storage.open):
        with pytest.raises(MissingError):
            look("pipe")


def test_a_name_that_is_not_utf8_is_an_error_only_where_it_is_asked_for(tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    odd.write_bytes(b"x")
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/d\xff"))
    folder.mkdir()
    (folder / "in.gz").write_bytes(b"x")
    (tmp_path / "good.jsonl").write_bytes(b"x")
    assert [entry.key for entry in find(f"{tmp_path}/**/*.jsonl")[1]] == ["good.jsonl"]
    for asked, name in (
        (f"{tmp_path}/*.txt", "caf.udce9"),
        (str(odd), "caf.udce9"),
        (f"{tmp_path}/**/*.gz", "d.udcff"),
    ):
        with pytest.raises(StorageError, match=rf"{name}.*not UTF-8") as raised:
            find(asked)
        assert str(raised.value).isprintable()
    assert open_storage(str(tmp_path)).delete_prefix("") == 3


def test_a_folder_in_the_way_is_an_error(storage: Storage) -> None:
    storage.write("a/b", b"x")
    for key in ("a", "a/b/c"):
        with pytest.raises(StorageError):
            storage.write(key, b"x")
    with pytest.raises((StorageError, ConflictError)):
        storage.create("a", b"x")
    assert [entry.key for entry in storage.list()] == ["a/b"]
    assert list(Path(storage.url).glob(".tmp-*")) == []


def test_files_have_the_usual_permissions(storage: Storage) -> None:
    mask = os.umask(0o022)
    try:
        storage.write("k", b"x")
    finally:
        os.umask(mask)
    assert stat.S_IMODE(Path(storage.url, "k").stat().st_mode) == 0o644


def test_a_file_that_shrinks_while_it_is_read_is_corrupt(storage: Storage) -> None:
    storage.write("k", bytes(5 << 20))
    for open_it in (storage.open, storage.open_seekable):
        storage.write("k", bytes(5 << 20))
        with open_it("k") as stream:
            stream.read(10)
            os.truncate(Path(storage.url, "k"), 100)
            with pytest.raises(CorruptError, match="when it was opened"):
                stream.read()


def test_deleting_a_prefix_takes_empty_folders_and_leftovers_along(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path / "root"))
    storage.write("runs/1/a/b", b"x")
    storage.write("keep", b"x")
    (tmp_path / "root/runs/1/a/.tmp-left").write_bytes(b"by a killed process")
    (tmp_path / "root/runs/1/empty").mkdir()
    assert [entry.key for entry in storage.list()] == ["keep", "runs/1/a/b"]
    assert storage.delete_prefix("runs/1/") == 1
    assert list((tmp_path / "root").iterdir()) == [tmp_path / "root/keep"]


def test_one_of_many_processes_creates(tmp_path: Path) -> None:
    with _processes().Pool(4) as pool:
        for round_ in range(5):
            won = pool.starmap(_creates, [(str(tmp_path), f"record-{round_}", number) for number in range(8)])
            assert sum(won) == 1
            assert open_storage(str(tmp_path)).read(f"record-{round_}") == str(won.index(True)).encode()


def test_a_writer_killed_at_any_moment_leaves_all_or_nothing(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    bodies = [bytes([number]) * 300_000 for number in range(2)]
    storage.write("k", bodies[0])
    for pause_ms in range(0, 40, 4):
        writer = _processes().Process(target=_write_for_ever, args=(str(tmp_path), bodies))
        writer.start()
        writer.join(pause_ms / 1000)
        os.kill(writer.pid or 0, signal.SIGKILL)
        writer.join()
        assert storage.read("k") in bodies
        assert [entry.key for entry in storage.list()] == ["k"]


def _processes() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _creates(root: str, key: str, number: int) -> bool:
    try:
        open_storage(root).create(key, str(number).encode())
    except ConflictError:
        return False
    return True


def _write_for_ever(root: str, bodies: list[bytes]) -> None:
    while True:
        for body in bodies:
            open_storage(root).write("k", body)
