"""Arrow's buffers as NumPy arrays, without a copy, for kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
Offsets = np.ndarray[Any, np.dtype[np.int64]]


def text_buffers(text: pa.LargeStringArray) -> tuple[Bytes, Offsets]:
    """(data, offsets) of an array of strings without nulls: document d is data[offsets[d]:offsets[d + 1]] in UTF-8.

    Shapes (bytes,) and (documents + 1,), both read-only, so that a kernel is compiled for one kind of array. Raises
    ValueError for nulls.
    """
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    if not pa.types.is_large_string(text.type):
        text = text.cast(pa.large_string())
    if text.null_count:
        raise ValueError(f"{text.null_count} texts are null")
    _, offsets, data = text.buffers()
    if data is None or data.size == 0:
        return _read_only(np.zeros(1, np.uint8)[:0]), _read_only(np.zeros(len(text) + 1, np.int64))
    ends = np.frombuffer(offsets, np.int64)[text.offset : text.offset + len(text) + 1]
    return _read_only(np.frombuffer(data, np.uint8)), _read_only(ends)


def _read_only(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    view = array.view()
    view.flags.writeable = False
    return view
