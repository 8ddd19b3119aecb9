"""Parquet: rows become documents, whatever the types of the columns; a bad value or file is a failure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.sources import Columns, Limits
from tests.sources.reading import Outcome, read, read_bytes
from tests.texts import essay


def read_table(folder: Path, data: dict[str, Any], *, group: int = 10, **options: Any) -> Outcome:
    path = folder / "table.parquet"
    pq.write_table(pa.table(data), path, row_group_size=group)
    return read(path, **options)


def test_columns_become_documents_and_metadata(tmp_path: Path) -> None:
    outcome = read_table(
        tmp_path,
        {
            "text": ["a", "b"],
            "id": [1, 2],
            "url": ["http://a", None],
            "added": pa.array([datetime(2024, 1, 1), None], pa.timestamp("ns")),
            "score": [0.5, float("nan")],
            "meta": [{"x": [1, 2]}, None],
            "price": [Decimal("1.50"), None],
            "image": [b"\x00", b"\xff"],
        },
    )
    first, second = outcome.documents
    assert (first["id"], first["text"], first["url"], first["added"]) == (
        "1",
        "a",
        "http://a",
        datetime(2024, 1, 1, tzinfo=UTC),
    )
    assert first["metadata"] == '{"meta":{"x":[1,2]},"price":"1.50","score":0.5}'
    assert second["metadata"] == '{"meta":null,"price":null,"score":null}'


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()])
def test_text_may_be_stored_in_any_way(tmp_path: Path, kind: pa.DataType) -> None:
    texts = ["Grüße", "", "b" * 5000]
    assert read_table(tmp_path, {"text": pa.array(texts, kind)}).texts == texts
    if not pa.types.is_string_view(kind):
        assert read_table(tmp_path, {"text": pa.array(texts, kind).dictionary_encode()}).texts == texts


def test_columns_are_mapped_into_structs(tmp_path: Path) -> None:
    columns = Columns(text="body.text", id="key")
    outcome = read_table(tmp_path, {"key": ["k"], "body": [{"text": "t", "n": 1}]}, columns=columns)
    assert [(d["id"], d["text"], d["metadata"]) for d in outcome.documents] == [("k", "t", '{"body":{"n":1}}')]


def test_bad_values_fail_alone(tmp_path: Path) -> None:
    outcome = read_table(
        tmp_path, {"text": pa.array([b"a", b"\xff", None, b"d"]), "id": ["1", None, "3", None]}, group=2
    )
    assert outcome.texts == ["a", "d"]
    assert [(f.row, f.reason) for f in outcome.failures] == [(1, "parquet.not_utf8"), (2, "parquet.no_text")]


def test_a_string_that_is_no_utf8_fails_alone(tmp_path: Path) -> None:
    broken = pa.array([b"a", b"\xff\xfe", b"c"]).view(pa.string())
    outcome = read_table(tmp_path, {"text": broken})
    assert (outcome.texts, [(f.row, f.reason) for f in outcome.failures]) == (["a", "c"], [(1, "parquet.not_utf8")])


def test_a_text_that_is_too_large_fails_alone(tmp_path: Path) -> None:
    outcome = read_table(tmp_path, {"text": ["a", "é" * 1000, "c"]}, limits=Limits(max_record_bytes=1500))
    assert (outcome.texts, outcome.reasons) == (["a", "c"], ["parquet.too_large"])
    assert not outcome.failures[0].ends_file


def test_a_url_that_is_too_large_fails_alone(tmp_path: Path) -> None:
    outcome = read_table(tmp_path, {"text": ["a", "b", "c"], "url": [None, "u" * 65_537, "u"]})
    assert (outcome.texts, outcome.reasons) == (["a", "c"], ["parquet.too_large"])


def test_batches_are_bounded_and_in_order(tmp_path: Path) -> None:
    texts = [essay(i) for i in range(500)]
    limits = Limits(batch_documents=64, batch_bytes=20_000)
    outcome = read_table(tmp_path, {"text": texts}, group=200, limits=limits)
    assert outcome.texts == texts
    assert [document["row"] for document in outcome.documents] == list(range(500))
    assert max(chunk.batch.num_rows for chunk in outcome.chunks) <= 64
    assert max(chunk.batch["text"].nbytes for chunk in outcome.chunks) < 30_000


def test_no_text_column_is_one_failure_that_names_the_columns(tmp_path: Path) -> None:
    outcome = read_table(tmp_path, {"doc_id": [1, 2], "body": ["a", "b"]})
    assert outcome.reasons == ["parquet.no_text"]
    assert "'doc_id', 'body'" in outcome.failures[0].detail
    assert outcome.failures[0].ends_file


def test_no_rows_and_no_bytes_are_no_records(tmp_path: Path) -> None:
    assert read_table(tmp_path, {"text": pa.array([], pa.string())}).chunks == []
    assert read_bytes(tmp_path, "empty.parquet", b"").chunks == []


@pytest.mark.parametrize("percent", range(0, 100, 10))
def test_a_cut_file_is_one_failure(tmp_path: Path, percent: int) -> None:
    pq.write_table(pa.table({"text": [essay(i) for i in range(20)]}), tmp_path / "whole.parquet")
    data = (tmp_path / "whole.parquet").read_bytes()
    outcome = read_bytes(tmp_path, "cut.parquet", data[: 1 + len(data) * percent // 100])
    assert (outcome.texts, outcome.reasons) == ([], ["parquet.not_parquet"])
    assert outcome.failures[0].ends_file


def test_a_damaged_row_group_fails_and_the_next_is_read(tmp_path: Path) -> None:
    texts = [essay(i) for i in range(30)]
    path = tmp_path / "damaged.parquet"
    pq.write_table(pa.table({"text": texts}), path, row_group_size=10, use_dictionary=False, compression="zstd")
    chunk = pq.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[chunk.data_page_offset : chunk.data_page_offset + 200] = bytes(200)
    outcome = read_bytes(tmp_path, "damaged.parquet", bytes(data))
    assert outcome.texts == texts[:10] + texts[20:]
    assert [(f.row, f.reason, f.ends_file) for f in outcome.failures] == [(10, "parquet.corrupt", True)]
    assert [document["row"] for document in outcome.documents] == [*range(10), *range(20, 30)]


def test_bombs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    bulky = pa.array(["x", "y" * (300 << 20)], pa.large_string())
    pq.write_table(pa.table({"text": bulky}), path, use_dictionary=False, compression="zstd")
    assert [(f.reason, f.ends_file) for f in read(path).failures] == [("parquet.bomb", True)]
    del bulky
    assert read_table(tmp_path, {"text": ["z" * 4000] * 20}, limits=Limits(max_record_bytes=2048)).reasons == (
        ["parquet.too_large"] * 20
    )


def test_a_large_dictionary_value_is_not_multiplied(tmp_path: Path) -> None:
    large = "v" * (4 << 20)
    outcome = read_table(tmp_path, {"text": pa.array([large] * 100).dictionary_encode()}, group=100)
    assert outcome.texts == [large] * 100
    assert max(chunk.batch.num_rows for chunk in outcome.chunks) <= 4
