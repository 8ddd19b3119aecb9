"""What a job shows of its steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from curation.pipeline import Progress
from services.runner.progress import Meter, left_s

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_steady_step_takes_as_long_as_it_has_taken() -> None:
    low, high = left_s(0, [2.0 * n for n in range(1, 51)], 100) or (0, 0)
    assert (low, high) == pytest.approx((100, 100))


def test_the_range_is_as_wide_as_the_paces_differ() -> None:
    ends = [0.0]
    for shard in range(64):
        ends.append(ends[-1] + (1 if shard // 4 % 2 else 3))
    low, high = left_s(0, ends[1:], 128) or (0, 0)
    assert (low, high) == pytest.approx((64 * 1, 64 * 3))


def test_records_that_were_there_before_do_not_shorten_what_is_left() -> None:
    there = [0.001 * n for n in range(1, 51)]
    low, _ = left_s(0, [*there, *(there[-1] + 10 * n for n in range(1, 51))], 200) or (0, 0)
    assert low == pytest.approx(1000)


@pytest.mark.parametrize(("done", "total"), [(0, 1), (4, 100), (0, 0)])
def test_little_tells_nothing(done: int, total: int) -> None:
    assert left_s(0, [1.0] * done, total) is None


def test_one_shard_is_believed_to_a_factor_of_two() -> None:
    assert left_s(10, [14.0], 3) == (4, 16)


def test_a_step_that_is_done_has_nothing_left() -> None:
    assert left_s(0, [1.0, 2.0, 3.0], 3) == (0, 0)


def test_rates_are_over_the_whole_step_and_times_are_the_databases() -> None:
    seconds = [100.0]
    meter = Meter(NOON, lambda: seconds[0])
    meter.watch(Progress(step="filter", done=0, total=4))
    seconds[0] += 10
    meter.watch(Progress(step="filter", done=2, total=4, documents=500, bytes=2000))
    seconds[0] += 5
    meter.watch(Progress(step="deduplicate", done=3, total=9))
    filtering, deduplicating = meter.steps()
    assert (filtering.documents_per_s, filtering.bytes_per_s) == (50, 200)
    assert (filtering.started, filtering.updated) == (NOON, NOON + timedelta(seconds=10))
    assert (filtering.shards_done, filtering.shards_total, filtering.left_s) == (2, 4, (0, 0))
    assert deduplicating.left_s is None  # its total grows on the way
    assert meter.now() == NOON + timedelta(seconds=15)


def test_what_earlier_attempts_did_is_shown_until_a_run_begins_anew() -> None:
    first, second = Meter(NOON, lambda: 0.0), Meter(NOON, lambda: 9.0)
    for step in ("filter", "finish"):
        first.watch(Progress(step=step, done=4, total=4))
    second.recall(first.steps())
    second.watch(Progress(step="publish", done=0, total=1))
    second.watch(Progress(step="finish", done=1, total=4))
    assert [(step.step, step.shards_done) for step in second.steps()] == [("filter", 4), ("finish", 1), ("publish", 0)]
    second.begin_anew()
    assert second.steps() == ()


def test_what_was_recorded_before_makes_nobody_faster() -> None:
    """The earlier attempt told of 3 shards and died when it had recorded a fourth."""
    seconds = [0.0]
    first, second = Meter(NOON, lambda: seconds[0]), Meter(NOON, lambda: seconds[0])
    first.watch(Progress(step="filter", done=0, total=8))
    first.watch(Progress(step="filter", done=3, total=8, documents=3000, bytes=6000))
    second.recall(first.steps())
    for done in range(5):
        second.watch(Progress(step="filter", done=done, total=8, documents=1000 * done, bytes=2000 * done))
        seconds[0] += 0.001
    (filtering,) = second.steps()
    assert (filtering.documents, filtering.documents_per_s, filtering.left_s) == (4000, None, None)
    seconds[0] = 10.003
    for done in (5, 6):
        seconds[0] += 10 if done == 6 else 0
        second.watch(Progress(step="filter", done=done, total=8, documents=1000 * done, bytes=2000 * done))
    (filtering,) = second.steps()
    assert filtering.documents_per_s == pytest.approx(100, rel=0.01)
    assert filtering.bytes_per_s == pytest.approx(200, rel=0.01)
    assert filtering.left_s == pytest.approx((10, 40), rel=0.01)
