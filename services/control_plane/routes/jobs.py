"""`/v1/jobs`: submit, ask, steer, follow."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends, Header, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import Field, TypeAdapter, ValidationError

from curation.errors import Problem
from services.control_plane.conventions import Page, PageSize, PageToken, problems
from services.control_plane.events import EventStreams
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow, note
from services.control_plane.slow import SLOW
from services.errors import Invalid
from services.estimate import JobEstimate, estimate
from services.identity.principal import Permission, Principal
from services.insights.models import RunReport, Samples
from services.jobs.job import Event, Job, JobFilter, LabelKey, LabelValue, LogLine, Mode, Model, Name, Submission
from services.jobs.states import FINAL, State
from services.moment import Moment
from services.telemetry import current_traceparent

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

LAST_SEQUENCE = 2**31 - 1
PLAIN = r"^[^\x00-\x1f\x7f]+$"

JobId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", description="The job's `id`.")]
After = Annotated[int, Query(ge=0, le=LAST_SEQUENCE, description="Only what comes behind this `sequence`.")]
Reader = Annotated[Principal, allow(Permission.JOBS_READ)]
Writer = Annotated[Principal, allow(Permission.JOBS_WRITE)]
Operator = Annotated[Principal, allow(Permission.JOBS_OPERATE)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        pattern=r"^[\x21-\x7e]{1,200}$",
        description="Any text that is yours alone. The same again, within a day at least, gives the job that it made.",
    ),
]

SUBMISSIONS = {
    "stored": {"summary": "A recipe that is stored", "value": {"recipe_name": "web", "labels": {"team": "search"}}},
    "refresh": {"summary": "Only what is new", "value": {"recipe_name": "web", "mode": "refresh"}},
    "inline": {
        "summary": "A recipe that comes along, to be approved before it publishes",
        "value": {
            "recipe": {
                "name": "notes",
                "output": "corpora/notes",
                "sources": [{"name": "notes", "uri": "raw/notes/*.jsonl"}],
                "stages": [{"kind": "exact_dedup"}],
            },
            "hold": True,
        },
    },
}


class CancelOptions(Model):
    """How to cancel."""

    force: bool = False
    """Do not wait until it stops by itself. Needs the permission `jobs:operate`."""


class RetryOptions(Model):
    """Where to begin again."""

    start: Literal["records", "beginning"] = "records"
    """On from its last record, or with a new run."""


STREAMED = {"type": "object", "properties": {name: {"type": "string"} for name in ("id", "event", "data", "retry")}}
COOPERATIVELY, AS_BEFORE = CancelOptions(), RetryOptions()


async def _streams(request: Request) -> EventStreams:
    streams: EventStreams = request.app.state.events
    return streams


# ---------------------------------------------------------------------------- submit


@router.post(
    "",
    operation_id="submit_job",
    summary="Submit a job",
    responses={
        200: {"model": Job, "description": "The job that this key made before."},
        201: {"model": Job, "description": "The job, in the queue."},
        **problems(404, 409),
    },
)
def submit_job(
    plane: ThePlane,
    who: Writer,
    submission: Annotated[Submission, Body(openapi_examples=SUBMISSIONS)],
    response: Response,
    idempotency_key: IdempotencyKey = None,
    traceparent: Annotated[
        str | None, Header(max_length=80, pattern=r"^[\x21-\x7e]*$", description="W3C trace context.")
    ] = None,
) -> Job:
    """Queue a job. It is checked first, and every problem is told by its path. Give an Idempotency-Key, so that you can
    ask again when you have not seen the answer, without a second job. `POST /v1/jobs/estimate` says before what it
    would read and cost.
    """
    body = hashlib.sha256(submission.model_dump_json(exclude_defaults=True).encode()).hexdigest()
    # What the key made is there, whatever has become of its recipe since.
    job = plane.jobs.replayed(who.project_id, idempotency_key, body) if idempotency_key else None
    is_new = False
    if job is None:
        traceparent = current_traceparent() or traceparent
        new = plane.intake.prepare(who.project_id, submission, by=who.name, traceparent=traceparent)
        job, is_new = plane.jobs.submit(
            who.project_id, new, who.name, idempotency_key=idempotency_key, body_sha256=body
        )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


@router.post(
    "/estimate",
    operation_id="estimate_job",
    summary="Estimate a job",
    responses=problems(404, 409),
    dependencies=[SLOW],
)
def estimate_job(
    plane: ThePlane,
    who: Writer,
    submission: Annotated[Submission, Body(openapi_examples=SUBMISSIONS)],
    page: PageToken = None,
    page_size: PageSize = 100,
) -> JobEstimate:
    """Check a job, list what it would read and say what it may cost. Nothing is queued. Of many input files the answer
    holds a page; `next_page` leads to the rest.
    """
    resolved = plane.intake.resolve(who.project_id, submission)
    plane.intake.check_models(resolved)
    settings = plane.settings
    workers = submission.workers or settings.workers or (1 if settings.engine == "local" else None)
    confinement = plane.intake.confinement(who.project_id)
    costed = estimate(who.project_id, submission, resolved, workers, plane.jobs, confinement)
    question = ["estimate", who.project_id, costed.fingerprint, costed.inputs]
    begin = int(plane.pages.read(page, question) or 0)
    end = begin + page_size
    more = plane.pages.write(str(end), question) if end < len(costed.files) else None
    return costed.shown(begin, end, more)


# ------------------------------------------------------------------------------- ask


async def _labels(
    label: Annotated[
        list[Annotated[str, Field(max_length=320)]],
        Query(max_length=32, description="`key=value`; all that are given must be the job's."),
    ] = [],  # noqa: B006, FastAPI copies it
) -> dict[str, str]:
    return labels_of(label)


def labels_of(given: Sequence[str]) -> dict[str, str]:
    """What a filter's `key=value` ask for. Raises Invalid."""
    labels = dict(text.partition("=")[::2] for text in given)
    wrong = "expected key=value, as jobs have them"
    if len(labels) < len(set(given)):
        wrong = "found two values of one key, which no job has"
    elif all("=" in text for text in given):
        try:
            return _LABELS.validate_python(labels)
        except ValidationError:
            pass
    raise Invalid(f"label: {wrong}", problems=[Problem("label", wrong)])


