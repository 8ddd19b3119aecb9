"""Every change of state that a client or a worker can make, and those that are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from services.database import Database
from services.errors import IllegalState, LostLease, NotFound
from services.jobs.job import Claim, Ending, JobFilter, StepProgress
from services.jobs.states import FINAL, LEASED, State
from services.jobs.store import JobStore
from tests.services.jobs.conftest import OTHER, PROJECT, claimed, new_job

S = State


def in_state(store: JobStore, state: State, corpus: str) -> str:
    """A job that has come to this state."""
    if state is S.QUEUED:
        return store.submit(PROJECT, new_job(corpus), "ada")[0].id
    if state in LEASED:
        return claimed(store, state, corpus=corpus).lease.job_id
    if state is S.PAUSED:
        job_id = in_state(store, S.QUEUED, corpus)
        return store.pause(PROJECT, job_id, "ada").id
    claim = claimed(store, S.CANCELLING if state is S.CANCELLED else S.RUNNING, corpus=corpus)
    return store.finish(claim.lease, Ending(state=state, reason="why", message="told")).id


ASKS: dict[str, Callable[[JobStore, str], Any]] = {
    "cancel": lambda store, job_id: store.cancel(PROJECT, job_id, "ada"),
    "pause": lambda store, job_id: store.pause(PROJECT, job_id, "ada"),
    "resume": lambda store, job_id: store.resume(PROJECT, job_id, "ada"),
    "retry": lambda store, job_id: store.retry(PROJECT, job_id, "ada"),
    "approve": lambda store, job_id: store.approve(PROJECT, job_id, "ada"),
    "discard": lambda store, job_id: store.discard(PROJECT, job_id, "ada"),
}

ANSWERS: dict[str, dict[State, State]] = {
    "cancel": {
        **dict.fromkeys((S.QUEUED, S.PAUSED, S.HELD, S.CANCELLED), S.CANCELLED),
        **dict.fromkeys((S.STARTING, S.RUNNING, S.PAUSING, S.CANCELLING), S.CANCELLING),
    },
    "pause": {
        **dict.fromkeys((S.QUEUED, S.PAUSED), S.PAUSED),
        **dict.fromkeys((S.STARTING, S.RUNNING, S.PAUSING), S.PAUSING),
    },
    "resume": {S.PAUSED: S.QUEUED},
    "retry": dict.fromkeys((S.FAILED, S.CRASHED, S.CANCELLED), S.QUEUED),
    "approve": {S.HELD: S.QUEUED},
    "discard": {S.HELD: S.CANCELLED},
}
"""What a client's question makes of a job in each state; of any other it is refused."""


@pytest.mark.parametrize("what", ASKS)
def test_what_clients_may_ask_in_each_state(store_with: Callable[..., JobStore], what: str) -> None:
    store = store_with(max_running_per_project=100)
    for state in State:
        job_id = in_state(store, state, corpus=state.lower())
        before = store.get(PROJECT, job_id)
        wanted = ANSWERS[what].get(state)
        if wanted is None:
            with pytest.raises(IllegalState, match=state):
                ASKS[what](store, job_id)
            assert store.get(PROJECT, job_id) == before
            continue
        after = ASKS[what](store, job_id)
        assert after.state is wanted, state
        assert (after == before) is (wanted is state)
        assert after.attempts == store.get(PROJECT, job_id).attempts
        if wanted is S.QUEUED:  # out of the way of the next one
            store.cancel(PROJECT, job_id, "ada")


ENDINGS: dict[State, dict[State, State]] = {
    S.STARTING: {S.SUCCEEDED: S.SUCCEEDED, S.FAILED: S.FAILED, S.CRASHED: S.CRASHED, S.QUEUED: S.QUEUED},
    S.RUNNING: {state: state for state in (S.SUCCEEDED, S.FAILED, S.CRASHED, S.QUEUED, S.HELD)},
    S.PUBLISHING: {state: state for state in (S.SUCCEEDED, S.FAILED, S.CRASHED, S.QUEUED)},
    S.PAUSING: {
        S.SUCCEEDED: S.SUCCEEDED,
        **dict.fromkeys((S.FAILED, S.CRASHED, S.QUEUED, S.HELD, S.PAUSED, S.CANCELLED), S.PAUSED),
    },
    S.CANCELLING: {
        S.SUCCEEDED: S.SUCCEEDED,
        **dict.fromkeys((S.FAILED, S.CRASHED, S.QUEUED, S.HELD, S.PAUSED, S.CANCELLED), S.CANCELLED),
    },
}
"""What a driver's word makes of a job in each state; any other word is refused."""


