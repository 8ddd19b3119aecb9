"""From what a run tells to what its job shows: rates, and the time that is left as a range."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast, get_args

from services.jobs.job import Step, StepProgress

if TYPE_CHECKING:
    from curation.pipeline import Progress  # with it come the kernels, which take a second

TELL_FROM = 0.05
"""No time left is told before this share of a step is done."""
WINDOWS = 8
"""The newest half of the shards is divided into so many windows; how they differ is the range."""

RECORD_S = 0.05
"""What comes sooner after a recorded shard was recorded, too: by an attempt that died before it could tell."""

STEPS: tuple[Step, ...] = get_args(Step)
GROWING: frozenset[Step] = frozenset({"survey", "deduplicate", "spans", "index"})
"""The steps of which the number of tasks is known only on the way: no time left is told."""


@dataclass
class _Measured:
    """One step so far; times are seconds of the meter's clock. Rates and the time left leave out what was recorded."""

    started: float
    earlier: int
    """How many shards earlier attempts are known to have done."""
    last: Progress
    updated: float
    recorded: Progress
    """The last that was told of what earlier attempts did; the first of all, where they did nothing."""
    since: float
    """When it was told."""
    ends: list[float] = field(default_factory=list)
    """When each shard was done."""

    def take(self, told: Progress, now: float) -> None:
        """Take note of how far the step is."""
        is_record = told.done <= self.earlier or (self.earlier > 0 and now - self.updated < RECORD_S)
        if is_record and self.recorded is self.last:
            self.recorded, self.since = told, now
        self.last, self.updated = told, now
        self.ends += [now] * (told.done - len(self.ends))


class Meter:
    """Watches a run, in its own thread, and shows its steps to others."""

    def __init__(self, now: datetime, seconds: Callable[[], float] = time.monotonic) -> None:
        """`now` is the database's clock at this moment; it goes on by `seconds`."""
        self._seconds = seconds
        self._begin = now - timedelta(seconds=seconds())
        self._steps: dict[Step, _Measured] = {}
        self._earlier: tuple[StepProgress, ...] = ()
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The database's clock, as far as this process can tell."""
        return self._at(self._seconds())

    def watch(self, progress: Progress) -> None:
        """Take note of how far a step is."""
        now = self._seconds()
        with self._lock:
            name = cast(Step, progress.step)
            if name not in self._steps:
                earlier = next((step.shards_done for step in self._earlier if step.step == name), 0)
                self._steps[name] = _Measured(now, earlier, progress, now, progress, now)
            self._steps[name].take(progress, now)

    def recall(self, steps: Sequence[StepProgress]) -> None:
        """What earlier attempts did, which is shown until this one comes to the same step."""
        with self._lock:
            self._earlier = tuple(steps)

    def begin_anew(self) -> None:
        """Forget every step: another run begins."""
        with self._lock:
            self._steps, self._earlier = {}, ()

    def steps(self) -> tuple[StepProgress, ...]:
        """Every step that has begun, in order."""
        with self._lock:
            shown: dict[Step, StepProgress] = {step.step: step for step in self._earlier}
            shown |= {name: self._shown(step) for name, step in self._steps.items()}
            return tuple(shown[name] for name in STEPS if name in shown)

    def _at(self, seconds: float) -> datetime:
        return self._begin + timedelta(seconds=seconds)

    def _shown(self, step: _Measured) -> StepProgress:
        last, recorded, took_s = step.last, step.recorded, step.updated - step.since
        ends, total = step.ends[recorded.done :], last.total - recorded.done
        return StepProgress(
            step=cast(Step, last.step),
            shards_done=last.done,
            shards_total=last.total,
            documents=last.documents,
            bytes=last.bytes,
            started=self._at(step.started),
            updated=self._at(step.updated),
            documents_per_s=_rate(last.documents - recorded.documents, took_s),
            bytes_per_s=_rate(last.bytes - recorded.bytes, took_s),
            left_s=None if last.step in GROWING else left_s(step.since, ends, total),
        )


def left_s(started: float, ends: Sequence[float], total: int) -> tuple[float, float] | None:
    """The seconds that a step's remaining shards will likely take, at least and at most, after its newest one.

    `ends` says when each shard was done. The newer half of them, in a few windows, gives as many paces (seconds a
    shard); the range is from their 10th to their 90th percentile. One window alone is believed to a factor of two.
    None before a twentieth is done, and for a step whose total is not known.
    """
    done = len(ends)
    if not done or done < TELL_FROM * total:
        return None
    remaining = total - done
    marks = [started, *ends]
    newer = marks[len(marks) // 2 - (1 if done == 1 else 0) :]
    size = max(1, math.ceil((len(newer) - 1) / WINDOWS))
    paces = sorted(
        (newer[min(start + size, len(newer) - 1)] - newer[start]) / (min(start + size, len(newer) - 1) - start)
        for start in range(0, len(newer) - 1, size)
    )
    if len(paces) == 1:
        return remaining * paces[0] / 2, remaining * paces[0] * 2
    return remaining * _percentile(paces, 0.1), remaining * _percentile(paces, 0.9)


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Linear between the two nearest of at least two ordered values."""
    place = share * (len(ordered) - 1)
    low = min(int(place), len(ordered) - 2)
    return ordered[low] + (place - low) * (ordered[low + 1] - ordered[low])


def _rate(count: int, seconds: float) -> float | None:
    return count / seconds if count and seconds > 0 else None
