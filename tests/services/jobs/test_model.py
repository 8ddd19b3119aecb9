"""The store against a small model of it: any questions in any order, by clients, workers and workers of the past."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule, run_state_machine_as_test

from services.database import open_database
from services.database.tables import jobs, metadata
from services.errors import IllegalState, LostLease, NotFound
from services.jobs.job import Ending, JobFilter, Lease
from services.jobs.states import FINAL, LEASED, State
from services.jobs.store import JobStore
from tests.services.conftest import make_settings
from tests.services.jobs.conftest import PROJECT, make_projects, new_job
from tests.services.jobs.test_transitions import ANSWERS, ASKS, ENDINGS

S = State
MAX_ATTEMPTS = 2


@dataclass
class ModelJob:
    """What the model knows of a job."""

    corpus: str
    priority: int
    hold: bool
    state: State = S.QUEUED
    epoch: int = 0
    crashes: int = 0
    generation: int = 1
    is_approved: bool = False
    is_permitted: bool = False
    """It may have published."""
    is_waiting: bool = False
    """After a crash, for its time."""
    is_deleted: bool = False


class Model(RuleBasedStateMachine):
    """Every rule does the same to the store and to the model."""

    ids = Bundle[str]("ids")
    leases = Bundle[Lease]("leases")

    def __init__(self) -> None:
        super().__init__()
        self.resources = ExitStack()
        folder = Path(self.resources.enter_context(tempfile.TemporaryDirectory()))
        chosen = make_settings(folder, None, max_attempts=MAX_ATTEMPTS, max_running_per_project=3)
        self.database = self.resources.enter_context(closing(open_database(chosen)))
        metadata.create_all(self.database.engine)
        make_projects(self.database)
        self.store = JobStore(self.database, chosen)
        self.jobs: dict[str, ModelJob] = {}

    def teardown(self) -> None:
        self.resources.close()

    @rule(target=ids, corpus=st.sampled_from("abcde"), priority=st.integers(0, 2), hold=st.booleans())
    def submit(self, corpus: str, priority: int, hold: bool) -> str:
        job, _ = self.store.submit(PROJECT, new_job(corpus, priority=priority, hold=hold), "ada")
        self.jobs[job.id] = ModelJob(corpus, priority, hold)
        return job.id

    @rule(target=leases)
    def claim(self) -> Any:
        claim = self.store.claim("runner")
        able = self._claimable()
        if claim is None:
            assert able == []
            return multiple()
        job = self.jobs[claim.lease.job_id]
        assert claim.lease.job_id in able
        assert job.priority == max(self.jobs[job_id].priority for job_id in able)
        job.state, job.epoch = S.STARTING, job.epoch + 1
        assert (claim.lease.epoch, claim.generation) == (job.epoch, job.generation)
        assert (claim.hold, claim.approved) == (job.hold, "digest" if job.is_approved else None)
        assert (claim.permitted is not None) is job.is_permitted
        return claim.lease

    @rule(job_id=ids, what=st.sampled_from(sorted(ASKS)))
    def ask(self, job_id: str, what: str) -> None:
        job = self.jobs[job_id]
        wanted = ANSWERS[what].get(job.state)
        if job.is_deleted:
            self._refused(NotFound, lambda: ASKS[what](self.store, job_id))
        elif wanted is None or (job.is_permitted and what in ("cancel", "pause", "discard")):
            self._refused(IllegalState, lambda: ASKS[what](self.store, job_id))
        else:
            ASKS[what](self.store, job_id)
            job.state = wanted
            job.is_approved = what == "approve" or (job.is_approved and (what != "retry" or job.is_permitted))
            job.crashes = 0 if what == "retry" else job.crashes
            job.is_waiting &= what not in ("retry", "resume")

    @rule(job_id=ids)
    def begin_anew(self, job_id: str) -> None:
        job = self.jobs[job_id]
        if job.is_deleted or job.state not in (S.FAILED, S.CRASHED, S.CANCELLED):
            return
        self.store.retry(PROJECT, job_id, "ada", start="beginning")
        job.state = S.QUEUED
        job.generation, job.is_approved, job.crashes, job.is_waiting = job.generation + 1, False, 0, False

    @rule(job_id=ids)
    def delete(self, job_id: str) -> None:
        job = self.jobs[job_id]
        if job.is_deleted or job.state not in FINAL or job.is_permitted:
            self._refused(NotFound if job.is_deleted else IllegalState, lambda: self._delete(job_id))
        else:
            self._delete(job_id)
            job.is_deleted = True

    @rule(lease=leases)
    def begin(self, lease: Lease) -> None:
        self._work(lease, lambda: self.store.begin(lease), {S.STARTING: S.RUNNING})

    @rule(lease=leases)
    def permit(self, lease: Lease) -> None:
        job = self.jobs[lease.job_id]
        may_publish = job.is_approved or not job.hold
        able = {S.RUNNING: S.PUBLISHING} if may_publish else {}
        if self._work(lease, lambda: self.store.permit(lease, 1, "digest"), able):
            job.is_permitted = True

    @rule(lease=leases)
    def settle(self, lease: Lease) -> None:
        if self._work(lease, lambda: self.store.settle(lease), {state: state for state in LEASED}):
            self.jobs[lease.job_id].is_permitted = False

    @rule(lease=leases)
    def heartbeat(self, lease: Lease) -> None:
        self._work(lease, lambda: self.store.heartbeat(lease), {state: state for state in LEASED})

    @rule(lease=leases)
    def next_generation(self, lease: Lease) -> None:
        able = {state: state for state in LEASED - {S.PUBLISHING}}
        if self._work(lease, lambda: self.store.next_generation(lease), able):
            job = self.jobs[lease.job_id]
            job.generation, job.is_approved = job.generation + 1, False

    @rule(lease=leases, ending=st.sampled_from(sorted(State)), is_settled=st.booleans())
    def finish(self, lease: Lease, ending: State, is_settled: bool) -> None:
        after = {state: endings[ending] for state, endings in ENDINGS.items() if ending in endings}
        told = Ending(state=ending, held_digest="digest", is_settled=is_settled)
        if self._work(lease, lambda: self.store.finish(lease, told), after):
            job = self.jobs[lease.job_id]
            job.is_permitted &= job.state is not S.SUCCEEDED and not (job.state is S.FAILED and is_settled)
            job.is_approved &= job.state is not S.HELD

    @rule(lease=leases)
    def lose(self, lease: Lease) -> None:
        job = self.jobs[lease.job_id]
        has_crashed = job.crashes + 1 >= MAX_ATTEMPTS * (3 if job.is_permitted else 1)
        again = S.CRASHED if has_crashed else S.QUEUED
        after = {**dict.fromkeys(LEASED, again), S.CANCELLING: S.CANCELLED, S.PAUSING: S.PAUSED}
        if self._work(lease, lambda: self.store.lost(lease, "gone"), after) and job.state is again:
            job.crashes, job.is_waiting = job.crashes + 1, job.state is S.QUEUED

    @rule()
    def time_passes(self) -> None:
        with self.database.transaction() as connection:
            connection.execute(jobs.update().values(not_before=None))
        for job in self.jobs.values():
            job.is_waiting = False

    @rule()
    def reap(self) -> None:
        assert self.store.reap() == 0, "no lease has run out"

    @invariant()
    def the_store_shows_what_the_model_knows(self) -> None:
        shown = {job.id: job for job in self.store.list(PROJECT, JobFilter(), limit=1000)}
        assert {job_id: job.state for job_id, job in shown.items()} == {
            job_id: job.state for job_id, job in self.jobs.items() if not job.is_deleted
        }
        working = [job.corpus for job in self.jobs.values() if job.state in LEASED]
        assert len(working) == len(set(working))
        for job_id, last in self.store.last_events(list(shown)).items():
            events = self.store.events(PROJECT, job_id)
            assert [event.sequence for event in events] == list(range(1, last + 1))
            states = [event.data["state"] for event in events if event.kind == "state"]
            assert states[-1] == shown[job_id].state

    def _claimable(self) -> list[str]:
        busy = {job.corpus for job in self.jobs.values() if job.state in LEASED}
        if len(busy) >= 3:
            return []
        return [
            job_id
            for job_id, job in self.jobs.items()
            if job.state is S.QUEUED and not job.is_waiting and job.corpus not in busy
        ]

    def _work(self, lease: Lease, act: Callable[[], object], after: dict[State, State]) -> bool:
        """Whether a worker's act was allowed; the model's job is then what the store's is."""
        job = self.jobs[lease.job_id]
        if job.epoch != lease.epoch or job.state not in LEASED or job.is_deleted:
            self._refused(LostLease, act)
            return False
        if job.state not in after:
            self._refused(IllegalState, act)
            return False
        act()
        job.state = after[job.state]
        return True

    def _refused(self, error: type[Exception], act: Callable[[], object]) -> None:
        with pytest.raises(error):
            act()

    def _delete(self, job_id: str) -> None:
        self.store.delete(PROJECT, job_id, "ada")


def test_the_store_does_what_the_model_does() -> None:
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
