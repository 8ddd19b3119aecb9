"""Merging segments, so that an index of many nights is read like one of a few.

Merged are always the youngest: what a segment says of documents that are gone is about older ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from curation.dedup.bounds import Bounds
from curation.dedup.exact_dedup import ExactDedup
from curation.dedup.index.layout import DOCS, KEYED, REBUILD, TABLES, Entries, Segment, segments_of
from curation.dedup.index.meta import read_index_meta
from curation.dedup.index.opening import locate, total_growth, without_gone
from curation.dedup.index.reading import Rows, joined, key_range, read_docs
from curation.dedup.index.sketch import first_key
from curation.dedup.index.writing import (
    Growth,
    Plan,
    Written,
    by_key,
    close_segment,
    gone,
    grown,
    plan_files,
    write_docs,
    write_partition,
)
from curation.dedup.minhash_dedup import MinHashDedup
from curation.dedup.shard import addresses, contained, places, shard_numbers
from curation.dedup.stage import Uint64s
from curation.errors import CorruptError
from curation.manifest import Manifest, Part
from curation.runner.runner import Runner
from curation.work import Work

FEW_SEGMENTS = 4
"""So many segments at least are merged at once."""
DROPPED = np.dtype([("segment", "<i8"), ("doc", "<u8")])
"""A document that is gone though its piece stays, by its place in a segment."""
_MERGE = "merge.json"

Flags = np.ndarray[Any, np.dtype[np.bool_]]


class _Piece(BaseModel):
    """A piece of the version: its documents in a segment that is merged."""

    model_config = ConfigDict(frozen=True)

    name: str
    rows: int
    """How many of them the version keeps."""
    segment: int
    local: int
    first: int
    documents: int


class _Merge(BaseModel):
    """What is merged: the segments, oldest first, and the pieces of theirs that the version keeps, in its order."""

    model_config = ConfigDict(frozen=True)

    segments: tuple[Segment, ...]
    pieces: tuple[int, ...]
    """How many each segment has."""
    kept: tuple[_Piece, ...]
    docs: tuple[int, ...]
    """The file in which each piece's documents will be."""


class _MergedDocs(BaseModel):
    parts: tuple[Part, ...]
    dropped: int
    """How many documents of pieces that stay are gone."""


def due(segments: Sequence[Segment]) -> int:
    """How many of the youngest segments are to be merged now; 0 for none.

    As many as possible, but at least FEW_SEGMENTS, of which the largest is no larger than the others together. So a
    document's records are written again only when its segment at least doubles, and the largest one of all not before
    the others have come to its size: over N nights of equal size each is written again at most log2 N times, and there
    are never more than about 4 + log2 N segments.
    """
    sizes = [segment.bytes for segment in reversed(segments)]
    for count in range(len(sizes), FEW_SEGMENTS - 1, -1):
        if 2 * max(sizes[:count]) <= sum(sizes[:count]):
            return count
    return 0


def compact(
    work: Work,
    runner: Runner,
    manifest: Manifest,
    count: int,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    folder: str,
    bounds: Bounds,
) -> tuple[Part, ...]:
    """The index of a version with its `count` youngest segments merged into one, written below `folder`: in the order
    of the version's pieces, without documents that it does not keep, and with the copies that were counted since.

    Merged from all segments, it is the one that `rebuild` makes of the kept documents, byte for byte. `work` is a
    folder of the run for this alone. Raises CorruptError where the index does not have exactly the documents that the
    version keeps, RecipeError where its keys are not those of these stages.
    """
    segments = segments_of(manifest.index)
    if not 1 <= count <= len(segments):
        raise ValueError(f"{count} segments of {len(segments)} cannot be merged")
    for segment in segments:
        read_index_meta(work.storage, segment, exact, minhash)
    older, merged = segments[: len(segments) - count], segments[len(segments) - count :]
    plan, merge = _planned(work, manifest, segments, len(older), exact, minhash, bounds)
    data = merge.model_dump_json().encode()
    work = work.under(hashlib.sha256(data).hexdigest()[:16])
    work.storage.write(work.key(_MERGE), data)

    docs = runner.map(partial(_merge_docs, work, folder), range(plan.files["docs"]))
    dropped = tuple(number for number, each in enumerate(docs) if each.dropped)
    parts = {"docs": [each.parts for each in docs]}
    for name in KEYED:
        task = partial(_merge_table, work, folder, name, plan.partitions[name], dropped)
        parts[name] = runner.map(task, range(plan.partitions[name]))
    for name in ("removed", "growth"):
        rows = sum(segment.tables[name].rows for segment in merged) if older else 0
        partitions = bounds.partitions(rows) if rows else 0
        parts[name] = runner.map(partial(_merge_said, work, folder, name, partitions), range(partitions))
    pieces = [(piece.name, piece.rows) for piece in merge.kept]
    kept = tuple(part for segment in older for part in segment.parts)
    return (*kept, *close_segment(work, folder, pieces, parts, exact, minhash))


