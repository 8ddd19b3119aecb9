"""The malformed files of ../shared/data: each as its EXPECT.jsonl says, and where that says nothing, as pinned here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.errors import StorageError
from curation.sources import Limits, Source, read_shard
from curation.storage import find
from tests.sources.reading import read

# (kept, reasons of the failures) where EXPECT.jsonl leaves it open, or counts records that the size limit excludes.
PINNED: dict[str, tuple[int, list[str]]] = {
    # The records before the cut, and one failure for the rest of the file.
    "truncated.jsonl.gz": (34, ["gzip.truncated"]),
    "truncated.jsonl.zst": (37, ["zstd.truncated"]),
    # The flipped bytes spoil one line, which swallows the line ends after it; the checksum says that it is not alone.
    "corrupt-middle.jsonl.gz": (28, ["jsonl.not_utf8", "gzip.checksum"]),
    # Every record is whole, and the file is not what it should be: that is one failure beside them.
    "corrupt-crc.jsonl.gz": (60, ["gzip.checksum"]),
    "trailing-garbage.jsonl.gz": (60, ["gzip.trailing_garbage"]),
    # JSON is UTF-8 (RFC 8259, section 8.1): the file is named, not guessed at.
    "utf16.jsonl": (0, ["jsonl.not_utf8"]),
    # No text: missing (a, upper case, other name), null, list, object, number. Kept: no id, integer id, null id, empty
    # and blank texts (a rule's business), a wrong-typed other field.
    "wrong-fields.jsonl": (7, ["jsonl.no_text"] * 7),
    # The last value counts, as in nearly every reader.
    "dup-keys.jsonl": (2, []),
    # One line in which a second value follows the first.
    "cr-only.jsonl": (0, ["jsonl.not_json"]),
    # 1e999 is no double; kept as metadata it would come back as something else.
    "big-numbers.jsonl": (1, ["jsonl.not_json"]),
    # The one record is a gibibyte: quarantined by max_record_bytes.
    "bomb-1GiB.jsonl.gz": (0, ["jsonl.too_large"]),
    "bomb-1GiB.jsonl.zst": (0, ["jsonl.too_large"]),
    # Unpacked once, as its name says; what is within is no text.
    "bomb-nested.jsonl.gz": (0, ["compression.nested"]),
    "good.parquet": (60, []),
    "wrong-schema.parquet": (0, ["parquet.no_text"]),
    "text-as-binary.parquet": (1, ["parquet.not_utf8"]),
    "text-as-list.parquet": (0, ["parquet.no_text"]),
    # A null text fails; a null id is a hash of the text, an empty text is a text.
    "nulls.parquet": (2, ["parquet.no_text"]),
    "zero-rows.parquet": (0, []),
    "truncated.parquet": (0, ["parquet.not_parquet"]),
    "not-parquet.parquet": (0, ["parquet.not_parquet"]),
}


@pytest.fixture(scope="module")
def malformed(shared_data: Path) -> Path:
    return shared_data / "malformed"


def expectations(malformed: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (malformed / "EXPECT.jsonl").read_text().splitlines()]


def test_every_file_behaves_as_expected(malformed: Path) -> None:
    for expected in expectations(malformed):
        path = malformed / str(expected["file"])
        if path.is_dir():
            with pytest.raises(StorageError, match="is a folder"):
                find(str(path))
            continue
        outcome = read(path)
        found = (len(outcome.documents), outcome.reasons)
        if path.name in PINNED:
            assert found == PINNED[path.name], path.name
        else:
            assert (found[0], len(found[1])) == (expected["good_records"], expected["bad_records"]), path.name


def test_what_is_pinned_contradicts_nothing_that_is_expected(malformed: Path) -> None:
    for expected in expectations(malformed):
        name, good = str(expected["file"]), expected["good_records"]
        if name in PINNED and good is not None and not name.startswith("bomb"):
            assert PINNED[name][0] == good, name


def test_a_larger_limit_keeps_the_large_record(malformed: Path) -> None:
    small = Limits(max_record_bytes=1 << 20)
    outcome = read(malformed / "huge-line-20MB.jsonl.zst", limits=small)
    assert (len(outcome.documents), outcome.reasons) == (1, ["jsonl.too_large"])
    assert outcome.failures[0].line == 1


def test_later_files_are_read_and_the_folder_adds_up(malformed: Path) -> None:
    storage, entries = find(str(malformed / "*.jsonl*"))
    source = Source(name="all", uri="all")
    kept = {
        entry.key: sum(chunk.batch.num_rows for chunk in read_shard(storage, entry, source, Limits()))
        for entry in entries
    }
    assert "dir-named.jsonl" not in kept
    assert [name for name in kept if name.startswith("名前")]
    assert kept[entries[-1].key] == 1
