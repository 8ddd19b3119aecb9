"""A stage that decides by a survey, for tests: it keeps the longest documents of each source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Discriminator, Field, Tag

from curation.document import SOURCE, TEXT, with_column
from curation.recipe import Recipe
from curation.recipe.recipe import AnyStage
from curation.stage import COUNT, Evidence, Frozen, SurveyStage


class Longest(SurveyStage):
    """Keeps the longest share of each source's documents; a document's rank is the share that is no longer than it."""

    kind: Annotated[str, Field(pattern="^longest$")]
    keep_top: float | None = None
    """The share that is kept, all that are as long as the shortest of it included."""
    min_size: int = 0
    """Without a share: the shortest that is kept, in characters."""

    @property
    def is_surveyed(self) -> bool:
        return self.keep_top is not None

    def columns(self) -> pa.Schema:
        return pa.schema([(self.column("size"), pa.int64()), (self.column("rank"), pa.float64())])

    def reasons(self) -> frozenset[str]:
        return frozenset({self.column("short")})

    def annotate(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        return with_column(batch, self.column("size"), pc.utf8_length(batch[TEXT]).cast(pa.int64()))

    def drop_reasons(self, batch: pa.RecordBatch) -> pa.StringArray:
        return self._short(pc.less(batch[self.column("size")], self.min_size))

    def survey(self, batch: pa.RecordBatch) -> pa.Table:
        ones = pa.array(np.ones(batch.num_rows, np.int64))
        return pa.table({SOURCE: batch[SOURCE], "size": batch[self.column("size")], COUNT: ones})

    def settle(self, counts: pa.Table) -> Frozen:
        assert counts.group_by([SOURCE, "size"]).aggregate([]).num_rows == counts.num_rows, "equal keys are added up"
        found: dict[str, list[list[int]]] = {}
        for row in counts.to_pylist():
            found.setdefault(row[SOURCE], []).append([row["size"], row[COUNT]])
        assert all(sizes == sorted(sizes) for sizes in found.values()), "sorted by the keys"
        return {"sizes": found}

    def annotate_settled(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.RecordBatch:
        assert TEXT not in batch.schema.names
        rows = zip(batch[SOURCE].to_pylist(), batch[self.column("size")].to_pylist(), strict=True)
        ranks = [rank(frozen["sizes"].get(source, [[inf, 1]]), size) for source, size in rows]
        batch = with_column(batch, "bytes", pa.nulls(batch.num_rows, pa.int64()))  # what is not its own stays
        return with_column(batch, self.column("rank"), pa.array(ranks, pa.float64()))

    def settled_reasons(self, batch: pa.RecordBatch, frozen: Frozen) -> pa.StringArray:
        assert self.keep_top is not None
        return self._short(pc.less_equal(batch[self.column("rank")], 1 - self.keep_top))

    def settled_evidence(self, batch: pa.RecordBatch, reasons: pa.StringArray, frozen: Frozen) -> Evidence:
        assert self.keep_top is not None
        threshold = pa.array(np.full(batch.num_rows, 1 - self.keep_top))
        return Evidence(batch[self.column("rank")], threshold, pa.nulls(batch.num_rows, pa.string()))

    def _short(self, is_short: pa.BooleanArray) -> pa.StringArray:
        return pc.if_else(is_short, self.column("short"), pa.scalar(None, pa.string()))


def _tag(data: Any) -> str:
    """Which stages to look among: a validated stage or plain data."""
    kind = data["kind"] if isinstance(data, dict) else data.kind
    return "longest" if kind == "longest" else "known"


class SurveyRecipe(Recipe):
    """A recipe that may have `Longest`, which is no stage that users know."""

    stages: tuple[
        Annotated[Annotated[AnyStage, Tag("known")] | Annotated[Longest, Tag("longest")], Discriminator(_tag)], ...
    ] = ()


def rank(sizes: Sequence[Sequence[float]], size: int) -> float:
    """The share of the sizes, each with its count, that are at most this one."""
    return sum(count for other, count in sizes if other <= size) / sum(count for _, count in sizes)


def longest(sizes: Mapping[str, tuple[str, int]], keep_top: float) -> set[str]:
    """Document id → (source, size): the ids that a stage keeps, by looking at all of them."""
    of: dict[str, list[list[float]]] = {}
    for source, size in sizes.values():
        of.setdefault(source, []).append([size, 1])
    return {name for name, (source, size) in sizes.items() if rank(of[source], size) > 1 - keep_top}


def stage(keep_top: float | None = 0.5, **changes: Any) -> dict[str, Any]:
    return {"kind": "longest", "name": "longest", "keep_top": keep_top} | changes
