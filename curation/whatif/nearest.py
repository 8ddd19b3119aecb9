"""The documents nearest to a threshold: a few of very many, the same ones in whatever order they are seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from curation.whatif.decided import Int64s, Rows

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Near(NamedTuple):
    """A document near a threshold; they are ordered by what comes first."""

    distance: float
    address: int
    """A hash: it chooses among documents of equal distance, and orders them, as if by chance."""
    value: float
    threshold: float
    piece: int
    group: int
    row: int
    """In the row group."""
    old: int
    """The code of the version's decision."""
    fate: int
    """The code of the other one."""


def nearest(rows: Rows, at: Int64s, values: Floats, thresholds: Floats, fate: Int64s, count: int) -> list[Near]:
    """Of the documents at these rows the `count` whose value is nearest to its threshold, nearest first.

    `at`, `values` and `thresholds` are (documents,), without NaN; `fate` is (rows,).
    """
    distances = np.abs(values - thresholds)
    close = np.arange(at.size)
    if at.size > count:
        close = np.flatnonzero(distances <= np.partition(distances, count - 1)[count - 1])
    order = close[np.lexsort((rows.address[at[close]], distances[close]))[:count]]
    return [
        Near(
            distance=float(distances[each]),
            address=int(rows.address[at[each]]),
            value=float(values[each]),
            threshold=float(thresholds[each]),
            piece=rows.piece,
            group=rows.group,
            row=int(at[each]),
            old=int(rows.old[at[each]]),
            fate=int(fate[at[each]]),
        )
        for each in order.tolist()
    ]


def merged(found: Iterable[Sequence[Near]], count: int) -> list[Near]:
    """The nearest `count` of several lists."""
    return sorted(near for each in found for near in each)[:count]
