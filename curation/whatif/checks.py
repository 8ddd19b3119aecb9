"""What a stage measured of one document, beside the bounds that would drop it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from curation.document import SOURCE
from curation.manifest import Frozen
from curation.stage import Bound, RuleStage, Stage

_LISTS = frozenset({"spans", "cuts"})
"""Values that say where in the text something is, and measure nothing."""

Measured = float | int | str | bool | None


class Check(Frozen):
    """A value that a stage measured, and one of the bounds on it."""

    value: str
    """Its name, without the stage's."""
    measured: Measured
    op: Literal["<", "<=", ">", ">="] | None = None
    """The document is dropped where it is so against the threshold; null for a value without a bound."""
    threshold: float | None = None
    reason: str | None = None
    """What it would be dropped for."""
    is_broken: bool = False
    """Whether this bound drops it; the first one that does names the reason."""


def checks(stage: Stage, row: Mapping[str, Any]) -> tuple[Check, ...]:
    """What the stage measured of a document with these columns (`source`, `stage.value`): in the stage's order, a value
    with several bounds several times. By the bounds that hold for the document's source and language.

    Raises ModelError where the stage's table is not there any more.
    """
    bounds: dict[str, list[Bound]] = {}
    for bound in _bounds(stage, row):
        if bound.threshold is not None:
            bounds.setdefault(stage.column(bound.column), []).append(bound)
    found = []
    for name in stage.columns().names:
        value = name.removeprefix(f"{stage.name}.")
        if value in _LISTS:
            continue
        found += [_check(stage, value, row.get(name), bound) for bound in bounds.get(name, [])] or [
            Check(value=value, measured=row.get(name))
        ]
    return tuple(found)


def _bounds(stage: Stage, row: Mapping[str, Any]) -> Sequence[Bound]:
    """Those by which a stage judges this document."""
    if not isinstance(stage, RuleStage):
        return ()
    names = dict.fromkeys((SOURCE, stage.language_column))
    columns = [pa.array([row.get(name)], pa.string()) for name in names]
    stages, which = stage.variants(pa.RecordBatch.from_arrays(columns, list(names)))
    bounds: Sequence[Bound] = stages[which[0]].bounds()
    return bounds


_BROKEN = {
    "<": lambda value, threshold: value < threshold,
    "<=": lambda value, threshold: value <= threshold,
    ">": lambda value, threshold: value > threshold,
    ">=": lambda value, threshold: value >= threshold,
}


def _check(stage: Stage, value: str, measured: Measured, bound: Bound) -> Check:
    return Check(
        value=value,
        measured=measured,
        op=bound.op,
        threshold=bound.threshold,
        reason=stage.column(bound.why),
        is_broken=measured is not None and _BROKEN[bound.op](measured, bound.threshold),
    )
