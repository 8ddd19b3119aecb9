"""What a backfill runs, of the occurrences of its time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.jobs.states import FINAL, State
from services.schedules.schedule import BackfillEntry, BackfillRequest, OccurrenceState, Reprocess
from services.schedules.timetable import Timetable

MAX_OCCURRENCES = 2000


@dataclass(frozen=True)
class Run:
    """What became of an occurrence before, by the schedule or by a backfill."""

    state: OccurrenceState
    job_id: str | None
    job_state: State | None


def plan_backfill(
    times: Sequence[datetime], request: BackfillRequest, timetable: Timetable, before: Mapping[datetime, Sequence[Run]]
) -> tuple[BackfillEntry, ...]:
    """Every one of the times, in the backfill's order, and whether it is run."""
    entries = []
    for moment in times if request.order == "oldest" else reversed(times):
        reason = "skipped date" if timetable.is_skipped(moment) else _left(before.get(moment, ()), request.reprocess)
        local = timetable.cron.local(moment)
        entries.append(BackfillEntry(occurrence=moment, local=local, will_run=not reason, reason=reason))
    return tuple(entries)


def _left(runs: Sequence[Run], reprocess: Reprocess) -> str:
    """Why an occurrence with these runs is left alone; "" where it is not."""
    if any(run.state is OccurrenceState.WAITING or _is_open(run) for run in runs):
        return "it is waiting or running"
    done = sorted((run.job_id, run.job_state) for run in runs if run.job_id is not None)
    if done and done[-1][1] is State.SUCCEEDED:
        return "" if reprocess is Reprocess.COMPLETED else "it has succeeded"
    if done or any(run.state is OccurrenceState.FAILED for run in runs):
        return "it has failed" if reprocess is Reprocess.NONE else ""
    return ""


def _is_open(run: Run) -> bool:
    return run.state is OccurrenceState.STARTED and run.job_state is not None and run.job_state not in FINAL
