"""Making and changing a schedule: its times are shown before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from services.control_plane.conventions import etag
from services.control_plane.plane import Plane, ThePlane
from services.dashboard.calls import RefusedError, call
from services.dashboard.fields import given, labels_of, labels_text, moment_of, moment_text, whole_number, words
from services.dashboard.pages import Form, go, new_router, page, segment
from services.dashboard.routes.schedule import TIMES, times_table
from services.dashboard.routes.schedules import SCHEDULES, WRITING, Which, Writer
from services.dashboard.session import ROOT
from services.dashboard.tables import Table
from services.errors import Conflict, Invalid, PreconditionFailed
from services.identity.principal import Permission, Principal
from services.jobs.job import Mode
from services.recipes.recipe import RecipeName
from services.schedules.cron import NOT_ZONES
from services.schedules.schedule import Misfire, NewSchedule, Overlap, Preview, Schedule

NEW = f"{ROOT}/new/schedule"
MAX_RECIPES = 500
"""How many are offered."""
PLAIN = ("name", "recipe_name", "mode", "cron", "timezone", "overlap", "misfire")
WITH_DEFAULTS = ("jitter_s", "max_catch_up", "catch_up_window_s", "priority")
CLEARABLE = ("recipe_revision", "pause_after_failures", "start", "end")
TAKEN = (Invalid.status, Conflict.status)
MODES = {
    Mode.REFRESH: "refresh: read what is new or has changed",
    Mode.RUN: "run: read all of the input",
}
OVERLAPS = {
    Overlap.QUEUE_ONE: "wait; of those that wait only the latest is run",
    Overlap.QUEUE_ALL: "wait; all are run, one after the other",
    Overlap.SKIP: "skip it",
    Overlap.CANCEL_OTHER: "cancel the earlier job",
    Overlap.ALLOW: "start at once, beside it",
}
MISFIRES = {
    Misfire.RUN_LATEST: "run the latest",
    Misfire.RUN_ALL: "run all of them",
    Misfire.SKIP: "leave them out",
}
KIND_WORDS = {
    "cron": "expected five fields, minute hour day month weekday, such as 30 2 * * *",
    "name": "expected letters, digits, `_`, `.` and `-`, at most 80, the first one a letter or digit",
    "recipe_name": "expected the name of a stored recipe",
    "timezone": "expected an IANA time zone such as Europe/London",
}
"""What to write, where the API's own sentence is about patterns and lengths."""

router = new_router()


@router.get("/new/schedule")
def show_new(request: Request, plane: ThePlane, who: Writer, recipe: RecipeName = "") -> Response:
    """An empty form, or one for a recipe."""
    values = {
        "cron": "30 2 * * *",
        "timezone": "UTC",
        "recipe_name": recipe,
        "name": f"{recipe}-nightly" if recipe else "",
    }
    return _page(request, plane, who, values, None)


@router.post("/new/schedule")
async def create(request: Request, plane: ThePlane, who: Writer, form: Form) -> Response:
    """Make it, or only show its times."""
    body = _body(form)
    if form.get("do") == "preview":
        return await _shown(request, plane, who, form, body, None)
    try:
        made = await call(request, "POST", "/v1/schedules", body)
    except RefusedError as error:
        if error.problem["status"] not in TAKEN:
            raise
        return await run_in_threadpool(_page, request, plane, who, form, None, error.problem)
    return go(request, f"{SCHEDULES}/{segment(made['name'])}", f"{made['name']} is made.")


@router.post("/new/schedule/times", dependencies=WRITING)
async def show_times(request: Request, form: Form) -> Response:
    """The next times of what stands in the form, as a part of its page."""
    times, problem = await _times(request, _body(form))
    tables = [] if times is None else [times]
    return page(request, "schedule_times.html", tables, title="Times", problem=problem)


@router.get("/schedules/{which}/edit")
def show_edit(request: Request, plane: ThePlane, who: Writer, which: Which) -> Response:
    """The form as the schedule is."""
    who.require(Permission.SCHEDULES_READ)
    schedule = plane.schedules.get(who.project_id, which)
    return _page(request, plane, who, _values(schedule), schedule)


