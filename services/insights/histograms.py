"""Histograms over the decisions of a version: streamed, so memory is bounded whatever the version holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.manifest import Manifest, Part
from curation.storage import Storage
from services.errors import NotFound
from services.insights.models import Histogram

THREADS = 4
"""How many files are read at once; each holds one batch of the columns asked for."""
BATCH = 1 << 16
LENGTHS = "bytes"
MAX_LENGTH_BITS = 40
WIDE = 40
"""How many times its least value the greatest of a column is at least whose values are spread widely."""

_FIXED = set(decision.SCHEMA.names)
_MEASURED = {"value", "threshold", "similarity", LENGTHS}

Counts = np.ndarray[Any, np.dtype[np.int64]]
Edges = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Range:
    """The finite values of a column: least and greatest; None where there are none."""

    least: float | None = None
    greatest: float | None = None

    def __or__(self, other: Range) -> Range:
        least = [value for value in (self.least, other.least) if value is not None]
        greatest = [value for value in (self.greatest, other.greatest) if value is not None]
        return Range(min(least, default=None), max(greatest, default=None))


@dataclass(frozen=True)
class _Tally:
    """One column's counts: (bins,) of the kept and of the dropped, and how many are missing."""

    kept: Counts
    dropped: Counts
    missing: int

    def __add__(self, other: _Tally) -> _Tally:
        return _Tally(self.kept + other.kept, self.dropped + other.dropped, self.missing + other.missing)


def numeric_columns(storage: Storage, manifest: Manifest) -> list[str]:
    """The columns of a version's decisions that a histogram can be made of: what stages measured, then the length of
    the text, and a drop's value, threshold and similarity."""
    if not manifest.decisions:
        return []
    with _opened(storage, manifest.decisions[0]) as file:
        schema: pa.Schema = file.schema_arrow
    numbers = [field.name for field in schema if pa.types.is_floating(field.type) or pa.types.is_integer(field.type)]
    return [name for name in numbers if name not in _FIXED] + [name for name in numbers if name in _MEASURED]


def measured_columns(storage: Storage, manifest: Manifest) -> list[str]:
    """Those that stages measured."""
    return [name for name in numeric_columns(storage, manifest) if name not in _FIXED]


def histogram(storage: Storage, manifest: Manifest, column: str, bins: int) -> Histogram:
    """Equal bins between the least and the greatest value. Raises NotFound for a column that has no numbers."""
    _expect_number(storage, manifest, column)
    (made,) = histograms(storage, manifest, [column], bins)
    return made


def distribution(storage: Storage, manifest: Manifest, column: str, bins: int) -> Histogram:
    """In bins that show something: of lengths, and of counts that are spread widely, bins that double, else equal ones.
    Raises NotFound as `histogram`."""
    _expect_number(storage, manifest, column)
    if column == LENGTHS:
        return lengths(storage, manifest)
    values = _ranges(storage, manifest, [column])[column]
    if _is_spread(values) and _is_count(storage, manifest, column):
        return doubling(storage, manifest, column)
    (made,) = _count(storage, manifest, {column: _equal(values, bins)})
    return made


def histograms(storage: Storage, manifest: Manifest, columns: Sequence[str], bins: int) -> list[Histogram]:
    """Equal bins for each column, in two passes: the files' statistics give the ranges, then the values are counted."""
    ranges = _ranges(storage, manifest, columns)
    return _count(storage, manifest, {name: _equal(ranges[name], bins) for name in columns})


def lengths(storage: Storage, manifest: Manifest) -> Histogram:
    """The texts' sizes in bytes, in bins that double."""
    return doubling(storage, manifest, LENGTHS)


def doubling(storage: Storage, manifest: Manifest, column: str) -> Histogram:
    """Counts in bins that double: 0, 1, 2 to 3, 4 to 7, …; empty bins at the end are left out."""
    edges = np.array([0.0, *(float(1 << bit) for bit in range(MAX_LENGTH_BITS + 1))])
    (whole,) = _count(storage, manifest, {column: edges})
    used = max((index for index in range(len(whole.kept)) if whole.kept[index] or whole.dropped[index]), default=0) + 1
    return Histogram(
        column=column,
        edges=whole.edges[: used + 1],
        kept=whole.kept[:used],
        dropped=whole.dropped[:used],
        missing=whole.missing,
    )


