"""Claims, leases and the epoch that fences: who may work on a job, and when no longer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.errors import LostLease
from services.jobs.job import Claim, Ending, JobFilter, Lease, Mode
from services.jobs.states import LEASED, State
from services.jobs.store import JobStore
from tests.services.jobs.conftest import OTHER, PROJECT, claimed, new_job

WORK: dict[str, Callable[[JobStore, Lease], Any]] = {
    "begin": lambda store, lease: store.begin(lease),
    "heartbeat": lambda store, lease: store.heartbeat(lease, []),
    "permit": lambda store, lease: store.permit(lease, 1, "digest"),
    "next_generation": lambda store, lease: store.next_generation(lease),
    "finish": lambda store, lease: store.finish(lease, Ending(state=State.SUCCEEDED)),
    "lost": lambda store, lease: store.lost(lease, "gone"),
}
"""Everything that a worker may do."""

BRIEF = {"lease_s": 0.05}


def test_the_highest_priority_goes_first_then_the_longest_wait(store: JobStore) -> None:
    for corpus, priority in (("a", 0), ("b", -5), ("c", 9), ("d", 0), ("e", 9)):
        store.submit(PROJECT, new_job(corpus, priority=priority), "ada")
        time.sleep(0.002)  # SQLite's clock counts milliseconds
    claims = [store.claim("runner-1") for _ in range(6)]
    assert [claim and claim.recipe["corpus"] for claim in claims] == ["c", "e", "a", "d", "b", None]


def test_a_claim_carries_what_its_driver_needs(store: JobStore) -> None:
    new = new_job(mode=Mode.REFRESH, redo=True, workers=4, hold=True, traceparent="00-1-2-01")
    job, _ = store.submit(PROJECT, new, "ada")
    claim = store.claim("runner-1")
    assert claim is not None
    assert claim.lease == Lease(job_id=job.id, epoch=1, owner="runner-1")
    assert (claim.project_id, claim.attempt, claim.generation, claim.recipe) == (PROJECT, 1, 1, new.recipe)
    assert (claim.mode, claim.redo) == (Mode.REFRESH, True)
    assert (claim.hold, claim.workers, claim.traceparent) == (True, 4, "00-1-2-01")
    shown = store.get(PROJECT, job.id)
    assert (shown.state, shown.attempt, [a.owner for a in shown.attempts]) == (State.STARTING, 1, ["runner-1"])


@pytest.mark.parametrize("state", sorted(LEASED))
def test_a_corpus_is_worked_on_by_one(store: JobStore, state: State) -> None:
    claim = claimed(store, state)
    store.submit(PROJECT, new_job(), "ada")
    store.submit(OTHER, new_job(), "eve")
    assert store.claim("runner-2") is None
    store.finish(claim.lease, Ending(state=State.SUCCEEDED))
    assert store.claim("runner-2") is not None
    assert store.claim("runner-2") is None


def test_a_project_at_its_limit_leaves_room_for_others(store_with: Callable[..., JobStore]) -> None:
    store = store_with(max_running_per_project=2)
    for number in range(4):
        store.submit(PROJECT, new_job(f"c{number}", priority=50), "ada")
    store.submit(OTHER, new_job("other"), "eve")
    claims = [store.claim("runner-1") for _ in range(4)]
    assert [claim and claim.project_id for claim in claims] == [PROJECT, PROJECT, OTHER, None]


def test_many_runners_claim_each_job_once_and_no_corpus_twice(store: JobStore) -> None:
    """60 jobs of 20 corpora, 8 runners."""
    for number in range(60):
        store.submit(PROJECT if number % 2 else OTHER, new_job(f"c{number % 20}"), "ada")
    taken: list[Claim] = []
    working: Counter[str] = Counter()

    def work(runner: int) -> None:
        for _ in range(200):
            claim = store.claim(f"runner-{runner}")
            if claim is None:
                if len(taken) >= 60:
                    return
                time.sleep(0.01)
                continue
            corpus = claim.recipe["corpus"]
            working[corpus] += 1
            assert working[corpus] == 1
            taken.append(claim)
            store.begin(claim.lease)
            working[corpus] -= 1
            store.finish(claim.lease, Ending(state=State.SUCCEEDED))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    assert Counter(claim.lease.job_id for claim in taken).most_common(1)[0][1] == 1
    assert len(taken) == 60
    for project_id in (PROJECT, OTHER):
        for job in store.list(project_id, JobFilter(), limit=100):
            assert (job.state, job.attempt) == (State.SUCCEEDED, 1)


def test_many_runners_keep_a_projects_limit(store_with: Callable[..., JobStore]) -> None:
    store = store_with(max_running_per_project=3)
    for number in range(12):
        store.submit(PROJECT, new_job(f"c{number}"), "ada")
    with ThreadPoolExecutor(8) as threads:
        claims = list(threads.map(lambda runner: store.claim(f"runner-{runner}"), range(16)))
    assert sum(claim is not None for claim in claims) == 3


@pytest.mark.parametrize("what", WORK)
def test_who_lost_the_lease_can_do_nothing(store: JobStore, make_due: Callable[[], None], what: str) -> None:
    """Neither while the job waits again, nor while somebody else works on it, whatever they do."""
    stale = claimed(store, State.RUNNING).lease
    job_id = stale.job_id
    store.lost(stale, "gone")

    def refused() -> None:
        before = store.get(PROJECT, job_id)
        with pytest.raises(LostLease):
            WORK[what](store, stale)
        assert store.get(PROJECT, job_id) == before

    refused()
    make_due()
    fresh = store.claim("runner-2")
    assert fresh is not None
    refused()
    store.begin(fresh.lease)
    refused()
    store.permit(fresh.lease, 1, "digest")
    refused()
    store.finish(fresh.lease, Ending(state=State.SUCCEEDED))
    refused()
    for unknown in (Lease(job_id="job_none", epoch=1, owner="x"), fresh.lease.model_copy(update={"epoch": 99})):
        with pytest.raises(LostLease):
            WORK[what](store, unknown)


def test_a_lease_that_has_run_out_permits_nothing(store: JobStore, store_with: Callable[..., JobStore]) -> None:
    claim = claimed(store_with(**BRIEF), State.RUNNING)
    time.sleep(0.08)
    with pytest.raises(LostLease):
        store.permit(claim.lease, 1, "digest")
    store.heartbeat(claim.lease)  # nobody has taken it: it lives on
    store.permit(claim.lease, 1, "digest")


@pytest.mark.parametrize("state", sorted(LEASED))
def test_leases_that_run_out_are_ended(store_with: Callable[..., JobStore], state: State) -> None:
    store = store_with(**BRIEF)
    claim = claimed(store, state)
    time.sleep(0.08)
    assert store.reap() == 1
    assert store.reap() == 0
    job = store.get(PROJECT, claim.lease.job_id)
    assert job.state is {State.CANCELLING: State.CANCELLED, State.PAUSING: State.PAUSED}.get(state, State.QUEUED)
    assert [(c.type, c.reason) for c in job.conditions] == [("WorkerLost", "lease-expired")]


@pytest.mark.parametrize(
    ("state", "limit", "reason"),
    [
        (State.STARTING, "start_timeout_s", "not-started"),
        (State.RUNNING, "stall_timeout_s", "stalled"),
        (State.PUBLISHING, "stall_timeout_s", "stalled"),
        (State.CANCELLING, "lease_s", "killed"),
        (State.PAUSING, "lease_s", "killed"),
    ],
)
def test_workers_that_live_but_get_nowhere_lose_their_job(
    store_with: Callable[..., JobStore], state: State, limit: str, reason: str
) -> None:
    patient, impatient = store_with(cancel_grace_s=0.0), store_with(**{limit: 0.05})
    claim = claimed(patient, state)
    assert patient.reap() == 0
    time.sleep(0.08)
    patient.heartbeat(claim.lease)
    assert impatient.reap() == 1
    assert patient.get(PROJECT, claim.lease.job_id).conditions[0].reason == reason
    with pytest.raises(LostLease):
        patient.heartbeat(claim.lease)


def test_two_that_reap_at_once_end_each_lease_once(store_with: Callable[..., JobStore]) -> None:
    store = store_with(**BRIEF, max_running_per_project=50)
    claims = [claimed(store, State.RUNNING, corpus=f"c{number}") for number in range(12)]
    time.sleep(0.08)
    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda _: store.reap(), range(4)))
    assert sum(counts) == 12
    for claim in claims:
        assert store.get(PROJECT, claim.lease.job_id).state is State.QUEUED


def test_a_job_that_is_alive_is_left_alone(store: JobStore) -> None:
    claimed(store, State.RUNNING)
    assert store.reap() == 0
