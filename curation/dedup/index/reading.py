"""Reading the index in proportion to what is asked: the blocks of sketches that keys may be in, then the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from curation.dedup.index import kernels
from curation.dedup.index.layout import DOCS, TABLES, Entries, Segment, Table
from curation.dedup.index.sketch import BLOCK_CELLS, Cells, Directory, Shape, decode_directory, shape
from curation.dedup.shuffle import partition_of
from curation.dedup.stage import Uint64s
from curation.errors import CorruptError
from curation.manifest import Part
from curation.storage import Storage

GAP_BYTES = 512
"""Two ranges of a file that are no further apart are read as one."""

Rows = np.ndarray[Any, np.dtype[np.int64]]


def find(storage: Storage, name: str, table: Table, keys: Uint64s) -> tuple[Rows, Entries]:
    """The records of a table that have one of these keys (different, ascending), in their order, and for each the place
    of its key among those asked. Raises CorruptError where a sketch does not fit its entries."""
    partitions = len(table.entries)
    asked: list[Rows] = [np.zeros(0, np.int64)]
    found: list[Entries] = [np.zeros(0, TABLES[name])]
    if partitions:
        bounds = np.searchsorted(partition_of(keys, partitions), np.arange(partitions + 1))
        for number in np.flatnonzero(np.diff(bounds)).tolist():
            begin, end = int(bounds[number]), int(bounds[number + 1])
            probe, entries = _find(storage, name, table, number, keys[begin:end])
            asked.append(begin + probe)
            found.append(entries)
    return np.concatenate(asked), np.concatenate(found)


def key_range(storage: Storage, name: str, table: Table, first: int, end: int) -> Entries:
    """The records of a table whose keys are at least `first` and below `end`, by (key, doc)."""
    partitions = len(table.entries)
    found: list[Entries] = [np.zeros(0, TABLES[name])]
    for number, part in enumerate(table.entries):
        form = shape(number, partitions, part.rows)
        last = form.first + form.blocks * BLOCK_CELLS * form.cell_keys
        if last <= first or form.first >= end:
            continue
        directory = _directory(storage, table, number, form)
        block_keys = BLOCK_CELLS * form.cell_keys
        low = max(0, (first - form.first) // block_keys)
        high = min(form.blocks, -(-(end - form.first) // block_keys))
        ranks = directory[[low, high], 1]
        entries = read_records(storage, part, TABLES[name], ranks[:1], ranks[1:])
        keys = entries["key"]
        inside = slice(*(int(np.searchsorted(keys, np.uint64(key))) if key < 1 << 64 else None for key in (first, end)))
        found.append(entries[inside])
    return np.concatenate(found)


def read_docs(storage: Storage, segment: Segment, positions: Rows) -> Entries:
    """The records of these documents of a segment (ascending numbers from 0, different), (documents,)."""
    starts = np.cumsum([0, *(part.rows for part in segment.docs)])
    bounds = np.searchsorted(positions, starts)
    found: list[Entries] = [np.zeros(0, DOCS)]
    for number in np.flatnonzero(np.diff(bounds)).tolist():
        places = positions[bounds[number] : bounds[number + 1]] - starts[number]
        found.append(read_records(storage, segment.docs[number], DOCS, places, places + 1))
    records = np.concatenate(found)
    if records.size != positions.size:
        raise CorruptError(f"{storage.url}/{segment.folder}: {positions.size - records.size} documents are not there")
    return records


def read_records(storage: Storage, part: Part, layout: np.dtype[Any], first: Rows, end: Rows) -> Entries:
    """The records of a file in these ranges (ascending, apart, not empty unless alone), one after the other.

    Raises CorruptError where the file has not so many.
    """
    if not first.size or first[0] == end[-1]:
        return np.zeros(0, layout)
    if first[0] < 0 or end[-1] > part.rows:
        raise CorruptError(f"{storage.url}/{part.path}: its sketch names record {end[-1]}, it has {part.rows}")
    size = layout.itemsize
    opens = np.concatenate([[True], (first[1:] - end[:-1]) * size > GAP_BYTES])
    starts = first[opens]
    stops = end[np.concatenate([np.flatnonzero(opens)[1:] - 1, [first.size - 1]])]
    data = storage.read_ranges(part.path, _pairs(starts * size, (stops - starts) * size))
    records = np.frombuffer(b"".join(data), layout)
    if records.size == int((end - first).sum()):
        return records
    # What lies in the gaps was read too: where each record stands among those that were.
    before = np.concatenate([[0], np.cumsum(stops - starts)[:-1]]) - starts
    shift = before[np.cumsum(opens) - 1]
    return records[_ranges(first + shift, end + shift)]


def _find(storage: Storage, name: str, table: Table, number: int, keys: Uint64s) -> tuple[Rows, Entries]:
    """As `find`, of one partition."""
    part = table.entries[number]
    form = shape(number, len(table.entries), part.rows)
    cells = np.unique(form.cells(keys))
    directory = _directory(storage, table, number, form)
    first, end = _ranks(storage, table, number, form, directory, cells)
    taken = np.flatnonzero(end)
    entries = read_records(storage, part, TABLES[name], first[taken], end[taken])
    counts = (end - first)[taken]
    if (form.cells(entries["key"]) != np.repeat(cells[taken], counts)).any():
        raise CorruptError(f"{storage.url}/{part.path}: its records are not where its sketch says")
    place = np.searchsorted(keys, entries["key"])
    is_asked = keys[np.minimum(place, keys.size - 1)] == entries["key"]
    return place[is_asked], entries[is_asked]


def _ranks(
    storage: Storage, table: Table, number: int, form: Shape, directory: Directory, cells: Cells
) -> tuple[Rows, Rows]:
    """The ranks of the keys in each cell, (cells,) first and end; both 0 where there are none. Only the blocks of these
    cells are read, those that stand together at once."""
    sketch = table.sketches[number]
    first, end = np.zeros(cells.size, np.int64), np.zeros(cells.size, np.int64)
    blocks = np.unique(cells // BLOCK_CELLS)
    runs = np.split(blocks, np.flatnonzero(np.diff(blocks) > 1) + 1)
    firsts, ends = np.array([run[0] for run in runs]), np.array([run[-1] + 1 for run in runs])
    offsets = directory[:, 0]
    ranges = _pairs(form.directory_bytes + offsets[firsts], offsets[ends] - offsets[firsts])
    bodies = storage.read_ranges(sketch.path, ranges)
    for low, high, body in zip(firsts.tolist(), ends.tolist(), bodies, strict=True):
        mine = slice(*np.searchsorted(cells, [low * BLOCK_CELLS, high * BLOCK_CELLS]).tolist())
        rows = directory[low : high + 1]
        data = np.frombuffer(body, np.uint8)
        if not kernels.match(data, rows, low, BLOCK_CELLS, cells[mine], first[mine], end[mine]):
            raise CorruptError(f"{storage.url}/{sketch.path}: its blocks are not what its directory says")
    return first, end


def _directory(storage: Storage, table: Table, number: int, form: Shape) -> Directory:
    """The directory of a partition's sketch. Raises CorruptError where it is none."""
    sketch, rows = table.sketches[number], table.entries[number].rows
    if sketch.bytes >= form.directory_bytes:
        directory = decode_directory(storage.read_range(sketch.path, 0, form.directory_bytes))
        whole = directory[-1].tolist() == [sketch.bytes - form.directory_bytes, rows]
        if whole and (np.diff(directory, axis=0) >= 0).all() and not directory[0].any():
            return directory
    raise CorruptError(f"{storage.url}/{sketch.path}: no sketch of {rows} keys")


def _pairs(offsets: Rows, lengths: Rows) -> list[tuple[int, int]]:
    return list(zip(offsets.tolist(), lengths.tolist(), strict=True))


def _ranges(first: Rows, end: Rows) -> Rows:
    """The numbers in these ranges, one after the other."""
    counts = end - first
    return np.repeat(first - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(counts.sum())


def joined(arrays: Sequence[np.ndarray[Any, Any]], layout: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Several arrays, or none, of records of this layout as one, (records,)."""
    return np.concatenate([np.zeros(0, layout), *arrays])