def _expect_number(storage: Storage, manifest: Manifest, column: str) -> None:
    known = numeric_columns(storage, manifest)
    if column not in known:
        raise NotFound(f"version {manifest.version} has no number {column!r}; there are {', '.join(known)}")


def _is_spread(values: Range) -> bool:
    """Whether equal bins would hold nearly everything in the first."""
    least, greatest = values.least, values.greatest
    return least is not None and greatest is not None and least >= 0 and greatest >= WIDE * max(1.0, least)


def _is_count(storage: Storage, manifest: Manifest, column: str) -> bool:
    with _opened(storage, manifest.decisions[0]) as file:
        return bool(pa.types.is_integer(file.schema_arrow.field(column).type))


def _equal(values: Range, bins: int) -> Edges:
    if values.least is None or values.greatest is None:
        return np.linspace(0.0, 1.0, bins + 1)
    if values.least == values.greatest:
        one = values.least
        return np.array([one, one + 1.0] if one + 1.0 > one else [math.nextafter(one, -math.inf), one])
    if not math.isfinite(values.greatest - values.least):
        return np.array([values.least, 0.0, values.greatest])
    return np.unique(np.linspace(values.least, values.greatest, bins + 1))


def _ranges(storage: Storage, manifest: Manifest, columns: Sequence[str]) -> dict[str, Range]:
    def of(part: Part) -> dict[str, Range]:
        with _opened(storage, part) as file:
            return {name: _range(file, name) for name in columns}

    ranges = dict.fromkeys(columns, Range())
    with ThreadPoolExecutor(THREADS) as threads:
        for found in threads.map(of, manifest.decisions):
            ranges = {name: ranges[name] | found[name] for name in columns}
    return ranges


def _range(file: pq.ParquetFile, name: str) -> Range:
    """From the statistics of the row groups; of a group whose statistics are missing or not finite, from its values."""
    column, found = file.schema_arrow.get_field_index(name), Range()
    for group in range(file.num_row_groups):
        chunk = file.metadata.row_group(group).column(column)
        known = chunk.statistics
        if known is not None and known.has_min_max and math.isfinite(known.min) and math.isfinite(known.max):
            found |= Range(float(known.min), float(known.max))
        elif known is None or not known.has_null_count or known.null_count < chunk.num_values:
            values = _finite(file.read_row_group(group, [name], use_threads=False)[name].combine_chunks())[0]
            if len(values):
                found |= Range(float(values.min()), float(values.max()))
    return found


def _count(storage: Storage, manifest: Manifest, edges: dict[str, Edges]) -> list[Histogram]:
    def of(part: Part) -> dict[str, _Tally]:
        tallies = {name: _nothing(bins) for name, bins in edges.items()}
        with _opened(storage, part) as file:
            for batch in file.iter_batches(BATCH, columns=["outcome", *edges], use_threads=False):
                is_kept = pc.equal(batch["outcome"], decision.KEPT).to_numpy(zero_copy_only=False)
                for name, bins in edges.items():
                    tallies[name] += _tally(batch[name], is_kept, bins)
        return tallies

    sums = {name: _nothing(bins) for name, bins in edges.items()}
    with ThreadPoolExecutor(THREADS) as threads:
        for tallies in threads.map(of, manifest.decisions):
            sums = {name: sums[name] + tallies[name] for name in edges}
    return [
        Histogram(
            column=name,
            edges=tuple(bins.tolist()),
            kept=tuple(sums[name].kept.tolist()),
            dropped=tuple(sums[name].dropped.tolist()),
            missing=sums[name].missing,
        )
        for name, bins in edges.items()
    ]


def _nothing(bins: Edges) -> _Tally:
    none = np.zeros(len(bins) - 1, np.int64)
    return _Tally(none, none, 0)


def _tally(column: pa.Array, is_kept: np.ndarray[Any, np.dtype[np.bool_]], bins: Edges) -> _Tally:
    values, valid = _finite(column)
    kept = np.histogram(values[is_kept[valid]], bins)[0]
    dropped = np.histogram(values[~is_kept[valid]], bins)[0]
    return _Tally(kept, dropped, len(column) - len(values))


def _finite(column: pa.Array) -> tuple[Edges, np.ndarray[Any, np.dtype[np.bool_]]]:
    """The finite values, and which rows have one."""
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    valid = np.isfinite(values)
    return values[valid], valid


@contextmanager
def _opened(storage: Storage, part: Part) -> Iterator[pq.ParquetFile]:
    with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as parquet:
        yield parquet
