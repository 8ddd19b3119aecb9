"""The document batch: an Arrow `RecordBatch` with these columns, and what stages add to it.

A document's address is (source, shard, row): `shard` is the URI of the input file and `row` the number of the record
in it, from 0, bad records counted too. Ids are the user's own, or a hash of the content, so neither depends on how the
work was divided.

A stage named `s` adds columns named `s.value`. Columns that begin with `~` are scratch (the scan of the text that
several rules share): they are never written, and vanish when the text is rewritten.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

ID, TEXT, SOURCE, SHARD, ROW = "id", "text", "source", "shard", "row"
URL, ADDED, METADATA = "url", "added", "metadata"
SCRATCH = "~"

SCHEMA = pa.schema(
    [
        pa.field(ID, pa.string(), nullable=False),
        pa.field(TEXT, pa.large_string(), nullable=False),
        pa.field(SOURCE, pa.string(), nullable=False),
        pa.field(SHARD, pa.string(), nullable=False),
        pa.field(ROW, pa.int64(), nullable=False),
        pa.field(URL, pa.string()),
        pa.field(ADDED, pa.timestamp("us", tz="UTC")),
        pa.field(METADATA, pa.string()),
    ]
)


def document_batch(
    texts: Sequence[str],
    *,
    source: str,
    shard: str,
    ids: Sequence[str | None] | None = None,
    rows: Sequence[int] | None = None,
    urls: Sequence[str | None] | None = None,
    added: Sequence[datetime | None] | None = None,
    metadata: Sequence[str | None] | None = None,
) -> pa.RecordBatch:
    """A batch of documents of one shard; a missing id becomes `content_id(text)`.

    All sequences have the length of `texts`. Naive times are taken as UTC.
    """
    count = len(texts)
    ids = ids if ids is not None else [None] * count
    return pa.RecordBatch.from_arrays(
        [
            pa.array([i if i is not None else content_id(t) for i, t in zip(ids, texts, strict=True)], pa.string()),
            pa.array(texts, pa.large_string()),
            pa.array([source] * count, pa.string()),
            pa.array([shard] * count, pa.string()),
            pa.array(rows if rows is not None else range(count), pa.int64()),
            pa.array(urls if urls is not None else [None] * count, pa.string()),
            pa.array(added if added is not None else [None] * count, SCHEMA.field(ADDED).type),
            pa.array(metadata if metadata is not None else [None] * count, pa.string()),
        ],
        schema=SCHEMA,
    )


def content_id(text: str) -> str:
    """The id of a document that came without one: `sha256:` and the first 32 hex digits of its text's digest."""
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with this column added, or replaced if it is there."""
    position = batch.schema.get_field_index(name)
    if position < 0:
        return batch.append_column(name, values)
    return batch.set_column(position, name, values)


def with_text(batch: pa.RecordBatch, text: pa.LargeStringArray) -> pa.RecordBatch:
    """The batch with its text rewritten; scratch columns, which describe the old text, are gone."""
    position = batch.schema.get_field_index(TEXT)
    return without_scratch(batch.set_column(position, SCHEMA.field(TEXT), text))


def without_scratch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch without its scratch columns."""
    return batch.select([name for name in batch.schema.names if not name.startswith(SCRATCH)])


def text_bytes(batch: pa.RecordBatch) -> pa.Int64Array:
    """The size of each text in bytes of UTF-8, (documents,)."""
    return pc.binary_length(batch[TEXT]).cast(pa.int64())
