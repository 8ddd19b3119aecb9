"""What a version knows about one document: its decisions by the ids' indexes, and its text where it was kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision, document, ids
from curation.errors import CorruptError
from curation.manifest import Manifest, Part, PieceFiles
from curation.storage import Storage

THREADS = 16
"""How many files are asked at once."""

Row = dict[str, Any]
Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Found:
    """A decision about a document, with the `version` and the `run` that made it, and the piece that it is of."""

    row: Row
    files: PieceFiles


def made(decisions: Part) -> dict[str, int | str]:
    """The version and the run that made the decisions of a file, which its path names."""
    partitions = dict(folder.split("=", 1) for folder in decisions.path.split("/")[1:-1])
    return {"version": int(partitions["version"]), "run": partitions["run"]}


def decisions_about(
    storage: Storage, manifest: Manifest, document_id: str, source: str | None = None, limit: int | None = None
) -> list[Found]:
    """The decisions about a document, in the order of the manifest; of one source, at most so many, if given.

    Each index is asked for a few KiB; what is then read of the decisions are the row groups that hold the document.
    """
    return decisions_in(storage, list(manifest.files()), document_id, source, limit)


def decisions_in(
    storage: Storage,
    pieces: Sequence[PieceFiles],
    document_id: str,
    source: str | None = None,
    limit: int | None = None,
) -> list[Found]:
    """As `decisions_about`, of some pieces."""
    pieces = [piece for piece in pieces if source in {None, piece.piece.source}]
    places = _each(lambda piece: ids.look_up(storage, piece.ids, document_id), pieces)
    hits = _first([(piece, rows) for piece, rows in zip(pieces, places, strict=True) if rows], limit)
    tables = _each(lambda hit: _rows(storage, hit[0].decisions, hit[1]), hits)
    return [
        Found({**row, **made(piece.decisions)}, piece)
        for (piece, _), table in zip(hits, tables, strict=True)
        for row in table.to_pylist()
        if row[document.ID] == document_id and source in {None, row[document.SOURCE]}
    ]


def kept_document(storage: Storage, manifest: Manifest, found: Found) -> Row | None:
    """The kept document that a decision is about: its columns, text included; None where it was not kept."""
    row = found.row
    if row["outcome"] != decision.KEPT:
        return None
    part = found.files.kept
    if part is not None:
        with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as shard:
            place = _place(shard, row[document.SHARD], row[document.ROW])
            if place is not None:
                group, within = place
                (kept,) = shard.read_row_group(group, use_threads=False).slice(within, 1).to_pylist()
                return {**kept, document.SOURCE: part.source}
    raise CorruptError(
        f"{storage.url}: version {manifest.version} keeps {row[document.ID]!r}, but no file of it holds the document"
    )


def _place(shard: pq.ParquetFile, uri: str, row: int) -> tuple[int, int] | None:
    """The row group, and the row in it, of the document with this address."""
    column = shard.schema_arrow.get_field_index(document.ROW)
    for group in range(shard.num_row_groups):
        statistics = shard.metadata.row_group(group).column(column).statistics
        if statistics is not None and statistics.has_min_max and not statistics.min <= row <= statistics.max:
            continue
        table = shard.read_row_group(group, [document.SHARD, document.ROW], use_threads=False)
        hit = pc.and_(pc.equal(table[document.SHARD], uri), pc.equal(table[document.ROW], row))
        within = pc.index(hit, True).as_py()
        if within >= 0:
            return group, int(within)
    return None


def _first(hits: Sequence[tuple[PieceFiles, list[int]]], limit: int | None) -> list[tuple[PieceFiles, list[int]]]:
    """The first so many rows."""
    if limit is None:
        return list(hits)
    first = []
    for part, rows in hits:
        if limit > 0:
            first.append((part, rows[:limit]))
            limit -= len(rows)
    return first


def _rows(storage: Storage, part: Part, rows: Sequence[int]) -> pa.Table:
    """Some rows of a file of decisions; only their row groups are read."""
    if rows[-1] >= part.rows:
        raise CorruptError(f"{storage.url}/{part.path}: its index names row {rows[-1]}, it has {part.rows}")
    with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as decisions:
        sizes = [decisions.metadata.row_group(group).num_rows for group in range(decisions.num_row_groups)]
        starts = np.cumsum([0, *sizes])
        groups: dict[int, list[int]] = {}
        for row in rows:
            group = int(np.searchsorted(starts, row, "right")) - 1
            groups.setdefault(group, []).append(row - int(starts[group]))
        return pa.concat_tables(
            decisions.read_row_group(group, use_threads=False).take(within) for group, within in groups.items()
        )


def _each(ask: Callable[[Asked], Answer], of: Sequence[Asked]) -> list[Answer]:
    """The answers, in order, asked for at once: each is a wait for the store."""
    if len(of) < 2:
        return [ask(one) for one in of]
    with ThreadPoolExecutor(min(THREADS, len(of))) as threads:
        return list(threads.map(ask, of))
