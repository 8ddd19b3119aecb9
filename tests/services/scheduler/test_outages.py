"""For any outages: what the scheduler does is what the policies say, worked out hour by hour without it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.database import open_database
from services.database.tables import metadata
from services.schedules.schedule import OccurrenceState
from tests.services.conftest import make_settings
from tests.services.schedules.world import NOON, World

MOST, WINDOW_H = 3, 6
OVERLAPS = ("skip", "queue_one", "queue_all", "cancel_other", "allow")
Looks = list[tuple[int, bool]]
"""How many minutes after the one before a scheduler looks, and whether a job ended just before."""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder: Path = tmp_path_factory.mktemp("outages")
    opened = make_settings(folder, f"sqlite:///{folder / 'test.db'}")
    database = open_database(opened)
    metadata.create_all(database.engine)
    yield World(opened, database, folder)
    database.close()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 600), st.booleans()), min_size=1, max_size=8),
    st.sampled_from(("skip", "run_latest", "run_all")),
    st.sampled_from(OVERLAPS),
)
def test_it_does_what_the_policies_say(world: World, looks: Looks, misfire: str, overlap: str) -> None:
    world.now = NOON
    made = world.schedule(misfire=misfire, overlap=overlap, max_catch_up=MOST, catch_up_window_s=WINDOW_H * 3600)
    started: list[int] = []
    for minutes, is_ended in looks:
        if is_ended and world.jobs.active(made.id):
            world.end()
        world.now += timedelta(minutes=minutes)
        world.scheduler.tick(world.now)
        started += sorted(set(world.hours(OccurrenceState.STARTED)) - set(started))
    assert started == expected(looks, misfire, overlap)
    assert len({o.occurrence for o in world.occurrences()}) == sum(minutes for minutes, _ in looks) // 60
    for job in world.jobs.active(made.id):
        world.jobs.cancel(world.project, job.id, "test")
    world.schedules.delete(world.project, made.id, revision=world.schedules.get(world.project, made.id).revision)


def expected(looks: Looks, misfire: str, overlap: str) -> list[int]:
    """The hours that are started, in order."""
    now, queue, running, started = 0, list[int](), 0, list[int]()
    for minutes, is_ended in looks:
        running -= is_ended and running > 0
        passed = list(range(now // 60 + 1, (now + minutes) // 60 + 1))
        now += minutes
        queue += made_up(passed, now, misfire)
        if overlap == "allow":
            start, queue = queue, []
        elif overlap == "cancel_other":  # nobody works on the jobs of this test, so they end at once
            running = 0 if queue else running
            start, queue = queue[-1:], []
        else:
            start, queue = (queue[:1], queue[1:]) if not running else ([], queue)
            queue = {"skip": [], "queue_one": queue[-1:], "queue_all": queue}[overlap]
        started += start
        running += len(start)
    return started


def made_up(passed: list[int], now: int, misfire: str) -> list[int]:
    punctual = [hour for hour in passed if now - hour * 60 <= 1]
    late = [hour for hour in passed if 1 < now - hour * 60 <= WINDOW_H * 60]
    if misfire == "skip":
        return punctual
    if misfire == "run_latest":
        return punctual or late[-1:]
    return late[-MOST:] + punctual
