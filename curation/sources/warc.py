"""WARC (ISO 28500), and WET: web captures, with the main content of HTML taken out by resiliparse.

A document is a `response`, `resource` or `conversion` record; records of other types (`warcinfo`, `request`,
`metadata`, `revisit`, …) are no documents and are not counted. Of a document that is neither HTML nor plain text the
failure is `warc.not_text`. Whatever its status an HTTP response is a document; the status is in its metadata.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastwarc.warc import WarcRecord
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding

from curation.sources.compression import DecompressedFile
from curation.sources.gathering import Gathering
from curation.sources.record import Document, UnusableRecordError, as_json, as_time
from curation.sources.source import Chunk, Limits, Source
from curation.sources.warc_frame import Damage, Frame, frames
from curation.storage import Entry, Storage, object_url

DOCUMENTS = frozenset({"response", "resource", "conversion"})
HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = frozenset({"text/plain", "text/markdown", "text/x-markdown"})
HTTP = "application/http"
MAX_DIV_STEPS = 20_000_000
"""Bound of the depths of all `div`s together: what the extraction of main content costs grows with it (about 50 ns
each, measured with resiliparse 2.0.1), and no real page comes near."""

_DIV = re.compile(r"<(/?)div\b", re.IGNORECASE)
_LOOKS_LIKE_HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html|<head|<body)", re.IGNORECASE)
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_warc(storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    """The documents and failures of a WARC file."""
    gathering = Gathering(source.name, object_url(storage, entry.key), limits)
    with storage.open(entry.key) as file:
        stream = DecompressedFile(file)
        for found in frames(stream, limits.max_record_bytes):
            if isinstance(found, Damage):
                if not (found.is_at_end and stream.fault):
                    gathering.fail(
                        f"warc.{found.why}", found.detail, ends_file=found.hides_records, begins=found.begins
                    )
            elif found.type in DOCUMENTS:
                _gather(gathering, found, limits)
            if gathering.is_full:
                yield gathering.take()
        if stream.fault is not None:
            gathering.fail(stream.fault.reason, stream.fault.detail, ends_file=True)
    if not gathering.is_empty:
        yield gathering.take()


def _gather(gathering: Gathering, frame: Frame, limits: Limits) -> None:
    try:
        gathering.keep(_document(frame, limits))
    except UnusableRecordError as error:
        gathering.fail(f"warc.{error.why}", f"{frame.header('WARC-Target-URI') or 'no URI'}: {error.detail}")


def _document(frame: Frame, limits: Limits) -> Document:
    if frame.block is None:
        raise _too_large(frame.size, limits)
    content = _content(frame, limits)
    text = _text(content, frame)
    truncated = frame.header("WARC-Truncated")
    metadata: dict[str, object] = {"content_type": content.type, "warc_type": frame.type}
    metadata |= {"http_status": content.status} if content.status is not None else {}
    metadata |= {"truncated": truncated} if truncated else {}
    return Document(
        text,
        frame.header("WARC-Record-ID"),
        (frame.header("WARC-Target-URI") or "").removeprefix("<").removesuffix(">") or None,
        as_time(frame.header("WARC-Date")),
        as_json(metadata),
    )


class _Content:
    """The content of a record: its bytes, media type (lower case, without parameters), character set and status."""

    def __init__(self, data: bytes, kind: str | None, charset: str | None, status: int | None = None) -> None:
        self.data = data
        self.type = kind
        self.charset = charset
        self.status = status


def _content(frame: Frame, limits: Limits) -> _Content:
    declared = (frame.header("Content-Type") or "").partition(";")[0].strip().lower()
    if declared == HTTP:
        return _http_content(frame, limits)
    return _Content(frame.block or b"", declared or None, None)


def _http_content(frame: Frame, limits: Limits) -> _Content:
    """The body of an HTTP response, decoded as its headers say; as it is where they are wrong about a body that is
    plainly text (archives keep bodies decoded under the headers that were sent)."""
    error: OSError | None = None
    for decode in ("all", "transfer", "content", "none"):
        record = WarcRecord.from_bytes(frame.raw)
        try:
            record.parse_http(auto_decode=decode, quirks_mode=True)
            data = record.reader.read(limits.max_record_bytes + 1)
        except OSError as wrong:
            error = error or wrong
            continue
        status = record.http_headers.status_code if record.http_headers else None
        if not isinstance(status, int):
            raise UnusableRecordError("bad_http", "the record has no HTTP header")
        if error is not None and not (_is_utf8(data) or data.lstrip().startswith(b"<")):
            break
        if len(data) > limits.max_record_bytes:
            raise _too_large(len(data), limits)
        return _Content(data, (record.http_content_type or "").lower() or None, record.http_charset, status)
    raise UnusableRecordError("bad_http", str(error))


def _text(content: _Content, frame: Frame) -> str:
    data = content.data
    if frame.type == "conversion":
        try:
            return data.decode()
        except UnicodeDecodeError as wrong:
            raise UnusableRecordError("not_utf8", f"{wrong.reason} at byte {wrong.start}") from None
    is_html = content.type in HTML or (content.type is None and bool(_LOOKS_LIKE_HTML.match(data)))
    if not is_html and content.type not in PLAIN:
        raise UnusableRecordError("not_text", f"its type is {content.type or 'not declared'}")
    if b"\x00" in data[:1024] and not data.startswith(_UTF16_MARKS):
        raise UnusableRecordError("not_text", f"its type is {content.type}, but it holds binary data")
    text = bytes_to_str(data, _encoding(data, content.charset, is_html), errors="replace")
    return _main_content(text) if is_html else text


def _encoding(data: bytes, declared: str | None, is_html: bool) -> str:
    """UTF-8 where the data are UTF-8 and not only ASCII; else what is declared by HTTP, by the page, or likely."""
    if data.startswith(_UTF16_MARKS):
        return "utf-16"
    if not data.isascii() and _is_utf8(data):
        return "utf-8"
    return declared or detect_encoding(data, from_html_meta=is_html) or "utf-8"


def _main_content(html: str) -> str:
    depth = steps = 0
    for match in _DIV.finditer(html):
        depth = max(0, depth - 1) if match[1] else depth + 1
        steps += depth
        if steps > MAX_DIV_STEPS:
            raise UnusableRecordError("too_deep", f"divs are nested {depth} deep")
    try:
        return extract_plain_text(html, main_content=True, alt_texts=False)
    except ValueError as error:
        raise UnusableRecordError("bad_html", str(error)) from None


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _too_large(size: int, limits: Limits) -> UnusableRecordError:
    detail = f"a record of {size} bytes or more, at most {limits.max_record_bytes} are read (max_record_bytes)"
    return UnusableRecordError("too_large", detail)
