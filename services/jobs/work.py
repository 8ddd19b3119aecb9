"""What a worker may do with the job that it holds, and what becomes of a job whose worker is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, and_, or_, select

from services.database import Database
from services.database.tables import job_events, jobs
from services.database.types import clock, later
from services.errors import IllegalState
from services.failpoints import reach
from services.jobs.changes import LockedJob, lock_if
from services.jobs.job import Condition, Ending, Orders, StepProgress
from services.jobs.states import FINAL, LEASED, State
from services.settings import Settings

ENDS = FINAL | {State.QUEUED, State.HELD, State.PAUSED}
"""How a driver may leave its job."""

BACKOFF_LIMIT_S = 60
PUBLISHING_ATTEMPTS = 3
"""A job that may have published is tried again so many times `max_attempts`."""

PROGRESS_EVENT_S = 1.0
"""A job writes at most one progress event in this time."""

Anew = Literal["input-changed", "records-gone"]
ANEW: dict[Anew, tuple[str, str]] = {
    "input-changed": ("InputChanged", "the input, or the corpus, has changed since the run's records were written"),
    "records-gone": ("RecordsGone", "the run's records were removed, since another run of the corpus published"),
}
"""Why a job begins anew: the condition, and its message."""

UNAPPROVED: dict[str, object] = {"held_digest": None, "approved": False}


def heartbeat(job: LockedJob, settings: Settings, progress: Sequence[StepProgress] | None) -> Orders:
    """Renew the lease and keep the progress."""
    events: list[tuple[str, dict[str, object]]] = []
    values: dict[str, object] = {"lease_until": job.in_seconds(settings.lease_s)}
    if progress is not None:
        told = [step.model_dump(mode="json") for step in progress]
        if _made(told) != _made(_progress(job)):
            values["progressed"] = job.now
        if (done := sum(step.shards_done for step in progress)) > job.row["tasks_done"]:
            values |= {"tasks_done": done, "crashes": 0}
        values["progress"] = told
        if _is_news(job, told):
            events.append(("progress", {"steps": told}))
    job.note(*events, values=values)
    kill_after = job.row["kill_after"]
    return Orders(state=job.state, kill=kill_after is not None and kill_after <= job.now)


def _progress(job: LockedJob) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = job.connection.execute(
        select(jobs.c.progress).where(jobs.c.id == job.id)
    ).scalar_one()
    return found


def _made(steps: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What counts as progress: not rates, nor times."""
    return [
        tuple(step[name] for name in ("step", "shards_done", "shards_total", "documents", "bytes")) for step in steps
    ]


def _is_news(job: LockedJob, told: Sequence[dict[str, Any]]) -> bool:
    """Whether progress has been made since the last event of it, and that is not of just now."""
    last = job.connection.execute(
        select(job_events.c.at, job_events.c.data)
        .where(job_events.c.job_id == job.id, job_events.c.kind == "progress")
        .order_by(job_events.c.sequence.desc())
        .limit(1)
    ).one_or_none()
    if last is None:
        return bool(told)
    return _made(told) != _made(last.data["steps"]) and (job.now - last.at).total_seconds() >= PROGRESS_EVENT_S


def permit(job: LockedJob, version: int, digest: str) -> None:
    """To PUBLISHING, while the lease lasts."""
    if job.state is not State.RUNNING:
        raise IllegalState(f"{job.id} is {job.state}; only a RUNNING job may publish")
    if job.row["hold"] and not (job.row["approved"] and job.row["held_digest"] == digest):
        raise IllegalState(f"{job.id} must be approved before it publishes")
    job.note(guard=jobs.c.lease_until > clock())  # LostLease where it has run out, though nobody took it yet
    job.change(State.PUBLISHING, values={"progressed": job.now, "permitted": version})


def settle(job: LockedJob) -> None:
    """Forget the permit."""
    job.note(values={"permitted": None})


def next_generation(job: LockedJob, why: Anew) -> int:
    """A new run: what was approved is not what it will publish, so it must be approved again."""
    if job.state is State.PUBLISHING:
        raise IllegalState(f"{job.id} is PUBLISHING: its run can no longer be changed")
    generation: int = job.row["generation"] + 1
    condition, what = ANEW[why]
    message = f"{what}; generation {generation} begins anew"
    changed = Condition(type=condition, is_true=True, at=job.now, reason=why, message=message)
    job.note(conditions=[changed], values={**new_run(job), "progressed": job.now})
    return generation


def new_run(job: LockedJob) -> dict[str, object]:
    """What a job is before a run of its own, with the next generation, has begun."""
    return {**UNAPPROVED, "generation": job.row["generation"] + 1, "progress": [], "tasks_done": 0}


