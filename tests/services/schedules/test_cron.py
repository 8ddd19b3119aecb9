"""When expressions fire, above all where the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from services.errors import Invalid
from services.schedules.cron import Cron, jitter
from tests.services.schedules.oracle import transitions, walk

ZONES = (
    ("Africa/Cairo", 2026),
    ("Africa/Casablanca", 2026),
    ("Africa/El_Aaiun", 2026),
    ("Africa/Johannesburg", 2026),
    ("America/Asuncion", 2023),
    ("America/Caracas", 2016),
    ("America/Chicago", 2026),
    ("America/Halifax", 2026),
    ("America/Havana", 2026),
    ("America/Los_Angeles", 2026),
    ("America/New_York", 2026),
    ("America/Nuuk", 2024),
    ("America/Phoenix", 2026),
    ("America/Santiago", 2026),
    ("America/Sao_Paulo", 2018),
    ("America/St_Johns", 2026),
    ("Antarctica/Casey", 2018),
    ("Antarctica/Troll", 2026),
    ("Asia/Beirut", 2026),
    ("Asia/Gaza", 2026),
    ("Asia/Jerusalem", 2026),
    ("Asia/Kathmandu", 2026),
    ("Asia/Kolkata", 2026),
    ("Asia/Pyongyang", 2018),
    ("Asia/Tehran", 2022),
    ("Asia/Tokyo", 2026),
    ("Atlantic/Azores", 2026),
    ("Australia/Adelaide", 2026),
    ("Australia/Lord_Howe", 2026),
    ("Australia/Sydney", 2026),
    ("Europe/Dublin", 2026),
    ("Europe/Istanbul", 2016),
    ("Europe/Lisbon", 2026),
    ("Europe/London", 2026),
    ("Europe/Moscow", 2014),
    ("Europe/Paris", 2026),
    ("Europe/Volgograd", 2020),
    ("Pacific/Apia", 2011),
    ("Pacific/Auckland", 2026),
    ("Pacific/Chatham", 2026),
    ("Pacific/Easter", 2026),
    ("Pacific/Norfolk", 2026),
    ("UTC", 2026),
)
EXPRESSIONS = (
    "30 2 * * *",
    "15,45 1-3 * * *",
    "0 0 * * *",
    "20 0,23 * * *",
    "59 23 31 12,3 *",
    "10 */6 * * 0",
    "* 2 * * *",
    "*/20 3 * * *",
    "*/7 * * * *",
    "45 * * * 1-6",
    "0 0 */2 * *",
    "5/20 1,2 1-7 * 0,7",
)


@pytest.mark.parametrize(("zone", "year"), ZONES)
def test_it_fires_where_a_walk_over_every_minute_does(zone: str, year: int) -> None:
    changes = transitions(zone, year) or [datetime(year, 6, 1, tzinfo=UTC)]
    for change in changes:
        after, until = change - timedelta(hours=6), change + timedelta(hours=32)
        for expression in EXPRESSIONS:
            found = list(Cron(expression, zone).after(after, until))
            assert found == list(walk(expression, zone, after, until)), (expression, change)


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "America/Santiago"])
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/20 * * * *", "10,40 0-3 * * *"])
def test_where_one_begins_makes_no_difference(zone: str, expression: str) -> None:
    """What a scheduler finds in steps, after an outage, or all at once is the same."""
    year = 2011 if zone == "Pacific/Apia" else 2026
    cron = Cron(expression, zone)
    for change in transitions(zone, year):
        begin, until = change - timedelta(hours=4), change + timedelta(hours=6)
        together = list(cron.after(begin, until))
        for step in range(0, 10 * 60, 11):
            moment = begin + timedelta(minutes=step, seconds=30)
            assert list(cron.after(moment, until)) == [found for found in together if found > moment]


NEW_YORK = [
    ("30 2 * * *", "2026-03-08T00:00-05:00", ["03-08 03:00 -0400", "03-09 02:30 -0400"], "gap: at its end"),
    ("0,30 2 * * *", "2026-03-08T00:00-05:00", ["03-08 03:00 -0400", "03-09 02:00 -0400"], "gap: once"),
    ("*/30 2 * * *", "2026-03-08T00:00-05:00", ["03-09 02:00 -0400", "03-09 02:30 -0400"], "gap: not at all"),
    ("0 * * * *", "2026-03-08T00:30-05:00", ["03-08 01:00 -0500", "03-08 03:00 -0400"], "gap: elapsed time"),
    ("30 1 * * *", "2026-11-01T00:00-04:00", ["11-01 01:30 -0400", "11-02 01:30 -0500"], "fold: the first"),
    ("*/30 1 * * *", "2026-11-01T01:15-04:00", ["11-01 01:30 -0400", "11-01 01:00 -0500"], "fold: both"),
    ("0 * * * *", "2026-11-01T00:30-04:00", ["11-01 01:00 -0400", "11-01 01:00 -0500"], "fold: elapsed time"),
]


@pytest.mark.parametrize(("expression", "begin", "expected", "reason"), NEW_YORK)
def test_new_york(expression: str, begin: str, expected: list[str], reason: str) -> None:
    cron = Cron(expression, "America/New_York")
    found = [cron.local(moment) for moment in islice(cron.after(datetime.fromisoformat(begin)), 2)]
    assert [f"{moment:%m-%d %H:%M %z}" for moment in found] == expected, reason


def test_a_day_that_was_skipped() -> None:
    """Samoa had no 30 December 2011: the job of that day runs when the next begins, then that day's own."""
    cron = Cron("0 10 * * *", "Pacific/Apia")
    found = islice(cron.after(datetime(2011, 12, 29, 21, tzinfo=UTC)), 3)
    assert [f"{cron.local(moment):%d %H:%M}" for moment in found] == ["31 00:00", "31 10:00", "01 10:00"]


