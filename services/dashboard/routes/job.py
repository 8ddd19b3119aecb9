"""One job: where it stands, how it went step by step, what can be done with it, its log and its history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Header, Query, Request
from starlette.responses import Response

from curation.report import EXAMPLES
from services.control_plane.events import EventStreams
from services.control_plane.plane import ThePlane
from services.control_plane.routes.jobs import LAST_SEQUENCE, PLAIN, After, JobId, stream_job_events
from services.control_plane.slow import SLOW
from services.dashboard.calls import RefusedError, call
from services.dashboard.job_actions import ACTIONS, offered
from services.dashboard.pages import allow, go, new_router, page, segment, with_query
from services.dashboard.runs import took_s
from services.dashboard.session import ROOT
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.timeline import at_work, left, steps_table, timeline
from services.errors import Conflict, NotFound
from services.identity.principal import Permission, Principal
from services.insights.models import RunReport
from services.jobs.job import Attempt, Condition, Event, Job, LogLine
from services.jobs.states import FINAL, LEASED, State

LINES = 100
EVENTS = 100

router = new_router()
Reader = Annotated[Principal, allow(Permission.JOBS_READ)]
Level = Literal["", "DEBUG", "INFO", "WARNING", "ERROR"]
Before = Annotated[int | None, Query(ge=1, le=LAST_SEQUENCE)]
Reason = Annotated[str, Query(max_length=120, pattern=PLAIN)]

LOG_COLUMNS = (
    Column("sequence", "Line", "count"),
    Column("at", "Time", "moment"),
    Column("level", "Level"),
    Column("logger", "By", "code"),
    Column("message", "Message"),
)
EVENT_COLUMNS = (
    Column("sequence", "Event", "count"),
    Column("at", "Time", "moment"),
    Column("kind", "Kind"),
    Column("said", "What"),
)
CONDITION_COLUMNS = (
    Column("type", "Condition"),
    Column("is_true", "Is so"),
    Column("at", "Since", "time"),
    Column("message", "What was found"),
)
ATTEMPT_COLUMNS = (
    Column("attempt", "Attempt", "count"),
    Column("owner", "Runner", "code"),
    Column("started", "Began", "time"),
    Column("took_s", "Took", "duration"),
    Column("ended", "Left it", "state"),
    Column("message", "Why"),
)
STEP_COLUMNS = (
    Column("stage", "Stage", "code"),
    Column("documents_in", "In", "count"),
    Column("documents_dropped", "Dropped", "count"),
    Column("documents_out", "Out", "count"),
    Column("bytes_in", "Text in", "bytes"),
    Column("bytes_out", "Text out", "bytes"),
)
SAMPLE_COLUMNS = (
    Column("id", "Document", "code"),
    Column("source", "Source"),
    Column("shard", "Input file", "code"),
    Column("row", "Record", "count"),
    Column("value", "Value", "number"),
    Column("threshold", "Threshold", "number"),
    Column("detail", "Detail"),
    Column("survivor", "Survivor", "code"),
)


@router.get("/jobs/{job_id}")
def show_job(
    request: Request, plane: ThePlane, who: Reader, job_id: JobId, level: Level = "", before: Before = None
) -> Response:
    """The page of a job. While the job is not final it keeps itself up to date."""
    newest = plane.jobs.last_events([job_id]).get(job_id, 0)  # read first: what comes behind it, the stream tells
    job = plane.jobs.get(who.project_id, job_id)
    lines = plane.jobs.latest_logs(who.project_id, job_id, before=before, limit=LINES + 1, level=level or None)
    log = _log_table(lines, with_query(request, before=lines[LINES - 1].sequence) if len(lines) > LINES else None)
    now = datetime.now(UTC)
    until = now if job.state in LEASED else None
    step = at_work(job.progress) if job.state in LEASED else None
    tables = [steps_table(job.progress, until), log, _conditions(job.conditions), _attempts(job.attempts, now)]
    return page(
        request,
        "job.html",
        tables,
        title=f"{job.recipe_name} · {job.mode}",
        section="Jobs",
        job=job,
        actions=offered(job, who),
        newest_event=newest,
        is_live=job.state not in FINAL,
        took_s=took_s(job, now),
        timeline=timeline(job.progress, until),
        step=step,
        left=left(step) if step else None,
        level=level,
        levels=("DEBUG", "INFO", "WARNING", "ERROR"),
        before=before,
        **_tail(job, lines),
    )


@router.get("/jobs/{job_id}/log")
def show_lines(
    request: Request, plane: ThePlane, who: Reader, job_id: JobId, after: After = 0, level: Level = ""
) -> Response:
    """The lines that have come since, a part of the job's page: it asks for the next ones by itself."""
    job = plane.jobs.get(who.project_id, job_id)
    lines = plane.jobs.logs(who.project_id, job_id, after=after, limit=LINES, level=level or None)
    newest_first = lines[::-1]
    values = {"job": job, "level": level, **_tail(job, newest_first, after)}
    return page(request, "job_lines.html", [_log_table(newest_first)], title="Log", **values)