@router.post("/schedules/{which}/edit")
async def save(request: Request, plane: ThePlane, who: Writer, which: Which, form: Form) -> Response:
    """Change it, unless somebody else has since it was shown; or only show its times."""
    schedule = await run_in_threadpool(plane.schedules.get, who.project_id, which)
    body = _body(form)
    if form.get("do") == "preview":
        return await _shown(request, plane, who, form, body, schedule)
    tag = etag(schedule.id, whole_number(form.get("revision", "")) or 0)
    try:
        made = await call(
            request,
            "PATCH",
            f"/v1/schedules/{schedule.id}",
            {**dict.fromkeys(CLEARABLE), **body},
            headers={"If-Match": tag},
        )
    except RefusedError as error:
        problem = error.problem
        if problem["status"] == PreconditionFailed.status:
            problem = {**problem, "detail": "Somebody has changed or paused it meanwhile; saving again takes yours."}
        elif problem["status"] not in TAKEN:
            raise
        return await run_in_threadpool(_page, request, plane, who, form, schedule, problem)
    return go(request, f"{SCHEDULES}/{segment(made['name'])}", f"{made['name']} is changed.")


async def _shown(
    request: Request,
    plane: Plane,
    who: Principal,
    form: Mapping[str, str],
    body: Mapping[str, Any],
    schedule: Schedule | None,
) -> Response:
    times, problem = await _times(request, body)
    return await run_in_threadpool(_page, request, plane, who, form, schedule, problem, times)


async def _times(request: Request, body: Mapping[str, Any]) -> tuple[Table | None, Mapping[str, Any] | None]:
    """The next times, or why there are none; what has no name yet has times already."""
    named = {name: body[name] or "new" for name in ("name", "recipe_name")}
    try:
        found = await call(request, "POST", "/v1/schedules/preview", {**body, **named}, params={"n": TIMES})
    except RefusedError as error:
        if error.problem["status"] not in TAKEN:
            raise
        return None, _kindly(error.problem)
    return times_table([Preview.model_validate(one) for one in found["items"]], str(body["timezone"])), None


def _page(
    request: Request,
    plane: Plane,
    who: Principal,
    values: Mapping[str, str],
    schedule: Schedule | None,
    problem: Mapping[str, Any] | None = None,
    times: Table | None = None,
) -> Response:
    defaults = {name: _text(field.default) for name, field in NewSchedule.model_fields.items()}
    checked = {name: "on" for name in ("hold",) if name in values}
    recipes = plane.recipes.list(who.project_id, limit=MAX_RECIPES) if who.may(Permission.RECIPES_READ) else ()
    return page(
        request,
        "schedule_form.html",
        [times] if times else [],
        title=f"{schedule.name}: change" if schedule else "New schedule",
        section="Schedules",
        status=problem["status"] if problem else 200,
        schedule=schedule,
        action=f"{SCHEDULES}/{segment(schedule.name)}/edit" if schedule else NEW,
        values={**defaults, "labels": "", "skip_dates": "", **values, "hold": checked.get("hold", "")},
        problem=problem and _kindly(problem),
        recipes=[recipe.name for recipe in recipes],
        zones=sorted(available_timezones() - NOT_ZONES),
        modes=MODES,
        overlaps=OVERLAPS,
        misfires=MISFIRES,
    )


def _body(form: Mapping[str, str]) -> dict[str, Any]:
    """What the API is asked for; numbers are still text, which it reads."""
    timezone = form.get("timezone", "").strip() or "UTC"
    body: dict[str, Any] = {name: form.get(name, "").strip() for name in PLAIN}
    body |= {"timezone": timezone, "cron": " ".join(form.get("cron", "").split())}
    body |= given(form, (*WITH_DEFAULTS, *CLEARABLE))
    body |= {name: moment_of(body[name], timezone) for name in ("start", "end") if name in body}
    body |= {"hold": "hold" in form, "labels": labels_of(form.get("labels", ""))}
    return {**body, "skip_dates": words(form.get("skip_dates", ""))}


def _values(schedule: Schedule) -> dict[str, str]:
    """What the form's fields hold."""
    values = {name: _text(getattr(schedule, name)) for name in NewSchedule.model_fields}
    values |= {name: moment_text(getattr(schedule, name), schedule.timezone) for name in ("start", "end")}
    values |= {"labels": labels_text(schedule.labels), "skip_dates": " ".join(map(str, schedule.skip_dates))}
    if not schedule.hold:
        del values["hold"]
    return values


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _kindly(problem: Mapping[str, Any]) -> Mapping[str, Any]:
    """The problem, in words for who fills in a form."""
    return {**problem, "errors": [_said(one) for one in problem["errors"]]}


def _said(error: Mapping[str, str]) -> Mapping[str, str]:
    is_technical = error["message"].startswith("String should")
    return {**error, "message": KIND_WORDS.get(error["path"], error["message"])} if is_technical else error
