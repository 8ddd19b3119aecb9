"""The store of schedules: what clients ask and change. Each is one transaction, and sees one project only.

The scheduler (`services.scheduler`) moves the cursor of a schedule and starts its occurrences; both lock the row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import islice

from pydantic import ValidationError
from sqlalchemy import Connection, RowMapping, and_, insert, or_, select, union, update
from sqlalchemy.exc import IntegrityError

from curation.errors import Problem
from services.database import Database, new_id
from services.database.tables import occurrences, recipe_revisions, recipes, schedules
from services.database.types import EPOCH, MICROSECOND, micros
from services.errors import AlreadyExists, BadPage, Invalid, NotFound, PreconditionFailed
from services.jobs.states import State
from services.schedules.backfill import MAX_OCCURRENCES, Run, plan_backfill
from services.schedules.cron import jitter
from services.schedules.overlap import BACKFILL, MANUAL
from services.schedules.rows import (
    definition_of,
    definition_values,
    ended,
    find_schedule,
    new_occurrence,
    occurrence_of,
    occurrence_rows,
    pause_schedule,
    schedule_of,
    skip_waiting,
)
from services.schedules.schedule import (
    BackfillCancelled,
    BackfillEntry,
    BackfillPlan,
    BackfillRequest,
    NewSchedule,
    Occurrence,
    OccurrenceState,
    Preview,
    Schedule,
    SchedulePatch,
)
from services.schedules.timetable import Timetable

AN_ID = re.compile(r"sch_[0-9a-z]{26}")
MAX_PREVIEW = 100


class ScheduleStore:
    """`clock` tells the time; by default it is the database's. A schedule is named by its id or its name."""

    def __init__(self, database: Database, clock: Callable[[], datetime] | None = None) -> None:
        self._database = database
        self._clock = clock or database.now

    def create(self, project_id: str, new: NewSchedule, by: str) -> Schedule:
        """A schedule whose occurrences begin now. Raises Invalid, and AlreadyExists for the name."""
        timetable, now, schedule_id = Timetable(new), self._clock(), new_id("sch")
        _check_name(new.name)
        values = {
            **definition_values(new),
            **{"id": schedule_id, "project_id": project_id, "cursor": now, "next_at": timetable.first(now)},
            **{"created": now, "created_by": by, "updated": now},
        }
        try:
            with self._database.transaction() as connection:
                _check_recipe(connection, project_id, new)
                connection.execute(insert(schedules).values(**values))
        except IntegrityError:
            raise AlreadyExists(f"there is a schedule {new.name!r}") from None
        return self.get(project_id, schedule_id)

    def get(self, project_id: str, which: str) -> Schedule:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return schedule_of(find_schedule(connection, project_id, which))

    def list(self, project_id: str, *, after: str | None = None, limit: int = 50) -> Sequence[Schedule]:
        """Newest first; `after` is the id of the last one seen."""
        wanted = select(schedules).where(schedules.c.project_id == project_id, schedules.c.deleted.is_(None))
        if after is not None:
            wanted = wanted.where(schedules.c.id < after)
        with self._database.reading() as connection:
            rows = connection.execute(wanted.order_by(schedules.c.id.desc()).limit(limit)).mappings()
            return [schedule_of(row) for row in rows]

    def update(self, project_id: str, which: str, patch: SchedulePatch, *, revision: int) -> Schedule:
        """Change the schedule, which must still be of this revision (PreconditionFailed). A new cron expression or
        time zone says nothing about the past: no occurrence of it is before now. Raises NotFound, Invalid,
        AlreadyExists."""
        now = self._clock()
        try:
            with self._database.transaction() as connection:
                row = _locked(connection, project_id, which, revision)
                _change(connection, row, _patched(definition_of(row), patch), now)
        except IntegrityError:
            raise AlreadyExists(f"there is a schedule {patch.name!r}") from None
        return self.get(project_id, row["id"])

    def delete(self, project_id: str, which: str, *, revision: int) -> None:
        """Forget the schedule, which must still be of this revision (PreconditionFailed), and what waits of it. Jobs
        that it has started go on. Raises NotFound."""
        now = self._clock()
        with self._database.transaction() as connection:
            row = _locked(connection, project_id, which, revision)
            gone = {"deleted": now, "updated": now, "next_at": None, "revision": revision + 1}
            connection.execute(update(schedules).where(schedules.c.id == row["id"]).values(**gone))
            skip_waiting(connection, row["id"], "the schedule was deleted", only_scheduled=False)

    def pause(self, project_id: str, which: str, by: str) -> Schedule:
        """No occurrence until it is resumed; those that wait are left out. Again is the same as once. Triggers and
        backfills still work. Raises NotFound."""
        now = self._clock()
        with self._database.transaction() as connection:
            row = find_schedule(connection, project_id, which, lock=True)
            if row["paused"] is None:
                pause_schedule(connection, row["id"], f"paused by {by}", now)
        return self.get(project_id, row["id"])

    def resume(self, project_id: str, which: str) -> Schedule:
        """Go on from now: a pause is not an outage, so what it left out is not made up for (a backfill can do that).
        Failures are counted afresh. Again is the same as once. Raises NotFound."""
        now = self._clock()
        with self._database.transaction() as connection:
            row = find_schedule(connection, project_id, which, lock=True)
            if row["paused"] is not None:
                _resume(connection, row, now)
        return self.get(project_id, row["id"])

    def trigger(self, project_id: str, which: str) -> Occurrence:
        """Run it once now, whatever else is running or paused; a scheduler starts it. Raises NotFound."""
        now = self._clock()
        with self._database.transaction() as connection:
            row = find_schedule(connection, project_id, which, lock=True)
            kind = MANUAL + new_id("trg")
            values = new_occurrence(row["id"], now, kind, OccurrenceState.WAITING, now)
            connection.execute(insert(occurrences).values(**values))
            wanted = occurrence_rows(row["id"]).where(occurrences.c.kind == kind)
            made = connection.execute(wanted).mappings().one()
        return occurrence_of(made, Timetable(definition_of(row)).cron)

    def preview(self, project_id: str, which: str, n: int = 20) -> Sequence[Preview]:
        """The next `n` times, at most 100, in UTC and local. Raises NotFound."""
        schedule = self.get(project_id, which)
        because = "paused" if schedule.paused else None
        return _previews(schedule.definition(), self._clock(), n, schedule_id=schedule.id, because=because)

    def preview_new(self, new: NewSchedule, n: int = 20) -> Sequence[Preview]:
        """The same for a schedule that is not stored. Raises Invalid."""
        return _previews(new, self._clock(), n, schedule_id=None, because=None)

    def occurrences(
        self, project_id: str, which: str, *, after: str | None = None, limit: int = 50
    ) -> Sequence[Occurrence]:
        """What became of its occurrences, latest first; `after` is the `place` of the last one. Raises NotFound."""
        with self._database.reading() as connection:
            row = find_schedule(connection, project_id, which)
            table = occurrences.c
            wanted = occurrence_rows(row["id"]).order_by(table.occurrence.desc(), table.kind.desc()).limit(limit)
            if after is not None:
                moment, kind = _from_place(after)
                same = and_(table.occurrence == moment, table.kind < kind)
                wanted = wanted.where(or_(table.occurrence < moment, same))
            cron = Timetable(definition_of(row)).cron
            return [occurrence_of(found, cron) for found in connection.execute(wanted).mappings()]

    def backfill(self, project_id: str, which: str, request: BackfillRequest) -> BackfillPlan:
        """Run occurrences of the past; a scheduler starts them. A dry run gives the same plan and writes nothing.
        Raises NotFound; Invalid for a time that is not over, or has too many occurrences."""
        now = self._clock()
        with self._database.transaction() as connection:
            row = find_schedule(connection, project_id, which, lock=True)
            entries = _backfill_entries(connection, row, request, now)
            chosen = [entry.occurrence for entry in entries if entry.will_run]
            backfill_id = None if request.dry_run else new_id("bkf")
            if backfill_id is not None and chosen:
                kind, waiting = BACKFILL + backfill_id, OccurrenceState.WAITING
                rows = [
                    new_occurrence(
                        row["id"], moment, kind, waiting, now, due=now, position=at, max_parallel=request.max_parallel
                    )
                    for at, moment in enumerate(chosen)
                ]
                connection.execute(insert(occurrences), rows)
        return BackfillPlan(id=backfill_id, will_run=len(chosen), entries=entries)

    def cancel_backfill(self, project_id: str, which: str, backfill_id: str, by: str) -> BackfillCancelled:
        """Leave out what waits of a backfill; jobs that it has started go on. Again is the same as once. Raises
        NotFound."""
        kind = BACKFILL + backfill_id
        with self._database.transaction() as connection:
            row = find_schedule(connection, project_id, which, lock=True)
            its = (occurrences.c.schedule_id == row["id"], occurrences.c.kind == kind)
            if connection.execute(select(occurrences.c.kind).where(*its).limit(1)).first() is None:
                raise NotFound(f"the schedule has no backfill {backfill_id!r}")
            left = connection.execute(
                update(occurrences)
                .where(*its, occurrences.c.state == OccurrenceState.WAITING)
                .values(state=OccurrenceState.SKIPPED, reason=f"the backfill was cancelled by {by}")
            )
        return BackfillCancelled(id=backfill_id, skipped=left.rowcount)

    # -------------------------------------------------------------- for the scheduler

    def pressing(self, now: datetime) -> Sequence[str]:
        """The ids of all schedules, of every project, with an occurrence that has passed, or waits and is due, or whose
        job has ended and is not counted."""
        waits = and_(occurrences.c.state == OccurrenceState.WAITING, occurrences.c.due <= now)
        some = union(
            select(schedules.c.id).where(schedules.c.next_at <= now),
            select(occurrences.c.schedule_id).where(waits),
            select(ended().subquery().c.schedule_id),
        )
        wanted = select(schedules.c.id).where(schedules.c.id.in_(some), schedules.c.deleted.is_(None))
        with self._database.reading() as connection:
            return connection.execute(wanted.order_by(schedules.c.id)).scalars().all()


