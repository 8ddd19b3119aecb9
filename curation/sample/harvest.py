"""The harvest: files of real text in several sources, formats and languages, with the copies that come by nature."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from pydantic import BaseModel, ConfigDict

from curation.errors import StorageError
from curation.sample import python, system
from curation.sample.machine import Found, Machine

SHARD_DOCUMENTS = 500
SHORTEST_TEXT = 200  # characters
MOST_SOURCE_BYTES = 12_000_000

Format = Literal["jsonl.gz", "jsonl.zst", "parquet"]
Record = dict[str, str | None]


@dataclass(frozen=True)
class _Kind:
    """One source of the harvest: how its texts are found, at most how many, and in what format they are written."""

    name: str
    find: Callable[[Machine, int], Iterator[Found]]
    most: int
    format: Format = "jsonl.gz"


KINDS = (
    _Kind("descriptions", python.descriptions, 300, "parquet"),
    _Kind("docstrings", python.docstrings, 900, "jsonl.zst"),
    _Kind("documentation", python.documentation, 500),
    _Kind("licences", python.licences, 800),
    _Kind("manuals", system.manuals, 900),
    _Kind("modules", python.modules, 700),
    _Kind("questions", system.questions, 400),
    _Kind("sentences", python.sentences, 100),
    _Kind("services", python.services, 1200),
    _Kind("translations", system.translations, 700),
)


class Harvested(BaseModel):
    """What one source gave."""

    model_config = ConfigDict(frozen=True)

    name: str
    files: int
    documents: int
    bytes: int
    """The size of the texts in UTF-8."""


class Harvest(BaseModel):
    """What was found on a machine and written, by source."""

    model_config = ConfigDict(frozen=True)

    sources: tuple[Harvested, ...]


def harvest(directory: Path, machine: Machine | None = None, *, most: int | None = None) -> Harvest:
    """Write real text of this machine below `directory`, as `SOURCE/SOURCE-000.jsonl.gz` and so on.

    At most 500 documents a shard; fields `id`, `text`, `source`, `url`, `added`, `license`. The same machine gives the
    same files; those of an earlier harvest are replaced. A source of which this machine has nothing is an empty file.
    `most` bounds the documents of each source further. Raises StorageError where it cannot write.
    """
    where = machine or Machine.this()
    return Harvest(sources=tuple(_harvest_kind(directory, where, kind, most) for kind in KINDS))


def _harvest_kind(directory: Path, machine: Machine, kind: _Kind, most: int | None) -> Harvested:
    limit = min(kind.most, most if most is not None else kind.most)
    records = [_record(kind.name, document) for document in _bounded(kind.find(machine, limit), limit)]
    starts = range(0, max(len(records), 1), SHARD_DOCUMENTS)  # one file at least, so that a recipe finds every source
    shards = [records[first : first + SHARD_DOCUMENTS] for first in starts]
    try:
        _write(directory / kind.name, kind, shards)
    except OSError as error:
        raise StorageError(f"{directory}: cannot write the harvest there: {error.strerror}") from error
    size = sum(len(str(record["text"]).encode()) for record in records)
    return Harvested(name=kind.name, files=len(shards), documents=len(records), bytes=size)


def _write(folder: Path, kind: _Kind, shards: Sequence[Sequence[Record]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        if re.fullmatch(rf"{kind.name}-\d{{3}}\.(jsonl\.gz|jsonl\.zst|parquet)", old.name):
            old.unlink()
    for number, shard in enumerate(shards):
        (folder / f"{kind.name}-{number:03}.{kind.format}").write_bytes(_WRITERS[kind.format](shard))


def _bounded(documents: Iterator[Found], most: int) -> Iterator[Found]:
    """Those long enough to be documents, until there are enough of them or they are too large together."""
    size = 0
    for document in documents:
        if len(document.text.strip()) < SHORTEST_TEXT:
            continue
        most -= 1
        size += len(document.text.encode("utf-8", "replace"))
        if most < 0 or size > MOST_SOURCE_BYTES:
            return
        yield document


def _record(source: str, document: Found) -> Record:
    return {
        "id": f"{source}:{document.url}",
        "text": document.text.strip().encode("utf-8", "replace").decode(),
        "source": source,
        "url": document.url,
        "added": document.added.isoformat(),
        "license": document.license,
    }


def _lines(records: Sequence[Record]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def _gzipped(records: Sequence[Record]) -> bytes:
    return gzip.compress(_lines(records), mtime=0)


def _zstandard(records: Sequence[Record]) -> bytes:
    return zstandard.compress(_lines(records))


def _parquet(records: Sequence[Record]) -> bytes:
    names = ("id", "text", "source", "url", "added", "license")
    file = io.BytesIO()
    table = pa.Table.from_pylist(list(records), schema=pa.schema([(name, pa.string()) for name in names]))
    pq.write_table(table, file, compression="zstd", row_group_size=100)
    return file.getvalue()


_WRITERS: dict[Format, Callable[[Sequence[Record]], bytes]] = {
    "jsonl.gz": _gzipped,
    "jsonl.zst": _zstandard,
    "parquet": _parquet,
}
