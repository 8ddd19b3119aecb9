"""What clients can ask of schedules, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.errors import AlreadyExists, BadPage, Invalid, NotFound, PreconditionFailed
from services.jobs.job import Mode
from services.jobs.states import State
from services.schedules.schedule import BackfillRequest, NewSchedule, Occurrence, OccurrenceState, SchedulePatch
from services.schedules.store import place
from tests.services.schedules.world import BY, NOON, World, recipe

HOUR = timedelta(hours=1)


def patch(world: World, which: str = "hourly", **changes: Any) -> None:
    revision = world.schedules.get(world.project, which).revision
    world.schedules.update(world.project, which, SchedulePatch.model_validate(changes), revision=revision)


def request(begin: int, end: int, **values: Any) -> BackfillRequest:
    """Of these hours, counted from noon."""
    return BackfillRequest.model_validate({"from": NOON + begin * HOUR, "to": NOON + end * HOUR, **values})


WRONG = [
    ({"cron": "0 0 30 2 *"}, "cron"),
    ({"timezone": "Mars/Olympus"}, "timezone"),
    ({"recipe_name": "nothing"}, "recipe_name"),
    ({"recipe_revision": 9}, "recipe_revision"),
    ({"name": "sch_" + 26 * "0"}, "name"),
]


class TestKeeping:
    def test_it_comes_back_as_it_went(self, world: World) -> None:
        values = {
            "mode": "run",
            "cron": "30 4 * * MON-FRI",
            "timezone": "Asia/Kathmandu",
            "jitter_s": 60,
            "overlap": "cancel_other",
            "misfire": "run_all",
            "max_catch_up": 7,
            "catch_up_window_s": 3600,
            "start": NOON,
            "end": NOON + timedelta(days=90),
            "skip_dates": ["2026-03-02", "2026-12-25"],
            "hold": True,
            "labels": {"team": "web"},
            "priority": 5,
            "pause_after_failures": 3,
            "recipe_revision": 1,
        }
        made = world.schedule(**values)
        assert made.definition() == NewSchedule.model_validate({"name": "hourly", "recipe_name": "docs", **values})
        assert made == world.schedules.get(world.project, "hourly") == world.schedules.get(world.project, made.id)
        assert made.next_local is not None
        assert made.next_local.isoformat() == "2026-03-03T04:30:00+05:45"

    @pytest.mark.parametrize(("changes", "path"), WRONG)
    def test_what_is_wrong_is_refused_at_the_door(self, world: World, changes: dict[str, Any], path: str) -> None:
        with pytest.raises(Invalid) as refused:
            world.schedule(**changes)
        assert [problem.path for problem in refused.value.problems] == [path]
        world.schedule()
        with pytest.raises(Invalid):
            patch(world, **changes)

    def test_names_are_a_projects_own_and_free_again(self, world: World) -> None:
        made = world.schedule()
        with pytest.raises(AlreadyExists):
            world.schedule()
        world.schedule(name="other")
        with pytest.raises(AlreadyExists):
            patch(world, "other", name="hourly")
        world.schedules.delete(world.project, made.id, revision=made.revision)
        assert world.schedule().id != made.id

    def test_other_projects_see_nothing(self, world: World) -> None:
        made = world.schedule()
        asks = [
            lambda: world.schedules.get("prj_other", made.id),
            lambda: world.schedules.update("prj_other", made.id, SchedulePatch(), revision=1),
            lambda: world.schedules.delete("prj_other", made.id, revision=1),
            lambda: world.schedules.pause("prj_other", made.id, BY),
            lambda: world.schedules.resume("prj_other", made.id),
            lambda: world.schedules.trigger("prj_other", made.id),
            lambda: world.schedules.preview("prj_other", made.id),
            lambda: world.schedules.occurrences("prj_other", made.id),
            lambda: world.schedules.backfill("prj_other", made.id, request(-2, -1)),
        ]
        for ask in asks:
            with pytest.raises(NotFound):
                ask()
        assert not world.schedules.list("prj_other")

    def test_lists_go_on_behind_a_page(self, world: World) -> None:
        made = [world.schedule(name=f"s{n}") for n in range(5)]
        first = world.schedules.list(world.project, limit=2)
        rest = world.schedules.list(world.project, after=first[-1].id, limit=50)
        assert [s.id for s in (*first, *rest)] == sorted((s.id for s in made), reverse=True)

    def test_what_somebody_else_changed_is_not_overwritten(self, world: World) -> None:
        made = world.schedule()
        patch(world, priority=3)
        with pytest.raises(PreconditionFailed):
            world.schedules.update(world.project, made.id, SchedulePatch(priority=4), revision=made.revision)
        with pytest.raises(PreconditionFailed):
            world.schedules.delete(world.project, made.id, revision=made.revision)

    def test_a_patch_changes_only_what_is_in_it(self, world: World) -> None:
        made = world.schedule(pause_after_failures=3, labels={"a": "b"})
        patch(world, pause_after_failures=None, cron="0 5 * * *")
        found = world.schedules.get(world.project, made.id)
        expected = made.definition().model_copy(update={"pause_after_failures": None, "cron": "0 5 * * *"})
        assert found.definition() == expected
        assert found.next == datetime(2026, 3, 2, 5, tzinfo=UTC)
        with pytest.raises(Invalid):
            patch(world, start=NOON, end=NOON)

    def test_a_new_expression_says_nothing_about_the_past(self, world: World) -> None:
        world.schedule(cron="0 0 1 1 *")
        world.now += 6 * HOUR
        patch(world, cron="0 * * * *")
        world.tick(minutes=1)
        assert world.occurrences() == []

    def test_the_time_is_bounded(self, world: World) -> None:
        world.schedule(start=NOON + 3 * HOUR, end=NOON + 5 * HOUR, overlap="allow")
        world.each_hour(8)
        assert world.hours(OccurrenceState.STARTED) == [3, 4, 5]
        assert world.schedules.get(world.project, "hourly").next is None


class TestPreview:
    def test_it_shows_utc_and_local_over_a_change_of_the_clocks(self, world: World) -> None:
        new = NewSchedule(name="n", recipe_name="docs", cron="30 2 * * *", timezone="America/New_York")
        world.now = datetime(2026, 3, 7, tzinfo=UTC)
        found = world.schedules.preview_new(new, 3)
        assert [f"{p.utc:%d %H:%M}" for p in found] == ["07 07:30", "08 07:00", "09 06:30"]
        assert [f"{p.local:%d %H:%M %z}" for p in found] == ["07 02:30 -0500", "08 03:00 -0400", "09 02:30 -0400"]

    def test_it_is_what_then_happens(self, world: World) -> None:
        made = world.schedule(
            cron="*/20 * * * *", jitter_s=600, overlap="allow", misfire="run_all", skip_dates=["2026-03-02"]
        )
        preview = world.schedules.preview(world.project, made.id, 60)
        for _ in range(26):
            world.tick(minutes=30)
        world.tick(hours=23)
        shown = {(p.utc, p.due) for p in preview if p.skipped_because is None}
        started = {(o.occurrence, o.due) for o in world.occurrences() if o.occurrence.day == 1}
        assert shown == started
        skipped = {o.occurrence for o in world.occurrences() if o.state is OccurrenceState.SKIPPED}
        assert {p.utc for p in preview if p.skipped_because == "skipped date"} <= skipped

    def test_a_pause_is_shown(self, world: World) -> None:
        made = world.schedule()
        world.schedules.pause(world.project, made.id, BY)
        found = world.schedules.preview(world.project, made.id, 500)
        assert len(found) == 100
        assert {p.skipped_because for p in found} == {"paused"}

    def test_jitter_is_unknown_before_it_is_stored(self, world: World) -> None:
        new = NewSchedule(name="n", recipe_name="docs", cron="0 * * * *", timezone="UTC", jitter_s=60)
        assert world.schedules.preview_new(new, 1)[0].due is None


class TestPausing:
    def test_a_pause_is_not_an_outage(self, world: World) -> None:
        made = world.schedule(misfire="run_all", overlap="allow")
        world.each_hour(1)
        for _ in range(2):
            paused = world.schedules.pause(world.project, made.id, BY)
        assert (paused.next, paused.pause_reason) == (None, f"paused by {BY}")
        assert world.each_hour(3) == [0, 0, 0]
        for _ in range(2):
            resumed = world.schedules.resume(world.project, made.id)
        assert resumed.paused is None
        assert resumed.next == NOON + 5 * HOUR
        world.each_hour(1)
        assert world.hours(OccurrenceState.STARTED) == [1, 5]

    def test_what_waits_is_left_out(self, world: World) -> None:
        made = world.schedule(overlap="queue_all")
        world.each_hour(3)
        world.schedules.pause(world.project, made.id, BY)
        assert world.hours(OccurrenceState.SKIPPED) == [2, 3]

    def test_triggers_and_backfills_still_work(self, world: World) -> None:
        made = world.schedule()
        world.schedules.pause(world.project, made.id, BY)
        world.tick(hours=3)
        world.schedules.trigger(world.project, made.id)
        world.schedules.backfill(world.project, made.id, request(1, 2))
        assert world.tick() == 2

    def test_nothing_is_left_of_a_deleted_one(self, world: World) -> None:
        made = world.schedule(overlap="queue_all")
        world.each_hour(3)
        world.schedules.trigger(world.project, made.id)
        world.schedules.delete(world.project, made.id, revision=made.revision)
        assert world.each_hour(2) == [0, 0]
        world.end(State.FAILED)
        assert world.tick() == 0
        with pytest.raises(NotFound):
            world.occurrences()


class TestOccurrences:
    def test_pages_hold_each_once(self, world: World) -> None:
        made = world.schedule(overlap="allow")
        world.each_hour(5)
        world.schedules.backfill(world.project, made.id, request(1, 5, reprocess="completed", max_parallel=9))
        everything = world.schedules.occurrences(world.project, made.id, limit=100)
        found: list[Occurrence] = []
        after = None
        while page := world.schedules.occurrences(world.project, made.id, after=after, limit=3):
            found += page
            after = place(page[-1])
        assert found == list(everything)

    @pytest.mark.parametrize("after", ["", "x", "1", "-1/schedule", "99999999999999999999/x"])
    def test_other_places_are_refused(self, world: World, after: str) -> None:
        world.schedule()
        with pytest.raises(BadPage):
            world.schedules.occurrences(world.project, "hourly", after=after)

    def test_a_trigger_has_its_job(self, world: World) -> None:
        made = world.schedule(hold=True, labels={"a": "b"}, priority=7)
        asked = world.schedules.trigger(world.project, made.id)
        assert (asked.kind, asked.state, asked.occurrence) == ("manual", OccurrenceState.WAITING, NOON)
        world.tick()
        (job,) = world.all_jobs()
        assert (job.mode, job.redo) == (Mode.REFRESH, False)
        assert (job.schedule_id, job.occurrence, job.hold, job.labels, job.priority) == (
            made.id,
            NOON,
            True,
            {"a": "b"},
            7,
        )
        assert job.created_by == f"schedule:{made.id}"
        (found,) = world.occurrences()
        assert (found.state, found.job_id, found.job_state) == (OccurrenceState.STARTED, job.id, State.QUEUED)


class TestBackfill:
    @pytest.fixture
    def world(self, world: World) -> World:
        """Hour 1 has succeeded, 2 has failed, 3 runs, 4 was skipped; nothing was there at 0."""
        world.schedule(overlap="skip")
        world.each_hour(1)
        world.end(State.SUCCEEDED)
        world.each_hour(1)
        world.end(State.FAILED)
        world.each_hour(2)
        return world

    @pytest.mark.parametrize(
        ("reprocess", "hours"), [("none", [-1, 0, 4]), ("failed", [-1, 0, 2, 4]), ("completed", [-1, 0, 1, 2, 4])]
    )
    @pytest.mark.parametrize("order", ["oldest", "newest"])
    def test_a_dry_run_says_what_is_then_made(self, world: World, reprocess: str, hours: list[int], order: str) -> None:
        asked = {"reprocess": reprocess, "order": order, "max_parallel": 50}
        dry = world.schedules.backfill(world.project, "hourly", request(-1, 4, dry_run=True, **asked))
        assert (dry.id, dry.will_run) == (None, len(hours))
        assert world.tick() == 0
        plan = world.schedules.backfill(world.project, "hourly", request(-1, 4, **asked))
        assert plan.entries == dry.entries
        chosen = [entry.occurrence for entry in plan.entries if entry.will_run]
        assert chosen == [NOON + h * HOUR for h in (hours if order == "oldest" else reversed(hours))]
        assert world.tick() == len(hours)
        made = [o for o in world.occurrences() if o.run == plan.id]
        assert {(o.occurrence, o.kind, o.state) for o in made} == {
            (moment, "backfill", OccurrenceState.STARTED) for moment in chosen
        }
        by_time = sorted(made, key=lambda o: o.job_id or "")
        assert {o.occurrence for o in by_time} == set(chosen)

    def test_again_it_leaves_its_own_alone(self, world: World) -> None:
        for n in range(2):
            plan = world.schedules.backfill(world.project, "hourly", request(-3, 4, reprocess="completed"))
            assert bool(plan.will_run) is (n == 0)

    def test_it_keeps_to_its_number_and_order(self, world: World) -> None:
        world.end()
        world.schedules.backfill(world.project, "hourly", request(-9, 0, max_parallel=3, order="newest"))
        assert world.tick() == 3
        assert world.tick() == 0
        assert world.hours(OccurrenceState.STARTED) == [-2, -1, 0, 1, 2, 3]
        world.end(State.FAILED)
        assert world.tick() == 1
        started = 4
        while started < 10:
            world.end()
            started += world.tick()
        assert world.hours(OccurrenceState.STARTED) == list(range(-9, 4))

    def test_what_waits_can_be_cancelled(self, world: World) -> None:
        world.end()
        plan = world.schedules.backfill(world.project, "hourly", request(-4, 0))
        assert plan.id is not None
        assert world.tick() == 1
        assert world.schedules.cancel_backfill(world.project, "hourly", plan.id, BY).skipped == 4
        assert world.schedules.cancel_backfill(world.project, "hourly", plan.id, BY).skipped == 0
        world.end()
        assert world.tick() == 0
        assert {o.reason for o in world.occurrences() if o.run == plan.id} == {
            "",
            f"the backfill was cancelled by {BY}",
        }
        with pytest.raises(NotFound, match="has no backfill"):
            world.schedules.cancel_backfill(world.project, "hourly", "bkf_other", BY)

    def test_what_the_scheduler_has_not_come_to_is_left_to_it(self, world: World) -> None:
        world.now += 3 * HOUR
        plan = world.schedules.backfill(world.project, "hourly", request(4, 7))
        assert [entry.occurrence for entry in plan.entries] == [NOON + 4 * HOUR]

    def test_skipped_dates_are_left_out(self, world: World) -> None:
        patch(world, skip_dates=["2026-02-28"])
        plan = world.schedules.backfill(world.project, "hourly", request(-14, -11, dry_run=True))
        assert [entry.will_run for entry in plan.entries] == [False, False, True, True]

    def test_the_future_and_too_much_are_refused(self, world: World) -> None:
        with pytest.raises(Invalid):
            world.schedules.backfill(world.project, "hourly", request(0, 9))
        with pytest.raises(Invalid):
            world.schedules.backfill(world.project, "hourly", request(-2100, 0))


def test_a_recipe_that_is_named_is_of_this_project(world: World) -> None:
    world.recipes.create(world.project, "other", recipe(world.settings.data, "other"), BY)
    world.schedule(recipe_name="other")