@pytest.mark.parametrize("state", ENDINGS)
def test_how_a_driver_may_leave_its_job(store: JobStore, state: State) -> None:
    claim = claimed(store, state)
    for ending in set(State) - set(ENDINGS[state]):
        with pytest.raises(IllegalState):
            store.finish(claim.lease, Ending(state=ending))
    for number, (ending, wanted) in enumerate(ENDINGS[state].items()):
        lease = claimed(store, state, corpus=f"c{number}").lease
        job = store.finish(lease, Ending(state=ending, reason="why", message="told", version=number, published=True))
        why = job.state.lower() if ending is S.HELD and wanted is not S.HELD else "why"
        assert (job.state, job.reason, job.message, job.version) == (wanted, why, "told", number)
        assert (job.finished is not None) is (wanted in FINAL)
        (attempt,) = job.attempts
        assert (attempt.ended, attempt.reason, attempt.finished) == (wanted, why, job.updated)
        with pytest.raises(LostLease):
            store.finish(lease, Ending(state=ending))
        if wanted is S.QUEUED:  # out of the way of the next one
            taken = store.claim("runner-1")
            assert taken is not None
            store.finish(taken.lease, Ending(state=S.SUCCEEDED))


@pytest.mark.parametrize("state", sorted(LEASED))
def test_what_becomes_of_a_job_whose_worker_is_lost(store: JobStore, state: State) -> None:
    claim = claimed(store, state)
    job = store.lost(claim.lease, "the driver was killed by signal 9")
    wanted = {S.CANCELLING: S.CANCELLED, S.PAUSING: S.PAUSED}.get(state, S.QUEUED)
    assert (job.state, job.message) == (wanted, "the driver was killed by signal 9")
    assert job.reason == ("lost" if wanted is S.QUEUED else "killed")
    assert [(c.type, c.is_true, c.message) for c in job.conditions] == [("WorkerLost", True, job.message)]
    assert store.claim("runner-1") is None, "not again at once"


@pytest.mark.parametrize(("state", "attempts"), [(S.RUNNING, 3), (S.PUBLISHING, 9)])
def test_a_job_that_is_lost_too_often_has_crashed(
    store: JobStore, make_due: Callable[[], None], state: State, attempts: int
) -> None:
    claim: Claim | None = claimed(store)
    for attempt in range(1, attempts + 1):
        assert claim is not None
        assert (claim.attempt, claim.lease.epoch) == (attempt, attempt)
        store.begin(claim.lease)
        if state is S.PUBLISHING:
            store.permit(claim.lease, 1, "digest")
        job = store.lost(claim.lease, "gone")
        make_due()
        claim = store.claim("runner-1")
    assert claim is None
    assert job.state is S.CRASHED
    assert len(job.attempts) == attempts
    assert store.retry(PROJECT, job.id, "ada").state is S.QUEUED


def test_a_retry_from_the_beginning_is_a_new_run(store: JobStore) -> None:
    first = claimed(store, S.RUNNING, hold=True)
    store.finish(first.lease, Ending(state=S.HELD, held_digest="digest"))
    store.approve(PROJECT, first.lease.job_id, "ada")
    second = store.claim("runner-1")
    assert second is not None
    assert (second.approved, second.generation) == ("digest", 1)
    store.finish(second.lease, Ending(state=S.FAILED, version=3))
    assert store.retry(PROJECT, first.lease.job_id, "ada").version is None
    third = store.claim("runner-1")
    assert third is not None
    assert (third.approved, third.generation) == (None, 1), "who may retry need not be one who may approve"
    store.finish(third.lease, Ending(state=S.FAILED))
    store.retry(PROJECT, first.lease.job_id, "ada", start="beginning")
    last = store.claim("runner-1")
    assert last is not None
    assert (last.hold, last.approved, last.generation, last.attempt) == (True, None, 2, 4)


