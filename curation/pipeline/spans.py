"""Cutting what the kept documents of a run share."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import document
from curation.dedup.spans import SPANS, cut
from curation.pipeline.filter import Run


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
