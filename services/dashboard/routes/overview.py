"""What somebody looks at in the morning: what waits for them, what failed, how fresh the corpora are, what comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from fastapi import Request
from starlette.responses import Response

from services.control_plane.plane import Plane, ThePlane
from services.dashboard.links import corpus_page, job_page, schedule_page, version_page
from services.dashboard.pages import allow, new_router, page
from services.dashboard.runs import RUN_COLUMNS, run_rows
from services.dashboard.session import ROOT
from services.dashboard.tables import Column, Table
from services.dashboard.timeline import at_work, left
from services.errors import ServiceError
from services.identity.principal import Permission, Principal
from services.jobs.job import JobFilter
from services.jobs.states import FINAL, State
from services.schedules.freshness import Freshness, Standing, freshness
from services.schedules.schedule import Schedule

CORPORA = 50
RUNS = 20
SCHEDULES = 50
SHOWN_SCHEDULES = 10
NIGHT = timedelta(hours=24)
LONGEST = timedelta(days=30)
"""A job that failed in the night was submitted within this time: so much of the list is looked through."""
UNDECIDED = (State.HELD,)
FAILURES = (State.FAILED, State.CRASHED)
GOING = tuple(state for state in State if state not in FINAL and state is not State.HELD)

router = new_router()
Reader = Annotated[Principal, allow(Permission.JOBS_READ)]

HELD_COLUMNS = (
    Column("id", "Job", "code", job_page),
    Column("recipe", "Recipe"),
    Column("corpus", "Corpus", "text", corpus_page),
    Column("waits_s", "Waits for", "duration"),
    Column("documents_kept", "Kept", "count"),
    Column("message", "What and why"),
)
FAILED_COLUMNS = (
    Column("state", "State", "state"),
    Column("id", "Job", "code", job_page),
    Column("recipe", "Recipe"),
    Column("corpus", "Corpus", "text", corpus_page),
    Column("finished", "Ended", "time"),
    Column("message", "Why"),
)
GOING_COLUMNS = (
    Column("state", "State", "state"),
    Column("id", "Job", "code", job_page),
    Column("corpus", "Corpus", "text", corpus_page),
    Column("step", "Step"),
    Column("tasks_done", "Tasks done", "count"),
    Column("tasks", "Tasks", "count"),
    Column("documents_per_s", "Documents/s", "number"),
    Column("left", "Time left"),
)


@router.get("/")
def overview(request: Request, plane: ThePlane, who: Reader) -> Response:
    """The state of the project on one page."""
    now = datetime.now(UTC)
    schedules = plane.schedules.list(who.project_id, limit=SCHEDULES) if who.may(Permission.SCHEDULES_READ) else None
    held = plane.jobs.list(who.project_id, JobFilter(states=UNDECIDED), limit=RUNS)
    ended = JobFilter(states=FAILURES, created_after=now - LONGEST, finished_after=now - NIGHT)
    failed = plane.jobs.list(who.project_id, ended, limit=RUNS)
    recent = plane.jobs.list(who.project_id, JobFilter(created_after=now - NIGHT), limit=RUNS)
    tables = [
        Table(
            "held",
            "Waits for a decision",
            HELD_COLUMNS,
            run_rows(held, now),
            more=f"{ROOT}/jobs?state=HELD" if len(held) == RUNS else None,
            classes="runs loud",
        ),
        Table("failed", "Failed in the last 24 hours", FAILED_COLUMNS, run_rows(failed, now), classes="runs loud bad"),
        _corpora(plane, who, _freshness(plane, who, schedules or (), now), now),
        _going(plane, who),
        Table(
            "runs",
            "The last 24 hours",
            RUN_COLUMNS,
            run_rows(recent, now),
            empty="No run in the last 24 hours.",
            more=f"{ROOT}/jobs" if len(recent) == RUNS else None,
            classes="runs",
        ),
        _next(schedules, now),
    ]
    return page(request, "overview.html", tables, title="Overview", section="Overview", most=RUNS)


@router.get("/at-work")
def show_at_work(request: Request, plane: ThePlane, who: Reader) -> Response:
    """The jobs that are at work, a part of the overview, which asks for it again and again."""
    return page(request, "at_work.html", [_going(plane, who)], title="At work")


def _going(plane: Plane, who: Principal) -> Table:
    """Every job between submission and end, with how far its present step is."""
    jobs = plane.jobs.list(who.project_id, JobFilter(states=GOING), limit=RUNS)
    rows: list[dict[str, Any]] = []
    for job in jobs:
        row: dict[str, Any] = {"state": job.state, "id": job.id, "corpus": job.corpus, "recipe": job.recipe_name}
        step = at_work(job.progress)
        if step is not None:
            row |= {
                "step": step.step,
                "tasks_done": step.shards_done,
                "tasks": step.shards_total,
                "documents_per_s": step.documents_per_s,
                "left": left(step),
            }
        rows.append(row)
    more = f"{ROOT}/jobs" if len(jobs) == RUNS else None
    return Table("going", "At work", GOING_COLUMNS, rows, empty="Nothing is at work.", more=more)


def _freshness(plane: Plane, who: Principal, schedules: Sequence[Schedule], now: datetime) -> dict[str, Freshness]:
    """By recipe, how its schedule stands; of several schedules one that is late, or that was at it last."""
    found: dict[str, Freshness] = {}
    for schedule in schedules:
        latest = plane.schedules.occurrences(who.project_id, schedule.id, limit=1)
        one = freshness(schedule, latest[0] if latest else None, now)
        if schedule.recipe_name not in found or _weight(found[schedule.recipe_name], now) < _weight(one, now):
            found[schedule.recipe_name] = one
    return found


def _weight(one: Freshness, now: datetime) -> tuple[bool, float]:
    return one.standing is Standing.LATE, -(now - one.since).total_seconds() if one.since else float("-inf")


def _corpora(plane: Plane, who: Principal, by_recipe: Mapping[str, Freshness], now: datetime) -> Table:
    """Each corpus, its newest version and whether that is as new as it should be; one that cannot be read says why."""
    if not who.may(Permission.CORPORA_READ):
        return Table("corpora", "Corpora", (), (), empty="This key may not see corpora.")
    rows: list[dict[str, Any]] = []
    entries = plane.catalogue.list(who.project_id, limit=CORPORA)
    for entry in entries:
        row: dict[str, Any] = {"corpus": entry.name}
        try:
            newest = plane.insights.corpus(who.project_id, entry.name).newest
        except ServiceError as error:
            row |= {"why": error.detail}
        else:
            if newest is not None:
                row |= {
                    "version": newest.version,
                    "age_s": (now - newest.published).total_seconds(),
                    "documents": newest.documents,
                    "bytes": newest.bytes,
                    "tokens": newest.tokens,
                }
                if (one := by_recipe.get(newest.recipe)) is not None:
                    row |= {"standing": one.standing, "since": one.since, "why": one.why}
        rows.append(row)
    columns = (
        Column("corpus", "Corpus", "text", corpus_page),
        Column("version", "Newest version", "count", version_page),
        Column("documents", "Documents", "count"),
        Column("tokens", "Tokens", "count"),
        Column("bytes", "Text", "bytes"),
        Column("age_s", "Age", "duration"),
        Column("standing", "Refreshes", "state"),
        Column("since", "Last due", "time"),
        Column("why", "What came of it"),
    )
    more = f"{ROOT}/corpora" if len(entries) == CORPORA else None
    return Table(
        "corpora", "Corpora", columns, rows, empty="No corpus yet: submit a recipe.", more=more, classes="runs"
    )


def _next(schedules: Sequence[Schedule] | None, now: datetime) -> Table:
    """What the schedules start next, soonest first."""
    if schedules is None:
        return Table("next", "Next refreshes", (), (), empty="This key may not see schedules.")
    rows = [
        {
            "schedule": schedule.name,
            "recipe": schedule.recipe_name,
            "next": schedule.next,
            "in_s": (schedule.next - now).total_seconds() if schedule.next else None,
            "timezone": schedule.timezone,
            "paused": (schedule.pause_reason or "paused") if schedule.paused else None,
        }
        for schedule in schedules
    ]
    rows.sort(key=lambda row: (row["next"] is None, row["next"] or now))
    columns = (
        Column("schedule", "Schedule", "text", schedule_page),
        Column("recipe", "Recipe"),
        Column("next", "Next", "time"),
        Column("in_s", "In", "duration"),
        Column("timezone", "Time zone"),
        Column("paused", "Paused"),
    )
    return Table("next", "Next refreshes", columns, rows[:SHOWN_SCHEDULES], empty="No schedule.")