_LABELS = TypeAdapter(dict[LabelKey, LabelValue])


@router.get("", operation_id="list_jobs", summary="List jobs", responses=problems())
def list_jobs(
    plane: ThePlane,
    who: Reader,
    labels: Annotated[dict[str, str], Depends(_labels)],
    state: Annotated[list[State], Query(max_length=20, description="In one of these states.")] = [],  # noqa: B006
    mode: Annotated[Mode | None, Query(description="Doing this.")] = None,
    recipe: Annotated[Name | None, Query(description="Of the recipe with this name.")] = None,
    corpus: Annotated[Name | None, Query(description="Into the corpus with this name.")] = None,
    schedule_id: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,40}$", description="Of this schedule.")] = None,
    created_after: Annotated[Moment | None, Query(description="Made at this time or later.")] = None,
    created_before: Annotated[Moment | None, Query(description="Made before this time.")] = None,
    finished_after: Annotated[Moment | None, Query(description="Ended at this time or later.")] = None,
    finished_before: Annotated[Moment | None, Query(description="Ended before this time.")] = None,
    page: PageToken = None,
    page_size: PageSize = 50,
) -> Page[Job]:
    """The project's jobs, newest first. Every filter that is given must hold."""
    which = JobFilter(
        states=tuple(state),
        mode=mode,
        recipe=recipe,
        corpus=corpus,
        labels=labels,
        created_after=created_after,
        created_before=created_before,
        finished_after=finished_after,
        finished_before=finished_before,
        schedule_id=schedule_id,
    )
    question = ["jobs", who.project_id, which.model_dump(mode="json")]
    after = plane.pages.read(page, question)
    found = plane.jobs.list(who.project_id, which, after=after, limit=page_size + 1)
    return plane.pages.page(found, page_size, question, lambda job: job.id)


