"""One schedule: when it fires next, what became of its times, and running the past."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from services.control_plane.conventions import PageToken, etag
from services.control_plane.plane import ThePlane
from services.dashboard.calls import RefusedError, call
from services.dashboard.fields import given, moment_of, moment_text, whole_number
from services.dashboard.links import job_page_of
from services.dashboard.pages import Form, go, new_router, page, segment, with_query
from services.dashboard.routes.schedules import SCHEDULES, WRITING, Reader, Which, Writer
from services.dashboard.tables import Column, Table
from services.errors import Invalid
from services.schedules.calendar import outcome_of
from services.schedules.schedule import BackfillPlan, Occurrence, OccurrenceState, Preview, Reprocess
from services.schedules.store import place

TIMES = 20
PAGE = 50
SHOWN_ENTRIES = 200
"""Occurrences of a backfill's plan on the page; all are exported."""
LAST_DAYS = timedelta(days=7)
"""What a backfill is asked for, unless it is said otherwise."""
REPROCESS = {
    Reprocess.NONE: "only times without a job",
    Reprocess.FAILED: "also times whose last job did not succeed",
    Reprocess.COMPLETED: "also times whose last job succeeded",
}

router = new_router()
Text = Annotated[str, Query(max_length=40)]


@router.get("/schedules/{which}")
def show_schedule(request: Request, plane: ThePlane, who: Reader, which: Which, after: PageToken = None) -> Response:
    """What it is, its next times, and what became of those before."""
    schedule = plane.schedules.get(who.project_id, which)
    question = ["ui occurrences", who.project_id, schedule.id]
    behind = plane.pages.read(after, question)
    found = plane.schedules.occurrences(who.project_id, schedule.id, after=behind, limit=PAGE + 1)
    more = plane.pages.write(place(found[PAGE - 1]), question) if len(found) > PAGE else None
    tables = [
        times_table(plane.schedules.preview(who.project_id, schedule.id, TIMES), schedule.timezone),
        _occurrences(found[:PAGE], schedule.timezone, with_query(request, after=more) if more else None),
    ]
    return page(
        request,
        "schedule.html",
        tables,
        title=schedule.name,
        section="Schedules",
        schedule=schedule,
        action=_page_of(schedule.name),
        backfills=sorted({one.run for one in found if one.kind == "backfill" and one.run and _waits(one)}),
    )


@router.post("/schedules/{which}/pause", dependencies=WRITING)
async def pause(request: Request, which: Which, _form: Form) -> Response:
    """No time of it until it is resumed."""
    return await _do(request, which, "pause", "It is paused.")


@router.post("/schedules/{which}/resume", dependencies=WRITING)
async def resume(request: Request, which: Which, _form: Form) -> Response:
    """Go on from now."""
    return await _do(request, which, "resume", "It goes on from now.")


@router.post("/schedules/{which}/trigger", dependencies=WRITING)
async def trigger(request: Request, which: Which, _form: Form) -> Response:
    """Run it once."""
    return await _do(request, which, "trigger", "It is run now: its job is made in a moment.")


@router.post("/schedules/{which}/delete", dependencies=WRITING)
async def delete(request: Request, which: Which, form: Form) -> Response:
    """Forget it, if nobody has changed it since it was shown."""
    found = await call(request, "GET", _path(which))
    tag = etag(found["id"], whole_number(form.get("revision", "")) or 0)
    await call(request, "DELETE", _path(found["id"]), headers={"If-Match": tag})
    return go(request, SCHEDULES, f"{which} is forgotten. The jobs that it has started go on.")


async def _do(request: Request, which: str, what: str, said: str) -> Response:
    await call(request, "POST", f"{_path(which)}/{what}")
    return go(request, _page_of(which), said)


# --------------------------------------------------------------------------- backfill


@router.get("/schedules/{which}/backfill")
async def show_backfill(
    request: Request,
    plane: ThePlane,
    who: Writer,
    which: Which,
    begin: Annotated[str, Query(alias="from", max_length=40)] = "",
    end: Annotated[str, Query(alias="to", max_length=40)] = "",
    reprocess: Text = Reprocess.NONE.value,
    order: Text = "oldest",
    max_parallel: Text = "1",
) -> Response:
    """The wizard: with a time, what would be run, and nothing is."""
    schedule = await run_in_threadpool(plane.schedules.get, who.project_id, which)
    asked = {"from": begin, "to": end, "reprocess": reprocess, "order": order, "max_parallel": max_parallel}
    plan, problem = None, None
    if begin and end:
        try:
            body = {**_request(asked, schedule.timezone), "dry_run": True}
            plan = BackfillPlan.model_validate(await call(request, "POST", f"{_path(schedule.id)}/backfill", body))
        except RefusedError as error:
            if error.problem["status"] != Invalid.status:
                raise
            problem = error.problem
    else:
        now = await run_in_threadpool(plane.database.now)
        asked |= {
            "from": moment_text(now - LAST_DAYS, schedule.timezone),
            "to": moment_text(now, schedule.timezone),
        }
    shown = SHOWN_ENTRIES if request.query_params.get("export") is None else None
    return page(
        request,
        "schedule_backfill.html",
        [_plan(plan, schedule.timezone, shown)] if plan else [],
        title=f"{schedule.name}: backfill",
        section="Schedules",
        status=problem["status"] if problem else 200,
        schedule=schedule,
        action=f"{_page_of(schedule.name)}/backfill",
        asked=asked,
        plan=plan,
        problem=problem,
        reprocess=REPROCESS,
    )


