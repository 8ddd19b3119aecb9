"""The documents of one cluster: those that a version dropped for being copies of one document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.clusters.copies import THREADS, has_none
from curation.document import ID, ROW, SHARD, SOURCE
from curation.explanation import made
from curation.manifest import Frozen, Manifest, PieceFiles
from curation.storage import Storage
from curation.whatif.decided import GoOn, always

LISTED = 100


class Member(Frozen):
    """A copy that was dropped."""

    id: str
    source: str
    shard: str
    row: int
    stage: str
    similarity: float
    """With the survivor; 1 of an exact copy."""
    bytes: int
    language: str | None
    version: int
    """In which this was decided."""
    quality: float | None = None
    """What the stage compares with `keep: best_quality`; null with another rule."""


class Members(Frozen):
    """The copies that name one document as their survivor."""

    documents: int
    bytes: int
    stages: dict[str, int]
    """How many each stage dropped."""
    sources: dict[str, int]
    """How many are in each source."""
    listed: tuple[Member, ...]
    """The first, in the order of the manifest."""


def members(
    storage: Storage,
    manifest: Manifest,
    shard: str,
    row: int,
    quality: dict[str, str] | None = None,
    listed: int = LISTED,
    go_on: GoOn = always,
) -> Members:
    """The copies of the document that was read from this record. `quality` has the columns that stages compare, by
    their names; `go_on` is called before each row group is read.

    One column of the decisions is read, and of row groups with copies of this document a few more.
    """
    search = _Search(storage, shard, row, quality or {}, listed, go_on)
    tally = _Tally()
    with ThreadPoolExecutor(THREADS) as threads:
        pieces = list(manifest.files())
        for first in range(0, len(pieces), 4 * THREADS):
            for found in threads.map(search.of, pieces[first : first + 4 * THREADS]):
                tally.add(found, listed)
    return Members(
        documents=sum(tally.stages.values()),
        bytes=tally.bytes,
        stages=dict(sorted(tally.stages.items())),
        sources=dict(sorted(tally.sources.items())),
        listed=tuple(tally.listed),
    )


@dataclass
class _Tally:
    bytes: int = 0
    stages: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    listed: list[Member] = field(default_factory=list)

    def add(self, other: _Tally, listed: int) -> None:
        self.bytes += other.bytes
        self.stages += other.stages
        self.sources += other.sources
        self.listed += other.listed[: listed - len(self.listed)]


@dataclass(frozen=True)
class _Search:
    storage: Storage
    shard: str
    row: int
    quality: dict[str, str]
    listed: int
    go_on: GoOn

    def of(self, files: PieceFiles) -> _Tally:
        tally = _Tally()
        with self.storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
            for group in range(decisions.num_row_groups):
                if self._may_have(decisions, group):
                    self.go_on()
                    for table in self._found(decisions, group):
                        self._count(tally, files, table)
        return tally

    def _may_have(self, decisions: pq.ParquetFile, group: int) -> bool:
        """By the statistics of the row group."""
        if has_none(decisions, group):
            return False
        column = decisions.schema_arrow.get_field_index("survivor_row")
        statistics = decisions.metadata.row_group(group).column(column).statistics
        return statistics is None or not statistics.has_min_max or statistics.min <= self.row <= statistics.max

    def _found(self, decisions: pq.ParquetFile, group: int) -> Iterator[pa.Table]:
        rows = decisions.read_row_group(group, ["survivor_row"], use_threads=False)["survivor_row"]
        if not pc.any(pc.equal(rows, self.row)).as_py():
            return
        values = [name for name in self.quality.values() if name in decisions.schema_arrow.names]
        columns = list(dict.fromkeys([*decision.SCHEMA.names, *values]))
        table = decisions.read_row_group(group, columns, use_threads=False)
        hit = pc.and_(pc.equal(table["survivor_row"], self.row), pc.equal(table["survivor_shard"], self.shard))
        yield table.filter(hit)

    def _count(self, tally: _Tally, files: PieceFiles, table: pa.Table) -> None:
        tally.bytes += int(np.sum(table["bytes"].to_numpy()))
        tally.stages.update(table["stage"].to_pylist())
        tally.sources.update(table[SOURCE].to_pylist())
        version = int(made(files.decisions)["version"])
        for each in table.slice(0, max(0, self.listed - len(tally.listed))).to_pylist():
            tally.listed.append(self._member(each, version))

    def _member(self, row: dict[str, Any], version: int) -> Member:
        names = (ID, SOURCE, SHARD, ROW, "stage", "similarity", "bytes", "language")
        quality = row.get(self.quality.get(row["stage"], ""))
        return Member(**{name: row[name] for name in names}, version=version, quality=quality)