def _planned(
    work: Work,
    manifest: Manifest,
    segments: Sequence[Segment],
    older: int,
    exact: ExactDedup | None,
    minhash: MinHashDedup | None,
    bounds: Bounds,
) -> tuple[Plan, _Merge]:
    """(the division of the merged segment into files, what is merged)."""
    where = locate(work.storage, manifest, segments).to_pylist()
    names = [files.piece.name for files in manifest.files() if files.kept]
    kept = [
        _Piece(
            name=name,
            rows=row["rows"],
            segment=row["segment"] - older,
            **{field: row[field] for field in ("local", "first", "documents")},
        )
        for name, row in zip(names, where, strict=True)
        if row["segment"] >= older
    ]
    plan = plan_files([piece.rows for piece in kept], exact, minhash, bounds)
    merged = segments[older:]
    pieces = tuple(segment.pieces.rows for segment in merged)
    return plan, _Merge(segments=tuple(merged), pieces=pieces, kept=tuple(kept), docs=plan.docs)


def _merge_docs(work: Work, folder: str, number: int) -> _MergedDocs:
    """Write one file of documents, and beside it, for the tables, which documents of its pieces are gone."""

    def merge_docs() -> _MergedDocs:
        merge = _merging(work, ()).merge
        mine = [piece for piece, file in zip(merge.kept, merge.docs, strict=True) if file == number]
        records, stays = _current(work, merge, mine)
        dropped, begin = [np.zeros(0, DROPPED)], 0
        for piece in mine:
            gone_places = np.flatnonzero(~stays[begin : begin + piece.documents])
            begin += piece.documents
            if piece.documents - gone_places.size != piece.rows:
                raise CorruptError(
                    f"{work.url}: the index knows {piece.documents - gone_places.size} documents of {piece.name}, the "
                    f"version keeps {piece.rows}{REBUILD}"
                )
            lost = np.zeros(gone_places.size, DROPPED)
            lost["segment"], lost["doc"] = piece.segment, addresses(piece.local, gone_places)
            dropped.append(lost)
        every = np.concatenate(dropped)
        work.storage.write(work.key(_dropped_name(number)), every.tobytes())
        return _MergedDocs(parts=write_docs(work, folder, number, records[stays]), dropped=every.size)

    return work.once(f"docs-{number:05d}", _MergedDocs, merge_docs)


def _current(work: Work, merge: _Merge, pieces: Sequence[_Piece]) -> tuple[Entries, Flags]:
    """(the records of these pieces' documents, with their copies as they are now; which of them are still there)."""
    starts = np.cumsum([0, *(piece.documents for piece in pieces)])
    records, stays = np.zeros(starts[-1], DOCS), np.ones(starts[-1], np.bool_)
    for number, segment in enumerate(merge.segments):
        mine = [(piece, start) for piece, start in zip(pieces, starts, strict=False) if piece.segment == number]
        mine.sort(key=lambda each: each[0].first)
        positions = joined([piece.first + np.arange(piece.documents) for piece, _ in mine], np.dtype(np.int64))
        at = joined([start + np.arange(piece.documents) for piece, start in mine], np.dtype(np.int64))
        found = read_docs(work.storage, segment, positions).copy()
        younger = [each.tables for each in merge.segments[number + 1 :]]
        stays[at] = without_gone(work.storage, found["address"], [tables["removed"] for tables in younger])
        growth = total_growth(work.storage, found["address"], [tables["growth"] for tables in younger])
        found["copies"] += growth.astype(np.uint32)
        records[at] = found
    return records, stays


