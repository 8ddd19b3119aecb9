"""How a job changes: under its row's lock, by the table of states, with its events and deliveries beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, select, update

from services.database.tables import job_attempts, job_events, jobs, projects
from services.database.types import clock
from services.errors import IllegalState, LostLease, NotFound
from services.jobs.job import Condition, Lease
from services.jobs.rows import conditions_of, iso, merged, plain
from services.jobs.states import FINAL, LEASED, State, may
from services.webhooks.outbox import enqueue

TOLD = frozenset({State.QUEUED, State.RUNNING, State.HELD, State.PAUSED}) | FINAL
"""The states that webhooks are told of, as `job.<state>`."""

REASON_LENGTH = 64


@dataclass
class LockedJob:
    """A job whose row this transaction holds: what it was, and what it becomes."""

    connection: Connection
    row: Mapping[str, Any]
    now: datetime
    """The database's clock, read once the row was held."""

    @property
    def id(self) -> str:
        job_id: str = self.row["id"]
        return job_id

    @property
    def state(self) -> State:
        return State(self.row["state"])

    def in_seconds(self, seconds: float) -> datetime:
        """This long after now."""
        return self.now + timedelta(seconds=seconds)

    def change(
        self,
        state: State,
        *,
        reason: str = "",
        message: str = "",
        conditions: Sequence[Condition] = (),
        asked: Mapping[str, object] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        """Put the job into another state: the only place that does. Raises IllegalState for what the table forbids."""
        if not may(self.state, state):
            raise IllegalState(f"the job is {self.state}, and cannot become {state}")
        was_leased = self.state in LEASED
        columns = dict(values or {})
        events = [*(() if asked is None else (("asked", asked),)), *self._conditions(conditions, columns)]
        columns |= {"state": state.value, "reason": plain(reason, REASON_LENGTH), "message": plain(message)}
        events.append(("state", {name: columns[name] for name in ("state", "reason", "message")}))
        if state not in LEASED:
            columns |= {"lease_owner": None, "lease_until": None, "kill_after": None}
        if state in FINAL:
            columns["finished"] = self.now
        if state is State.QUEUED:
            columns |= {"queued": self.now, "finished": None}
        self._write(events, {**columns, "revision": self.row["revision"] + 1, "updated": self.now})
        if was_leased and state not in LEASED:
            self._close_attempt()
        self._tell()

    def announce(self, by: str) -> None:
        """Write the first event of a new job."""
        self.note(
            ("asked", {"what": "submit", "by": by}), ("state", {"state": self.state.value, "reason": "", "message": ""})
        )
        self._tell()

    def note(
        self,
        *events: tuple[str, Mapping[str, object]],
        conditions: Sequence[Condition] = (),
        guard: ColumnElement[bool] | None = None,
        values: Mapping[str, object] | None = None,
    ) -> None:
        """Change something else than the state, and write what happened."""
        columns = dict(values or {})
        written = [*events, *self._conditions(conditions, columns)]
        self._write(written, columns, guard)

    def _conditions(
        self, conditions: Sequence[Condition], columns: dict[str, object]
    ) -> list[tuple[str, Mapping[str, object]]]:
        """Put the conditions into `columns`; an event of each that is new."""
        if not conditions:
            return []
        old = conditions_of(self.row["conditions"])
        kept = merged(old, [_cleaned(condition) for condition in conditions])
        columns["conditions"] = [condition.model_dump(mode="json") for condition in kept]
        return [("condition", condition.model_dump(mode="json")) for condition in kept if condition not in old]

    def _write(
        self,
        events: Sequence[tuple[str, Mapping[str, object]]],
        values: Mapping[str, object],
        guard: ColumnElement[bool] | None = None,
    ) -> None:
        first = self.row["last_event"] + 1
        same = (jobs.c.id == self.id, jobs.c.state == self.state.value, jobs.c.lease_epoch == self.row["lease_epoch"])
        changed = {**values, "last_event": first + len(events) - 1}
        statement = update(jobs).where(*same).values(**changed)
        if self.connection.execute(statement if guard is None else statement.where(guard)).rowcount != 1:
            raise LostLease(f"{self.id}: the lease of epoch {self.row['lease_epoch']} has ended")
        self.row = {**self.row, **changed}
        if events:
            rows = [
                {"job_id": self.id, "sequence": sequence, "at": self.now, "kind": kind, "data": dict(data)}
                for sequence, (kind, data) in enumerate(events, first)
            ]
            self.connection.execute(insert(job_events), rows)

    def _close_attempt(self) -> None:
        self.connection.execute(
            update(job_attempts)
            .where(job_attempts.c.job_id == self.id, job_attempts.c.attempt == self.row["attempt"])
            .values(finished=self.now, ended=self.state.value, reason=self.row["reason"], message=self.row["message"])
        )

    def _tell(self) -> None:
        """Hand the change to the project's webhooks."""
        if self.state in TOLD:
            kind = f"job.{self.state.lower()}"
            payload = {"type": kind, "timestamp": iso(self.now), "data": _told(self.row)}
            enqueue(self.connection, self.row["project_id"], kind, payload)


def _cleaned(condition: Condition) -> Condition:
    return condition.model_copy(update={"reason": plain(condition.reason), "message": plain(condition.message)})


def _told(row: Mapping[str, Any]) -> dict[str, object]:
    """What a webhook learns of a job."""
    names = ("id", "project", "recipe_name", "corpus", "state", "reason", "message", "version", "published", "labels")
    return {name: row[name] for name in names}


_LOCKED = [column for column in jobs.c if column.name not in ("recipe", "progress", "takedown")]


def lock(connection: Connection, project_id: str, job_id: str) -> LockedJob:
    """Hold a project's job for this transaction. Raises NotFound."""
    found = _lock(connection, jobs.c.id == job_id, jobs.c.project_id == project_id)
    if found is None:
        raise NotFound(f"there is no job {job_id!r} in this project")
    return found


def lock_leased(connection: Connection, lease: Lease) -> LockedJob:
    """Hold the job of a lease. Raises LostLease where the lease has ended."""
    found = _lock(connection, jobs.c.id == lease.job_id)
    if found is None or found.row["lease_epoch"] != lease.epoch or found.state not in LEASED:
        now = "gone" if found is None else f"{found.state} in epoch {found.row['lease_epoch']}"
        raise LostLease(f"{lease.job_id}: the lease of epoch {lease.epoch} has ended; the job is {now}")
    return found


def lock_if(connection: Connection, job_id: str, *conditions: ColumnElement[bool]) -> LockedJob | None:
    """Hold a job of which this is so, unless somebody else holds it: then None."""
    return _lock(connection, jobs.c.id == job_id, *conditions, skip_locked=True)


def _lock(connection: Connection, *conditions: ColumnElement[bool], skip_locked: bool = False) -> LockedJob | None:
    row = (
        connection.execute(
            select(*_LOCKED, projects.c.name.label("project"))
            .join_from(jobs, projects, projects.c.id == jobs.c.project_id)
            .where(jobs.c.deleted.is_(None), *conditions)
            .with_for_update(of=jobs, skip_locked=skip_locked)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    return LockedJob(connection, dict(row), connection.execute(select(clock())).scalar_one())
