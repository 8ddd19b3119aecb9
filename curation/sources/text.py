"""Plain text and Markdown: one file is one document, as it stands, UTF-8 with or without a byte order mark."""

from __future__ import annotations

from collections.abc import Iterator

from curation.sources.compression import BrokenStreamError, decompressed
from curation.sources.gathering import Gathering
from curation.sources.record import Document
from curation.sources.source import Chunk, Limits, Source
from curation.storage import Entry, Storage, object_url


def read_text(storage: Storage, entry: Entry, source: Source, limits: Limits) -> Iterator[Chunk]:
    """The one document of a text file, or the one failure; nothing for an empty file."""
    gathering = Gathering(source.name, object_url(storage, entry.key), limits)
    held, size = list[bytes](), 0
    try:
        with storage.open(entry.key) as file:
            for piece in decompressed(file):
                size += len(piece)
                if size <= limits.max_record_bytes:
                    held.append(piece)
                else:
                    held.clear()
        _gather(gathering, b"".join(held), size, limits)
    except BrokenStreamError as fault:
        gathering.fail(fault.reason, fault.detail)
    if not gathering.is_empty:
        yield gathering.take()


def _gather(gathering: Gathering, data: bytes, size: int, limits: Limits) -> None:
    if size > limits.max_record_bytes:
        detail = f"a file of {size} bytes, at most {limits.max_record_bytes} are read (max_record_bytes)"
        gathering.fail("text.too_large", detail)
    elif size:
        try:
            gathering.keep(Document(data.decode("utf-8-sig")))
        except UnicodeDecodeError as wrong:
            gathering.fail("text.not_utf8", f"{wrong.reason} at byte {wrong.start}; convert the file to UTF-8")
