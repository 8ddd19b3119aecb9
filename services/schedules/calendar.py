"""What the schedules of a project did and will do, day by day. Days are UTC's."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from itertools import islice

from pydantic import BaseModel, ConfigDict
from sqlalchemy import BigInteger, Select, func, select, type_coerce

from services.database import Database
from services.database.tables import jobs, occurrences, schedules
from services.database.types import EPOCH, MICROSECOND
from services.jobs.states import FINAL, State
from services.schedules.cron import Cron
from services.schedules.schedule import OccurrenceState, Schedule

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
MOST_A_DAY = 100
"""How many times a day are counted of one schedule; of one that fires more often it is said that there are more."""


class Outcome(StrEnum):
    """What becomes, or became, of an occurrence."""

    PLANNED = "planned"
    OPEN = "open"
    """It waits, or its job is not done."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Its job failed or crashed, or could not be made."""
    MISSED = "missed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"
    """Its job was cancelled, or is forgotten."""


class CalendarDay(BaseModel):
    """How many occurrences of a day came to what."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    day: date
    counts: dict[Outcome, int]
    """Only what there is."""
    has_more: bool = False
    """Whether more are planned than were counted."""


class DayOccurrence(BaseModel):
    """One occurrence of any schedule."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    schedule: str
    occurrence: datetime
    kind: str
    """`schedule`, `manual`, `backfill`."""
    outcome: Outcome
    reason: str = ""
    job_id: str | None = None
    job_state: State | None = None
    job_message: str | None = None


def calendar(
    database: Database, project_id: str, planned: Sequence[Schedule], first: date, last: date, now: datetime
) -> list[CalendarDay]:
    """Every day from `first` to `last`. What has been is counted of all of the project's schedules, what is to come of
    those that are given."""
    past = _past(database, project_id, first, last)
    days = [first + n * DAY for n in range((last - first).days + 1)]
    return [_day(day, past[day], planned, now) for day in days]


def day_occurrences(
    database: Database, project_id: str, day: date, *, limit: int, which: Outcome | None = None
) -> list[DayOccurrence]:
    """What the scheduler has noted of one day, in order."""
    wanted = (
        _joined(project_id, day, day)
        .add_columns(
            schedules.c.name,
            occurrences.c.occurrence,
            occurrences.c.kind,
            occurrences.c.reason,
            occurrences.c.job_id,
            jobs.c.message,
        )
        .order_by(occurrences.c.occurrence, schedules.c.name, occurrences.c.kind)
    )
    with database.reading() as connection:
        rows = connection.execute(wanted).mappings()
        found = (
            DayOccurrence(
                schedule=row["name"],
                occurrence=row["occurrence"],
                kind=row["kind"].partition(":")[0],
                outcome=outcome_of(row["state"], row["job_state"]),
                reason=row["reason"],
                job_id=row["job_id"],
                job_state=row["job_state"],
                job_message=row["message"],
            )
            for row in rows
        )
        return list(islice((one for one in found if which is None or one.outcome is which), limit))


def day_plans(planned: Sequence[Schedule], day: date, now: datetime) -> list[DayOccurrence]:
    """What is to come on one day, soonest first; of each schedule at most MOST_A_DAY."""
    found = [
        DayOccurrence(schedule=schedule.name, occurrence=moment, kind="schedule", outcome=Outcome.PLANNED)
        for schedule in planned
        for moment in _times(schedule, day, now)[:MOST_A_DAY]
    ]
    return sorted(found, key=lambda one: (one.occurrence, one.schedule))


def _past(database: Database, project_id: str, first: date, last: date) -> Mapping[date, Counter[Outcome]]:
    joined = _joined(project_id, first, last).add_columns(
        (type_coerce(occurrences.c.occurrence, BigInteger) // (DAY // MICROSECOND)).label("day"),
    )
    each = joined.subquery()
    wanted = select(each, func.count().label("amount")).group_by(*each.c)
    found: defaultdict[date, Counter[Outcome]] = defaultdict(Counter)
    with database.reading() as connection:
        for row in connection.execute(wanted).mappings():
            found[(EPOCH + row["day"] * DAY).date()][outcome_of(row["state"], row["job_state"])] += row["amount"]
    return found


def _joined(project_id: str, first: date, last: date) -> Select[tuple[str, str]]:
    """The states of the occurrences from the first day to the last, of all schedules of the project, and of their
    jobs: each schedule's are a range of the primary key."""
    begin, end = _midnight(first), _midnight(last + DAY)
    return (
        select(occurrences.c.state, jobs.c.state.label("job_state"))
        .join(schedules, schedules.c.id == occurrences.c.schedule_id)
        .outerjoin(jobs, jobs.c.id == occurrences.c.job_id)
        .where(schedules.c.project_id == project_id, schedules.c.deleted.is_(None))
        .where(occurrences.c.occurrence >= begin, occurrences.c.occurrence < end)
    )


def outcome_of(state: str, job_state: str | None) -> Outcome:
    """What became of an occurrence in this state, whose job, if there is one, is in that state."""
    if state != OccurrenceState.STARTED:
        return Outcome.OPEN if state == OccurrenceState.WAITING else Outcome(state.lower())
    if job_state in (State.FAILED, State.CRASHED):
        return Outcome.FAILED
    if job_state == State.SUCCEEDED:
        return Outcome.SUCCEEDED
    return Outcome.CANCELLED if job_state is None or job_state in FINAL else Outcome.OPEN


def _day(day: date, past: Counter[Outcome], planned: Sequence[Schedule], now: datetime) -> CalendarDay:
    counts = Counter(past)
    to_come = [len(_times(schedule, day, now)) for schedule in planned]
    if total := sum(min(one, MOST_A_DAY) for one in to_come):
        counts[Outcome.PLANNED] = total
    return CalendarDay(day=day, counts=dict(counts), has_more=any(one > MOST_A_DAY for one in to_come))


def _times(schedule: Schedule, day: date, now: datetime) -> tuple[datetime, ...]:
    """When it fires on a day, from now on and not while it is paused; one more than MOST_A_DAY at most."""
    soonest = now.replace(second=0, microsecond=0) + MINUTE  # cron knows minutes, so that this can be remembered
    begin = max(_midnight(day), soonest, schedule.start or soonest)
    night = _midnight(day + DAY) - MICROSECOND
    end = min(night, schedule.end or night)
    if schedule.paused or begin > end:
        return ()
    return _fired(schedule.cron, schedule.timezone, schedule.skip_dates, begin, end)


@lru_cache(maxsize=1 << 14)
def _fired(
    cron: str, timezone: str, skip_dates: tuple[date, ...], begin: datetime, end: datetime
) -> tuple[datetime, ...]:
    clock = Cron(cron, timezone)
    fired = clock.after(begin - MICROSECOND, end)
    return tuple(islice((one for one in fired if clock.local(one).date() not in skip_dates), MOST_A_DAY + 1))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
