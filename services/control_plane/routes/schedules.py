"""`/v1/schedules`: recipes that are run again and again, what they did and what they will do."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from services.control_plane.conventions import IfMatch, Page, PageSize, PageToken, etag, expect, problems
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow, note
from services.identity.principal import Permission, Principal
from services.jobs.job import Shown
from services.schedules.schedule import (
    BackfillCancelled,
    BackfillPlan,
    BackfillRequest,
    NewSchedule,
    Occurrence,
    Preview,
    Schedule,
    SchedulePatch,
)
from services.schedules.store import MAX_PREVIEW, place

router = APIRouter(prefix="/v1/schedules", tags=["schedules"])

Which = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$", description="The schedule's id or its name.")]
BackfillId = Annotated[str, Path(pattern=r"^bkf_[0-9a-z]{26}$", description="The backfill's id, as its plan has it.")]
Times = Annotated[int, Query(ge=1, le=MAX_PREVIEW, description="How many times.")]
Reader = Annotated[Principal, allow(Permission.SCHEDULES_READ)]
Writer = Annotated[Principal, allow(Permission.SCHEDULES_WRITE)]


class Previews(Shown):
    """Times to come, the next one first."""

    items: tuple[Preview, ...]


@router.post("", status_code=201, operation_id="create_schedule", summary="Make a schedule", responses=problems(409))
def create_schedule(plane: ThePlane, who: Writer, new: NewSchedule, response: Response) -> Schedule:
    """Run a stored recipe whenever a cron expression says so, on the clock of a time zone. Its occurrences begin now.
    `POST /v1/schedules/preview` shows them before."""
    schedule = plane.schedules.create(who.project_id, new, who.name)
    response.headers["Location"] = f"/v1/schedules/{schedule.id}"
    return _tagged(response, schedule)


@router.get("", operation_id="list_schedules", summary="List schedules", responses=problems())
def list_schedules(plane: ThePlane, who: Reader, page: PageToken = None, page_size: PageSize = 50) -> Page[Schedule]:
    """The project's schedules, newest first."""
    question = ["schedules", who.project_id]
    found = plane.schedules.list(who.project_id, after=plane.pages.read(page, question), limit=page_size + 1)
    more = plane.pages.write(found[page_size - 1].id, question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.post(
    "/preview",
    operation_id="preview_new_schedule",
    summary="Preview a new schedule",
    dependencies=[allow(Permission.SCHEDULES_READ)],
    responses=problems(),
)
def preview_new_schedule(plane: ThePlane, new: NewSchedule, n: Times = 20) -> Previews:
    """The next times of a schedule that is not made, in UTC and on its own clock. Nothing is stored."""
    return Previews(items=tuple(plane.schedules.preview_new(new, n)))


@router.get("/{schedule}", operation_id="get_schedule", summary="Get a schedule", responses=problems(404))
def get_schedule(plane: ThePlane, who: Reader, schedule: Which, response: Response) -> Schedule:
    """One schedule. Its ETag is what changing and deleting it need."""
    return _tagged(response, plane.schedules.get(who.project_id, schedule))


@router.patch(
    "/{schedule}",
    operation_id="update_schedule",
    summary="Change a schedule",
    responses=problems(404, 409, 412, 428),
)
def update_schedule(
    plane: ThePlane, who: Writer, schedule: Which, patch: SchedulePatch, response: Response, if_match: IfMatch = None
) -> Schedule:
    """Change what is given; what is left out stays. A new cron expression or time zone counts from now on."""
    found = plane.schedules.get(who.project_id, schedule)
    expect(if_match, found.id, found.revision)
    return _tagged(response, plane.schedules.update(who.project_id, found.id, patch, revision=found.revision))


@router.delete(
    "/{schedule}",
    status_code=204,
    operation_id="delete_schedule",
    summary="Delete a schedule",
    responses=problems(404, 412, 428),
)
def delete_schedule(plane: ThePlane, who: Writer, schedule: Which, if_match: IfMatch = None) -> None:
    """Forget a schedule and what waits of it. The jobs that it has started go on."""
    found = plane.schedules.get(who.project_id, schedule)
    expect(if_match, found.id, found.revision)
    plane.schedules.delete(who.project_id, found.id, revision=found.revision)


@router.post("/{schedule}/pause", operation_id="pause_schedule", summary="Pause a schedule", responses=problems(404))
def pause_schedule(plane: ThePlane, who: Writer, schedule: Which, response: Response) -> Schedule:
    """No occurrence until it is resumed; those that wait are left out. Jobs that are running go on, and triggers and
    backfills still work."""
    return _tagged(response, plane.schedules.pause(who.project_id, schedule, who.name))


@router.post("/{schedule}/resume", operation_id="resume_schedule", summary="Resume a schedule", responses=problems(404))
def resume_schedule(plane: ThePlane, who: Writer, schedule: Which, response: Response) -> Schedule:
    """Go on from now. What the pause left out is not made up for; a backfill can do that. Failures are counted
    afresh."""
    return _tagged(response, plane.schedules.resume(who.project_id, schedule))


@router.post(
    "/{schedule}/trigger",
    status_code=202,
    operation_id="trigger_schedule",
    summary="Run a schedule now",
    responses=problems(404),
)
def trigger_schedule(plane: ThePlane, who: Writer, schedule: Which) -> Occurrence:
    """Run it once, whatever its overlap policy says and even while it is paused. The scheduler makes the job a moment
    later: `GET …/occurrences` shows its id."""
    return plane.schedules.trigger(who.project_id, schedule)


@router.get(
    "/{schedule}/preview", operation_id="preview_schedule", summary="Preview a schedule", responses=problems(404)
)
def preview_schedule(plane: ThePlane, who: Reader, schedule: Which, n: Times = 20) -> Previews:
    """The next times in UTC and on the schedule's clock, with the jitter of each, and why nothing is run where that is
    so."""
    return Previews(items=tuple(plane.schedules.preview(who.project_id, schedule, n)))


@router.get(
    "/{schedule}/occurrences",
    operation_id="list_occurrences",
    summary="List occurrences",
    responses=problems(404),
)
def list_occurrences(
    plane: ThePlane, who: Reader, schedule: Which, page: PageToken = None, page_size: PageSize = 50
) -> Page[Occurrence]:
    """What became of the times at which it fired, latest first: started with which job, skipped, missed or failed, and
    why."""
    question = ["occurrences", who.project_id, schedule]
    after = plane.pages.read(page, question)
    found = plane.schedules.occurrences(who.project_id, schedule, after=after, limit=page_size + 1)
    more = plane.pages.write(place(found[page_size - 1]), question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.post("/{schedule}/backfill", operation_id="backfill_schedule", summary="Run the past", responses=problems(404))
def backfill_schedule(
    asked: Request, plane: ThePlane, who: Writer, schedule: Which, request: BackfillRequest
) -> BackfillPlan:
    """Run the occurrences of a time that is over, at most 2000 at once. A dry run lists them and does nothing; without
    it the scheduler starts them, `max_parallel` at a time."""
    note(asked, dry_run=request.dry_run)
    return plane.schedules.backfill(who.project_id, schedule, request)


@router.post(
    "/{schedule}/backfill/{backfill_id}/cancel",
    operation_id="cancel_backfill",
    summary="Cancel a backfill",
    responses=problems(404),
)
def cancel_backfill(plane: ThePlane, who: Writer, schedule: Which, backfill_id: BackfillId) -> BackfillCancelled:
    """Leave out what still waits of a backfill. The jobs that it has started go on; cancel them one by one."""
    return plane.schedules.cancel_backfill(who.project_id, schedule, backfill_id, who.name)


def _tagged(response: Response, schedule: Schedule) -> Schedule:
    response.headers["ETag"] = etag(schedule.id, schedule.revision)
    return schedule
