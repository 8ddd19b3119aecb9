"""How far distributions have moved: sources, languages, lengths, and whatever the stages have measured.

Values are counted in bins that do not depend on them (32 for each power of two, so 3 % wide), piece by piece, and the
counts add: a piece that both versions share is read once. Of two sums of counts, deciles of the first version are made,
and the population stability index of these. Memory: the counts of a few pieces, some thousand bins a column.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.difference.model import Bin, Drift, Reading
from curation.manifest import Manifest, Part
from curation.report import Report
from curation.storage import Storage

THREADS = 4
BATCH = 1 << 16
LENGTHS = "bytes"
DECILES = 10
MOVED = 3
RARE = 0.005
"""Sources and languages with a smaller share than this in both versions are one bin."""
SOME, LARGE = 0.1, 0.25
"""From these values on, a population stability index is read as some, and as a large shift."""

_MANTISSA_BITS = 5
_SHIFT = 52 - _MANTISSA_BITS
_OVER = ("kept", "read")

Counts = np.ndarray[Any, np.dtype[np.int64]]
Shares = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Tally:
    """How many values lie in each bin that has any: `bins` ascending (bins,), `counts` (bins, 2) of the kept documents
    and of all."""

    bins: Counts
    counts: Counts

    @classmethod
    def of(cls, bins: Counts, counts: Counts) -> Tally:
        """Of bins in any order, several times too."""
        found, place = np.unique(bins, return_inverse=True)
        sums = [np.bincount(place, column, len(found)).astype(np.int64) for column in counts.T]
        return cls(found, np.stack(sums, axis=1))

    def __add__(self, other: Tally) -> Tally:
        return Tally.of(np.concatenate([self.bins, other.bins]), np.concatenate([self.counts, other.counts]))

    def at(self, bins: Counts) -> Counts:
        """The counts of some bins, (bins, 2)."""
        found = np.zeros((len(bins), 2), np.int64)
        found[np.searchsorted(bins, self.bins)] = self.counts
        return found


Tallies = dict[str, Tally]


def drifts(storage: Storage, manifests: tuple[Manifest, Manifest], reports: tuple[Report, Report]) -> tuple[Drift, ...]:
    """Every distribution, over the kept documents and over all; see `Difference.drift`."""
    found = [*_categories("source", reports), *_categories("language", reports), *_measured(storage, manifests)]
    return tuple(sorted(found, key=lambda drift: (_OVER.index(drift.over), -(drift.psi or 0), drift.distribution)))


def _categories(axis: Any, reports: tuple[Report, Report]) -> Iterable[Drift]:
    tables = [report.by(axis) for report in reports]
    names = sorted(tables[0].keys() | tables[1].keys())
    for over in _OVER:
        counts = [
            [
                table.get(name, {}).get("kept", 0) if over == "kept" else sum(table.get(name, {}).values())
                for name in names
            ]
            for table in tables
        ]
        yield _drift(axis, over, *_without_rare(names, np.array(counts, np.int64)))


def _without_rare(names: Sequence[str], counts: Counts) -> tuple[list[str], Counts]:
    """The bins, and their counts (2, bins)."""
    is_rare = (counts <= RARE * counts.sum(axis=1, keepdims=True)).all(axis=0)
    shown = [name or "(unknown)" for name, rare in zip(names, is_rare, strict=True) if not rare]
    if not is_rare.any():
        return shown, counts
    return [*shown, "(others)"], np.column_stack([counts[:, ~is_rare], counts[:, is_rare].sum(axis=1)])


def _measured(storage: Storage, manifests: tuple[Manifest, Manifest]) -> Iterable[Drift]:
    parts = [{(part.sha256): part for part in manifest.decisions} for manifest in manifests]
    shared = _tallied(storage, [part for digest, part in parts[0].items() if digest in parts[1]])
    sums = []
    for own, other in (parts, parts[::-1]):
        sums.append(_added(shared, _tallied(storage, [part for digest, part in own.items() if digest not in other])))
    a, b = sums
    for name in sorted(a.keys() | b.keys()):
        both = [side.get(name, Tally(np.zeros(0, np.int64), np.zeros((0, 2), np.int64))) for side in (a, b)]
        bins = np.union1d(both[0].bins, both[1].bins)
        counts = np.stack([tally.at(bins) for tally in both])  # (2 versions, bins, 2)
        for index, over in enumerate(_OVER):
            group = _doubling(bins) if name == LENGTHS else _deciles(counts[0, :, index])
            yield _drift(name, over, *_grouped(bins, group, counts[:, :, index]))


def _tallied(storage: Storage, parts: Sequence[Part]) -> Tallies:
    sums: Tallies = {}
    with ThreadPoolExecutor(THREADS) as threads:
        for start in range(0, len(parts), THREADS):
            for found in threads.map(lambda part: _of_part(storage, part), parts[start : start + THREADS]):
                sums = _added(sums, found)
    return sums


def _added(one: Tallies, other: Tallies) -> Tallies:
    both = {name: one[name] + other[name] for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _of_part(storage: Storage, part: Part) -> Tallies:
    tallies: Tallies = {}
    with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as decisions:
        names = [LENGTHS, *(field.name for field in decisions.schema_arrow if _is_measured(field))]
        for batch in decisions.iter_batches(BATCH, columns=["outcome", *names], use_threads=False):
            is_kept = pc.equal(batch["outcome"], decision.KEPT).to_numpy(zero_copy_only=False)
            tallies = _added(tallies, {name: _of_values(batch[name], is_kept) for name in names})
    return tallies


def _is_measured(field: pa.Field) -> bool:
    is_number = pa.types.is_floating(field.type) or pa.types.is_integer(field.type)
    return is_number and field.name not in decision.SCHEMA.names


def _of_values(column: pa.Array, is_kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Tally:
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    is_finite = np.isfinite(values)
    kept = is_kept[is_finite].astype(np.int64)
    return Tally.of(_bins(values[is_finite]), np.stack([kept, np.ones_like(kept)], axis=1))


def _bins(values: Shares) -> Counts:
    """The bin of each value, in the order of the values: sign, exponent and the first bits of the mantissa."""
    magnitude = np.abs(values).view(np.int64) >> _SHIFT
    return np.asarray(np.where((values < 0) & (magnitude > 0), -magnitude, magnitude))


def _edge(bin_: int) -> float:
    """The magnitude from which on values are in this bin."""
    return float(np.array(abs(bin_) << _SHIFT, np.int64).view(np.float64))


def _doubling(bins: Counts) -> Counts:
    """The group of each bin of lengths: its power of two."""
    return np.asarray(bins >> _MANTISSA_BITS)


def _deciles(counts: Counts) -> Counts:
    """The group of each bin, so that the groups' counts are about equal; (bins,). A bin is in one group as a whole."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.minimum(before * DECILES // max(int(counts.sum()), 1), DECILES - 1))


