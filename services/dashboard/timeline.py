"""A job's steps on one axis of time, which begins at zero with the first of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.dashboard import text
from services.dashboard.tables import Column, Table
from services.jobs.job import StepProgress

MARKS = 6
"""The axis has so many marks at most, the zero included."""
INTERVALS_S = (
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30),
    *(60, 120, 300, 600, 900, 1800),
    *(3600, 7200, 14_400, 21_600, 43_200, 86_400),
)  # fmt: skip
"""What lies between two marks: what people count time in; beyond these, whole days."""
DAY_S = 86_400

COLUMNS = (
    Column("step", "Step"),
    Column("after_s", "Began after", "duration"),
    Column("took_s", "Took", "duration"),
    Column("share", "Of all steps", "share"),
    Column("shards_done", "Tasks done", "count"),
    Column("shards_total", "Tasks", "count"),
    Column("documents", "Documents", "count"),
    Column("documents_per_s", "Documents/s", "number"),
    Column("bytes", "Text", "bytes"),
    Column("bytes_per_s", "Text/s", "bytes"),
)
LEFT = Column("left", "Time left")


@dataclass(frozen=True)
class Bar:
    """One step: where its bar begins and how long it is, as shares of the axis."""

    step: str
    begins: float
    length: float
    took_s: float
    is_done: bool
    is_slowest: bool
    """Whether no other step took longer: the bottleneck. Of one step alone it is not said."""


@dataclass(frozen=True)
class Timeline:
    """`marks` are pairs of a place on the axis, as a share of it, and what it says there."""

    bars: tuple[Bar, ...]
    marks: tuple[tuple[float, str], ...]
    length_s: float


def timeline(steps: Sequence[StepProgress], until: datetime | None = None) -> Timeline | None:
    """The steps in the order in which they began; one that is at work goes on `until` now. None before the first."""
    if not steps:
        return None
    ordered = _in_order(steps)
    zero = ordered[0].started
    took = _took_s(ordered, until)
    begins = [(step.started - zero).total_seconds() for step in ordered]
    length_s = max(INTERVALS_S[0], *(begin + long for begin, long in zip(begins, took, strict=True)))
    slowest = max(took) if len(took) > 1 else None
    bars = tuple(
        Bar(step.step, begin / length_s, long / length_s, long, _is_done(step), long == slowest)
        for step, begin, long in zip(ordered, begins, took, strict=True)
    )
    return Timeline(bars, _marks(length_s), length_s)


def steps_table(steps: Sequence[StepProgress], until: datetime | None = None) -> Table:
    """The numbers of the timeline."""
    ordered = _in_order(steps)
    took = _took_s(ordered, until)
    total_s = sum(took)
    rows: list[dict[str, Any]] = [
        {
            **step.model_dump(exclude={"started", "updated", "left_s"}),
            "after_s": (step.started - ordered[0].started).total_seconds(),
            "took_s": long,
            "share": long / total_s if total_s else None,
            "documents": step.documents or None,
            "bytes": step.bytes or None,
            "left": left(step),
        }
        for step, long in zip(ordered, took, strict=True)
    ]
    total = {"step": "all", "took_s": total_s, "share": 1.0 if total_s else None}
    note = "Rates are over a step's whole time so far, without what an earlier attempt did." if rows else ""
    columns = [*COLUMNS, *([LEFT] if any(row["left"] for row in rows) else [])]
    return Table("steps", "Steps", columns, rows, total=total, note=note, empty="No step has begun.")


def at_work(steps: Sequence[StepProgress]) -> StepProgress | None:
    """The step that is at work: the last to begin that is not done."""
    return next((step for step in reversed(_in_order(steps)) if not _is_done(step)), None)


def left(step: StepProgress) -> str | None:
    """The time left as a range; None where it is not told."""
    if step.left_s is None or _is_done(step):
        return None
    least, most = (text.duration(seconds) for seconds in step.left_s)
    return least if least == most else f"{least} to {most}"


def _in_order(steps: Sequence[StepProgress]) -> list[StepProgress]:
    return sorted(steps, key=lambda step: step.started)


def _is_done(step: StepProgress) -> bool:
    return step.shards_done >= step.shards_total


def _took_s(ordered: Sequence[StepProgress], until: datetime | None) -> list[float]:
    """Of each step, in seconds; the one that is at work goes on until now."""
    working = at_work(ordered)
    ends = [max(step.updated, until) if until and step is working else step.updated for step in ordered]
    return [max(0.0, (end - step.started).total_seconds()) for end, step in zip(ends, ordered, strict=True)]


def _marks(length_s: float) -> tuple[tuple[float, str], ...]:
    fitting = (interval for interval in INTERVALS_S if length_s / interval < MARKS)
    interval = next(fitting, DAY_S * (1 + length_s // (DAY_S * MARKS)))
    at = [number * interval for number in range(int(length_s / interval) + 1)]
    return tuple((seconds / length_s, text.duration(seconds) if seconds else "0") for seconds in at)
