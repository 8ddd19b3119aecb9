"""What the scheduler starts, on both databases; that of several each occurrence is started once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from services.database.presence import present
from services.database.tables import deliveries, jobs, occurrences, schedules, webhooks
from services.database.types import clock, later
from services.jobs.job import Ending, NewLogLine
from services.jobs.states import State
from services.schedules.cron import jitter
from services.schedules.schedule import BackfillRequest, OccurrenceState
from tests.services.schedules.world import BY, NOON, World

STARTED, WAITING = OccurrenceState.STARTED, OccurrenceState.WAITING
SKIPPED, MISSED = OccurrenceState.SKIPPED, OccurrenceState.MISSED
HOUR = timedelta(hours=1)
DAY_S = 86_400.0
ENDS = {"F": State.FAILED, "C": State.CRASHED, "S": State.SUCCEEDED, "X": State.CANCELLED}


class TestPunctual:
    """Nothing is missed: it is the overlap policy that decides. The first job runs for three hours."""

    CASES: tuple[tuple[Any, ...], ...] = (
        ("allow", [1, 2, 3, 4], [], []),
        ("skip", [1, 4], [2, 3], []),
        ("queue_one", [1, 3], [2], [4]),
        ("queue_all", [1, 2], [], [3, 4]),
        ("cancel_other", [1, 2, 3, 4], [], []),
    )

    @pytest.mark.parametrize(("overlap", "started", "skipped", "waiting"), CASES)
    def test_overlap(
        self, world: World, overlap: str, started: list[int], skipped: list[int], waiting: list[int]
    ) -> None:
        world.schedule(overlap=overlap)
        world.each_hour(3)
        world.end()
        world.tick()
        world.each_hour(1)
        assert world.hours(STARTED) == started
        assert world.hours(SKIPPED) == skipped
        assert world.hours(WAITING) == waiting
        made = [o for o in world.occurrences() if o.job_id]
        assert {o.job_id: o.occurrence for o in made} == {j.id: j.occurrence for j in world.all_jobs()}

    def test_cancel_other_waits_for_one_that_publishes(self, world: World) -> None:
        world.schedule(overlap="cancel_other")
        world.each_hour(1)
        claim = world.jobs.claim("runner")
        assert claim is not None
        world.jobs.begin(claim.lease)
        world.jobs.permit(claim.lease, 1, "digest")
        assert world.each_hour(2) == [0, 0]
        assert world.hours(SKIPPED) == [2]
        assert world.jobs.get(world.project, claim.lease.job_id).state is State.PUBLISHING
        world.jobs.finish(claim.lease, Ending(state=State.SUCCEEDED, version=1, published=True))
        world.tick()
        assert world.hours(STARTED) == [1, 3]

    @pytest.mark.parametrize("overlap", ["queue_one", "queue_all", "cancel_other"])
    def test_waiting_costs_no_write(self, world: World, overlap: str) -> None:
        world.schedule(overlap=overlap)
        world.each_hour(1)
        claim = world.jobs.claim("runner")
        assert claim is not None
        world.jobs.begin(claim.lease)
        world.each_hour(1)
        writes: list[object] = []

        @event.listens_for(world.database.engine, "begin")
        def seen(connection: Connection) -> None:
            if connection.get_execution_options().get("begin") == "IMMEDIATE":
                writes.append(connection)

        assert world.tick(seconds=1) == 0
        assert writes == []
        world.jobs.finish(claim.lease, Ending(state=State.FAILED, reason="test"))
        assert world.tick(seconds=1) == 1
        assert writes

    def test_a_skipped_date_is_written_down(self, world: World) -> None:
        world.schedule(cron="0 12 * * *", skip_dates=["2026-03-02"], overlap="allow")
        world.tick(hours=30)
        world.tick(hours=18, seconds=5)
        assert (world.hours(SKIPPED), world.hours(STARTED)) == ([24], [48])

    def test_jitter_delays_and_an_outage_meanwhile_does_not_drop(self, world: World) -> None:
        made = world.schedule(jitter_s=3000, misfire="skip")
        world.each_hour(1)
        (found,) = world.occurrences()
        assert found.due == NOON + HOUR + jitter(made.id, NOON + HOUR, 3000)
        assert found.state is (WAITING if found.due > world.now else STARTED)
        world.tick(minutes=52)
        assert world.hours(STARTED) == [1]


class TestMissed:
    """No scheduler was there for hours 1 to 5; it looks when 5 is half an hour old."""

    CASES: tuple[tuple[Any, ...], ...] = (
        ("skip", "allow", [], [1, 2, 3, 4, 5], [], []),
        ("run_latest", "allow", [5], [1, 2, 3, 4], [], []),
        ("run_all", "allow", [3, 4, 5], [1, 2], [], []),
        ("run_all", "skip", [3], [1, 2], [4, 5], []),
        ("run_all", "queue_one", [3], [1, 2], [4], [5]),
        ("run_all", "queue_all", [3], [1, 2], [], [4, 5]),
        ("run_all", "cancel_other", [5], [1, 2], [3, 4], []),
        ("run_latest", "skip", [5], [1, 2, 3, 4], [], []),
        ("run_latest", "queue_one", [5], [1, 2, 3, 4], [], []),
        ("run_latest", "queue_all", [5], [1, 2, 3, 4], [], []),
        ("run_latest", "cancel_other", [5], [1, 2, 3, 4], [], []),
        ("skip", "skip", [], [1, 2, 3, 4, 5], [], []),
        ("skip", "queue_one", [], [1, 2, 3, 4, 5], [], []),
        ("skip", "queue_all", [], [1, 2, 3, 4, 5], [], []),
        ("skip", "cancel_other", [], [1, 2, 3, 4, 5], [], []),
    )

    @pytest.mark.parametrize(("misfire", "overlap", "started", "missed", "skipped", "waiting"), CASES)
    def test_misfire(
        self,
        world: World,
        misfire: str,
        overlap: str,
        started: list[int],
        missed: list[int],
        skipped: list[int],
        waiting: list[int],
    ) -> None:
        world.schedule(misfire=misfire, overlap=overlap, max_catch_up=3)
        world.tick(hours=5, minutes=30)
        assert world.hours(STARTED) == started
        assert world.hours(MISSED) == missed
        assert world.hours(SKIPPED) == skipped
        assert world.hours(WAITING) == waiting

    def test_nothing_is_older_than_the_window(self, world: World) -> None:
        world.schedule(misfire="run_all", overlap="allow", catch_up_window_s=7200)
        world.tick(hours=5, minutes=30)
        assert (world.hours(STARTED), world.hours(MISSED)) == ([4, 5], [1, 2, 3])

    def test_a_year_away_is_looked_through_at_once(self, world: World) -> None:
        world.schedule(cron="* * * * *", misfire="run_all", max_catch_up=5, overlap="allow")
        assert world.tick(days=365, seconds=90) == 6
        found = world.occurrences()
        assert len(found) == 5 + 1 + 1000 + 1
        assert "all others until" in found[0].reason
        assert "behind it" in found[1].reason
        assert world.tick(minutes=1) == 1


class TestFailing:
    def test_a_recipe_that_is_gone_fails_the_occurrence(self, world: World) -> None:
        made = world.schedule(pause_after_failures=2)
        world.recipes.delete(world.project, "docs", revision=1)
        world.each_hour(3)
        found = world.occurrences()
        assert [o.state for o in found] == [OccurrenceState.FAILED] * 2
        assert "docs" in found[0].reason
        assert world.schedules.get(world.project, made.id).pause_reason == "2 jobs failed in a row"

    def test_so_many_failures_in_a_row_pause_it_and_tell(self, world: World) -> None:
        made = world.schedule(pause_after_failures=3)
        with world.database.transaction() as connection:
            hook = {"id": "whk_1", "project_id": world.project, "name": "w", "url": "https://example.org", "events": []}
            connection.execute(webhooks.insert().values(**hook, created=clock(), created_by=BY))
        counts = []
        for letter in "FCSFXCF":
            state = ENDS[letter]
            world.each_hour(1)
            if state is State.CANCELLED:
                world.jobs.cancel(world.project, world.all_jobs()[0].id, BY)
            else:
                world.end(state)
            world.tick(seconds=1)
            counts.append(world.schedules.get(world.project, made.id).failures)
        assert counts == [1, 2, 0, 1, 1, 2, 3]
        assert world.schedules.get(world.project, made.id).paused == world.now
        assert world.each_hour(2) == [0, 0]
        with world.database.reading() as connection:
            told = (
                connection.execute(select(deliveries).where(deliveries.c.event == "schedule.paused")).mappings().all()
            )
        assert [delivery["payload"]["data"]["id"] for delivery in told] == [made.id]
        assert world.schedules.resume(world.project, made.id).failures == 0

    def test_what_is_repaired_is_no_failure_any_more(self, world: World) -> None:
        made = world.schedule(pause_after_failures=4)
        for _ in range(3):
            world.each_hour(1)
            failed = world.end(State.FAILED)
        world.tick()
        assert world.schedules.get(world.project, made.id).failures == 3
        world.jobs.retry(world.project, failed.id, BY)
        world.tick()
        assert world.schedules.get(world.project, made.id).failures == 3
        world.end()
        world.tick()
        assert world.schedules.get(world.project, made.id).failures == 0

    def test_what_failed_before_a_pause_is_forgotten(self, world: World) -> None:
        made = world.schedule(pause_after_failures=2)
        for _ in range(2):
            world.each_hour(1)
            world.end(State.FAILED)
        world.tick()
        assert world.schedules.get(world.project, made.id).paused
        world.schedules.resume(world.project, made.id)
        world.each_hour(1)
        world.end(State.FAILED)
        world.tick()
        found = world.schedules.get(world.project, made.id)
        assert (found.failures, found.paused) == (1, None)

    def test_backfills_do_not_count(self, world: World) -> None:
        made = world.schedule(pause_after_failures=1)
        request = {"from": NOON - 2 * HOUR, "to": NOON, "max_parallel": 9}
        world.schedules.backfill(world.project, made.id, BackfillRequest.model_validate(request))
        assert world.tick() == 3
        world.end(State.FAILED)
        world.tick()
        assert world.schedules.get(world.project, made.id).failures == 0

    def test_one_that_goes_wrong_does_not_hold_up_the_others(self, world: World) -> None:
        broken = world.schedule(name="broken")
        world.schedule()
        with world.database.transaction() as connection:
            connection.execute(schedules.update().where(schedules.c.id == broken.id).values(overlap="nonsense"))
        with pytest.raises(ExceptionGroup) as gone_wrong:
            world.tick(hours=1)
        assert len(gone_wrong.value.exceptions) == 1
        assert world.hours(STARTED) == [1]


def test_of_many_schedulers_one_starts_each_occurrence(world: World) -> None:
    policies = ("allow", "queue_one", "queue_all", "skip", "cancel_other")
    for n, overlap in enumerate(policies):
        world.schedule(name=f"s{n}", overlap=overlap, cron="*/10 * * * *", jitter_s=60 * n, misfire="run_all")
    workers, rounds = 4, 8
    schedulers = [world.new_scheduler() for _ in range(workers)]
    barrier = threading.Barrier(workers)
    started, errors = Counter[int](), []

    def work(index: int) -> None:
        for n in range(rounds):
            barrier.wait()
            try:
                started[index] += schedulers[index].tick(NOON + timedelta(minutes=11 * (n + 1), seconds=index))
            except Exception as error:  # noqa: BLE001, the test looks at them
                errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    jobs = [(job.schedule_id, job.occurrence) for job in world.all_jobs()]
    rows = [
        (world.schedules.get(world.project, f"s{n}").id, o.occurrence, o.job_id)
        for n in range(len(policies))
        for o in world.occurrences(f"s{n}")
        if o.state is STARTED
    ]
    assert len(set(jobs)) == len(jobs) == sum(started.values())
    assert sorted(jobs, key=str) == sorted(((schedule, moment) for schedule, moment, _ in rows), key=str)
    assert len({job_id for _, _, job_id in rows}) == len(rows)
    assert world.hours(STARTED, "s0") != []
    for n in range(len(policies)):
        moments = [o.occurrence for o in world.occurrences(f"s{n}")]
        assert moments == [NOON + timedelta(minutes=10 * (m + 1)) for m in range(len(moments))]
        assert len(moments) == 8


class TestRunning:
    def test_it_works_until_it_is_told_to_stop(self, world: World) -> None:
        """In real time: a trigger is started, the process is seen, and gone at the end."""
        world.settings = world.settings.model_copy(update={"poll_s": 0.02})
        world.now = datetime.now(UTC)
        made = world.schedule()
        world.now -= timedelta(seconds=1)
        world.schedules.trigger(world.project, made.id)
        stop = threading.Event()
        thread = threading.Thread(target=world.new_scheduler().run, args=(stop,))
        thread.start()
        try:
            until = time.monotonic() + 20
            while not (world.all_jobs() and present(world.database, 60)) and time.monotonic() < until:
                time.sleep(0.02)
            assert [process.role for process in present(world.database, 60)] == ["scheduler"]
        finally:
            stop.set()
            thread.join(20)
        assert not thread.is_alive()
        assert len(world.all_jobs()) == 1
        assert present(world.database, 60) == []

    def test_ended_jobs_their_logs_and_occurrences_are_forgotten_in_their_time(self, world: World) -> None:
        made = world.schedule()
        world.each_hour(1)
        old = world.end(State.FAILED)
        world.each_hour(1)
        going = world.all_jobs()[0]
        said = NewLogLine(at=datetime.now(UTC), level="INFO", logger="x", message="hello")
        for job in (old, going):
            world.jobs.log(job.id, [said])
        hook = {"id": "whk_1", "project_id": world.project, "name": "w", "url": "https://example.org", "events": []}
        waiting = {"id": "msg_1", "webhook_id": "whk_1", "project_id": world.project, "event": "job.failed"}
        with world.database.transaction() as connection:
            connection.execute(webhooks.insert().values(**hook, created=clock(), created_by=BY, paused=clock()))
            connection.execute(
                deliveries.insert().values(**waiting, payload={}, state="PENDING", created=later(-31 * DAY_S))
            )

        def age(days: float) -> None:
            with world.database.transaction() as connection:
                connection.execute(jobs.update().where(jobs.c.id == old.id).values(finished=later(-days * DAY_S)))
                connection.execute(occurrences.update().values(created=later(-days * DAY_S)))
            world.scheduler.trim()

        age(29)
        with world.database.reading() as connection:
            assert connection.execute(select(deliveries.c.state)).scalars().all() == ["DEAD"]
        assert len(world.jobs.logs(world.project, old.id)) == 1
        age(31)
        assert world.jobs.logs(world.project, old.id) == []
        assert len(world.jobs.logs(world.project, going.id)) == 1
        assert len(world.occurrences()) == 2
        age(366)
        assert [job.id for job in world.all_jobs()] == [going.id]
        assert [o.job_id for o in world.occurrences()] == [going.id]
        with world.database.reading() as connection:
            assert connection.execute(select(deliveries.c.state)).all() == []
        assert world.schedules.get(world.project, made.id).next is not None

    def test_the_old_is_forgotten_and_what_counts_is_kept(self, world: World) -> None:
        made = world.schedule(misfire="run_all", max_catch_up=1)
        world.tick(hours=3, minutes=30)
        assert (world.hours(STARTED), world.hours(MISSED)) == ([3], [1, 2])
        world.scheduler.trim()
        assert (world.hours(STARTED), world.hours(MISSED)) == ([3], [])
        assert world.schedules.get(world.project, made.id).next == NOON + 4 * HOUR