@pytest.mark.parametrize("expression", ["0 0 29 2 *", "0 9 * * MON#2", "0 0 L * *", "0 9 LW * *", "0 3 * * 5L"])
def test_the_whole_of_cronsim_is_understood(expression: str) -> None:
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    expected = list(islice(CronSim(expression, begin), 20))
    assert list(islice(Cron(expression, "UTC").after(begin), 20)) == expected


WRONG = [
    ("0 0 30 2 *", "UTC", "never fires"),
    ("0 0 31 2 *", "UTC", "never fires"),
    ("0 0 */31 2 MON#5", "UTC", "never fires"),
    ("0 0 * * * *", "UTC", "seconds"),
    ("0 0 * *", "UTC", "four fields"),
    ("", "UTC", "no fields"),
    ("60 0 * * *", "UTC", "no such minute"),
    ("0 24 * * *", "UTC", "no such hour"),
    ("0 0 0 * *", "UTC", "no such day"),
    ("5-1 0 * * *", "UTC", "backwards"),
    ("*/0 0 * * *", "UTC", "a step of nothing"),
    ("@daily", "UTC", "not a macro"),
    ("0 0 * * *", "Mars/Olympus", "no such zone"),
    ("0 0 * * *", "America", "a folder of zones"),
    ("0 0 * * *", "../../etc/passwd", "a path"),
    ("0 0 * * *", "localtime", "another on each machine"),
    ("0 0 * * *", "", "no zone"),
]


@pytest.mark.parametrize(("expression", "zone", "reason"), WRONG)
def test_what_is_wrong_is_said(expression: str, zone: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        Cron(expression, zone)
    assert refused.value.problems[0].path == ("cron" if zone == "UTC" else "timezone"), reason


@given(st.text(alphabet="0123456789*/,-#LW MON", max_size=30))
def test_any_text_is_parsed_or_invalid(text: str) -> None:
    try:
        cron = Cron(text, "Europe/London")
    except Invalid:
        return
    found = list(islice(cron.after(datetime(2026, 1, 1, tzinfo=UTC)), 3))
    assert len(found) == 3
    assert found == sorted(set(found))


@given(st.integers(1, 86_400), st.datetimes(timezones=st.just(UTC), min_value=datetime(1990, 1, 1)))
def test_jitter_is_bounded_and_the_same_everywhere(jitter_s: int, moment: datetime) -> None:
    found = jitter("sch_1", moment, jitter_s)
    assert timedelta(0) <= found < timedelta(seconds=jitter_s)
    assert found == jitter("sch_1", moment.astimezone(), jitter_s)


def test_jitter_spreads() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    found = {jitter(f"sch_{n}", moment, 3600) for n in range(100)}
    assert len(found) > 90
    assert jitter("sch_1", moment, 0) == timedelta(0)


def test_a_day_of_the_month_or_of_the_week() -> None:
    """As in every cron: either suffices where both are given."""
    found = Cron("0 0 13 2 1", "UTC").after(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC))
    assert [moment.day for moment in found] == [2, 9, 13, 16, 23]
