"""The largest rows of a table that could be long, and what the others are together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.dashboard.tables import Row

SHOWN = 24


def sums(rows: Iterable[Row], names: Iterable[str]) -> dict[str, Any]:
    """The sums of these columns; what is not known counts nothing."""
    kept = list(rows)
    return {name: sum(row.get(name) or 0 for row in kept) for name in names}


def largest(rows: Sequence[Row], added: Sequence[str], *, label: str, by: str) -> list[Row]:
    """The rows with most of `by`, and one that is the sum of the others in the columns `added`."""
    ranked = sorted(rows, key=lambda row: (-(row.get(by) or 0), row[label]))
    others = ranked[SHOWN:]
    return [*ranked[:SHOWN], *([{label: f"{len(others)} others", **sums(others, added)}] if others else [])]