def finish(job: LockedJob, ending: Ending) -> None:
    """The driver's word, unless the job was asked to stop: then it is what it was asked to be, or has succeeded."""
    state = ending.state
    if state not in ENDS:
        raise IllegalState(f"{job.id}: a driver cannot leave its job {state}")
    if state is not State.SUCCEEDED:
        state = {State.CANCELLING: State.CANCELLED, State.PAUSING: State.PAUSED}.get(job.state, state)
    told = {name: getattr(ending, name) for name in ("version", "published", "documents_read", "documents_kept")}
    known = {name: value for name, value in told.items() if value is not None}
    if state is State.SUCCEEDED or (state is State.FAILED and ending.is_settled):
        known["permitted"] = None
    if state is State.HELD:
        known |= {**UNAPPROVED, "held_digest": ending.held_digest}
    conditions = ending.conditions
    is_known = "permitted" in known
    was_said = any(condition["type"] == "MayBePublished" for condition in job.row["conditions"])
    if job.row["permitted"] is not None and state in FINAL and (was_said or not is_known):
        conditions = (*conditions, _may_be_published(job, is_true=not is_known))
    is_held_back = ending.state is State.HELD and state is not State.HELD
    reason = job.row["reason"] if is_held_back else ending.reason  # it waits for who asked, not for an approval
    job.change(state, reason=reason, message=ending.message, conditions=conditions, values=known)


def _may_be_published(job: LockedJob, *, is_true: bool) -> Condition:
    message = f"version {job.row['permitted']} may be of this job, now or later; a retry looks first"
    return Condition(
        type="MayBePublished",
        is_true=is_true,
        at=job.now,
        reason="permitted" if is_true else "known",
        message=message if is_true else "the corpus says what became of it",
    )


def lose(job: LockedJob, settings: Settings, reason: str, message: str) -> None:
    """End the lease of a worker that is gone."""
    condition = Condition(type="WorkerLost", is_true=True, at=job.now, reason=reason, message=message)
    if job.state is State.CANCELLING:
        job.change(State.CANCELLED, reason="killed", message=message, conditions=[condition])
        return
    if job.state is State.PAUSING:
        job.change(State.PAUSED, reason="killed", message=message, conditions=[condition])
        return
    crashes = job.row["crashes"] + 1
    is_permitted = job.row["permitted"] is not None
    if crashes >= settings.max_attempts * (PUBLISHING_ATTEMPTS if is_permitted else 1):
        conditions = [condition, _may_be_published(job, is_true=True)] if is_permitted else [condition]
        job.change(State.CRASHED, reason=reason, message=message, conditions=conditions, values={"crashes": crashes})
        return
    wait_s = min(2**crashes, BACKOFF_LIMIT_S)
    job.change(
        State.QUEUED,
        reason=reason,
        message=message,
        conditions=[condition],
        values={"crashes": crashes, "not_before": job.in_seconds(wait_s)},
    )


def reap(database: Database, settings: Settings) -> int:
    """End every lease whose worker is overdue; each under its lock, so that it ends once."""
    overdue = _overdue(settings)
    with database.reading() as connection:
        found = (
            connection.execute(select(jobs.c.id).where(_is_leased(), or_(*(so for _, _, so in overdue))))
            .scalars()
            .all()
        )
    return sum(_reap(database, settings, overdue, job_id) for job_id in found)


Overdue = tuple[str, str, ColumnElement[bool]]
"""A reason, its message, and which jobs it is true of."""


def _reap(database: Database, settings: Settings, overdue: Sequence[Overdue], job_id: str) -> bool:
    with database.transaction() as connection:
        for reason, message, is_so in overdue:
            job = lock_if(connection, job_id, is_so)
            if job is not None:
                lose(job, settings, reason, message)
                reach("store.reap.changed")
                return True
    return False


def _overdue(settings: Settings) -> Sequence[Overdue]:
    starting = jobs.c.state == State.STARTING.value
    working = jobs.c.state.in_([State.RUNNING.value, State.PUBLISHING.value])
    stopping = jobs.c.state.in_([State.CANCELLING.value, State.PAUSING.value])
    return (
        (
            "lease-expired",
            f"its worker said nothing for {settings.lease_s:g} s",
            and_(_is_leased(), jobs.c.lease_until < clock()),
        ),
        (
            "not-started",
            f"its driver did not start within {settings.start_timeout_s:g} s",
            and_(starting, jobs.c.progressed < later(-settings.start_timeout_s)),
        ),
        (
            "stalled",
            f"it made no progress for {settings.stall_timeout_s:g} s",
            and_(working, jobs.c.progressed < later(-settings.stall_timeout_s)),
        ),
        (
            "killed",
            "it did not stop in time after it was asked to",
            and_(stopping, jobs.c.kill_after < later(-settings.lease_s)),
        ),
    )


def _is_leased() -> ColumnElement[bool]:
    return jobs.c.state.in_(sorted(state.value for state in LEASED))
