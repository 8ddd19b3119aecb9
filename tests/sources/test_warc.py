"""WARC: which records are documents, what their text is, and how damage is passed over."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime
from pathlib import Path

import pytest
import zstandard

from curation.sources import Limits
from tests.sources.reading import COMPRESS, read, read_bytes
from tests.texts import essay

PARAGRAPHS = "".join(f"<p>{line}</p>" for line in essay(1).split("\n"))
PAGE = (
    "<!DOCTYPE html><html><head><title>T</title><style>p {color: red}</style></head><body>"
    f"<nav><ul><li><a href='/'>Home</a></li></ul></nav><main><h1>Head</h1>{PARAGRAPHS}</main>"
    "<script>alert(1)</script></body></html>"
)


def warc(kind: str, block: bytes, content_type: str = "text/plain", length: object = None, extra: str = "") -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Record-ID: <urn:uuid:{zlib.crc32(block):08x}>\r\n"
        f"WARC-Target-URI: <http://example.org/{kind}>\r\nWARC-Date: 2024-05-06T07:08:09Z\r\n{extra}"
        f"Content-Type: {content_type}\r\nContent-Length: {len(block) if length is None else length}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def response(body: bytes, headers: str = "Content-Type: text/html; charset=utf-8", status: str = "200 OK") -> bytes:
    lines = f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n".encode()
    return warc("response", lines + body, "application/http; msgtype=response")


def wet(text: str) -> bytes:
    return warc("conversion", text.encode())


def test_a_page_becomes_its_main_content(tmp_path: Path) -> None:
    (document,) = read_bytes(tmp_path, "a.warc", response(PAGE.encode())).documents
    assert essay(1).split("\n")[0] in document["text"]
    for noise in ("Home", "alert", "color"):
        assert noise not in document["text"]
    assert document["id"].startswith("<urn:uuid:")
    assert document["url"] == "http://example.org/response"
    assert document["added"] == datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    assert json.loads(document["metadata"]) == {
        "content_type": "text/html",
        "http_status": 200,
        "warc_type": "response",
    }


def test_only_captures_are_documents(tmp_path: Path) -> None:
    other = b"".join(warc(kind, b"x") for kind in ("warcinfo", "request", "metadata", "revisit", "continuation", "odd"))
    outcome = read_bytes(tmp_path, "a.warc", other + wet("kept") + other + warc("resource", b"also") + other)
    assert [(document["row"], document["text"]) for document in outcome.documents] == [(0, "kept"), (1, "also")]
    assert outcome.failures == []


@pytest.mark.parametrize(
    "headers",
    ["Content-Type: image/png", "Content-Type: application/pdf", "Content-Type: application/json", "X-None: 1"],
)
def test_what_is_no_text_is_counted(tmp_path: Path, headers: str) -> None:
    outcome = read_bytes(tmp_path, "a.warc", response(b"\x89PNG\x00", headers) + wet("after"))
    assert (outcome.texts, outcome.reasons) == (["after"], ["warc.not_text"])
    assert "http://example.org/response" in outcome.failures[0].detail


def test_binary_data_under_a_text_type_is_no_text(tmp_path: Path) -> None:
    assert read_bytes(tmp_path, "a.warc", response(b"\x00\x01" * 50)).reasons == ["warc.not_text"]


CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("headers", "encode"),
    [
        ("Content-Encoding: gzip", gzip.compress),
        ("Content-Encoding: deflate", zlib.compress),
        ("Content-Encoding: zstd", zstandard.compress),
        ("Transfer-Encoding: chunked", lambda body: CHUNKED % (len(body), body)),
        ("Content-Encoding: gzip", lambda body: body),
        ("Transfer-Encoding: chunked", lambda body: body),
        ("Content-Encoding: made-up", lambda body: body),
    ],
)
def test_bodies_are_decoded_and_headers_that_lie_are_forgiven(tmp_path: Path, headers: str, encode: object) -> None:
    assert callable(encode)
    data = response(encode(PAGE.encode()), f"Content-Type: text/html\r\n{headers}")
    (document,) = read_bytes(tmp_path, "a.warc", data).documents
    assert essay(1).split("\n")[0] in document["text"]


def test_a_body_that_cannot_be_decoded_fails(tmp_path: Path) -> None:
    body = response(b"\xff\xfe\xfd" * 50, "Content-Type: text/html\r\nContent-Encoding: gzip")
    assert read_bytes(tmp_path, "a.warc", body).reasons == ["warc.bad_http"]
    no_http = warc("response", b"no header at all", "application/http")
    assert read_bytes(tmp_path, "a.warc", no_http).reasons == ["warc.bad_http"]


@pytest.mark.parametrize(
    ("encoding", "headers", "meta"),
    [
        ("utf-8", "charset=iso-8859-1", ""),
        ("iso-8859-1", "charset=iso-8859-1", ""),
        ("windows-1252", "", "<meta charset=windows-1252>"),
        ("utf-16", "", ""),
        ("utf-8", "", ""),
    ],
)
def test_the_encoding_is_found(tmp_path: Path, encoding: str, headers: str, meta: str) -> None:
    text = "Käse und Brötchen gibt es in der Bäckerei über der Straße, wo die Gäste früh frühstücken. " * 4
    page = f"<html><head>{meta}</head><body><main><p>{text}</p></main></body></html>".encode(encoding)
    (document,) = read_bytes(tmp_path, "a.warc", response(page, f"Content-Type: text/html; {headers}")).documents
    assert text.strip() in document["text"]


def test_a_page_nested_without_end_neither_hangs_nor_crashes(tmp_path: Path) -> None:
    body = b"<html><body>" + b"<div>" * 200_000 + b"deep"
    outcome = read_bytes(tmp_path, "a.warc", response(body) + wet("after"))
    assert (outcome.texts, outcome.reasons) == (["after"], ["warc.too_deep"])


def test_a_record_that_is_too_large_is_passed_over(tmp_path: Path) -> None:
    data = wet("before") + wet("x" * 100_000) + wet("after")
    outcome = read_bytes(tmp_path, "a.warc", data, limits=Limits(max_record_bytes=50_000))
    assert (outcome.texts, outcome.reasons) == (["before", "after"], ["warc.too_large"])


def test_a_url_that_is_too_large_fails_alone(tmp_path: Path) -> None:
    folded = "WARC-Target-URI: http://x/" + "".join(f"{'y' * 60_000}\r\n " for _ in range(2)) + "end\r\n"
    data = b"WARC/1.0\r\nWARC-Type: resource\r\n" + folded.encode() + b"Content-Type: text/plain\r\n"
    outcome = read_bytes(tmp_path, "a.warc", data + b"Content-Length: 1\r\n\r\na\r\n\r\n" + wet("after"))
    assert (outcome.texts, outcome.reasons) == (["after"], ["warc.too_large"])


def test_a_body_that_unpacks_beyond_the_limit_is_too_large(tmp_path: Path) -> None:
    bomb = response(gzip.compress(b"<p>" * 1_000_000), "Content-Type: text/html\r\nContent-Encoding: gzip")
    outcome = read_bytes(tmp_path, "a.warc", bomb + wet("after"), limits=Limits(max_record_bytes=50_000))
    assert (outcome.texts, outcome.reasons) == (["after"], ["warc.too_large"])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (b"garbage\nmore of it\n" * 50, "warc.not_warc"),
        (b"\x00" * 200_000 + b"\n", "warc.not_warc"),
        (warc("conversion", b"x" * 100, length=50), "warc.bad_length"),
        (warc("conversion", b"x" * 100, length="many"), "warc.bad_header"),
        (warc("conversion", b"x" * 100, length=-5), "warc.bad_header"),
        (warc("conversion", b"x" * 100, length=10**30), "warc.bad_header"),
        (b"WARC/1.0\r\nno: length\r\n\r\nblock\r\n\r\n", "warc.bad_header"),
        (b"WARC/1.0\r\n" + b"a: b\r\n" * 400_000 + b"\r\n", "warc.bad_header"),
        (warc("conversion", b"caf\xe9"), "warc.not_utf8"),
    ],
)
def test_damage_is_counted_and_reading_goes_on(tmp_path: Path, damage: bytes, reason: str) -> None:
    outcome = read_bytes(tmp_path, "a.warc", wet("before") + damage + wet("after"))
    assert outcome.texts == ["before", "after"]
    is_unknown = reason in ("warc.not_warc", "warc.bad_length")
    assert [(f.row, f.reason, f.ends_file) for f in outcome.failures] == [(1, reason, is_unknown)]


def test_a_length_that_is_too_long_costs_the_records_within_it_and_says_so(tmp_path: Path) -> None:
    data = warc("conversion", b"x" * 100, length=150) + wet("swallowed") + wet("after")
    outcome = read_bytes(tmp_path, "a.warc", data)
    assert (outcome.texts, outcome.reasons) == (["after"], ["warc.bad_length"])


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("percent", range(4, 100, 4))
def test_a_cut_file_keeps_its_leading_records_and_fails_once(tmp_path: Path, suffix: str, percent: int) -> None:
    texts = [essay(i) for i in range(8)]
    data = COMPRESS[suffix](b"".join(map(wet, texts)))
    outcome = read_bytes(tmp_path, f"cut.warc{suffix}", data[: len(data) * percent // 100])
    assert outcome.texts == texts[: len(outcome.texts)]
    assert len(outcome.texts) < len(texts)
    assert len(outcome.failures) == 1
    assert outcome.failures[0].reason.endswith((".truncated", ".not_warc"))
    assert outcome.failures[0].row == len(outcome.texts)
    assert outcome.failures[0].ends_file


def test_records_in_members_of_their_own(tmp_path: Path) -> None:
    texts = [essay(i) for i in range(8)]
    for suffix in (".gz", ".zst"):
        data = b"".join(COMPRESS[suffix](wet(text)) for text in texts)
        assert read_bytes(tmp_path, f"cc.warc.wet{suffix}", data).texts == texts


def test_an_arc_file_is_named_as_unreadable(tmp_path: Path) -> None:
    arc = b"filedesc://a.arc.gz 127.0.0.1 20240506070809 text/plain 10\n1 0 test\n\n"
    assert read_bytes(tmp_path, "a.arc", arc, format="warc").reasons == ["warc.not_warc"]


# Failures of the captures in ../shared/data/warc. Of all other files every record that is a document is kept.
CAPTURES_THAT_FAIL = {
    "chatnoir-resiliparse__clipped.warc.gz": ["gzip.truncated"],
    "warcio__bad.arc": ["warc.not_warc"],  # ARC is no WARC
    "warcio__example-space-in-url.arc": ["warc.not_warc"],
    "warcio__example.arc": ["warc.not_warc"],
    "warcio__example.arc.gz": ["warc.not_warc"],
    "warcio__example-space-in-target-uri.warc.gz": ["warc.not_text"],  # a PNG
    "warcio__example-trunc.warc": ["warc.bad_length"],  # its block is shorter than its Content-Length
    "warcio__post-test.warc.gz": ["warc.not_text"] * 3,  # JSON
}
RESOURCES = {
    "warcio__example-resource.warc.gz": 1,
    "warcio__example-space-in-target-uri.warc.gz": 1,
    "warcio__example-wget-bad-target-uri.warc.gz": 2,
    # warcio stops at this file's first record, for it is one gzip member; here it is read whole.
    "warcio__example-bad-non-chunked.warc.gz": 1,
}


def test_real_captures(shared_data: Path) -> None:
    for line in (shared_data / "warc" / "index.jsonl").read_text().splitlines():
        expected = json.loads(line)
        name = expected["file"]
        outcome = read(shared_data / "warc" / name, format="warc")
        assert outcome.reasons == CAPTURES_THAT_FAIL.get(name, []), name
        if ".arc" not in name:
            count = expected["responses"] + RESOURCES.get(name, 0)
            assert len(outcome.documents) + len(outcome.failures) == count, name
        assert "\x00" not in "".join(outcome.texts)
