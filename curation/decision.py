"""Decisions: one row for every input document of a run, saying where it went and why."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from curation.document import ID, ROW, SHARD, SOURCE, TEXT, URL

KEPT, DROPPED, FAILED = "kept", "dropped", "failed"
ROW_GROUP = 16_384
_DIFFERENT = frozenset({ID, TEXT, URL})
"""Columns whose values are nearly all different, beside numbers that are measured."""

SCHEMA = pa.schema(
    [
        pa.field(SOURCE, pa.string(), nullable=False),
        pa.field(SHARD, pa.string(), nullable=False),
        pa.field(ROW, pa.int64(), nullable=False),
        pa.field(ID, pa.string()),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("detail", pa.string()),
        pa.field("survivor", pa.string()),
        pa.field("survivor_shard", pa.string()),
        pa.field("survivor_row", pa.int64()),
        pa.field("similarity", pa.float64()),
        pa.field("language", pa.string()),
        pa.field("bytes", pa.int64()),
    ]
)
"""`survivor` and `similarity` are a duplicate's: the kept copy's id, and their Jaccard similarity (1.0 for an exact
copy); `survivor_shard` and `survivor_row` say where that copy was read, since ids may repeat. `bytes` is the size of
the text as it stood when the decision was made, in UTF-8. `row` of an unreadable rest of a shard is the number that its
next record would have had. The stages' values follow as columns named `stage.value`, null for stages that a document
did not reach; of several stages that decide by a survey (SurveyStage) all have measured it by then. In the table,
`version` and `run` are partitions."""


def decision_schema(values: pa.Schema) -> pa.Schema:
    """The schema of the decisions of a recipe whose stages add these value columns."""
    return pa.schema([*SCHEMA, *(pa.field(field.name, field.type) for field in values)])


def fill(schema: pa.Schema, rows: int, columns: dict[str, pa.Array]) -> pa.RecordBatch:
    """A batch of `rows` decisions of this schema; columns that are not given are null."""
    return pa.RecordBatch.from_arrays(
        [
            columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def ordered(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    """The decisions sorted by address; the same for the same rows in any order."""
    table = pa.Table.from_batches(batches, schema)
    return table.sort_by([(SOURCE, "ascending"), (SHARD, "ascending"), (ROW, "ascending")])


def encode(table: pa.Table) -> bytes:
    """Parquet of ordered decisions."""
    return parquet(table, ROW_GROUP)


def pack(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> bytes:
    """The decisions as they are handed on within a run: an Arrow stream, which is quicker than Parquet."""
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)) as out:
        out.write_table(pa.Table.from_batches(batches, schema).combine_chunks())
    return sink.getvalue()


def unpack(data: bytes) -> pa.Table:
    """What `pack` packed."""
    with pa.ipc.open_stream(data) as stream:
        return stream.read_all()


def parquet(table: pa.Table, row_group: int) -> bytes:
    """The table as Parquet (zstd), a function of its content alone."""
    sink = io.BytesIO()
    pq.write_table(
        table.combine_chunks(),
        sink,
        compression="zstd",
        compression_level=3,
        row_group_size=row_group,
        use_dictionary=with_dictionary(table.schema),
    )
    return sink.getvalue()


def with_dictionary(schema: pa.Schema) -> list[str]:
    """The columns that Parquet writes with a dictionary: not those whose values are nearly all different, which are
    written and read more quickly without, and are smaller."""
    return [field.name for field in schema if field.name not in _DIFFERENT and not pa.types.is_floating(field.type)]