@router.get("/jobs/{job_id}/events")
async def stream_events(
    plane: ThePlane,
    who: Reader,
    job_id: JobId,
    request: Request,
    after: After = 0,
    last_event_id: Annotated[int | None, Header(ge=0, le=LAST_SEQUENCE)] = None,
) -> Response:
    """The API's stream of the job's events, for whoever is logged in."""
    streams: EventStreams = request.app.state.events
    return await stream_job_events(plane, who, job_id, streams, after, last_event_id)


@router.get("/jobs/{job_id}/history")
def show_history(request: Request, plane: ThePlane, who: Reader, job_id: JobId, before: Before = None) -> Response:
    """Everything that has happened to a job, newest first."""
    job = plane.jobs.get(who.project_id, job_id)
    found = plane.jobs.latest_events(who.project_id, job_id, before=before, limit=EVENTS + 1)
    more = with_query(request, before=found[EVENTS - 1].sequence) if len(found) > EVENTS else None
    rows = [{"sequence": one.sequence, "at": one.at, "kind": one.kind, "said": _said(one)} for one in found[:EVENTS]]
    table = Table(
        "events", "Events", EVENT_COLUMNS, rows, more=more, empty="What happened has been trimmed.", classes="runs"
    )
    return page(request, "job_history.html", [table], title="What happened", section="Jobs", job=job)


@router.get("/jobs/{job_id}/report", dependencies=[SLOW])
def show_report(request: Request, plane: ThePlane, who: Reader, job_id: JobId) -> Response:
    """What a held job would publish, or what one that succeeded did."""
    job = plane.jobs.get(who.project_id, job_id)
    try:
        report = plane.insights.job_report(who.project_id, job)
    except NotFound as error:
        report, problem = None, error.detail
    else:
        problem = ""
    tables = [] if report is None else _report_tables(report, job)
    title = "What it would publish" if job.state is State.HELD else "What it did"
    values: dict[str, Any] = {"job": job, "report": report, "problem": problem, "actions": offered(job, who)}
    return page(request, "job_report.html", tables, title=title, section="Jobs", **values)


@router.get("/jobs/{job_id}/samples", dependencies=[SLOW])
def show_samples(request: Request, plane: ThePlane, who: Reader, job_id: JobId, reason: Reason) -> Response:
    """Documents that a job dropped for one reason."""
    job = plane.jobs.get(who.project_id, job_id)
    found = plane.insights.job_samples(who.project_id, job, reason, limit=EXAMPLES)
    rows = [sample.model_dump() for sample in found.samples]
    table = Table("samples", "Where they are", SAMPLE_COLUMNS, rows)
    return page(
        request, "job_samples.html", [table], title=f"Dropped for {reason}", section="Jobs", job=job, found=found
    )


