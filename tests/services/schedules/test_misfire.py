"""Which occurrences are run, of those that have passed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.schedules.misfire import GRACE, Passed, decide_misfires
from services.schedules.schedule import Misfire
from tests.services.schedules.world import NOON

HOUR = timedelta(hours=1)
CASES = [
    ("skip", [5, 4, 3], [], "all are late"),
    ("skip", [2, 1, 0], [0], "the last is punctual"),
    ("run_latest", [5, 4, 3], [3], "the latest"),
    ("run_latest", [2, 1, 0], [0], "the punctual one is the latest"),
    ("run_latest", [90, 80, 30], [], "outside the window"),
    ("run_all", [5, 4, 3], [4, 3], "two at most"),
    ("run_all", [2, 1, 0], [2, 1, 0], "punctual ones do not count"),
    ("run_all", [30, 3], [3], "one is outside the window"),
    ("run_all", [], [], "nothing has passed"),
]


@pytest.mark.parametrize(("policy", "ages", "kept", "reason"), CASES)
def test_the_policies(policy: str, ages: list[int], kept: list[int], reason: str) -> None:
    """Ages in hours; two are caught up on at most, none older than a day."""
    passed = [Passed(NOON - age * HOUR, NOON - age * HOUR) for age in ages]
    verdict = decide_misfires(passed, NOON, Misfire(policy), 2, timedelta(days=1))
    assert [(NOON - p.occurrence) / HOUR for p in verdict.kept] == kept, reason


def test_jitter_that_is_not_over_makes_it_punctual() -> None:
    passed = [Passed(NOON - HOUR, NOON + HOUR), Passed(NOON - 2 * HOUR, NOON - GRACE)]
    assert decide_misfires(passed, NOON, Misfire.SKIP, 1, HOUR).kept == tuple(passed)


@given(
    st.lists(st.integers(0, 10_000), unique=True),
    st.sampled_from(Misfire),
    st.integers(1, 5),
    st.integers(0, 10_000),
)
def test_nothing_is_lost_and_nothing_is_twice(ages: list[int], policy: Misfire, most: int, window: int) -> None:
    passed = [Passed(moment, moment) for moment in sorted(NOON - timedelta(minutes=age) for age in ages)]
    verdict = decide_misfires(passed, NOON, policy, most, timedelta(minutes=window))
    together = [*verdict.kept, *(missed.passed for missed in verdict.missed)]
    assert sorted(together, key=lambda p: p.occurrence) == passed
    late = [p for p in verdict.kept if NOON - p.due > GRACE]
    assert len(late) <= {Misfire.SKIP: 0, Misfire.RUN_LATEST: 1, Misfire.RUN_ALL: most}[policy]