def place(occurrence: Occurrence) -> str:
    """Where a list of occurrences goes on behind this one."""
    kind = f"{occurrence.kind}:{occurrence.run}" if occurrence.run else occurrence.kind
    return f"{micros(occurrence.occurrence)}/{kind}"


def _from_place(text: str) -> tuple[datetime, str]:
    moment, separator, kind = text.partition("/")
    if not separator or not re.fullmatch(r"[0-9]{1,18}", moment):
        raise BadPage("found a place in a list of occurrences that is not one of ours")
    return EPOCH + int(moment) * MICROSECOND, kind


def _locked(connection: Connection, project_id: str, which: str, revision: int) -> RowMapping:
    row = find_schedule(connection, project_id, which, lock=True)
    if row["revision"] != revision:
        raise PreconditionFailed(f"found revision {revision}, but it is {row['revision']} now; read it again")
    return row


def _change(connection: Connection, row: RowMapping, new: NewSchedule, now: datetime) -> None:
    timetable = Timetable(new)
    _check_name(new.name)
    if (new.recipe_name, new.recipe_revision) != (row["recipe_name"], row["recipe_revision"]):
        _check_recipe(connection, row["project_id"], new)
    is_other = (new.cron, new.timezone) != (row["cron"], row["timezone"])
    cursor = max(row["cursor"], now) if is_other else row["cursor"]
    connection.execute(
        update(schedules)
        .where(schedules.c.id == row["id"])
        .values(
            **definition_values(new),
            cursor=cursor,
            next_at=None if row["paused"] else timetable.first(cursor),
            updated=now,
            revision=row["revision"] + 1,
        )
    )


