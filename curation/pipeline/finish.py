"""The last step before publishing, one task a part: the kept documents' file, and a decision for every record."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import corpus, decision, document, ids, manifest
from curation.dedup import LOSERS, read_clusters, read_losers
from curation.errors import AccountingError
from curation.pipeline.filter import Part, Run, decision_columns, examples_of
from curation.pipeline.spans import cuts_of, without_spans
from curation.report import Cell, Example, Report

Rows = np.ndarray[Any, np.dtype[np.int64]]


class Ending(BaseModel):
    """The input of one task: a part, and the keys of what deduplication said about it (None: nothing)."""

    model_config = ConfigDict(frozen=True)

    part: Part
    losers: str | None
    clusters: str | None
    spans: str | None
    """Key of the stretches that are cut out of its kept documents."""
    version: int


class Finished(BaseModel):
    """The record of one task: the files that the version will be made of, and its share of the report."""

    model_config = ConfigDict(frozen=True)

    piece: manifest.Piece
    kept: manifest.Part | None
    decisions: manifest.Part
    ids: manifest.Part
    """The index of the decisions' ids."""
    decided: int
    """How many records the part's report accounts for."""
    kept_documents: int
    """How many of them it says are kept."""
    report: str
    """Key of its share of the report."""

    @property
    def files(self) -> manifest.PieceFiles:
        """The piece with its files."""
        return manifest.PieceFiles(self.piece, self.kept, self.decisions, self.ids)


def finish_part(run: Run, ending: Ending) -> Finished:
    """Write a part's kept documents and all its decisions, once."""
    return run.work.once(f"finish/{ending.part.name}", Finished, lambda: _finish(run, ending))


def _finish(run: Run, ending: Ending) -> Finished:
    part, storage = ending.part, run.work.storage
    batch = _texts(run, part.texts)
    losers, sizes = _losers(run, ending, batch.num_rows), _cluster_sizes(run, ending, batch.num_rows)
    is_kept = pc.is_null(losers["stage"])
    batch = _counted_again(run, without_spans(run, batch, ending.spans, is_kept), batch[document.TEXT])
    decided = _decided(run, batch, losers, sizes)
    every = [decided, *decision.unpack(storage.read(part.decisions)).to_batches()]
    if (rows := sum(decisions.num_rows for decisions in every)) != part.records:
        raise AccountingError(f"{part.name}: {part.records} records were read, but {rows} are decided")
    table = decision.ordered(every, decided.schema)
    name = part.name.replace("/", "-")
    data, (index, indexed) = decision.encode(table), ids.encode(table[document.ID])
    path, index_path = (
        f"{corpus.DECISIONS}/version={ending.version}/run={run.id}/{name}.parquet",
        corpus.ids_path(run.id, name),
    )
    storage.write(path, data)
    storage.write(index_path, index)
    filtered = Report.model_validate_json(storage.read(part.examples))
    report = Report(
        stages=run.steps,
        cells=cells_of(pa.Table.from_batches(every), run.recipe.tokens_column),
        examples=(*filtered.examples, *_duplicates(run, batch, decided)),
        clusters=_histogram(sizes),
        cuts=cuts_of(run, decided.filter(is_kept)),
    )
    key = run.work.key(f"finish/{part.name}.report")
    storage.write(key, report.model_dump_json().encode())
    kept = _write_kept(run, part, batch.filter(is_kept), sizes[is_kept.to_numpy(zero_copy_only=False)])
    return Finished(
        piece=manifest.Piece(
            name=part.name, source=part.source, records=part.records, kept=kept is not None, mixed=part.mixed
        ),
        kept=kept,
        decisions=manifest.part(path, data, part.records),
        ids=manifest.part(index_path, index, indexed, part.source),
        decided=report.documents(),
        kept_documents=report.documents("kept"),
        report=key,
    )


def _texts(run: Run, key: str) -> pa.RecordBatch:
    with pq.ParquetFile(pa.BufferReader(run.work.storage.read(key))) as file:  # half the time of pq.read_table
        table = file.read(use_threads=False).combine_chunks()
    return table.to_batches()[0] if table.num_rows else pa.RecordBatch.from_pylist([], schema=table.schema)


def _counted_again(run: Run, batch: pa.RecordBatch, counted: pa.LargeStringArray) -> pa.RecordBatch:
    """The batch with the values of stages that count the text measured again where it is not the `counted` one."""
    changed = pc.not_equal(batch[document.TEXT], counted)
    stages = [stage for stage in run.recipe.row_stages if stage.counts_text]
    if not stages or not pc.any(changed, min_count=0).as_py():
        return batch
    again = batch.filter(changed)
    for stage in stages:
        again = stage.annotate(again)
        for name in stage.columns().names:
            batch = document.with_column(batch, name, pc.replace_with_mask(batch[name], changed, again[name]))
    return batch


