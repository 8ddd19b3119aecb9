"""Which reader a file gets, and what no reader swallows."""

from __future__ import annotations

import io
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.errors import CorruptError, InputError, TransientError
from curation.sources import Limits, Source, format_of, read_shard
from curation.storage import Storage, find, open_storage
from tests.sources.reading import COMPRESS, BreakingStorage, json_lines, read
from tests.texts import essay


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a/b.jsonl", "jsonl"),
        ("b.JSONL.GZ", "jsonl"),
        ("b.ndjson.zst", "jsonl"),
        ("b.json", "jsonl"),
        ("b.parquet", "parquet"),
        ("CC-MAIN-2024.warc.gz", "warc"),
        ("CC-MAIN-2024.warc.wet.gz", "warc"),
        ("名前 with space.txt", "text"),
        ("README.md", "text"),
    ],
)
def test_the_suffix_tells_the_format(key: str, expected: str) -> None:
    assert format_of(key, Source(name="s", uri="x")) == expected


@pytest.mark.parametrize("key", ["a.csv", "a.arc.gz", "a.gz", "noextension", "a.jsonl.bz2", ".gz"])
def test_an_unknown_suffix_is_an_input_error_at_once(tmp_path: Path, key: str) -> None:
    (tmp_path / key).write_bytes(b"x")
    storage, (entry,) = find(str(tmp_path / key))
    with pytest.raises(InputError, match=r"'s'.*jsonl.*parquet.*warc.*text"):
        read_shard(storage, entry, Source(name="s", uri="x"), Limits())


def test_a_stated_format_comes_before_the_suffix(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(json_lines({"text": "a"}))
    assert read(tmp_path / "data.bin", format="jsonl").texts == ["a"]


def test_a_folder_with_a_shards_name_is_no_shard(tmp_path: Path) -> None:
    (tmp_path / "dir.jsonl").mkdir()
    (tmp_path / "file.jsonl").write_bytes(json_lines({"text": "a"}))
    _, entries = find(str(tmp_path / "*.jsonl"))
    assert [entry.key for entry in entries] == ["file.jsonl"]


PARQUET = io.BytesIO()
pq.write_table(pa.table({"text": ["a", "b"]}), PARQUET)
FILES = {
    "a.jsonl": json_lines({"text": "a"}),
    "a.jsonl.gz": COMPRESS[".gz"](json_lines({"text": "a"})),
    "a.txt": b"a",
    "empty.txt": b"",
    "a.warc": b"WARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 1\r\n\r\na\r\n\r\n",
    "a.parquet": PARQUET.getvalue(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_changes_between_listing_and_reading_is_an_error(tmp_path: Path, name: str) -> None:
    storage = open_storage(str(tmp_path))
    listed = storage.write(name, FILES[name])
    storage.write(name, FILES[name] or b"no longer empty")
    with pytest.raises(CorruptError, match=rf"{name} was changed while it was read; run again"):
        list(read_shard(storage, listed, Source(name="s", uri="x"), Limits()))


@pytest.mark.parametrize("name", sorted(FILES.keys() - {"empty.txt"}))
def test_a_file_that_changes_while_it_is_read_is_an_error(tmp_path: Path, name: str) -> None:
    storage = open_storage(str(tmp_path))
    chunks = read_shard(storage, storage.write(name, FILES[name]), Source(name="s", uri="x"), Limits())
    assert next(chunks).batch.num_rows
    storage.write(name, FILES[name])
    with pytest.raises(CorruptError, match="was changed while it was read; run again"):
        list(chunks)


@pytest.mark.parametrize("error", [TransientError("connection lost"), CorruptError("came short")])
@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a.parquet", "a.warc"])
@pytest.mark.parametrize("after_bytes", [0, 3000])
def test_storage_errors_pass_through(tmp_path: Path, name: str, error: Exception, after_bytes: int) -> None:
    path = tmp_path / name
    if name.endswith("parquet"):
        pq.write_table(pa.table({"text": [essay(i) for i in range(50)]}), path)
    elif name.endswith("warc"):
        head = "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n"
        path.write_bytes(head.encode() + b"x" * 100_000)
    else:
        path.write_bytes(json_lines(*[{"text": essay(i)} for i in range(50)]))
    storage = cast(Storage, BreakingStorage(tmp_path, after_bytes, error))
    with pytest.raises(type(error), match=str(error)):
        list(read_shard(storage, storage.head(name), Source(name="s", uri="x"), Limits()))
