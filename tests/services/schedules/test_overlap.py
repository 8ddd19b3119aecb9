"""What may start, of the occurrences that wait."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.schedules.overlap import Active, Waiting, plan_turn
from services.schedules.schedule import Overlap
from tests.services.schedules.world import NOON

CASES = [
    ("skip", 0, 3, [1], [2, 3], 0, "only the first finds it free"),
    ("skip", 1, 2, [], [1, 2], 0, "none finds it free"),
    ("queue_one", 0, 3, [1], [2], 0, "one starts, the latest waits"),
    ("queue_one", 1, 3, [], [1, 2], 0, "the latest waits"),
    ("queue_one", 1, 1, [], [], 0, "it waits"),
    ("queue_all", 0, 3, [1], [], 0, "one after the other"),
    ("queue_all", 1, 3, [], [], 0, "all wait"),
    ("cancel_other", 0, 2, [2], [1], 0, "the latest"),
    ("cancel_other", 1, 2, [], [1], 1, "it starts when the other is final"),
    ("allow", 2, 3, [1, 2, 3], [], 0, "all at once"),
    ("cancel_other", 2, 0, [], [], 0, "nothing is due"),
]


def scheduled(hour: int) -> Waiting:
    return Waiting(NOON + timedelta(hours=hour), "schedule")


@pytest.mark.parametrize(("policy", "running", "waiting", "start", "skip", "cancelled", "reason"), CASES)
def test_the_policies(
    policy: str, running: int, waiting: int, start: list[int], skip: list[int], cancelled: int, reason: str
) -> None:
    """Hours that wait are 1, 2, …; given in the wrong order."""
    due = [scheduled(hour) for hour in range(waiting, 0, -1)]
    turn = plan_turn(Overlap(policy), due, [Active(f"job_{n}", "schedule") for n in range(running)])
    assert list(turn.start) == [scheduled(hour) for hour in start], reason
    assert [waiting for waiting, _ in turn.skip] == [scheduled(hour) for hour in skip], reason
    assert len(turn.cancel) == cancelled, reason


@pytest.mark.parametrize("policy", Overlap)
def test_a_trigger_starts_at_once_and_a_backfill_keeps_to_its_own_number(policy: Overlap) -> None:
    trigger = Waiting(NOON, "manual:trg_1")
    backfill = [Waiting(NOON - timedelta(days=n), "backfill:bkf_1", n, 3) for n in range(6)]
    active = [Active("job_1", "schedule"), Active("job_2", "backfill:bkf_1"), Active("job_3", "backfill:bkf_2")]
    turn = plan_turn(policy, [*reversed(backfill), trigger], active)
    assert turn.start == (trigger, *backfill[:2])
    assert not turn.skip
    assert not turn.cancel


def test_a_backfill_is_not_in_the_way_but_a_trigger_is() -> None:
    due = [scheduled(1)]
    assert plan_turn(Overlap.SKIP, due, [Active("job_1", "backfill:bkf_1")]).start == (scheduled(1),)
    assert plan_turn(Overlap.SKIP, due, [Active("job_1", "manual:trg_1")]).start == ()
    trigger = Waiting(NOON, "manual:trg_1")
    assert plan_turn(Overlap.SKIP, [*due, trigger], []).start == (trigger,)
