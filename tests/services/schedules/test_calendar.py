"""What schedules did and will do, day by day."""

from __future__ import annotations

from datetime import date, timedelta

from services.jobs.states import State
from services.schedules.calendar import MOST_A_DAY, Outcome, calendar, day_occurrences, day_plans
from tests.services.schedules.world import World

DAY = timedelta(days=1)
TODAY = date(2026, 3, 1)  # the world begins at noon


def counts(world: World, day: date) -> dict[str, int]:
    schedules = world.schedules.list(world.project)
    (found,) = calendar(world.database, world.project, schedules, day, day, world.now)
    return {outcome.value: count for outcome, count in found.counts.items()}


def test_what_is_to_come_is_counted_from_now_on(world: World) -> None:
    world.schedule(name="nightly", cron="0 2 * * *", skip_dates=["2026-03-03"])
    world.schedule(name="hourly")
    world.schedule(name="later", cron="0 * * * *", start="2026-03-02T20:00:00Z")
    paused = world.schedule(name="paused")
    world.schedules.pause(world.project, paused.id, "key:test")
    assert counts(world, TODAY - DAY) == {}
    assert counts(world, TODAY) == {"planned": 11}, "13:00 to 23:00; noon is now"
    assert counts(world, TODAY + DAY) == {"planned": 1 + 24 + 4}
    assert counts(world, TODAY + 2 * DAY) == {"planned": 24 + 24}


def test_what_has_been_is_counted_by_what_became_of_it(world: World) -> None:
    schedule = world.schedule(overlap="skip")
    world.tick(hours=1)
    assert counts(world, TODAY) == {"open": 1, "planned": 10}
    world.end(State.SUCCEEDED)
    world.tick(hours=1)
    world.tick(hours=1)
    assert counts(world, TODAY) == {"succeeded": 1, "open": 1, "skipped": 1, "planned": 8}
    world.end(State.FAILED)
    world.schedules.pause(world.project, schedule.id, "key:test")
    assert counts(world, TODAY) == {"succeeded": 1, "failed": 1, "skipped": 1}


def test_a_day_lists_what_it_counts(world: World) -> None:
    world.schedule()
    world.tick(hours=1)
    job = world.end(State.SUCCEEDED)
    (one,) = day_occurrences(world.database, world.project, TODAY, limit=10)
    assert (one.schedule, one.outcome, one.job_id) == ("hourly", Outcome.SUCCEEDED, job.id)
    assert day_occurrences(world.database, world.project, TODAY, limit=10, which=Outcome.FAILED) == []
    assert day_occurrences(world.database, "prj_other", TODAY, limit=10) == []
    plans = day_plans(world.schedules.list(world.project), TODAY, world.now)
    assert [plan.occurrence.hour for plan in plans] == list(range(14, 24))


def test_a_schedule_that_fires_all_the_time_is_said_to_have_more(world: World) -> None:
    often = world.schedule(cron="* * * * *")
    days = calendar(world.database, world.project, [often], TODAY, TODAY + DAY, world.now)
    assert [(day.counts[Outcome.PLANNED], day.has_more) for day in days] == [(MOST_A_DAY, True)] * 2
    assert len(day_plans([often], TODAY, world.now)) == MOST_A_DAY
