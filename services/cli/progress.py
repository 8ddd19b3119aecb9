"""A job's progress as it is followed: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from curation.render import visible

if TYPE_CHECKING:
    from services.jobs.job import Job, StepProgress

BAR = 30
LINE_EVERY_S = 5.0


class JobDisplay:
    """Shows the steps of one job, and each state that it comes to."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars: Bars | None = None
        self._tasks: dict[str, TaskID] = {}
        self._state = ""
        self._told: set[tuple[str, bool]] = set()
        self._last_line = 0.0

    def __enter__(self) -> JobDisplay:
        if self._console.is_terminal:
            columns = (TextColumn("{task.description:<12}"), BarColumn(BAR), MofNCompleteColumn())
            self._bars = Bars(*columns, TextColumn("{task.fields[rate]}"), console=self._console)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def watch(self, job: Job) -> None:
        """Show the job as it is now."""
        for step in job.progress:
            self._show(step)
        if job.state != self._state:
            self._state = job.state
            why = f": {visible(job.message or job.reason)}" if job.message or job.reason else ""
            self._console.print(Text(f"{job.state}{why}"), soft_wrap=True)

    def _show(self, step: StepProgress) -> None:
        if self._bars:
            if step.step not in self._tasks:
                self._tasks[step.step] = self._bars.add_task(step.step, total=step.shards_total, rate="")
            task = self._tasks[step.step]
            self._bars.update(task, completed=step.shards_done, total=step.shards_total, rate=rate(step))
        elif self._is_worth_a_line(step):
            self._last_line = time.monotonic()
            self._console.print(
                f"{step.step:<12} {step.shards_done}/{step.shards_total}  {rate(step)}", highlight=False
            )

    def _is_worth_a_line(self, step: StepProgress) -> bool:
        """Whether it has begun, is done, or nothing was said for a while; each but once."""
        is_done = step.shards_done == step.shards_total
        if (step.step, True) in self._told:
            return False
        is_news = (step.step, is_done) not in self._told or time.monotonic() - self._last_line > LINE_EVERY_S
        self._told.add((step.step, is_done))
        return is_news


def rate(step: StepProgress) -> str:
    """Documents so far, documents a second, and the time left."""
    parts = []
    if step.documents:
        parts.append(f"{step.documents:,} documents")
    if step.documents_per_s:
        parts.append(f"{step.documents_per_s:,.0f}/s")
    if step.shards_done == step.shards_total:
        parts.append(_clock((step.updated - step.started).total_seconds()))
    elif step.left_s:
        least, most = map(_clock, step.left_s)
        parts.append(f"{least} left" if least == most else f"{least} to {most} left")
    return "  ".join(parts)


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