@router.post("/jobs/{job_id}/{action}")
async def do_action(request: Request, _who: Reader, job_id: JobId, action: str) -> Response:
    """Do what a button says, through the API; where the job has moved on meanwhile, its page says so."""
    wanted = ACTIONS.get(action)
    if wanted is None:
        raise NotFound(f"there is nothing called {action!r} to do with a job")
    address = f"{ROOT}/jobs/{job_id}"
    try:
        if wanted.path:
            await call(request, "POST", f"/v1/jobs/{job_id}/{wanted.path}", dict(wanted.body) or None)
        else:
            await call(request, "DELETE", f"/v1/jobs/{job_id}")
            address = f"{ROOT}/jobs"
    except RefusedError as error:
        if error.problem["status"] != Conflict.status:
            raise
        return go(request, address, f"Not done: {error.problem['detail']}")
    return go(request, address, wanted.said)


# --------------------------------------------------------------------------- tables


def _log_table(newest_first: Sequence[LogLine], more: str | None = None) -> Table:
    rows = [line.model_dump() for line in reversed(newest_first[:LINES])]
    return Table("log", "Log", LOG_COLUMNS, rows, more=more, empty="No line.")


def _tail(job: Job, newest_first: Sequence[LogLine], after: int = 0) -> dict[str, Any]:
    """Where the log goes on, and how soon to look."""
    return {
        "last_line": newest_first[0].sequence if newest_first else after,
        "is_followed": job.state not in FINAL or len(newest_first) >= LINES,
        "every_s": 2 if job.state in LEASED else 10,
    }


def _conditions(conditions: Sequence[Condition]) -> Table:
    rows = [{**one.model_dump(), "is_true": "yes" if one.is_true else "no"} for one in conditions]
    return Table("conditions", "What is so", CONDITION_COLUMNS, rows, empty="Nothing is known yet.", classes="runs")


def _attempts(attempts: Sequence[Attempt], now: datetime) -> Table:
    rows = [{**one.model_dump(), "took_s": ((one.finished or now) - one.started).total_seconds()} for one in attempts]
    return Table("attempts", "Attempts", ATTEMPT_COLUMNS, rows, empty="No runner has taken it yet.", classes="runs")


def _report_tables(report: RunReport, job: Job) -> list[Table]:
    def samples(row: Row) -> str | None:
        return f"{ROOT}/jobs/{job.id}/samples?reason={segment(row['reason'])}" if row.get("samples") else None

    reasons = (
        Column("reason", "Reason", "code", samples),
        Column("stage", "Stage", "code"),
        Column("documents", "Documents", "count"),
        Column("share", "Of all that was read", "share"),
        Column("bytes", "Text", "bytes"),
        Column("samples", "Samples", "count"),
    )
    dropped = {
        "reason": "all",
        "documents": sum(reason.documents for reason in report.reasons),
        "share": sum(reason.share for reason in report.reasons),
        "bytes": sum(reason.bytes for reason in report.reasons),
    }
    steps = [step.model_dump(exclude={"cuts", "reasons"}) for step in report.steps]
    chart = Chart("stacked", "stage", ("documents_out", "documents_dropped"), "documents")
    return [
        Table("funnel", "Documents from stage to stage", STEP_COLUMNS, steps, chart),
        Table(
            "reasons",
            "Why documents are dropped",
            reasons,
            [reason.model_dump() for reason in report.reasons],
            total=dropped,
            empty="Nothing is dropped.",
            note="Documents and text as they stood when they were dropped.",
        ),
    ]


def _said(event: Event) -> str:
    """An event as a sentence."""
    data = event.data
    if event.kind == "progress":
        return ", ".join(f"{step['step']} {step['shards_done']} of {step['shards_total']}" for step in data["steps"])
    if event.kind == "asked":
        how = ", ".join(f"{name}: {value}" for name, value in data.items() if name not in {"what", "by"} and value)
        return f"{data['by']} asked to {data['what']} it{f' ({how})' if how else ''}"
    head = data["state"] if event.kind == "state" else f"{'' if data['is_true'] else 'not '}{data['type']}"
    why = data["message"] or data["reason"]
    return f"{head}: {why}" if why else str(head)