@router.get("/{job_id}", operation_id="get_job", summary="Get a job", responses=problems(404))
def get_job(plane: ThePlane, who: Reader, job_id: JobId) -> Job:
    """One job, with how far each step is and every attempt."""
    return plane.jobs.get(who.project_id, job_id)


@router.get("/{job_id}/recipe", operation_id="get_job_recipe", summary="Get a job's recipe", responses=problems(404))
def get_job_recipe(plane: ThePlane, who: Reader, job_id: JobId) -> dict[str, Any]:
    """The recipe as it is run: placeholders filled in, addresses absolute."""
    return plane.jobs.recipe(who.project_id, job_id)


@router.get(
    "/{job_id}/report",
    operation_id="get_job_report",
    summary="Get a job's report",
    responses=problems(404, 409),
    dependencies=[SLOW],
)
def get_job_report(plane: ThePlane, who: Reader, job_id: JobId) -> RunReport:
    """Where every document went: of a job that succeeded, or of a held one, what it would publish."""
    return plane.insights.job_report(who.project_id, plane.jobs.get(who.project_id, job_id))


@router.get(
    "/{job_id}/report/reasons/{reason}/samples",
    operation_id="list_job_samples",
    summary="Look at documents that a job dropped",
    responses=problems(404, 409),
    dependencies=[SLOW],
)
def list_job_samples(
    plane: ThePlane,
    who: Reader,
    job_id: JobId,
    reason: Annotated[str, Path(max_length=120, pattern=PLAIN, description="A reason, as the report lists them.")],
    limit: Annotated[int, Query(ge=1, le=50, description="How many at most.")] = 10,
) -> Samples:
    """Some of the documents that were dropped for one reason: a uniform choice by the recipe's seed."""
    job = plane.jobs.get(who.project_id, job_id)
    return plane.insights.job_samples(who.project_id, job, reason, limit=limit)


@router.get("/{job_id}/logs", operation_id="list_job_logs", summary="List a job's log", responses=problems(404))
def list_job_logs(
    plane: ThePlane,
    who: Reader,
    job_id: JobId,
    after: After = 0,
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None, Query(description="Without what is below this level.")
    ] = None,
    page: PageToken = None,
    page_size: PageSize = 200,
) -> Page[LogLine]:
    """What its drivers wrote, oldest first; of a long log only the newest lines are kept. To follow it, ask again with
    `after` set to the last `sequence` that you have.
    """
    question = ["logs", who.project_id, job_id, level]
    last = plane.pages.read(page, question)
    behind = int(last) if last is not None else after
    found = plane.jobs.logs(who.project_id, job_id, after=behind, limit=page_size + 1, level=level)
    return plane.pages.page(found, page_size, question, lambda line: line.sequence)


@router.get(
    "/{job_id}/events/history",
    operation_id="list_job_events",
    summary="List a job's events",
    responses=problems(404, 410),
)
def list_job_events(
    plane: ThePlane, who: Reader, job_id: JobId, after: After = 0, page: PageToken = None, page_size: PageSize = 200
) -> Page[Event]:
    """What has happened to it, oldest first. 410 says that events behind `after` have been trimmed, and where what is
    left begins.
    """
    question = ["events", who.project_id, job_id]
    last = plane.pages.read(page, question)
    behind = int(last) if last is not None else after
    found = plane.jobs.events(who.project_id, job_id, after=behind, limit=page_size + 1)
    return plane.pages.page(found, page_size, question, lambda event: event.sequence)


