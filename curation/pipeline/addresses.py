"""Lists of records by their addresses, as files that the tasks of a run hand on."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curation import decision
from curation.document import ROW, SHARD
from curation.errors import AccountingError
from curation.storage import Storage

ADDRESSES = pa.schema([pa.field(SHARD, pa.string(), nullable=False), pa.field(ROW, pa.int64(), nullable=False)])
"""Some records of a piece, each once."""


def read_table(storage: Storage, keys: Sequence[str], schema: pa.Schema) -> pa.Table:
    """What lies under some keys, one after the other."""
    tables = [pq.read_table(io.BytesIO(storage.read(key)), use_threads=False).cast(schema) for key in keys]
    return pa.concat_tables([schema.empty_table(), *tables]).combine_chunks()


def write_table(storage: Storage, key: str, table: pa.Table) -> str:
    """Write a table for later tasks of the run; its key."""
    storage.write(key, decision.parquet(table, decision.ROW_GROUP))
    return key


def positions(table: pa.Table, among: pa.Table) -> pa.Int64Array:
    """Where each row of `table` is in `among`, by `shard` and `row`; null where it is not. (rows,)"""
    keyed = among.select([SHARD, ROW]).append_column("place", pa.array(np.arange(among.num_rows, dtype=np.int64)))
    wanted = table.select([SHARD, ROW]).append_column("order", pa.array(np.arange(table.num_rows, dtype=np.int64)))
    joined = wanted.join(keyed, [SHARD, ROW], use_threads=False).sort_by("order")
    if joined.num_rows != table.num_rows:
        raise AccountingError("two records of a piece have the same address")
    return joined["place"].combine_chunks()