def test_a_held_job_cannot_publish_before_it_is_approved(store: JobStore) -> None:
    claim = claimed(store, S.RUNNING, hold=True)
    with pytest.raises(IllegalState, match="approved"):
        store.permit(claim.lease, 1, "digest")
    store.finish(claim.lease, Ending(state=S.HELD, held_digest="digest"))
    store.approve(PROJECT, claim.lease.job_id, "ada")
    again = store.claim("runner-1")
    assert again is not None
    store.begin(again.lease)
    with pytest.raises(IllegalState, match="approved"):
        store.permit(again.lease, 1, "another")
    store.permit(again.lease, 1, "digest")


def refuses_to_stop(store: JobStore, job_id: str, *asks: str) -> None:
    """All of these are refused, since the job may have published."""
    for ask in asks:
        with pytest.raises(IllegalState, match="may have published version 7"):
            ASKS[ask](store, job_id)


def test_a_job_that_may_have_published_cannot_be_stopped(store: JobStore, make_due: Callable[[], None]) -> None:
    """Whatever becomes of its worker, until the corpus has said what became of the version."""
    first = claimed(store, S.RUNNING, hold=True)
    job_id = first.lease.job_id
    store.finish(first.lease, Ending(state=S.HELD, held_digest="digest"))
    store.approve(PROJECT, job_id, "ada")
    second = store.claim("runner-1")
    assert second is not None
    store.begin(second.lease)
    store.permit(second.lease, 7, "digest")
    refuses_to_stop(store, job_id, "cancel", "pause")
    store.lost(second.lease, "gone")
    refuses_to_stop(store, job_id, "cancel", "pause")
    make_due()
    third = store.claim("runner-1")
    assert third is not None
    assert third.permitted == 7
    store.begin(third.lease)
    refuses_to_stop(store, job_id, "cancel", "pause")
    assert store.next_generation(third.lease) == 2
    store.finish(third.lease, Ending(state=S.HELD, held_digest="another"))
    refuses_to_stop(store, job_id, "cancel", "discard")
    store.approve(PROJECT, job_id, "ada")
    fourth = store.claim("runner-1")
    assert fourth is not None
    job = store.finish(fourth.lease, Ending(state=S.FAILED))
    assert "MayBePublished" in {condition.type for condition in job.conditions if condition.is_true}
    with pytest.raises(IllegalState, match="retry it"):
        store.delete(PROJECT, job_id, "ada")
    store.retry(PROJECT, job_id, "ada")
    fifth = store.claim("runner-1")
    assert fifth is not None
    assert (fifth.permitted, fifth.approved) == (7, "another")
    job = store.finish(fifth.lease, Ending(state=S.FAILED, is_settled=True))
    assert "MayBePublished" not in {condition.type for condition in job.conditions if condition.is_true}
    store.delete(PROJECT, job_id, "ada")


def test_a_job_whose_permit_is_settled_can_be_stopped_again(store: JobStore, make_due: Callable[[], None]) -> None:
    claim = claimed(store, S.PUBLISHING)
    store.lost(claim.lease, "gone")
    make_due()
    again = store.claim("runner-1")
    assert again is not None
    store.settle(again.lease)
    assert store.cancel(PROJECT, claim.lease.job_id, "ada").state is S.CANCELLING


def test_a_job_that_is_lost_too_often_while_it_publishes_says_so(store_with: Callable[..., JobStore]) -> None:
    store = store_with(max_attempts=0)
    job = store.lost(claimed(store, S.PUBLISHING).lease, "gone")
    assert job.state is S.CRASHED
    assert "MayBePublished" in {condition.type for condition in job.conditions}


