"""Where a job's time went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.dashboard.timeline import at_work, left, steps_table, timeline
from services.jobs.job import StepProgress

ZERO = datetime(2026, 11, 23, 3, tzinfo=UTC)


def step(name: str, begin_s: float, end_s: float, done: int = 4, **values: object) -> StepProgress:
    """A step of four tasks."""
    times = {"started": ZERO + timedelta(seconds=begin_s), "updated": ZERO + timedelta(seconds=end_s)}
    return StepProgress.model_validate({"step": name, "shards_done": done, "shards_total": 4, **times, **values})


STEPS = (step("filter", 0, 60), step("finish", 160, 200), step("deduplicate", 60, 160, done=1, left_s=(90.0, 300.0)))


def test_bars_are_shares_of_the_whole_time() -> None:
    found = timeline(STEPS)
    assert found is not None
    assert [(bar.step, bar.begins, bar.length) for bar in found.bars] == [
        ("filter", 0.0, 0.3),
        ("deduplicate", 0.3, 0.5),
        ("finish", 0.8, 0.2),
    ]
    assert [bar.step for bar in found.bars if bar.is_slowest] == ["deduplicate"]
    assert timeline(()) is None


@pytest.mark.parametrize(
    ("length_s", "said"),
    [
        (0.0, ["0", "0.1 s"]),
        (2.6, ["0", "0.5 s", "1 s", "1.5 s", "2 s", "2.5 s"]),
        (200.0, ["0", "1 min", "2 min", "3 min"]),
        (86_400.0 * 20, ["0", "4 d", "8 d", "12 d", "16 d", "20 d"]),
    ],
)
def test_the_axis_begins_at_zero_and_counts_in_whole_units(length_s: float, said: list[str]) -> None:
    found = timeline([step("filter", 0, length_s)])
    assert found is not None
    assert [text for _, text in found.marks] == said
    assert found.marks[0][0] == 0.0
    assert found.marks[-1][0] <= 1.0


def test_what_is_at_work_goes_on_until_now() -> None:
    working = (step("filter", 0, 60), step("deduplicate", 60, 70, done=1))
    assert at_work(working) is working[1]
    table = steps_table(working, ZERO + timedelta(seconds=100))
    assert [row["took_s"] for row in table.rows] == [60, 40]
    assert table.total is not None
    assert table.total["took_s"] == 100
    assert [row["took_s"] for row in steps_table(working).rows] == [60, 10]
    assert at_work((step("filter", 0, 60),)) is None


def test_the_time_left_is_a_range() -> None:
    assert left(STEPS[2]) == "1 min 30 s to 5 min"
    assert left(STEPS[0]) is None
    assert [column.name for column in steps_table(STEPS).columns][-1] == "left"
    assert "left" not in [column.name for column in steps_table(STEPS[:2]).columns]
