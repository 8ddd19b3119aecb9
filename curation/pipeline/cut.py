"""The step behind a survey, one task a part: its documents are decided by what is settled, and the part written anew.

A part is read and written some thousand documents at a time; like `filter`, it gives each document that it drops a
decision, and takes the fingerprints of those that go on.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from curation.pipeline.filter import Part, PartWriter, Run
from curation.pipeline.survey import decide, settled

BATCH_ROWS = 4096


def cut_part(run: Run, part: Part) -> Part:
    """The part without the documents that are dropped by what the run's surveys have settled, once."""
    return run.work.once(f"cut/{part.name}", Part, lambda: _cut(run, part))


def _cut(run: Run, part: Part) -> Part:
    stages = [(stage, settled(run, stage)) for stage in run.recipe.surveyed]
    out = PartWriter(run, is_cut_later=False)
    out.take_over(part)
    for documents in _documents(run, part):
        left = documents
        for stage, frozen in stages:
            left, measured, reasons = decide(run, stage, frozen, left)
            if reasons.null_count < left.num_rows:
                left = out.drop(stage.name, left, reasons, stage.settled_evidence(measured, reasons, frozen))
        out.go_on(left)
    return part.model_copy(update=out.write(f"cut/{part.name}", part.records)._asdict())


def _documents(run: Run, part: Part) -> Iterator[pa.RecordBatch]:
    with run.work.storage.open_seekable(part.texts) as file, pq.ParquetFile(file) as parquet:
        yield from parquet.iter_batches(BATCH_ROWS, use_threads=False)