def _losers(run: Run, ending: Ending, rows: int) -> pa.RecordBatch:
    """One row a document: stage, survivor, similarity of the duplicates, null for the others."""
    empty = pa.schema([field.with_nullable(True) for field in LOSERS if field.name != "row"])
    if ending.losers is None:
        return decision.fill(empty, rows, {})
    table = read_losers(run.work.storage, ending.losers)
    place = np.full(rows, -1, np.int64)
    place[table["row"].to_numpy()] = np.arange(table.num_rows)
    spread = table.select(empty.names).take(pa.array(place, mask=place < 0)).combine_chunks()
    return decision.fill(empty, rows, {name: spread[name].combine_chunks() for name in empty.names})


def _cluster_sizes(run: Run, ending: Ending, rows: int) -> Rows:
    """How many documents each one stands for, itself included; (rows,)."""
    sizes = np.ones(rows, np.int64)
    if ending.clusters is not None:
        table = read_clusters(run.work.storage, ending.clusters)
        sizes[table["row"].to_numpy()] = table["size"].to_numpy()
    return sizes


def _decided(run: Run, batch: pa.RecordBatch, losers: pa.RecordBatch, sizes: Rows) -> pa.RecordBatch:
    """The decisions on the documents that came as far as deduplication."""
    minhash = run.recipe.minhash
    stage = losers["stage"]
    is_near = pc.fill_null(pc.equal(stage, minhash.name), False) if minhash else pa.array([False] * batch.num_rows)
    columns = decision_columns(batch, run.language_column) | {
        "outcome": pc.if_else(pc.is_null(stage), decision.KEPT, decision.DROPPED),
        "stage": stage,
        "reason": pc.binary_join_element_wise(stage, "duplicate", "."),
        "value": losers["similarity"],
        "threshold": pc.if_else(is_near, minhash.min_similarity if minhash else 0.0, pa.scalar(None, pa.float64())),
        **{name: losers[name] for name in ("survivor", "survivor_shard", "survivor_row", "similarity")},
    }
    if minhash:
        columns[minhash.column("cluster_size")] = pc.if_else(pc.is_null(stage), pa.array(sizes), None)
    return decision.fill(decision.decision_schema(run.values), batch.num_rows, columns)


def _duplicates(run: Run, batch: pa.RecordBatch, decided: pa.RecordBatch) -> list[Example]:
    lost = pc.equal(decided["outcome"], decision.DROPPED)
    examples = examples_of(run.recipe, run.recipe.seed, decided.filter(lost), batch[document.TEXT].filter(lost))
    return [example for reason in sorted(examples) for example in examples[reason]]


def _write_kept(run: Run, part: Part, batch: pa.RecordBatch, sizes: Rows) -> manifest.Part | None:
    """The kept documents' file; None where there are none."""
    if batch.num_rows == 0:
        return None
    label = run.language_column
    columns = {name: batch[name] for name in document.SCHEMA.names}
    columns["cluster_size"] = pa.array(sizes, pa.int32())
    if label is not None:
        columns["language"] = batch[label]
    fields = pa.schema([field for field in corpus.SCHEMA if field.name != document.SOURCE])
    table = pa.Table.from_batches([decision.fill(fields, batch.num_rows, columns)])
    data = decision.parquet(table, corpus.ROW_GROUP)
    path = kept_path(part.name, part.source, data)
    run.work.storage.write(path, data)
    return manifest.part(path, data, batch.num_rows, part.source)


def kept_path(piece: str, source: str, data: bytes) -> str:
    """Where a piece's kept documents lie: named by their content, so that equal files of two versions are one."""
    name = piece.rsplit("/", maxsplit=1)[-1]
    return f"source={source}/{name}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"


def cells_of(decisions: pa.Table, tokens: str | None) -> tuple[Cell, ...]:
    """The cells of a report on these decisions; `tokens` is the column that counts tokens, if there is one."""
    keys = ["outcome", "stage", "reason", "source", "language"]
    nothing = pa.nulls(decisions.num_rows, pa.int64())
    counts = decisions[tokens] if tokens in decisions.schema.names else nothing
    table = decisions.select([*keys, "bytes"]).append_column("tokens", counts)
    grouped = table.group_by(keys, use_threads=False).aggregate(
        [("bytes", "sum"), ("tokens", "sum"), ("tokens", "count"), ([], "count_all")]
    )
    return tuple(
        Cell(
            **{key: row[key] or "" for key in keys},
            documents=row["count_all"],
            bytes=row["bytes_sum"] or 0,
            tokens=row["tokens_sum"] if row["tokens_count"] == row["count_all"] else None,
        )
        for row in grouped.to_pylist()
    )


def _histogram(sizes: Rows) -> dict[int, int]:
    values, counts = np.unique(sizes[sizes > 1], return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))
