"""Shares of counts, and what thresholds on shares and counts may be."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import Field

from curation.text.words import Int64

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Quantity = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A mean, or a ratio that may be above 1."""


def share(part: Int64, whole: Int64) -> np.ndarray[Any, np.dtype[np.float64]]:
    """part / whole, element by element; 0 where the whole is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole), np.float64), where=whole != 0)


def with_values(batch: pa.RecordBatch, schema: pa.Schema, values: dict[str, Any]) -> pa.RecordBatch:
    """The batch with these columns (NumPy arrays by name), each of the type that the schema gives it."""
    for field in schema:
        column = pa.array(values[field.name.partition(".")[2]], field.type)
        position = batch.schema.get_field_index(field.name)
        batch = batch.append_column(field, column) if position < 0 else batch.set_column(position, field, column)
    return batch
