"""One look at one schedule: what has passed is written down, and what may start is started.

What is to be done is found without a lock; only where there is something, the schedule's row is locked and it is done,
so of any number of schedulers one does it. First it is decided which occurrences are run; from then on their rows say
so. Then they are started: the job is submitted in the transaction that writes STARTED, so an occurrence has one job, or
none and is still WAITING.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, insert, select, update

from curation.errors import CurationError, TransientError
from services.database import Database
from services.database.tables import jobs, occurrences, schedules
from services.errors import Conflict, ServiceError, Unavailable
from services.failpoints import reach
from services.intake import Intake
from services.jobs.job import NewJob, Submission
from services.jobs.rows import plain
from services.jobs.states import FINAL, State
from services.jobs.store import JobStore
from services.scheduler.ending import count_endings, count_failures, endings
from services.schedules.cron import jitter
from services.schedules.misfire import Missed, Passed, decide_misfires
from services.schedules.overlap import BACKFILL, SCHEDULED, Active, Turn, Waiting, plan_turn
from services.schedules.rows import definition_of, new_occurrence
from services.schedules.schedule import Misfire, OccurrenceState, Overlap
from services.schedules.timetable import Timetable

MAX_MISSED = 1000
"""How many missed occurrences of one outage get a row each; the first row stands for those before."""

UNSTOPPABLE = (State.CANCELLING, State.PUBLISHING)

MAX_REASON = 2000
"""Characters."""


@dataclass(frozen=True)
class Prepared:
    """A schedule as it was when the jobs were made ready; another revision must not start them."""

    schedule: RowMapping
    jobs: Mapping[Waiting, NewJob]
    failures: Mapping[Waiting, str]
    """Why no job can be made."""


class Turns:
    """What a scheduler does with one schedule at a time."""

    def __init__(self, database: Database, jobs: JobStore, intake: Intake) -> None:
        self._database = database
        self._jobs = jobs
        self._intake = intake

    def take(self, schedule_id: str, now: datetime) -> int:
        """Decide and start; how many jobs were started. Nothing where another scheduler is at it."""
        with self._database.reading() as connection:
            schedule = _read(connection, schedule_id)
            has_endings = connection.execute(endings(schedule_id).limit(1)).first() is not None
        passed = _passed(schedule, now)
        if has_endings or passed is not None:
            with self._database.transaction() as connection:
                locked = _lock(connection, schedule_id)
                if locked is None:
                    return 0
                count_endings(connection, schedule_id, now)
                if passed is not None and _is_same(locked, schedule):
                    _write_down(connection, schedule_id, passed)
                reach("scheduler.after_occurrence")
        reach("scheduler.after_decision")
        return self._start(schedule_id, now)

    def _start(self, schedule_id: str, now: datetime) -> int:
        schedule, turn = self._planned(schedule_id, now)
        if turn.cancel:
            for job_id in turn.cancel:
                self._cancel(schedule, job_id)
            schedule, turn = self._planned(schedule_id, now)
        if not (turn.start or turn.skip):
            return 0
        prepared = self._prepare(schedule, turn)
        with self._database.transaction() as connection:
            locked = _lock(connection, schedule_id)
            if locked is None or locked["revision"] != schedule["revision"]:
                return 0
            started = self._carry_out(connection, prepared, now)
            reach("scheduler.before_commit")
        reach("scheduler.after_commit")
        return started

    def _planned(self, schedule_id: str, now: datetime) -> tuple[RowMapping, Turn]:
        with self._database.reading() as connection:
            schedule = _read(connection, schedule_id)
            return schedule, _plan(connection, schedule, now)

    def _prepare(self, schedule: RowMapping, turn: Turn) -> Prepared:
        ready: dict[Waiting, NewJob] = {}
        failures: dict[Waiting, str] = {}
        for waiting in turn.start:
            try:
                ready[waiting] = self._job(schedule, waiting)
            except (Unavailable, TransientError):
                raise  # it goes on waiting
            except (ServiceError, CurationError) as error:
                failures[waiting] = plain(str(error), MAX_REASON)
        return Prepared(schedule, ready, failures)

    def _job(self, schedule: RowMapping, waiting: Waiting) -> NewJob:
        submission = Submission(
            mode=schedule["mode"],
            recipe_name=schedule["recipe_name"],
            recipe_revision=schedule["recipe_revision"],
            labels=schedule["labels"],
            priority=schedule["priority"],
            hold=schedule["hold"],
            occurrence=waiting.occurrence,
        )
        by = _name(schedule)
        return self._intake.prepare(schedule["project_id"], submission, by=by, schedule_id=schedule["id"])

    def _carry_out(self, connection: Connection, prepared: Prepared, now: datetime) -> int:
        """Do what the rows say now, of what is prepared."""
        schedule, started, failed = prepared.schedule, 0, False
        turn = _plan(connection, schedule, now)
        for waiting, reason in turn.skip:
            _settle(connection, schedule["id"], waiting, OccurrenceState.SKIPPED, reason=reason)
        for waiting in turn.start:
            if waiting in prepared.failures:
                reason = prepared.failures[waiting]
                _settle(connection, schedule["id"], waiting, OccurrenceState.FAILED, reason=reason)
                failed |= not waiting.kind.startswith(BACKFILL)
            elif waiting in prepared.jobs:
                new = prepared.jobs[waiting]
                job, _ = self._jobs.submit(schedule["project_id"], new, _name(schedule), connection=connection)
                _settle(connection, schedule["id"], waiting, OccurrenceState.STARTED, job_id=job.id)
                started += 1
        if failed:
            count_failures(connection, schedule["id"], now)
        return started

    def _cancel(self, schedule: RowMapping, job_id: str) -> None:
        with suppress(Conflict):  # it is publishing, or has just ended: the next look sees which
            self._jobs.cancel(schedule["project_id"], job_id, _name(schedule))


def _lock(connection: Connection, schedule_id: str) -> RowMapping | None:
    """None where the schedule is gone, or another scheduler holds it."""
    wanted = select(schedules).where(schedules.c.id == schedule_id, schedules.c.deleted.is_(None))
    return connection.execute(wanted.with_for_update(skip_locked=True)).mappings().one_or_none()


def _read(connection: Connection, schedule_id: str) -> RowMapping:
    return connection.execute(select(schedules).where(schedules.c.id == schedule_id)).mappings().one()


def _name(schedule: RowMapping) -> str:
    """How jobs and the audit log call it."""
    return f"schedule:{schedule['id']}"


@dataclass(frozen=True)
class PassedBy:
    """Every occurrence that has passed, as rows, and where the schedule goes on."""

    rows: list[dict[str, object]]
    cursor: datetime
    next_at: datetime | None


def _passed(row: RowMapping, now: datetime) -> PassedBy | None:
    """None where none has."""
    if row["paused"] is not None or row["next_at"] is None or row["next_at"] > now:
        return None
    timetable = Timetable(definition_of(row))
    return PassedBy(_passed_rows(row, timetable, now), now, timetable.first(now))


def _is_same(locked: RowMapping, read: RowMapping) -> bool:
    """Whether what was found of the schedule as it was read is true of it now."""
    return all(locked[name] == read[name] for name in ("revision", "cursor", "paused"))


def _write_down(connection: Connection, schedule_id: str, passed: PassedBy) -> None:
    """Keep what has passed, and move the cursor behind it; unless the endings just counted have paused the schedule."""
    if _read(connection, schedule_id)["paused"] is not None:
        return
    if passed.rows:
        connection.execute(insert(occurrences), passed.rows)
    going = {"cursor": passed.cursor, "next_at": passed.next_at}
    connection.execute(update(schedules).where(schedules.c.id == schedule_id).values(**going))


def _passed_rows(row: RowMapping, timetable: Timetable, now: datetime) -> list[dict[str, object]]:
    window = timedelta(seconds=row["catch_up_window_s"])
    far = max(row["cursor"], now - max(window, timedelta(days=1)))  # what is before is missed, however many
    times = list(timetable.after(far, now))
    passed = [
        Passed(moment, moment + jitter(row["id"], moment, row["jitter_s"]))
        for moment in times
        if not timetable.is_skipped(moment)
    ]
    verdict = decide_misfires(passed, now, Misfire(row["misfire"]), row["max_catch_up"], window)
    made = [
        new_occurrence(row["id"], p.occurrence, SCHEDULED, OccurrenceState.WAITING, now, due=p.due)
        for p in verdict.kept
    ]
    made += [_missed_row(row["id"], missed, now) for missed in _folded(verdict.missed)]
    skipped = [moment for moment in times if timetable.is_skipped(moment)][-MAX_MISSED:]
    made += [
        new_occurrence(row["id"], moment, SCHEDULED, OccurrenceState.SKIPPED, now, reason="skipped date")
        for moment in skipped
    ]
    first = next(timetable.after(row["cursor"], far), None)
    if first is not None:
        reason = f"missed, with all others until {far:%Y-%m-%dT%H:%M:%SZ}: older than the catch-up window"
        made.append(new_occurrence(row["id"], first, SCHEDULED, OccurrenceState.MISSED, now, reason=reason))
    return made


def _folded(missed: Sequence[Missed]) -> Sequence[Missed]:
    """One row each for the latest, and one for all before them."""
    if len(missed) <= MAX_MISSED:
        return missed
    first, count = missed[0], len(missed) - MAX_MISSED
    return [Missed(first.passed, f"this and the {count} behind it: {first.reason}"), *missed[-MAX_MISSED + 1 :]]


def _missed_row(schedule_id: str, missed: Missed, now: datetime) -> dict[str, object]:
    passed, state = missed.passed, OccurrenceState.MISSED
    return new_occurrence(schedule_id, passed.occurrence, SCHEDULED, state, now, due=passed.due, reason=missed.reason)


def _plan(connection: Connection, schedule: RowMapping, now: datetime) -> Turn:
    table = occurrences.c
    due = select(table.occurrence, table.kind, table.position, table.max_parallel).where(
        table.schedule_id == schedule["id"], table.state == OccurrenceState.WAITING, table.due <= now
    )
    waiting = [Waiting(**row) for row in connection.execute(due).mappings()]
    if not waiting:
        return Turn()
    running = (
        select(table.job_id, table.kind, jobs.c.state.not_in(UNSTOPPABLE).label("may_be_cancelled"))
        .join(jobs, jobs.c.id == table.job_id)
        .where(table.schedule_id == schedule["id"], jobs.c.state.not_in(FINAL))
        .order_by(table.job_id)
    )
    active = [
        Active(row["job_id"], row["kind"], bool(row["may_be_cancelled"]))
        for row in connection.execute(running).mappings()
    ]
    return plan_turn(Overlap(schedule["overlap"]), waiting, active)


def _settle(connection: Connection, schedule_id: str, waiting: Waiting, state: OccurrenceState, **values: str) -> None:
    connection.execute(
        update(occurrences)
        .where(
            occurrences.c.schedule_id == schedule_id,
            occurrences.c.occurrence == waiting.occurrence,
            occurrences.c.kind == waiting.kind,
        )
        .values(state=state, **values)
    )
