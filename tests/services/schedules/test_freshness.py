"""Whether what a schedule refreshes is as new as it should be."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.jobs.states import State
from services.schedules.freshness import PATIENCE, Standing, freshness
from services.schedules.schedule import Occurrence, OccurrenceState
from tests.services.schedules.world import NOON, World


def latest(state: OccurrenceState, job_state: State | None = None, **values: Any) -> Occurrence:
    """The occurrence of noon."""
    known = {"occurrence": NOON, "local": NOON, "kind": "schedule", "run": None, "due": NOON, "reason": "so it is"}
    told = {"state": state, "job_id": "job_1", "job_state": job_state, "job_message": "version 3"}
    return Occurrence.model_validate({**known, **told, **values})


@pytest.mark.parametrize(
    ("occurrence", "standing", "why"),
    [
        (None, Standing.NEW, ""),
        (latest(OccurrenceState.STARTED, State.SUCCEEDED), Standing.FRESH, "version 3"),
        (latest(OccurrenceState.STARTED, State.FAILED), Standing.LATE, "FAILED: version 3"),
        (latest(OccurrenceState.STARTED, State.CRASHED, job_message=""), Standing.LATE, "CRASHED"),
        (latest(OccurrenceState.STARTED, State.HELD), Standing.HELD, "version 3"),
        (latest(OccurrenceState.STARTED, State.QUEUED), Standing.RUNNING, "version 3"),
        (latest(OccurrenceState.STARTED, None), Standing.UNKNOWN, "its last job was deleted"),
        (latest(OccurrenceState.WAITING), Standing.WAITING, "so it is"),
        (latest(OccurrenceState.SKIPPED), Standing.SKIPPED, "so it is"),
        (latest(OccurrenceState.MISSED), Standing.LATE, "so it is"),
        (latest(OccurrenceState.FAILED), Standing.LATE, "so it is"),
    ],
)
def test_its_last_time_says_how_it_stands(
    world: World, occurrence: Occurrence | None, standing: Standing, why: str
) -> None:
    found = freshness(world.schedule(), occurrence, NOON)
    assert (found.standing, found.why) == (standing, why)
    assert found.since == (None if occurrence is None else NOON)


def test_it_is_late_where_nobody_starts_it(world: World) -> None:
    schedule = world.schedule()
    assert schedule.next is not None
    fresh = latest(OccurrenceState.STARTED, State.SUCCEEDED)
    assert freshness(schedule, fresh, schedule.next + PATIENCE).standing is Standing.FRESH
    late = freshness(schedule, fresh, schedule.next + PATIENCE + timedelta(seconds=1))
    assert (late.standing, late.since) == (Standing.LATE, schedule.next)


def test_a_pause_is_no_delay(world: World) -> None:
    schedule = world.schedule()
    paused = world.schedules.pause(world.project, schedule.id, "ada")
    found = freshness(paused, latest(OccurrenceState.STARTED, State.FAILED), NOON)
    assert (found.standing, found.why) == (Standing.PAUSED, "paused by ada")
