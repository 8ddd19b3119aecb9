"""Text files: one file, one document."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.document import content_id
from curation.sources import Limits
from tests.sources.reading import COMPRESS, read_bytes


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_is_a_document_as_it_stands(tmp_path: Path, suffix: str) -> None:
    text = "# Title\r\n\nGrüße,\n\n\tworld  \n"
    (document,) = read_bytes(tmp_path, f"note.md{suffix}", COMPRESS[suffix](text.encode())).documents
    assert (document["text"], document["id"], document["row"]) == (text, content_id(text), 0)


@pytest.mark.parametrize(
    ("data", "texts", "reasons"),
    [
        (b"", [], []),
        (b"\n", ["\n"], []),
        (b"\xef\xbb\xbfmark", ["mark"], []),
        ("Käse".encode("latin-1"), [], ["text.not_utf8"]),
        ("text".encode("utf-16"), [], ["text.not_utf8"]),
        (b"x" * 5000, [], ["text.too_large"]),
        (COMPRESS[".gz"](b"y" * 5000), [], ["text.too_large"]),
        (COMPRESS[".gz"](b"cut short")[:-10], [], ["gzip.truncated"]),
        (COMPRESS[".gz"](COMPRESS[".gz"](b"twice")), [], ["compression.nested"]),
    ],
)
def test_odd_files(tmp_path: Path, data: bytes, texts: list[str], reasons: list[str]) -> None:
    outcome = read_bytes(tmp_path, "odd.txt", data, limits=Limits(max_record_bytes=4096))
    assert (outcome.texts, outcome.reasons) == (texts, reasons)
