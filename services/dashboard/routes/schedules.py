"""Schedules: what they did and will do, day by day, and the list."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.control_plane.conventions import PageToken
from services.control_plane.plane import Plane, ThePlane
from services.dashboard.links import job_page_of, recipe_page, schedule_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.session import ROOT
from services.dashboard.tables import Column, Table
from services.identity.principal import Permission, Principal
from services.moment import FIRST, LAST
from services.schedules.calendar import (
    MOST_A_DAY,
    CalendarDay,
    DayOccurrence,
    Outcome,
    calendar,
    day_occurrences,
    day_plans,
)
from services.schedules.schedule import Schedule

PAGE = 50
MAX_PLANNED = 200
"""How many schedules' times to come the calendar counts."""
MAX_OF_A_DAY = 500
BEFORE, AHEAD = timedelta(weeks=2), timedelta(weeks=4)
WEEK = 7
SCHEDULES = f"{ROOT}/schedules"

router = new_router()
Reader = Annotated[Principal, allow(Permission.SCHEDULES_READ)]
Writer = Annotated[Principal, allow(Permission.SCHEDULES_WRITE)]
WRITING = [allow(Permission.SCHEDULES_WRITE)]
Which = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]


OCCURRENCE_COLUMNS = (
    Column("occurrence", "Time", "time"),
    Column("kind", "Kind"),
    Column("outcome", "What became of it", "state"),
    Column("job_id", "Job", "code", job_page_of),
    Column("reason", "Why"),
)
MARKS = {
    Outcome.PLANNED: "○",
    Outcome.OPEN: "…",
    Outcome.SUCCEEDED: "✓",
    Outcome.FAILED: "✕",
    Outcome.MISSED: "!",
    Outcome.SKIPPED: "–",
    Outcome.CANCELLED: "⊘",
}
"""What a day of the calendar shows, beside a colour."""


@router.get("/schedules")
def show_schedules(
    request: Request,
    plane: ThePlane,
    who: Reader,
    day: Annotated[date | None, Query(ge=FIRST.date(), lt=LAST.date())] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    after: PageToken = None,
) -> Response:
    """The calendar, what became of the `day` that is chosen, and the schedules."""
    now = plane.database.now()
    all_of_them = plane.schedules.list(who.project_id, limit=MAX_PLANNED)
    question = ["ui schedules", who.project_id]
    found = plane.schedules.list(who.project_id, after=plane.pages.read(after, question), limit=PAGE + 1)
    more = plane.pages.write(found[PAGE - 1].id, question) if len(found) > PAGE else None
    days = calendar(
        plane.database,
        who.project_id,
        all_of_them,
        _monday(now.date() - BEFORE),
        _monday(now.date() + AHEAD) + timedelta(days=WEEK - 1),
        now,
    )
    tables = [_numbers(days, len(all_of_them)), _listed(request, found[:PAGE], more, now)]
    if day is not None:
        tables.append(_of_day(plane, who, all_of_them, day, outcome, now))
    return page(
        request,
        "schedules.html",
        tables,
        title="Schedules",
        section="Schedules",
        weeks=[days[n : n + WEEK] for n in range(0, len(days), WEEK)],
        today=now.date(),
        day=day,
        outcome=outcome,
        outcomes=list(Outcome),
        marks=MARKS,
        new=f"{ROOT}/new/schedule",
        has_schedules=bool(all_of_them),
    )


def occurrence_rows(found: Sequence[DayOccurrence]) -> list[dict[str, Any]]:
    """Rows of `OCCURRENCE_COLUMNS`, each with its `schedule`."""
    return [{**one.model_dump(), "reason": one.reason or one.job_message} for one in found]


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _listed(request: Request, found: Sequence[Schedule], more: str | None, now: datetime) -> Table:
    rows = [
        {
            "schedule": schedule.name,
            "recipe": schedule.recipe_name,
            "mode": schedule.mode,
            "cron": schedule.cron,
            "timezone": schedule.timezone,
            "next": schedule.next,
            "in_s": (schedule.next - now).total_seconds() if schedule.next else None,
            "overlap": schedule.overlap,
            "misfire": schedule.misfire,
            "failures": schedule.failures,
            "paused": (schedule.pause_reason or "paused") if schedule.paused else None,
        }
        for schedule in found
    ]
    columns = (
        Column("schedule", "Schedule", "text", schedule_page),
        Column("recipe", "Recipe", "text", recipe_page),
        Column("mode", "Does"),
        Column("cron", "Cron", "code"),
        Column("timezone", "Time zone"),
        Column("next", "Next", "time"),
        Column("in_s", "In", "duration"),
        Column("overlap", "Overlap"),
        Column("misfire", "Misfire"),
        Column("failures", "Failed in a row", "count"),
        Column("paused", "Paused"),
    )
    address = with_query(request, after=more) if more else None
    return Table("schedules", "All schedules", columns, rows, empty="No schedule yet.", more=address, classes="roomy")


def _numbers(days: Sequence[CalendarDay], schedules: int) -> Table:
    """The calendar's."""
    rows = [{"day": f"{day.day:%Y-%m-%d}", **{one.value: day.counts.get(one, 0) for one in Outcome}} for day in days]
    total = {"day": "all", **{one.value: sum(day.counts.get(one, 0) for day in days) for one in Outcome}}
    columns = (
        Column("day", "Day, UTC", "text", lambda row: None if row["day"] == "all" else f"?day={row['day']}#day"),
        *(Column(one, one.capitalize(), "count") for one in Outcome),
    )
    notes = []
    if any(day.has_more for day in days):
        notes.append(f"Of a schedule at most {MOST_A_DAY} planned times a day are counted.")
    if schedules == MAX_PLANNED:
        notes.append(f"What is planned is counted of the {MAX_PLANNED} newest schedules.")
    return Table("calendar", "Occurrences by day", columns, rows, total=total, note=" ".join(notes))


def _of_day(
    plane: Plane, who: Principal, schedules: Sequence[Schedule], day: date, outcome: Outcome | None, now: datetime
) -> Table:
    found = day_occurrences(plane.database, who.project_id, day, limit=MAX_OF_A_DAY + 1, which=outcome)
    if outcome in (None, Outcome.PLANNED):
        found = [*found, *day_plans(schedules, day, now)]
    columns = (Column("schedule", "Schedule", "text", schedule_page), *OCCURRENCE_COLUMNS)
    which = f", {outcome}" if outcome else ""
    return Table(
        "day",
        f"{day:%A, %d %B %Y}{which}",
        columns,
        occurrence_rows(found[:MAX_OF_A_DAY]),
        empty="Nothing on this day.",
        note=f"The first {MAX_OF_A_DAY} only." if len(found) > MAX_OF_A_DAY else "Times are UTC's.",
        classes="roomy",
    )
