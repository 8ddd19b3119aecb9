"""JSON lines: what is a record, what is a document, and what becomes of the others."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.document import content_id
from curation.sources import Columns, Limits
from curation.sources.jsonl import lines
from tests.sources.reading import COMPRESS, json_lines, read_bytes


def test_a_record_becomes_a_document(tmp_path: Path) -> None:
    record = {
        "id": "a",
        "text": "Grüße",
        "url": "https://example.org/",
        "added": "2024-05-06T07:08:09+02:00",
        "z": [1, {"b": None}],
        "lang": "de",
    }
    outcome = read_bytes(tmp_path, "one.jsonl", json_lines(record))
    (document,) = outcome.documents
    assert document == {
        "id": "a",
        "text": "Grüße",
        "source": "here",
        "shard": document["shard"],
        "row": 0,
        "url": "https://example.org/",
        "added": datetime(2024, 5, 6, 5, 8, 9, tzinfo=UTC),
        "metadata": '{"lang":"de","z":[1,{"b":null}]}',
    }
    assert document["shard"].endswith("/one.jsonl")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "jsonl.not_json"),
        (b"{'text': 'python'}", "jsonl.not_json"),
        (b'{"text": "cut', "jsonl.not_json"),
        (b'{"text": "two"} {"text": "values"}', "jsonl.not_json"),
        (b'{"text": "one"}\r{"text": "CR within"}', "jsonl.not_json"),
        (b'{"text": NaN}', "jsonl.not_json"),
        (b'{"text": "x", "n": 1e999}', "jsonl.not_json"),
        (b'{"text": "lone \\ud83d surrogate"}', "jsonl.not_json"),
        (b'{"text": "raw \x00 control"}', "jsonl.not_json"),
        (b"\x00" * 100, "jsonl.not_json"),
        (b'{"text": "x", "m": ' + b"[" * 5000 + b"]" * 5000 + b"}", "jsonl.not_json"),
        (b'{"text": "x", "m": ' + b"[" * 500 + b"]" * 500 + b"}", "jsonl.bad_metadata"),
        (b'{"text": "\xff\xfe"}', "jsonl.not_utf8"),
        ('{"text": "Käse"}'.encode("latin-1"), "jsonl.not_utf8"),
        (b"[1, 2]", "jsonl.not_object"),
        (b"null", "jsonl.not_object"),
        (b'"text"', "jsonl.not_object"),
        (b"{}", "jsonl.no_text"),
        (b'{"text": null}', "jsonl.no_text"),
        (b'{"text": ["a", "list"]}', "jsonl.no_text"),
        (b'{"text": 3.14}', "jsonl.no_text"),
        (b'{"TEXT": "upper case"}', "jsonl.no_text"),
        (b'{"text": "' + b"x" * 3000 + b'"}', "jsonl.too_large"),
    ],
)
def test_a_bad_line_fails_alone(tmp_path: Path, line: bytes, reason: str) -> None:
    data = json_lines({"text": "before"}) + b"\n" + line + b"\n" + json_lines({"text": "after"})
    outcome = read_bytes(tmp_path, "bad.jsonl", data, limits=Limits(max_record_bytes=12_000 if b"[[" in line else 2048))
    assert outcome.texts == ["before", "after"]
    assert [(failure.row, failure.line, failure.reason) for failure in outcome.failures] == [(1, 3, reason)]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b'{"text": ""}', ""),
        (b'{"text": " \\n\\t "}', " \n\t "),
        (b'{"text": "a\\u0000b"}', "a\0b"),
        (b'{"text": "pair \\ud83d\\ude00"}', "pair 😀"),
        ('{"text": "one\u2028two\u2029three\x85four"}'.encode(), "one\u2028two\u2029three\x85four"),
        (b'{"text": "crlf"}\r', "crlf"),
        (b'  {"text": "indented"}  ', "indented"),
        (b'{"text": "first", "text": "last counts"}', "last counts"),
        (b'\xef\xbb\xbf{"text": "byte order mark"}', "byte order mark"),
    ],
)
def test_an_odd_line_is_a_document(tmp_path: Path, line: bytes, text: str) -> None:
    assert read_bytes(tmp_path, "odd.jsonl", line).texts == [text]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"id": 7}, {"id": "7", "metadata": None}),
        ({"id": None}, {"id": content_id("t"), "metadata": None}),
        ({}, {"id": content_id("t"), "metadata": None}),
        ({"id": ""}, {"id": content_id("t"), "metadata": '{"id":""}'}),
        ({"id": True}, {"id": content_id("t"), "metadata": '{"id":true}'}),
        ({"id": [1]}, {"id": content_id("t"), "metadata": '{"id":[1]}'}),
        ({"url": 5}, {"url": None, "metadata": '{"url":5}'}),
        ({"added": "yesterday"}, {"added": None, "metadata": '{"added":"yesterday"}'}),
        ({"added": "2024-02-30"}, {"added": None, "metadata": '{"added":"2024-02-30"}'}),
        ({"added": 1e15}, {"added": None, "metadata": '{"added":1000000000000000.0}'}),
        ({"added": True}, {"added": None, "metadata": '{"added":true}'}),
        ({"added": 86400}, {"added": datetime(1970, 1, 2, tzinfo=UTC), "metadata": None}),
        ({"added": 0.5}, {"added": datetime(1970, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)}),
        ({"added": "2026-11-22"}, {"added": datetime(2026, 11, 22, tzinfo=UTC)}),
        ({"added": "2026-11-22T10:00:00Z"}, {"added": datetime(2026, 11, 22, 10, tzinfo=UTC)}),
        ({"b": 1, "a": {"d": 1, "c": 2}}, {"metadata": '{"a":{"c":2,"d":1},"b":1}'}),
    ],
)
def test_other_columns_never_fail_a_record(
    tmp_path: Path, fields: dict[str, object], expected: dict[str, object]
) -> None:
    (document,) = read_bytes(tmp_path, "fields.jsonl", json_lines({"text": "t", **fields})).documents
    assert {name: document[name] for name in expected} == expected


def test_columns_are_mapped_and_dots_reach_into_objects(tmp_path: Path) -> None:
    columns = Columns(id="doc.id", text="body.main.text", url="a.b", added="nowhere.at.all")
    record = {"doc": {"id": 5, "rev": 2}, "body": {"main": {"text": "T"}}, "a.b": "flat name", "a": {"b": "nested"}}
    (document,) = read_bytes(tmp_path, "mapped.jsonl", json_lines(record), columns=columns).documents
    assert (document["id"], document["text"], document["url"], document["added"]) == ("5", "T", "flat name", None)
    assert json.loads(document["metadata"]) == {"doc": {"rev": 2}, "body": {"main": {}}, "a": {"b": "nested"}}


@pytest.mark.parametrize("data", [b"", b"\n\n \n\r\n", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("suffix", COMPRESS)
def test_nothing_but_blank_lines_is_no_record(tmp_path: Path, data: bytes, suffix: str) -> None:
    outcome = read_bytes(tmp_path, f"blank.jsonl{suffix}", COMPRESS[suffix](data))
    assert (outcome.documents, outcome.failures) == ([], [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32-le"])
def test_a_file_in_utf16_is_one_failure(tmp_path: Path, encoding: str) -> None:
    data = "\ufeff".encode(encoding) + json_lines(*[{"text": "a"}] * 20).decode().encode(encoding)
    outcome = read_bytes(tmp_path, "wide.jsonl", data)
    assert (outcome.texts, outcome.reasons) == ([], ["jsonl.not_utf8"])


@pytest.mark.parametrize(
    ("data", "is_lost"),
    [
        ("\ufeff{}\n{}\n".encode("utf-16"), True),
        (b'{"text": "one"}\r{"text": "two"}\r', True),
        (b'[{"text": "one"}, {"text": "two"}]', True),
        (b"[1, 2]", False),
        (b"hello\r\n", False),
        (b'{"text": "' + b"x" * 3000 + b'"}', False),
    ],
)
def test_a_failure_says_whether_others_are_lost_with_it(tmp_path: Path, data: bytes, is_lost: bool) -> None:
    (failure,) = read_bytes(tmp_path, "lost.jsonl", data, limits=Limits(max_record_bytes=2048)).failures
    assert failure.ends_file == is_lost


KIB = 1 << 10


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"id": "é" * (32 * KIB) + "x"}, "id"),
        ({"url": "http://" + "x" * (64 * KIB)}, "url"),
        ({"other": "x" * (1024 * KIB)}, "metadata"),
        ({"added": "x" * (1024 * KIB)}, "metadata"),
    ],
)
def test_what_goes_beside_a_text_is_bounded(tmp_path: Path, fields: dict[str, object], name: str) -> None:
    fits = {"text": "t", "id": "é" * (32 * KIB), "url": "x" * (64 * KIB), "other": "x" * (1024 * KIB - 12)}
    outcome = read_bytes(tmp_path, "beside.jsonl", json_lines(fits, {"text": "t", **fields}, {"text": "after"}))
    assert outcome.texts == ["t", "after"]
    (failure,) = outcome.failures
    assert (failure.row, failure.line, failure.reason) == (1, 2, "jsonl.too_large")
    assert failure.detail.startswith(f"field '{name}' has ")


@pytest.mark.parametrize("name", ["id", "text", "url", "other"])
def test_every_string_bounds_a_batch_in_bytes(tmp_path: Path, name: str) -> None:
    data = json_lines(*[{"text": "t", name: f"{number:04}" + "é" * 500} for number in range(100)])
    outcome = read_bytes(tmp_path, "batch.jsonl", data, limits=Limits(batch_bytes=10_000))
    assert {chunk.batch.num_rows for chunk in outcome.chunks} == {10}


def test_a_file_of_bad_lines_gives_bounded_chunks(tmp_path: Path) -> None:
    outcome = read_bytes(tmp_path, "bad.jsonl", b"x\n" * 1000, limits=Limits(batch_documents=64))
    assert len(outcome.failures) == 1000
    assert max(len(chunk.failures) for chunk in outcome.chunks) == 64


RECORDS = st.lists(
    st.one_of(
        st.fixed_dictionaries({"text": st.text(st.characters(exclude_categories=["Cs"]), max_size=300)}),
        st.just({"id": "no text"}),
        st.none(),
    ),
    max_size=40,
)


@given(RECORDS, st.integers(1, 50), st.integers(1024, 4096))
def test_how_batches_are_cut_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, records: list[object], documents: int, size: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    data = b"\n".join(orjson.dumps(record) for record in records)
    whole = read_bytes(folder, "property.jsonl", data)
    cut = read_bytes(folder, "property.jsonl", data, limits=Limits(batch_documents=documents, batch_bytes=size))
    assert cut.documents == whole.documents
    assert cut.failures == whole.failures
    assert len(whole.documents) + len(whole.failures) == len(records)
    assert all(chunk.batch.num_rows <= documents for chunk in cut.chunks)


@given(
    st.binary(max_size=200).map(lambda data: data.replace(b"a", b"\n")),
    st.lists(st.integers(0, 200)),
    st.integers(1, 60),
)
def test_lines_do_not_depend_on_pieces(data: bytes, cuts: list[int], max_bytes: int) -> None:
    bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(bounds) if b > a]
    expected = data.split(b"\n")
    if not expected[-1]:
        expected.pop()
    found = list(lines(iter(pieces), max_bytes))
    assert [line.data for line in found] == [line if len(line) <= max_bytes else None for line in expected]
    assert [line.size for line in found] == [len(line) for line in expected]
    assert [line.number for line in found] == list(range(1, len(expected) + 1))
