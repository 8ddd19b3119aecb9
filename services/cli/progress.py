"""A job's progress as it is followed: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from curation.render import visible
from curation.render.steps import StepsDisplay, clock
from services.client.jobs import RESTING

if TYPE_CHECKING:
    from services.jobs.job import Job, StepProgress


class JobDisplay(StepsDisplay):
    """Shows the steps of one job, and each state that it goes through."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._state = ""

    def watch(self, job: Job) -> None:
        """Show the job as it is now."""
        for step in job.progress:
            self.show(step.step, step.shards_done, step.shards_total, rate(step))
        if job.state != self._state and job.state not in RESTING:  # how it ends is the command's last word
            self._state = job.state
            why = f": {visible(job.message or job.reason)}" if job.message or job.reason else ""
            self.console.print(Text(f"{job.state}{why}"), soft_wrap=True)


def rate(step: StepProgress) -> str:
    """Documents so far, documents a second, and the time left."""
    parts = []
    if step.documents:
        parts.append(f"{step.documents:,} documents")
    if step.documents_per_s:
        parts.append(f"{step.documents_per_s:,.0f}/s")
    if step.shards_done == step.shards_total:
        parts.append(clock((step.updated - step.started).total_seconds()))
    elif step.left_s:
        least, most = map(clock, step.left_s)
        parts.append(f"{least} left" if least == most else f"{least} to {most} left")
    return "  ".join(parts)