def _resume(connection: Connection, row: RowMapping, now: datetime) -> None:
    cursor = max(row["cursor"], now)
    going = {"paused": None, "pause_reason": "", "failures": 0, "counted_from": now, "cursor": cursor, "updated": now}
    connection.execute(
        update(schedules)
        .where(schedules.c.id == row["id"])
        .values(**going, next_at=Timetable(definition_of(row)).first(cursor), revision=row["revision"] + 1)
    )


def _patched(definition: NewSchedule, patch: SchedulePatch) -> NewSchedule:
    try:
        return NewSchedule.model_validate({**definition.model_dump(), **patch.changes()})
    except ValidationError as error:
        problems = [Problem(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()]
        raise Invalid("; ".join(map(str, problems)), problems=problems) from None


def _check_name(name: str) -> None:
    if AN_ID.fullmatch(name):
        raise _invalid("name", "found a name that looks like an id")


def _check_recipe(connection: Connection, project_id: str, new: NewSchedule) -> None:
    wanted = select(recipes.c.id).where(
        recipes.c.project_id == project_id, recipes.c.name == new.recipe_name, recipes.c.deleted.is_(None)
    )
    recipe_id = connection.execute(wanted).scalar_one_or_none()
    if recipe_id is None:
        raise _invalid("recipe_name", f"there is no recipe {new.recipe_name!r}")
    if new.recipe_revision is not None:
        revision = select(recipe_revisions.c.revision).where(
            recipe_revisions.c.recipe_id == recipe_id, recipe_revisions.c.revision == new.recipe_revision
        )
        if connection.execute(revision).one_or_none() is None:
            raise _invalid("recipe_revision", f"{new.recipe_name!r} has no revision {new.recipe_revision}")


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(f"{path}: {message}", problems=[Problem(path, message)])


def _previews(
    new: NewSchedule, now: datetime, n: int, *, schedule_id: str | None, because: str | None
) -> Sequence[Preview]:
    timetable = Timetable(new)
    return [
        Preview(
            utc=moment,
            local=timetable.cron.local(moment),
            due=_due(moment, new.jitter_s, schedule_id),
            skipped_because="skipped date" if timetable.is_skipped(moment) else because,
        )
        for moment in islice(timetable.after(now), min(n, MAX_PREVIEW))
    ]


def _due(moment: datetime, jitter_s: int, schedule_id: str | None) -> datetime | None:
    if schedule_id is None:
        return None if jitter_s else moment
    return moment + jitter(schedule_id, moment, jitter_s)


def _backfill_entries(
    connection: Connection, row: RowMapping, request: BackfillRequest, now: datetime
) -> tuple[BackfillEntry, ...]:
    seen = max(row["cursor"], now) if row["paused"] else row["cursor"]  # behind it are the scheduler's own
    if request.to > now:
        raise _invalid("to", f"expected a time that is over: it is {now:%Y-%m-%dT%H:%M:%SZ} now")
    timetable = Timetable(definition_of(row))
    until = min(request.to, seen)
    times = list(islice(timetable.after(request.from_ - MICROSECOND, until), MAX_OCCURRENCES + 1))
    if len(times) > MAX_OCCURRENCES:
        raise _invalid("from", f"found more than {MAX_OCCURRENCES} occurrences; ask for less at once")
    return plan_backfill(times, request, timetable, _runs(connection, row["id"], request))


def _runs(connection: Connection, schedule_id: str, request: BackfillRequest) -> dict[datetime, list[Run]]:
    wanted = occurrence_rows(schedule_id).where(occurrences.c.occurrence.between(request.from_, request.to))
    runs = defaultdict(list)
    for row in connection.execute(wanted).mappings():
        state = row["job_state"] and State(row["job_state"])
        runs[row["occurrence"]].append(Run(OccurrenceState(row["state"]), row["job_id"], state))
    return runs