def _grouped(bins: Counts, group: Counts, counts: Counts) -> tuple[list[str], Counts]:
    """Names of the groups, and their counts (2, groups)."""
    _, starts, place = np.unique(group, return_index=True, return_inverse=True)
    ends = [*starts[1:].tolist(), len(bins)]
    names = [_named(int(bins[start]), int(bins[end - 1])) for start, end in zip(starts.tolist(), ends, strict=True)]
    return names, np.stack([np.bincount(place, side, len(starts)).astype(np.int64) for side in counts])


def _named(first: int, last: int) -> str:
    """From the least to the greatest value that bins from `first` to `last` may hold."""
    low = -_edge(first - 1) if first < 0 else _edge(first)
    high = -_edge(last) if last < 0 else _edge(last + 1)
    return f"{low:.4g} to {high:.4g}"


def _drift(name: str, over: Any, names: Sequence[str], counts: Counts) -> Drift:
    """Of the counts of both versions, (2, bins)."""
    totals = counts.sum(axis=1)
    if not totals.all():
        empty: tuple[Bin, ...] = ()
        return Drift(
            distribution=name, over=over, documents_a=int(totals[0]), documents_b=int(totals[1]), psi=None, chance=None,
            reading="not comparable", moved=empty,
        )  # fmt: skip
    parts = _index(counts)
    shares = counts / totals[:, None]
    most = [
        index for index in np.argsort(-parts, kind="stable")[:MOVED].tolist() if shares[0, index] != shares[1, index]
    ]
    return Drift(
        distribution=name,
        over=over,
        documents_a=int(totals[0]),
        documents_b=int(totals[1]),
        psi=float(parts.sum()),
        chance=(len(names) - 1) * float((1 / totals).sum()),
        reading=_reading(float(parts.sum())),
        moved=tuple(
            Bin(name=names[index], share_a=float(shares[0, index]), share_b=float(shares[1, index])) for index in most
        ),
    )


def _index(counts: Counts) -> Shares:
    """What each bin adds to the population stability index, (bins,). Half a document more in each bin keeps it finite
    where one version has none."""
    share_a, share_b = (counts + 0.5) / (counts + 0.5).sum(axis=1, keepdims=True)
    return np.asarray((share_b - share_a) * np.log(share_b / share_a))


def _reading(index: float) -> Reading:
    if not math.isfinite(index) or index >= LARGE:
        return "large"
    return "some" if index >= SOME else "none"