@router.get(
    "/{job_id}/events",
    operation_id="stream_job_events",
    summary="Follow a job's events",
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: `id` is the sequence, `event` the kind, `data` the event as JSON.",
            "content": {"text/event-stream": {"schema": STREAMED}},
        },
        204: {"description": "The job is final and nothing is left to tell: do not come again."},
        **problems(404, 410),
    },
)
async def stream_job_events(
    plane: ThePlane,
    who: Reader,
    job_id: JobId,
    streams: Annotated[EventStreams, Depends(_streams)],
    after: After = 0,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=LAST_SEQUENCE, description="Go on behind this event; goes before `after`.")
    ] = None,
) -> Response:
    """What happens to it, as it happens, until it is final. A stream that broke is taken up with Last-Event-ID, as
    browsers do by themselves. A comment every 15 seconds says that it is alive; after an hour it ends, to be taken up.
    """
    behind = after if last_event_id is None else last_event_id
    job = await run_in_threadpool(plane.jobs.get, who.project_id, job_id)
    first = await run_in_threadpool(plane.jobs.events, who.project_id, job_id, after=behind)
    if job.state in FINAL and not first:
        return Response(status_code=204)
    return streams.open(job, who, behind, first)


# ----------------------------------------------------------------------------- steer


@router.post("/{job_id}/cancel", operation_id="cancel_job", summary="Cancel a job", responses=problems(404, 409))
def cancel_job(
    request: Request, plane: ThePlane, who: Writer, job_id: JobId, options: CancelOptions = COOPERATIVELY
) -> Job:
    """Ask it to stop. It does so soon, or is killed after a grace period; with `force` it is killed now. Nothing is
    published. Again is the same as once; a job that publishes can no longer be stopped. Of a held job this discards
    what it has made, which needs the permission `jobs:operate`.
    """
    note(request, force=options.force)
    if options.force:
        who.require(Permission.JOBS_OPERATE)
    may_discard = who.may(Permission.JOBS_OPERATE)
    return plane.jobs.cancel(who.project_id, job_id, who.name, force=options.force, may_discard=may_discard)


@router.post("/{job_id}/pause", operation_id="pause_job", summary="Pause a job", responses=problems(404, 409))
def pause_job(plane: ThePlane, who: Writer, job_id: JobId) -> Job:
    """Free its workers and keep its records."""
    return plane.jobs.pause(who.project_id, job_id, who.name)


@router.post("/{job_id}/resume", operation_id="resume_job", summary="Resume a job", responses=problems(404, 409))
def resume_job(plane: ThePlane, who: Writer, job_id: JobId) -> Job:
    """Put a paused job back into the queue, to go on from its records."""
    return plane.jobs.resume(who.project_id, job_id, who.name)


@router.post("/{job_id}/retry", operation_id="retry_job", summary="Retry a job", responses=problems(404, 409))
def retry_job(request: Request, plane: ThePlane, who: Writer, job_id: JobId, options: RetryOptions = AS_BEFORE) -> Job:
    """Put a job that failed, crashed or was cancelled back into the queue: on from its last record, or anew. For a
    takedown this needs the permission `corpora:govern`, as asking for it did.
    """
    note(request, start=options.start)
    may_take_down = who.may(Permission.CORPORA_GOVERN)
    return plane.jobs.retry(who.project_id, job_id, who.name, start=options.start, may_take_down=may_take_down)


@router.post("/{job_id}/approve", operation_id="approve_job", summary="Approve a job", responses=problems(404, 409))
def approve_job(plane: ThePlane, who: Operator, job_id: JobId) -> Job:
    """Let a held job publish what it has made."""
    return plane.jobs.approve(who.project_id, job_id, who.name)


@router.post("/{job_id}/discard", operation_id="discard_job", summary="Discard a job", responses=problems(404, 409))
def discard_job(plane: ThePlane, who: Operator, job_id: JobId) -> Job:
    """End a held job without publishing."""
    return plane.jobs.discard(who.project_id, job_id, who.name)


@router.delete(
    "/{job_id}", status_code=204, operation_id="delete_job", summary="Delete a job", responses=problems(404, 409)
)
def delete_job(plane: ThePlane, who: Operator, job_id: JobId) -> None:
    """Forget a final job, its log and its events. What it published stays."""
    plane.jobs.delete(who.project_id, job_id, who.name)
