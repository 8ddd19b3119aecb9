"""What a version has to mix: documents, bytes and tokens of its kept documents, by group."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import decision
from curation.document import ROW, SHARD
from curation.errors import CorruptError, Problem, RecipeError
from curation.manifest import Manifest, Part, PieceFiles
from curation.mixture.mixture import UNCOUNTED, Mixture
from curation.storage import Storage

BATCH = 1 << 16
THREADS = 4
"""How many files are read at once; each holds one batch of the columns asked for."""


@dataclass(frozen=True, order=True)
class Place:
    """What tells one part of a mixture from another: its group, and within it a bucket or a least cluster size where
    the scheme tells documents of a group apart (else empty)."""

    group: str
    tier: str = ""


@dataclass(frozen=True)
class Amount:
    """What there is of a part, once."""

    documents: int
    bytes: int
    tokens: int

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.documents + other.documents, self.bytes + other.bytes, self.tokens + other.tokens)


@dataclass(frozen=True)
class Counts:
    """The parts of a version, sorted, and how tokens were counted."""

    parts: dict[Place, Amount]
    tokenizer: str
    """The tokenizer of the recipe's last `tokens` stage."""
    tokenizer_sha256: str
    buckets: frozenset[str] = frozenset()
    """The buckets that documents of the version's input have, kept or not; empty where buckets do not matter."""


def count(storage: Storage, manifest: Manifest, mixture: Mixture) -> Counts:
    """Read once from the version's decisions (for `rehydrate` from its kept documents' cluster sizes too), streamed.

    Raises RecipeError where the version's recipe does not count tokens, and for a column that it does not give;
    CorruptError for values that are missing.
    """
    stages = _stages(manifest)
    counted = next((stage for stage in reversed(stages) if stage["kind"] == "tokens"), None)
    if counted is None:
        raise RecipeError([Problem("mixture", f"version {manifest.version}: {UNCOUNTED}, and curate it again")])
    column = f"{counted['name']}.count"
    _expect_columns(storage, manifest, mixture, stages)

    def of(files: PieceFiles) -> tuple[dict[Place, Amount], set[str]]:
        return _count_piece(storage, files, mixture, column)

    parts: dict[Place, Amount] = {}
    buckets: set[str] = set()
    with ThreadPoolExecutor(THREADS) as threads:
        for found, named in threads.map(of, manifest.files()):
            _add(parts, found.items())
            buckets |= named
    tokenizer, sha256 = str(counted["tokenizer"]), str(counted["tokenizer_sha256"])
    return Counts(dict(sorted(parts.items())), tokenizer, sha256, frozenset(buckets))


def _stages(manifest: Manifest) -> list[Mapping[str, Any]]:
    stages = manifest.recipe.get("stages", [])
    return [*stages] if isinstance(stages, list | tuple) else []


def _expect_columns(
    storage: Storage, manifest: Manifest, mixture: Mixture, stages: Sequence[Mapping[str, Any]]
) -> None:
    if mixture.by == "language" and not any(stage["kind"] == "language" for stage in stages):
        raise RecipeError([Problem("mixture.by", "the version's recipe has no language stage, so no languages")])
    if mixture.bucket is None or not manifest.decisions:
        return
    with storage.open_seekable(manifest.decisions[0].path) as file, pq.ParquetFile(file) as parquet:
        schema: pa.Schema = parquet.schema_arrow
    known = [field.name for field in schema if "." in field.name and not pa.types.is_floating(field.type)]
    if mixture.bucket not in known:
        raise RecipeError(
            [
                Problem(
                    "mixture.bucket",
                    f"the version's decisions have no buckets {mixture.bucket!r}; columns that are no fractions are "
                    f"{', '.join(known) or 'none'}",
                )
            ]
        )


def _count_piece(
    storage: Storage, files: PieceFiles, mixture: Mixture, tokens: str
) -> tuple[dict[Place, Amount], set[str]]:
    """The parts of what is kept, and the buckets of all."""
    parts: dict[Place, Amount] = {}
    buckets: set[str] = set()
    if files.kept is None and mixture.bucket is None:
        return parts, buckets
    names = ["outcome", "language", "bytes", tokens, *([mixture.bucket] if mixture.bucket else [])]
    sizes = _cluster_steps(storage, files.kept, mixture) if files.kept and mixture.scheme == "rehydrate" else None
    seen = 0
    for decisions in _decisions(storage, files.decisions, names):
        if mixture.bucket is not None:
            buckets |= {*pc.unique(decisions[mixture.bucket].cast(pa.string())).drop_null().to_pylist()}
        batch = decisions.filter(pc.equal(decisions["outcome"], decision.KEPT))
        if not batch.num_rows:
            continue
        columns: dict[str, pa.Array] = {
            "group": _groups(batch, files.piece.source, mixture),
            "tier": _tiers(batch, sizes, seen, mixture),
        }
        columns |= {"bytes": batch["bytes"], "tokens": batch[tokens]}
        table = pa.table(columns)
        for name in columns:
            if table[name].null_count:
                where = f"{storage.url}/{files.decisions.path}"
                raise CorruptError(f"{where}: {table[name].null_count} kept documents have no {name}")
        found = table.group_by(["group", "tier"], use_threads=False).aggregate(
            [([], "count_all"), ("bytes", "sum"), ("tokens", "sum")]
        )
        _add(
            parts,
            (
                (Place(row["group"], row["tier"]), Amount(row["count_all"], row["bytes_sum"], row["tokens_sum"]))
                for row in found.to_pylist()
            ),
        )
        seen += batch.num_rows
    rows = files.kept.rows if files.kept else 0
    if seen != rows:
        raise CorruptError(f"{files.piece.name}: its decisions keep {seen} documents, its file has {rows}")
    return parts, buckets


def _decisions(storage: Storage, part: Part, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Decisions in order, some at a time."""
    with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as decisions:
        yield from decisions.iter_batches(BATCH, columns=list(names), use_threads=False)


def _groups(batch: pa.RecordBatch, source: str, mixture: Mixture) -> pa.Array:
    if mixture.by == "source":
        return pa.repeat(source, batch.num_rows)
    if mixture.by == "language":
        return batch["language"]
    return batch[mixture.bucket].cast(pa.string())


def _tiers(batch: pa.RecordBatch, sizes: pa.StringArray | None, seen: int, mixture: Mixture) -> pa.Array:
    if sizes is not None:
        return sizes.slice(seen, batch.num_rows)
    if mixture.scheme == "quality_bucketed":
        return batch[mixture.bucket].cast(pa.string())
    return pa.repeat("", batch.num_rows)


def _cluster_steps(storage: Storage, part: Part, mixture: Mixture) -> pa.StringArray:
    """For each kept document the least cluster size of its step; in the order of decisions, which is by address."""
    with storage.open_seekable(part.path) as file, pq.ParquetFile(file) as documents:
        table = documents.read([SHARD, ROW, "cluster_size"], use_threads=False)
    sizes = table.sort_by([(SHARD, "ascending"), (ROW, "ascending")])["cluster_size"].to_numpy()
    steps = [*mixture.steps]
    values, which = np.unique(sizes, return_inverse=True)
    names = [str(steps[bisect_right(steps, value) - 1]) for value in values.tolist()]
    return pa.array(names, pa.string()).take(pa.array(which))


def _add(parts: dict[Place, Amount], found: Iterable[tuple[Place, Amount]]) -> None:
    for place, amount in found:
        parts[place] = parts[place] + amount if place in parts else amount