def _merge_table(
    work: Work, folder: str, name: str, partitions: int, dropped: tuple[int, ...], partition: int
) -> tuple[Part, ...]:
    """Write one partition of a table of documents; in the files `dropped` is what is gone."""

    def merge_table() -> Written:
        merging = _merging(work, dropped)
        first, end = first_key(partition, partitions), first_key(partition + 1, partitions)
        found = []
        for number, segment in enumerate(merging.merge.segments):
            entries = key_range(work.storage, name, segment.tables[name], first, end)
            doc, stays = merging.renumbered(number, entries["doc"])
            entries["doc"] = doc
            found.append(entries[stays])
        entries = by_key(joined(found, TABLES[name]))
        return Written(parts=write_partition(work, folder, name, partition, partitions, entries))

    return work.once(f"{name}-{partition:05d}", Written, merge_table).parts


def _merge_said(work: Work, folder: str, name: str, partitions: int, partition: int) -> tuple[Part, ...]:
    """Write one partition of what the segments say of documents older than they are."""

    def merge_said() -> Written:
        first, end = first_key(partition, partitions), first_key(partition + 1, partitions)
        tables = [segment.tables[name] for segment in _merging(work, ()).merge.segments]
        entries = joined([key_range(work.storage, name, table, first, end) for table in tables], TABLES[name])
        merged = gone(entries["key"]) if name == "removed" else grown(Growth(entries["key"], entries["count"]))
        return Written(parts=write_partition(work, folder, name, partition, partitions, merged))

    return work.once(f"{name}-{partition:05d}", Written, merge_said).parts


@dataclass(frozen=True)
class _Merging:
    """A merge as a process has it at hand."""

    merge: _Merge
    numbers: list[Rows]
    """For each segment the place in the merged one of each of its pieces, -1 for those that are gone."""
    lost: list[Uint64s]
    """For each segment the documents that are gone, though their piece stays, ascending."""

    def renumbered(self, segment: int, docs: Uint64s) -> tuple[Uint64s, Flags]:
        """(the addresses that documents of a segment have in the merged one, which of them are there), (documents,)."""
        numbers, lost = self.numbers[segment], self.lost[segment]
        local = shard_numbers(docs)
        if docs.size and int(local.max()) >= numbers.size:
            raise CorruptError(f"{self.merge.segments[segment].folder}: it has not so many pieces")
        number = numbers[local.astype(np.int64)]
        before = np.searchsorted(lost, docs) - np.searchsorted(lost, local << np.uint64(32))
        stays = (number >= 0) & ~contained(docs, lost)
        renumbered = np.where(stays, number, 0).astype(np.uint64) << np.uint64(32)
        return renumbered | (places(docs) - before).astype(np.uint64), stays


@lru_cache(maxsize=2)
def _merging(work: Work, dropped: tuple[int, ...]) -> _Merging:
    """What is merged, read once a process: the work's name has the digest of its content."""
    merge = _Merge.model_validate_json(work.storage.read(work.key(_MERGE)))
    numbers = [np.full(count, -1, np.int64) for count in merge.pieces]
    for place, piece in enumerate(merge.kept):
        numbers[piece.segment][piece.local] = place
    files = (np.frombuffer(work.storage.read(work.key(_dropped_name(number))), DROPPED) for number in dropped)
    every = joined(list(files), DROPPED)
    lost = [np.sort(every["doc"][every["segment"] == number]) for number in range(len(merge.segments))]
    return _Merging(merge, numbers, lost)


def _dropped_name(number: int) -> str:
    return f"dropped-{number:05d}"