@router.post("/schedules/{which}/backfill")
async def start_backfill(request: Request, plane: ThePlane, who: Writer, which: Which, form: Form) -> Response:
    """Run what the dry run has shown."""
    schedule = await run_in_threadpool(plane.schedules.get, who.project_id, which)
    body = _request(form, schedule.timezone)
    plan = await call(request, "POST", f"{_path(schedule.id)}/backfill", body)
    count = plan["will_run"]
    said = f"{count} {'time is' if count == 1 else 'times are'} run, {form.get('max_parallel', '1')} at once."
    return go(request, _page_of(schedule.name), said)


@router.post("/schedules/{which}/backfills/{backfill}/cancel", dependencies=WRITING)
async def cancel_backfill(request: Request, which: Which, backfill: Which, _form: Form) -> Response:
    """Leave out what still waits of it."""
    left = await call(request, "POST", f"{_path(which)}/backfill/{segment(backfill)}/cancel")
    return go(request, _page_of(which), f"{left['skipped']} that waited are left out. Jobs that were started go on.")


def _request(asked: Mapping[str, str], timezone: str) -> dict[str, Any]:
    times = {name: moment_of(asked.get(name, ""), timezone) for name in ("from", "to")}
    return {**times, **given(asked, ["reprocess", "order", "max_parallel"])}


def _plan(plan: BackfillPlan, timezone: str, shown: int | None) -> Table:
    entries = plan.entries[:shown]
    rows = [
        {
            "occurrence": entry.occurrence,
            "local": f"{entry.local:%a %Y-%m-%d %H:%M}",
            "will_run": "is run" if entry.will_run else "is left out",
            "reason": entry.reason,
        }
        for entry in entries
    ]
    columns = (
        Column("occurrence", "Time", "time"),
        *_local(timezone),
        Column("will_run", "What would be done"),
        Column("reason", "Why"),
    )
    count = f"{plan.will_run} of {len(plan.entries)} {'time' if len(plan.entries) == 1 else 'times'} would be run"
    note = f"The first {shown} are shown; the exports hold all." if len(entries) < len(plan.entries) else ""
    return Table("plan", count, columns, rows, empty="It has no times in these.", note=note, classes="roomy")


# -------------------------------------------------------------------------------- rows


def times_table(times: Sequence[Preview], timezone: str) -> Table:
    """Times to come, on both clocks."""
    zone = ZoneInfo(timezone)
    rows = [
        {
            "utc": one.utc,
            "local": f"{one.utc.astimezone(zone):%a %Y-%m-%d %H:%M %Z}",
            "due": one.due if one.due != one.utc else None,
            "skipped_because": one.skipped_because,
        }
        for one in times
    ]
    columns = (
        Column("utc", "UTC", "time"),
        *_local(timezone),
        *([Column("due", "With jitter", "moment")] if any(row["due"] for row in rows) else []),
        *([Column("skipped_because", "Nothing is run")] if any(row["skipped_because"] for row in rows) else []),
    )
    return Table("times", f"The next {len(rows)} times", columns, rows, empty="It never fires again.", classes="nowrap")


def _occurrences(found: Sequence[Occurrence], timezone: str, more: str | None) -> Table:
    rows = [
        {
            "occurrence": one.occurrence,
            "local": f"{one.local:%a %Y-%m-%d %H:%M}",
            "kind": one.kind,
            "outcome": outcome_of(one.state, one.job_state),
            "job_id": one.job_id,
            "reason": one.reason or one.job_message,
        }
        for one in found
    ]
    columns = (
        Column("occurrence", "Time", "time"),
        *_local(timezone),
        Column("kind", "Kind"),
        Column("outcome", "What became of it", "state"),
        Column("job_id", "Job", "code", job_page_of),
        Column("reason", "Why"),
    )
    return Table(
        "occurrences", "What became of its times", columns, rows, empty="None yet.", more=more, classes="roomy"
    )


def _local(timezone: str) -> list[Column]:
    """The column of its own clock, unless that is UTC's."""
    return [] if timezone == "UTC" else [Column("local", timezone)]


def _waits(one: Occurrence) -> bool:
    return one.state is OccurrenceState.WAITING


def _path(which: str) -> str:
    return f"/v1/schedules/{segment(which)}"


def _page_of(which: str) -> str:
    return f"{SCHEDULES}/{segment(which)}"
