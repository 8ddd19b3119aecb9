"""Cutting what the kept documents of a run share, and what the report says of it."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import document
from curation.dedup.spans import SPANS, SpanStage, cut
from curation.pipeline.filter import Run
from curation.report import Cuts


def without_spans(run: Run, batch: pa.RecordBatch, key: str | None, is_kept: pa.BooleanArray) -> pa.RecordBatch:
    """The documents of a part with the repeated stretches cut out of those that are kept, and what each stage of the
    recipe took of them in its columns."""
    stages = run.recipe.span_stages
    if not stages or batch.num_rows == 0:
        return batch
    spans = SPANS.empty_table()
    if key is not None:
        spans = pq.read_table(io.BytesIO(run.work.storage.read(key)), use_threads=False)
    done = cut(batch[document.TEXT], spans, stages)
    batch = document.with_text(batch, done.texts)
    for name, values in done.values.items():
        batch = document.with_column(batch, name, pc.if_else(is_kept, values, pa.scalar(None, values.type)))
    return batch


def cuts_of(run: Run, decisions: pa.RecordBatch | pa.Table) -> dict[str, Cuts]:
    """What each stage that cuts repeated parts has cut, by these decisions on documents that are kept, or were."""

    def total(stage: SpanStage, name: str) -> int:
        return int(pc.sum(pc.cast(decisions[stage.column(name)], pa.int64())).as_py() or 0)

    return {
        stage.name: Cuts(
            documents=int(pc.sum(pc.greater(decisions[stage.column("spans")], 0)).as_py() or 0),
            stretches=total(stage, "spans"),
            bytes=total(stage, "removed"),
            whole=total(stage, "whole"),
        )
        for stage in run.recipe.span_stages
    }
