"""Corpora whose decisions are made up: values of documents without texts, decided by a recipe's own stages.

Every document has a value for each stage, so that what any other thresholds do to it is known; of these the corpus
records what a run would have recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation import corpus as library
from curation import decision, ids, manifest
from curation.change import Change
from curation.corpus import Corpus
from curation.manifest import InputShard, Manifest, Piece
from curation.pipeline.finish import cells_of, kept_path
from curation.recipe import Recipe, validate_recipe
from curation.report import Report

STAGES: Sequence[Mapping[str, Any]] = (
    {"kind": "language", "keep": ["en", "de"], "min_score": 0.5},
    {"kind": "gopher_quality"},
    {"kind": "fineweb_quality"},
    {"kind": "exact_dedup"},
)
Values = Mapping[str, Any]
"""Columns of documents: arrays by the names of decisions' columns (`gopher_quality.words`), and `bytes`."""


def recipe_of(output: str, stages: Sequence[Mapping[str, Any]] = STAGES) -> Recipe:
    """A recipe that this corpus may have been made by."""
    source = {"name": "web", "uri": f"{output}-input/*.jsonl"}
    return validate_recipe({"name": "made", "output": output, "sources": [source], "stages": [*map(dict, stages)]})


def decided(recipe: Recipe, shard: str, values: Values, copies: Mapping[int, int] | None = None) -> pa.Table:
    """The decisions on the documents of one shard. `copies` says which row is the same as which other one: if both
    pass the stages, it is dropped for it."""
    count = len(values["bytes"])
    columns = {"source": pa.repeat("web", count), "shard": pa.repeat(shard, count), "row": pa.array(range(count))}
    columns |= {"id": pa.array([f"{shard}-{row}" for row in range(count)])}
    columns |= {name: pa.array(each) for name, each in values.items()}
    columns["language"] = columns["language.label"]
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    place = np.full(count, len(recipe.row_stages))
    reasons = np.full(count, None, object)
    for number, stage in enumerate(recipe.row_stages):
        found = np.array(stage.drop_reasons(batch).to_pylist(), object)
        hit = (place == len(recipe.row_stages)) & (found != None)  # noqa: E711, elementwise
        place[hit], reasons[hit] = number, found[hit]
    survivor = np.full(count, -1)
    for copy, original in (copies or {}).items():
        if place[copy] == place[original] == len(recipe.row_stages) and reasons[original] is None:
            survivor[copy], reasons[copy] = original, "exact_dedup.duplicate"
    for number, stage in enumerate(recipe.row_stages):
        for name in stage.columns().names:
            columns[name] = pc.if_else(pa.array(place >= number), columns[name], pa.scalar(None, columns[name].type))
    is_copy = pa.array(survivor < 0)
    columns |= {
        "outcome": pa.array(["kept" if reason is None else "dropped" for reason in reasons]),
        "reason": pa.array(reasons, pa.string()),
        "stage": pa.array([reason and reason.split(".")[0] for reason in reasons], pa.string()),
        "survivor": pa.array([f"{shard}-{row}" for row in survivor], mask=survivor < 0),
        "survivor_shard": pc.if_else(is_copy, pa.scalar(None, pa.string()), shard),
        "survivor_row": pa.array(survivor, mask=survivor < 0),
    }
    fields = pa.schema([field for stage in recipe.stages for field in stage.columns()])
    schema = decision.decision_schema(fields)
    return pa.Table.from_batches([decision.fill(schema, count, columns)])


def publish(corpus: Corpus, recipe: Recipe, pieces: Sequence[pa.Table]) -> Manifest:
    """A version of these decisions, a piece a shard; a kept document's text is its id."""
    written = [_write(corpus, table) for table in pieces]
    cells = cells_of(pa.concat_tables(list(pieces)), recipe.tokens_column)
    report = Report(stages=tuple(stage.name for stage in recipe.stages), cells=cells)
    uris = [table["shard"][0].as_py() for table in pieces]
    made = Manifest(
        version=1,
        run="made",
        parent=0,
        created=datetime.now(UTC),
        recipe=recipe.model_dump(mode="json"),
        fingerprint="",
        meaning={},
        inputs=tuple(InputShard(source="web", uri=uri, size=1, etag=uri, shard=f"web/{uri}") for uri in uris),
        pieces=tuple(piece for piece, _, _, _ in written),
        shards=tuple(kept for _, kept, _, _ in written if kept),
        decisions=tuple(part for _, _, part, _ in written),
        ids=tuple(index for _, _, _, index in written),
        documents=report.documents("kept"),
        bytes=report.bytes("kept"),
    )
    corpus.publish(made, report, Change(base=0, kind="run"), pieces[0].schema)
    return made


def _write(corpus: Corpus, table: pa.Table) -> tuple[Piece, manifest.Part | None, manifest.Part, manifest.Part]:
    uri = table["shard"][0].as_py()
    path = f"{library.DECISIONS}/version=1/run=made/{uri}.parquet"
    data, (index, indexed) = decision.encode(table), ids.encode(table["id"])
    corpus.storage.write(path, data)
    index_path = library.ids_path("made", uri)
    corpus.storage.write(index_path, index)
    kept = _write_kept(corpus, uri, table.filter(pc.equal(table["outcome"], decision.KEPT)))
    piece = Piece(name=f"web/{uri}-0000", source="web", records=table.num_rows, kept=kept is not None)
    parts = manifest.part(path, data, table.num_rows), manifest.part(index_path, index, indexed, "web")
    return piece, kept, *parts


def _write_kept(corpus: Corpus, uri: str, kept: pa.Table) -> manifest.Part | None:
    if not kept.num_rows:
        return None
    fields = pa.schema([field for field in library.SCHEMA if field.name != "source"])
    columns = {name: kept[name].combine_chunks() for name in ("id", "shard", "row", "language")}
    columns |= {"text": columns["id"], "cluster_size": pa.array(np.ones(kept.num_rows, np.int32))}
    data = decision.parquet(pa.Table.from_batches([decision.fill(fields, kept.num_rows, columns)]), library.ROW_GROUP)
    path = kept_path(f"web/{uri}-0000", "web", data)
    corpus.storage.write(path, data)
    return manifest.part(path, data, kept.num_rows, "web")


def chance_values(seed: int, count: int, recipe: Recipe) -> dict[str, Any]:
    """Values of so many documents: whole numbers and tenths around the rules' thresholds, some of each side."""
    chosen = np.random.default_rng(seed)
    values: dict[str, Any] = {"bytes": chosen.integers(1, 5000, count)}
    for stage in recipe.row_stages:
        for field in stage.columns():
            values[field.name] = _column(chosen, count, field)
    return values


def _column(chosen: np.random.Generator, count: int, field: pa.Field) -> Any:
    name = field.name.partition(".")[2]
    if pa.types.is_string(field.type):
        return chosen.choice(["en", "de", "fr"], count)
    if name in {"lines", "stop_words"}:
        return chosen.integers(0, 9, count)
    if name == "words":
        return chosen.integers(10, 400, count)
    if name == "avg_word_length":
        return chosen.integers(25, 110, count) / 10
    if name in {"score", "alpha_words_ratio", "line_punct_ratio"}:
        return (100 - chosen.integers(0, 96, (2, count)).min(axis=0)) / 100
    if pa.types.is_integer(field.type):
        return chosen.integers(0, 100, count)
    return chosen.integers(0, 25, count) / 100 * (chosen.random(count) < 0.1)
