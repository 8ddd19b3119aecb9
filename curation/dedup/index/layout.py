"""What the files of a segment are, and how they are named.

A segment is what one run added to the index, or several segments merged: a folder of flat arrays of little-endian
records, so that any record is a range of bytes.

`docs-<n>-<digest>.entries`     one DOCS record a kept document, piece after piece, in the order of each piece's file
`<table>-<n>-<digest>.entries`  the records of a table whose keys lie in the n-th of equal ranges, by (key, doc)
`<table>-<n>-<digest>.sketch`   where in that file which keys are (curation.dedup.index.sketch)
`pieces-<digest>.parquet`       the segment's pieces in order: name, and how many documents
`index.json`                    what the keys mean, and how many files there are; written last

`exact` and `sets` have the documents by the two halves of a 128-bit key, the upper of which is the record's key;
`bands` by the keys of their bands. In them `doc` is a document's piece, counted from 0 within the segment, in the upper
32 bits, and its place in that piece below. `removed` and `growth` say of documents of *older* segments, by a hash of
their address, that they are gone, and how many copies more they stand for than was known when they were written.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from curation.dedup.shuffle import spread
from curation.dedup.stage import Uint64s
from curation.errors import CorruptError
from curation.manifest import Part

META = "index.json"
ENTRIES, SKETCH = "entries", "sketch"
REBUILD = "; `curation index CORPUS --rebuild` makes it anew from the kept documents"

Entries = np.ndarray[Any, np.dtype[np.void]]
"""Records of one of the layouts below."""

DOCS = np.dtype(
    [("address", "<u8"), ("exact_priority", "<u8"), ("set_priority", "<u8"), ("shingles", "<u4"), ("copies", "<u4")]
)
"""`address` is of `address_hashes`; `copies` how many documents it stands for, itself included."""
WIDE = np.dtype([("key", "<u8"), ("low", "<u8"), ("doc", "<u8")])
NARROW = np.dtype([("key", "<u8"), ("doc", "<u8")])
GONE = np.dtype([("key", "<u8")])
GROWN = np.dtype([("key", "<u8"), ("count", "<i8")])

TABLES = {"exact": WIDE, "sets": WIDE, "bands": NARROW, "removed": GONE, "growth": GROWN}
"""The tables of a segment, and what their records are."""
KEYED = ("exact", "sets", "bands")
"""Those that have documents."""

_NAME = re.compile(r"(docs|exact|sets|bands|removed|growth)-(\d{5,})-[0-9a-f]{16}\.(entries|sketch)")
_PIECES = re.compile(r"pieces-[0-9a-f]{16}\.parquet")
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


class Table(BaseModel):
    """The files of a table, partition by partition: as many sketches as entries."""

    model_config = ConfigDict(frozen=True)

    entries: tuple[Part, ...] = ()
    sketches: tuple[Part, ...] = ()

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.entries)


class Segment(BaseModel):
    """The files of a segment. Which documents it has is said in its files, how many here."""

    model_config = ConfigDict(frozen=True)

    folder: str
    docs: tuple[Part, ...]
    tables: dict[str, Table]
    pieces: Part
    meta: Part

    @property
    def documents(self) -> int:
        return sum(part.rows for part in self.docs)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All its files, in their order."""
        tables = (part for table in self.tables.values() for part in (*table.entries, *table.sketches))
        return (*self.docs, *tables, self.pieces, self.meta)

    @property
    def bytes(self) -> int:
        return sum(part.bytes for part in self.parts)


def segments_of(index: Sequence[Part]) -> list[Segment]:
    """The segments of a manifest's index, oldest first. Raises CorruptError where its files are not those of whole
    segments."""
    found: list[Segment] = []
    held: list[Part] = []
    for part in index:
        held.append(part)
        if part.path.endswith(f"/{META}"):
            found.append(_segment(held))
            held = []
    if held:
        raise CorruptError(f"{held[0].path}: a segment of the index without {META}{REBUILD}")
    return found


def _segment(parts: Sequence[Part]) -> Segment:
    *files, meta = parts
    folder = meta.path.removesuffix(f"/{META}")
    sorted_out: dict[tuple[str, str], list[Part]] = {}
    pieces: list[Part] = []
    for part in files:
        name = part.path.removeprefix(f"{folder}/")
        if _PIECES.fullmatch(name):
            pieces.append(part)
            continue
        match = _NAME.fullmatch(name)
        if match is None:
            raise CorruptError(f"{part.path}: no file of the index's segment {folder}{REBUILD}")
        table, number, what = match.groups()
        here = sorted_out.setdefault((table, what), [])
        size = part.rows * (DOCS if table == "docs" else TABLES[table]).itemsize
        if int(number) != len(here) or (what == ENTRIES and part.bytes != size):
            raise CorruptError(f"{part.path}: partition {len(here)} was expected, of {size} bytes{REBUILD}")
        here.append(part)
    tables = {
        name: Table(
            entries=tuple(sorted_out.get((name, ENTRIES), ())), sketches=tuple(sorted_out.get((name, SKETCH), ()))
        )
        for name in TABLES
    }
    if len(pieces) != 1 or any(len(table.entries) != len(table.sketches) for table in tables.values()):
        raise CorruptError(f"{folder}: the manifest does not name all files of this segment{REBUILD}")
    docs = tuple(sorted_out.get(("docs", ENTRIES), ()))
    return Segment(folder=folder, docs=docs, tables=tables, pieces=pieces[0], meta=meta)


def file_name(table: str, number: int, data: bytes, what: str) -> str:
    """The name of a file of a segment."""
    return f"{table}-{number:05d}-{hashlib.sha256(data).hexdigest()[:16]}.{what}"


def address_hashes(source: str, shards: pa.Array | pa.ChunkedArray, rows: np.ndarray[Any, Any]) -> Uint64s:
    """A hash of each document's address (source, `shard`, `row`), (documents,): what names a document in `removed` and
    `growth`. 64 bits: among 10⁹ documents and 10⁷ removals, one is taken for another with a chance of 1 in 2,000."""
    encoded = shards.dictionary_encode()
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    files = [_uris(source, chunk.dictionary.to_pylist())[chunk.indices.to_numpy()] for chunk in chunks]
    where = np.concatenate([np.zeros(0, np.uint64), *files])
    return spread(where + rows.astype(np.uint64) * _GOLDEN)


def _uris(source: str, uris: Iterable[str]) -> Uint64s:
    digests = [hashlib.blake2b(f"{source}\0{uri}".encode("utf-8", "surrogatepass"), digest_size=8) for uri in uris]
    return np.frombuffer(b"".join(digest.digest() for digest in digests), "<u8")