def test_only_losses_without_progress_are_counted(
    store_with: Callable[..., JobStore], make_due: Callable[[], None], database: Database
) -> None:
    """An attempt that only repeats what another did has made none."""
    store = store_with(max_attempts=2)
    job_id = store.submit(PROJECT, new_job(), "ada")[0].id
    now = database.now()
    for done, wanted in ((1, S.QUEUED), (2, S.QUEUED), (3, S.QUEUED), (3, S.CRASHED)):
        claim = store.claim("runner-1")
        assert claim is not None
        store.begin(claim.lease)
        for shards in range(done + 1):
            step = StepProgress(step="filter", shards_done=shards, shards_total=9, started=now, updated=now)
            store.heartbeat(claim.lease, [step])
        assert store.lost(claim.lease, "gone").state is wanted
        make_due()
    store.retry(PROJECT, job_id, "ada")


def test_a_new_generation_must_be_approved_again(store: JobStore) -> None:
    claim = claimed(store, S.RUNNING, hold=True)
    store.finish(claim.lease, Ending(state=S.HELD, held_digest="digest"))
    store.approve(PROJECT, claim.lease.job_id, "ada")
    again = store.claim("runner-1")
    assert again is not None
    store.begin(again.lease)
    assert store.next_generation(again.lease) == 2
    with pytest.raises(IllegalState, match="approved"):
        store.permit(again.lease, 1, "digest")


def test_a_job_that_was_asked_to_stop_gets_no_permit(store: JobStore) -> None:
    for number, state in enumerate((S.STARTING, S.PAUSING, S.CANCELLING, S.PUBLISHING)):
        claim = claimed(store, state, corpus=f"c{number}")
        with pytest.raises(IllegalState):
            store.permit(claim.lease, 1, "digest")


def test_force_puts_the_deadline_to_now(store: JobStore) -> None:
    claim = claimed(store, S.CANCELLING)
    assert store.heartbeat(claim.lease).kill is False
    store.cancel(PROJECT, claim.lease.job_id, "ada")
    assert store.heartbeat(claim.lease).kill is False
    store.cancel(PROJECT, claim.lease.job_id, "ada", force=True)
    orders = store.heartbeat(claim.lease)
    assert (orders.state, orders.kill) == (S.CANCELLING, True)


def test_a_job_that_is_deleted_is_not_there(store: JobStore) -> None:
    claim = claimed(store, S.RUNNING, labels={"team": "a"})
    job_id = claim.lease.job_id
    with pytest.raises(IllegalState):
        store.delete(PROJECT, job_id, "ada")
    store.finish(claim.lease, Ending(state=S.FAILED))
    store.delete(PROJECT, job_id, "ada")
    for ask in (
        lambda: store.get(PROJECT, job_id),
        lambda: store.recipe(PROJECT, job_id),
        lambda: store.events(PROJECT, job_id),
        lambda: store.logs(PROJECT, job_id),
        lambda: store.delete(PROJECT, job_id, "ada"),
        lambda: store.retry(PROJECT, job_id, "ada"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert store.list(PROJECT, JobFilter()) == []
    assert store.list(PROJECT, JobFilter(labels={"team": "a"})) == []


def test_another_projects_job_is_not_there(store: JobStore) -> None:
    job_id = in_state(store, S.QUEUED, "books")
    for ask in (
        lambda: store.get(OTHER, job_id),
        lambda: store.recipe(OTHER, job_id),
        lambda: store.events(OTHER, job_id),
        lambda: store.logs(OTHER, job_id),
        lambda: store.cancel(OTHER, job_id, "eve"),
        lambda: store.pause(OTHER, job_id, "eve"),
        lambda: store.resume(OTHER, job_id, "eve"),
        lambda: store.retry(OTHER, job_id, "eve"),
        lambda: store.approve(OTHER, job_id, "eve"),
        lambda: store.discard(OTHER, job_id, "eve"),
        lambda: store.delete(OTHER, job_id, "eve"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert store.list(OTHER, JobFilter()) == []
    assert store.get(PROJECT, job_id).state is S.QUEUED
