"""What every storage does, whatever it stands on; each implementation subclasses the suite."""

from __future__ import annotations

import hashlib
import io
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import ConflictError, CorruptError, MissingError, StorageError
from curation.storage import Entry, Storage, doctor, find, object_url, open_storage

ODD_KEYS = [
    "with space",
    "ümläut/日本",
    "per%20cent%",
    "plus+and&and=and?",
    "a'quote\"",
    "[1]*.gz",
    "~/x",
    "#h",
    "dot.d/.x",
]
BODY = bytes(range(256)) * 5000  # 1.28 MB: more than a buffer


class StorageContract:
    """Subclasses give a fixture `storage`: an empty one."""

    def test_what_was_written_is_read(self, storage: Storage) -> None:
        entry = storage.write("a/b.bin", BODY)
        assert entry == storage.head("a/b.bin") == Entry("a/b.bin", len(BODY), entry.etag)
        assert storage.read("a/b.bin") == BODY
        assert storage.read("a/b.bin", size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest().upper()) == BODY

    def test_writing_again_replaces_and_changes_the_tag(self, storage: Storage) -> None:
        first = storage.write("k", b"one")
        second = storage.write("k", b"two")
        assert storage.read("k") == b"two"
        assert first.etag != second.etag

    def test_listings_say_when_an_object_was_written(self, storage: Storage) -> None:
        storage.write("old", b"x")
        written = storage.head("old").modified
        assert written is not None
        assert written.tzinfo is not None
        storage.write("new", b"x")
        listed = {entry.key: entry.modified for entry in storage.list()}
        assert listed["old"] is not None
        assert abs(listed["old"] - written) < timedelta(seconds=1), "a header has whole seconds"
        assert listed["new"] is not None
        assert listed["new"] >= listed["old"]

    def test_an_empty_object(self, storage: Storage) -> None:
        assert storage.write("empty", b"").size == 0
        assert storage.read("empty", size=0) == b""
        assert storage.read_range("empty", 0, 0) == b""
        with storage.open("empty") as stream, storage.open_seekable("empty") as file:
            assert stream.read() == file.read() == b""

    @pytest.mark.parametrize("key", ODD_KEYS)
    def test_odd_keys(self, storage: Storage, key: str) -> None:
        entry = storage.write(key, key.encode())
        assert storage.list() == [entry]
        assert storage.read(key) == key.encode()
        assert find(object_url(storage, key))[1][0].size == len(key.encode())
        assert storage.delete_prefix(key) == 1
        assert storage.list() == []

    @pytest.mark.parametrize(
        "key", ["../x", "/x", "a/../../x", "a//x", "", "a/", "a/./x", "x\0", ".tmp-1", "a/.tmp-1/b"]
    )
    def test_keys_that_could_leave_the_storage_or_hide_in_it_are_refused(self, storage: Storage, key: str) -> None:
        with pytest.raises(StorageError, match="not a key"):
            storage.write(key, b"x")
        with pytest.raises(StorageError, match="not a key"):
            storage.create(key, b"x")

    def test_size_and_digest_are_checked(self, storage: Storage) -> None:
        storage.write("k", b"text")
        with pytest.raises(CorruptError, match="4 bytes, expected 5"):
            storage.read("k", size=5)
        with pytest.raises(CorruptError, match="SHA-256"):
            storage.read("k", size=4, sha256="0" * 64)

    def test_what_is_not_there_is_missing(self, storage: Storage) -> None:
        storage.write("folder/k", b"x")
        for key in ("none", "folder", "folder/k/below", "fold"):
            for look in (storage.head, storage.read, storage.open, storage.open_seekable):
                with pytest.raises(MissingError):
                    look(key)
            with pytest.raises(MissingError):
                storage.read_range(key, 0, 1)
        storage.delete("none")
        storage.delete("folder/none")

    def test_ranges(self, storage: Storage) -> None:
        storage.write("k", BODY)
        assert storage.read_range("k", 0, 1) == BODY[:1]
        assert storage.read_range("k", 100, 1_200_000) == BODY[100:1_200_100]
        assert storage.read_range("k", len(BODY) - 1, 1) == BODY[-1:]
        some = [(100, 5), (0, 1), (7, 0), (len(BODY) - 9, 9)]
        assert list(storage.read_ranges("k", some)) == [BODY[start : start + length] for start, length in some]
        assert list(storage.read_ranges("k", [])) == []
        with pytest.raises(CorruptError):
            storage.read_ranges("k", [(0, 1), (len(BODY), 1)])
        for offset, length in ((len(BODY) - 1, 2), (len(BODY), 1), (10 * len(BODY), 5)):
            with pytest.raises(CorruptError):
                storage.read_range("k", offset, length)

    def test_a_stream_gives_everything_in_order(self, storage: Storage) -> None:
        storage.write("k", BODY)
        with storage.open("k") as stream:
            assert stream.read(10) + stream.read(3_000) + stream.read() == BODY
            assert stream.read() == stream.read(5) == b""
        with storage.open("k") as stream:
            assert b"".join(stream) == BODY

    def test_a_seekable_file_serves_parquet(self, storage: Storage) -> None:
        table = pa.table({"n": range(100_000), "text": [f"document {n}" for n in range(100_000)]})
        buffer = io.BytesIO()
        pq.write_table(table, buffer, row_group_size=10_000)
        storage.write("t.parquet", buffer.getvalue())
        with storage.open_seekable("t.parquet") as file:
            parquet = pq.ParquetFile(file)
            assert parquet.read_row_group(7).equals(table.slice(70_000, 10_000))
            file.seek(-4, io.SEEK_END)
            assert file.read() == b"PAR1"

    def test_listing_is_sorted_by_prefix_and_depth(self, storage: Storage) -> None:
        keys = ["a-b", "a/1", "a/b/2", "ab/3", "b"]
        for key in reversed(keys):
            storage.write(key, key.encode())
        assert [entry.key for entry in storage.list()] == keys
        assert [entry.key for entry in storage.list("a")] == keys[:-1]
        assert [entry.key for entry in storage.list("a/")] == ["a/1", "a/b/2"]
        assert [entry.key for entry in storage.list("a/b")] == ["a/b/2"]
        assert [entry.key for entry in storage.list(deep=False)] == ["a-b", "b"]
        assert [entry.key for entry in storage.list("a/", deep=False)] == ["a/1"]
        assert storage.list("none/") == storage.list("a/1/") == []
        assert storage.list() == [storage.head(key) for key in keys]

    def test_listing_more_than_a_page(self, storage: Storage) -> None:
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: storage.write(f"many/{number:05}", b"x"), range(1_050)))
        assert [entry.key for entry in storage.list("many/")] == [f"many/{number:05}" for number in range(1_050)]
        assert storage.delete_prefix("many/") == 1_050
        assert storage.delete_prefix("many/") == 0

    def test_deleting_a_prefix_leaves_the_rest(self, storage: Storage) -> None:
        for key in ("a/1", "a/b/2", "ab/3", "c"):
            storage.write(key, b"x")
        assert storage.delete_prefix("a/") == 2
        assert [entry.key for entry in storage.list()] == ["ab/3", "c"]
        assert storage.delete_prefix("") == 2

    def test_deleting_many_at_once(self, storage: Storage) -> None:
        keys = [f"a/{number:04}/x" for number in range(1_020)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: storage.write(key, b"x"), [*keys, "a/kept", "b/kept"]))
        storage.delete_many([*keys, "none/there"])
        assert [entry.key for entry in storage.list()] == ["a/kept", "b/kept"]
        storage.delete_many([])

    def test_only_the_first_creates(self, storage: Storage) -> None:
        entry = storage.create("record", b"first")
        assert entry == storage.head("record")
        for body in (b"second", b"first"):
            with pytest.raises(ConflictError):
                storage.create("record", body)
        assert storage.read("record") == b"first"
        with pytest.raises(ConflictError):
            storage.create("record", b"first", writer="somebody else")
        storage.delete("record")
        storage.create("record", b"again", writer="me")
        with pytest.raises(ConflictError):
            storage.create("record", b"again", writer="you")

    def test_a_storage_travels_as_its_url(self, storage: Storage) -> None:
        storage.write("k", b"x")
        there = pickle.loads(pickle.dumps(storage))
        assert there.url == storage.url == open_storage(storage.url + "/").url
        assert there.read("k") == b"x"
        assert open_storage(storage.url) is open_storage(storage.url)

    def test_globs(self, storage: Storage) -> None:
        for key in ("d/1.gz", "d/e/2.gz", "d/e/f/3.gz", "d/4.txt", "d/.hidden.gz", "g/5.gz", "d/e/.h/6.gz"):
            storage.write(key, b"x")
        assert _found(storage, "d/*.gz") == ["d/1.gz"]
        assert _found(storage, "d/**/*.gz") == ["d/1.gz", "d/e/2.gz", "d/e/f/3.gz"]
        assert _found(storage, "*/?.gz") == ["d/1.gz", "g/5.gz"]
        assert _found(storage, "d/e/2.gz") == ["d/e/2.gz"]
        assert _found(storage, "d/.*.gz") == ["d/.hidden.gz"]
        assert _found(storage, "[!d]/[4-6].gz") == ["g/5.gz"]
        assert _found(storage, "none") == _found(storage, "none/") == _found(storage, "none/*") == []
        assert _found(storage, "d/*/") == _found(storage, "d/1") == []

    def test_a_folder_is_no_source_and_says_how_to_write_it(self, storage: Storage) -> None:
        storage.write("in/deep/1.jsonl", b"x")
        for address in ("in", "in/", "in/deep"):
            advice = re.escape(f"/{address.rstrip('/')} is a folder; write {storage.url}/{address.rstrip('/')}/**/*")
            with pytest.raises(StorageError, match=advice):
                _found(storage, address)
        with pytest.raises(StorageError, match="is a folder"):
            find(storage.url)
        assert [storage.is_folder(key) for key in ("", "in", "in/deep", "i", "in/deep/1.jsonl", "none")] == (
            [True] * 3 + [False] * 3
        )

    def test_the_doctor_finds_it_fit(self, storage: Storage) -> None:
        checks = doctor(storage.url)
        assert [check for check in checks if not check.ok] == []
        assert len(checks) == 7
        assert storage.list() == []

    def test_two_racing_delta_appends_both_land(self, storage: Storage) -> None:
        options = storage.delta_options()
        _append(storage, options, 0)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda number: _append(storage, options, number), (1, 2)))
        table = deltalake.DeltaTable(storage.url, storage_options=options)
        assert sorted(table.to_pyarrow_table()["n"].to_pylist()) == [0, 1, 2]
        assert table.version() == 2
        assert [table.transaction_version(f"run-{number}") for number in (0, 1, 2)] == [1, 1, 1]
        assert any(entry.key.startswith("_delta_log/") for entry in storage.list())

    def test_the_same_delta_transaction_commits_once(self, storage: Storage) -> None:
        options = storage.delta_options()
        _append(storage, options, 0)
        stale = deltalake.DeltaTable(storage.url, storage_options=options)
        _append(storage, options, 1)
        with pytest.raises(deltalake.exceptions.CommitFailedError):
            deltalake.write_deltalake(stale, pa.table({"n": [1]}), mode="append", commit_properties=_transaction(1))


def _found(storage: Storage, pattern: str) -> list[str]:
    where, entries = find(object_url(storage, pattern))
    return [object_url(where, entry.key).removeprefix(storage.url + "/") for entry in entries]


def _append(storage: Storage, options: dict[str, str], number: int) -> None:
    deltalake.write_deltalake(
        storage.url,
        pa.table({"n": [number]}),
        mode="append",
        storage_options=options,
        commit_properties=_transaction(number),
    )


def _transaction(number: int) -> deltalake.CommitProperties:
    return deltalake.CommitProperties(app_transactions=[deltalake.Transaction(f"run-{number}", 1)])
