"""The store of jobs: every question and every change, each one transaction.

Clients name a project, and see only its jobs (NotFound otherwise). Workers name a lease, and may change only what they
still hold (LostLease otherwise). Every change of state writes an event and the deliveries of the project's webhooks in
the same transaction; every time is the database's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, delete, select, update

from services.database import Database
from services.database.tables import job_labels, jobs, occurrences
from services.errors import Forbidden, IllegalState, NotFound
from services.failpoints import reach
from services.jobs import history, queue, work
from services.jobs.changes import LockedJob, lock, lock_leased
from services.jobs.job import (
    Claim,
    Ending,
    Event,
    Job,
    JobFilter,
    Lease,
    LogLine,
    Mode,
    NewJob,
    NewLogLine,
    Orders,
    StepProgress,
    Takedown,
)
from services.jobs.listing import listing
from services.jobs.rows import attempts_of, job_of, shown
from services.jobs.states import FINAL, State
from services.jobs.submitting import earlier, submit
from services.jobs.work import Anew
from services.settings import Settings


class JobStore:
    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    # ------------------------------------------------------------------ for clients

    def submit(
        self,
        project_id: str,
        new: NewJob,
        by: str,
        *,
        idempotency_key: str | None = None,
        body_sha256: str = "",
        connection: Connection | None = None,
    ) -> tuple[Job, bool]:
        """The job in QUEUED, and whether it is new. The same idempotency key again (for 24 hours at least) gives the
        job that it made, as it is now; with another body it raises OtherBody. Within `connection`'s transaction, if
        given."""
        with self._database.transaction() if connection is None else nullcontext(connection) as within:
            job_id, is_new = submit(within, project_id, new, by, key=idempotency_key, body_sha256=body_sha256)
            job = _get(within, project_id, job_id)
            reach("store.submit.changed")
        if connection is None:
            reach("store.submit.committed")
        return job, is_new

    def get(self, project_id: str, job_id: str) -> Job:
        """With its attempts. Raises NotFound."""
        with self._database.reading() as connection:
            return _get(connection, project_id, job_id)

    def recipe(self, project_id: str, job_id: str) -> dict[str, object]:
        """The recipe as it is run."""
        own = (jobs.c.id == job_id, jobs.c.project_id == project_id, jobs.c.deleted.is_(None))
        with self._database.reading() as connection:
            found = connection.execute(select(jobs.c.recipe).where(*own)).one_or_none()
        if found is None:
            raise _not_found(job_id)
        recipe: dict[str, object] = found.recipe
        return recipe

    def takedown(self, project_id: str, job_id: str) -> Takedown:
        """What a takedown removes. Raises NotFound, also for a job that is none."""
        own = (jobs.c.id == job_id, jobs.c.project_id == project_id, jobs.c.deleted.is_(None))
        with self._database.reading() as connection:
            found = connection.execute(select(jobs.c.takedown).where(*own)).scalar_one_or_none()
        if found is None:
            raise NotFound(f"there is no takedown {job_id!r} in this project")
        return Takedown.model_validate(found)

    def list(self, project_id: str, which: JobFilter, *, after: str | None = None, limit: int = 50) -> Sequence[Job]:
        """Newest first; `after` is the id of the last one seen."""
        with self._database.reading() as connection:
            rows = connection.execute(listing(project_id, which, after, limit)).mappings().all()
        return [job_of(row) for row in rows]

    def replayed(self, project_id: str, idempotency_key: str, body_sha256: str) -> Job | None:
        """The job that this idempotency key has made, if it has. Raises OtherBody; Conflict where it was deleted."""
        with self._database.reading() as connection:
            job_id = earlier(connection, project_id, idempotency_key, body_sha256)
            return None if job_id is None else _get(connection, project_id, job_id)

    def cancel(self, project_id: str, job_id: str, by: str, *, force: bool = False, may_discard: bool = True) -> Job:
        """Ask it to stop: at once where nobody works on it, else CANCELLING with a deadline, after which it is killed;
        `force` puts the deadline to now. Again is the same as once; IllegalState where it is final, or may have
        published; Forbidden where it is HELD and what it has made must not be discarded."""
        with self._asked(project_id, job_id) as job:
            if job.state is State.HELD and not may_discard:
                raise Forbidden("to cancel a held job is to discard it, which needs the permission jobs:operate")
            _refuse_permitted(job)
            asked = {"what": "cancel", "by": by, "force": force}
            deadline = job.in_seconds(0 if force else self._settings.cancel_grace_s)
            if job.state in (State.QUEUED, State.PAUSED, State.HELD):
                job.change(State.CANCELLED, reason="cancelled", message=f"cancelled by {by}", asked=asked)
            elif job.state is State.CANCELLING:
                if force and job.row["kill_after"] > deadline:
                    job.note(("asked", asked), values={"kill_after": deadline, "updated": job.now})
            elif job.state is not State.CANCELLED:
                message = f"{by} asked it to stop"
                job.change(
                    State.CANCELLING, reason="cancelled", message=message, asked=asked, values={"kill_after": deadline}
                )
        return self.get(project_id, job_id)

    def pause(self, project_id: str, job_id: str, by: str) -> Job:
        """Ask it to stop for a while. As `cancel`."""
        with self._asked(project_id, job_id) as job:
            _refuse_permitted(job)
            asked = {"what": "pause", "by": by}
            if job.state is State.QUEUED:
                job.change(State.PAUSED, reason="paused", message=f"paused by {by}", asked=asked)
            elif job.state not in (State.PAUSING, State.PAUSED):
                deadline = job.in_seconds(self._settings.cancel_grace_s)
                message = f"{by} asked it to stop for a while"
                job.change(
                    State.PAUSING, reason="paused", message=message, asked=asked, values={"kill_after": deadline}
                )
        return self.get(project_id, job_id)

    def resume(self, project_id: str, job_id: str, by: str) -> Job:
        with self._asked(project_id, job_id) as job:
            _require(job, State.PAUSED)
            asked = {"what": "resume", "by": by}
            job.change(
                State.QUEUED, reason="resumed", message=f"resumed by {by}", asked=asked, values={"not_before": None}
            )
        return self.get(project_id, job_id)

    def retry(
        self,
        project_id: str,
        job_id: str,
        by: str,
        *,
        start: Literal["records", "beginning"] = "records",
        may_take_down: bool = True,
    ) -> Job:
        """A final job that did not succeed goes back to QUEUED: on from its last record, or with a new run. What was
        approved must be approved again, unless it may be published already. Forbidden for a takedown by whom it could
        not have been asked for."""
        with self._asked(project_id, job_id) as job:
            if job.row["mode"] == Mode.TAKEDOWN and not may_take_down:
                raise Forbidden("to retry a takedown is to ask for it, which needs the permission corpora:govern")
            _require(job, State.FAILED, State.CRASHED, State.CANCELLED)
            asked = {"what": "retry", "by": by, "start": start}
            job.connection.execute(
                update(occurrences).where(occurrences.c.job_id == job_id).values(is_counted=False)
            )  # its end, when it comes, is another one to its schedule
            anew: dict[str, object] = {} if job.row["permitted"] is not None else work.UNAPPROVED
            if start == "beginning":
                anew = {**work.new_run(job), "conditions": []}
            job.change(
                State.QUEUED,
                reason="retried",
                message=f"retried by {by} from its {start}",
                asked=asked,
                values={**_UNKNOWN_AGAIN, **anew},
            )
        return self.get(project_id, job_id)

    def approve(self, project_id: str, job_id: str, by: str) -> Job:
        """A HELD job goes on to publish what it was held with; it is held again if that has changed."""
        with self._asked(project_id, job_id) as job:
            _require(job, State.HELD)
            asked = {"what": "approve", "by": by}
            job.change(
                State.QUEUED, reason="approved", message=f"approved by {by}", asked=asked, values={"approved": True}
            )
        return self.get(project_id, job_id)

    def discard(self, project_id: str, job_id: str, by: str) -> Job:
        """A HELD job becomes CANCELLED, with the reason `discarded`."""
        with self._asked(project_id, job_id) as job:
            _require(job, State.HELD)
            _refuse_permitted(job)
            asked = {"what": "discard", "by": by}
            job.change(State.CANCELLED, reason="discarded", message=f"discarded by {by}", asked=asked)
        return self.get(project_id, job_id)

    def delete(self, project_id: str, job_id: str, by: str) -> None:
        """Forget a final job. What it published stays. IllegalState where that is not known."""
        with self._asked(project_id, job_id) as job:
            _require(job, *FINAL)
            _refuse_permitted(job)
            job.note(("asked", {"what": "delete", "by": by}), values={"deleted": job.now, "updated": job.now})
            job.connection.execute(delete(job_labels).where(job_labels.c.job_id == job_id))

    def events(self, project_id: str, job_id: str, *, after: int = 0, limit: int = 500) -> Sequence[Event]:
        """Oldest first. Raises Gone where events behind `after` have been trimmed."""
        with self._database.reading() as connection:
            return history.events(connection, project_id, job_id, after, limit)

    def last_events(self, job_ids: Sequence[str]) -> dict[str, int]:
        """The number of the newest event of each of these jobs: what a tailer of many jobs polls."""
        asked = select(jobs.c.id, jobs.c.last_event).where(jobs.c.id.in_(list(job_ids)), jobs.c.deleted.is_(None))
        with self._database.reading() as connection:
            return {row.id: row.last_event for row in connection.execute(asked)}

    def logs(
        self, project_id: str, job_id: str, *, after: int = 0, limit: int = 500, level: str | None = None
    ) -> Sequence[LogLine]:
        """Oldest first; `level` leaves out what is below it."""
        with self._database.reading() as connection:
            return history.logs(connection, project_id, job_id, after, limit, level)

    def latest_events(
        self, project_id: str, job_id: str, *, before: int | None = None, limit: int = 50
    ) -> Sequence[Event]:
        """The newest ones that there are before this sequence, newest first."""
        with self._database.reading() as connection:
            return history.latest_events(connection, project_id, job_id, before, limit)

    def latest_logs(
        self, project_id: str, job_id: str, *, before: int | None = None, limit: int = 50, level: str | None = None
    ) -> Sequence[LogLine]:
        """The same of the log; `level` leaves out what is below it."""
        with self._database.reading() as connection:
            return history.latest_logs(connection, project_id, job_id, before, limit, level)

    # ------------------------------------------------------------------ for workers

    def claim(self, owner: str) -> Claim | None:
        """Take the next job: highest priority, then longest in the queue; of no corpus that is being worked on, of no
        project at its limit. It is STARTING; its epoch is one more than any before."""
        return queue.claim(self._database, self._settings, owner)

    def begin(self, lease: Lease) -> None:
        """STARTING to RUNNING: its driver is there."""
        with self._held(lease, "begin") as job:
            until = job.in_seconds(self._settings.lease_s)
            started = job.row["started"] or job.now
            job.change(State.RUNNING, values={"started": started, "progressed": job.now, "lease_until": until})

    def heartbeat(self, lease: Lease, progress: Sequence[StepProgress] | None = None) -> Orders:
        """Keep the lease; tell progress (an event, if it changed); learn what to do. Raises LostLease."""
        with self._held(lease, "heartbeat") as job:
            return work.heartbeat(job, self._settings, progress)

    def permit(self, lease: Lease, version: int, digest: str) -> None:
        """RUNNING to PUBLISHING, of this version with this content: nobody can stop the job until it is known what
        became of it. Raises LostLease, or IllegalState where it was asked to stop, or must be approved and is not. What
        a worker must hold before it may publish."""
        with self._held(lease, "permit") as job:
            work.permit(job, version, digest)

    def settle(self, lease: Lease) -> None:
        """The corpus says that no run of the job is published, nor can be any more: it may be stopped again."""
        with self._held(lease, "settle") as job:
            work.settle(job)

    def next_generation(self, lease: Lease, why: Anew = "input-changed") -> int:
        """The run cannot go on from its records: a new one begins."""
        with self._held(lease, "next-generation") as job:
            return work.next_generation(job, why)

    def finish(self, lease: Lease, ending: Ending) -> Job:
        """How the driver leaves the job, and the end of the lease. QUEUED hands it back. A job that was asked to stop
        and failed meanwhile is what it was asked to be. Raises LostLease; IllegalState for what the table forbids."""
        with self._held(lease, "finish") as job:
            work.finish(job, ending)
        return self.get(job.row["project_id"], job.id)

    def lost(self, lease: Lease, message: str) -> Job:
        """Its driver died without a word: QUEUED again, or CRASHED after too many, or what it was asked to be."""
        with self._held(lease, "lost") as job:
            work.lose(job, self._settings, "lost", message)
        return self.get(job.row["project_id"], job.id)

    def log(self, job_id: str, lines: Sequence[NewLogLine]) -> None:
        """Append lines; the oldest beyond the settings' number are dropped."""
        if not lines:
            return
        with self._database.transaction() as connection:
            history.write_logs(connection, job_id, lines, self._settings.log_lines)

    # -------------------------------------------------------------- for the scheduler

    def reap(self) -> int:
        """Find leases that have run out, and end them as `lost`; how many there were. Any number may do it at once."""
        return work.reap(self._database, self._settings)

    def active(self, schedule_id: str) -> Sequence[Job]:
        """A schedule's jobs that are not final, oldest first."""
        asked = shown().where(jobs.c.schedule_id == schedule_id, jobs.c.state.in_(_ACTIVE)).order_by(jobs.c.id)
        with self._database.reading() as connection:
            return [job_of(row) for row in connection.execute(asked).mappings()]

    def trim(self, before: datetime) -> int:
        """Drop events, and idempotency keys, older than this; how many rows."""
        return history.trim(self._database, before)

    # --------------------------------------------------------------------- the rest

    @contextmanager
    def _asked(self, project_id: str, job_id: str) -> Iterator[LockedJob]:
        """A client's job, held for one change."""
        with self._database.transaction() as connection:
            yield lock(connection, project_id, job_id)
            reach("store.ask.changed")
        reach("store.ask.committed")

    @contextmanager
    def _held(self, lease: Lease, what: str) -> Iterator[LockedJob]:
        """A worker's job, held for one change. Raises LostLease."""
        with self._database.transaction() as connection:
            yield lock_leased(connection, lease)
            reach(f"store.{what}.changed")
        reach(f"store.{what}.committed")


_ACTIVE = sorted(state.value for state in set(State) - FINAL)

_UNKNOWN_AGAIN: dict[str, object] = {
    "crashes": 0,
    "not_before": None,
    "started": None,
    "kill_after": None,
    "version": None,
    "published": None,
    "documents_read": None,
    "documents_kept": None,
}
"""What a retry forgets of the try before."""


def _get(connection: Connection, project_id: str, job_id: str) -> Job:
    own = shown().where(jobs.c.id == job_id, jobs.c.project_id == project_id)
    row = connection.execute(own).mappings().one_or_none()
    if row is None:
        raise _not_found(job_id)
    return job_of(row, attempts_of(connection, job_id) if row["attempt"] else ())


def _require(job: LockedJob, *states: State) -> None:
    if job.state not in states:
        raise IllegalState(f"the job is {job.state}; this needs {' or '.join(sorted(states))}")


def _refuse_permitted(job: LockedJob) -> None:
    if (version := job.row["permitted"]) is not None:
        then = "retry it to find out" if job.state in FINAL else "it goes on until that is known"
        raise IllegalState(f"the job is {job.state}, and may have published version {version}: {then}")


def _not_found(job_id: str) -> NotFound:
    return NotFound(f"there is no job {job_id!r} in this project")
