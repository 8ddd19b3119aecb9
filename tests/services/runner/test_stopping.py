"""Jobs that are stopped, by people, by their runner's end, and by force."""

from __future__ import annotations

import os
import signal

import pytest

from services.database.presence import present
from services.jobs.states import State
from tests.services.runner.conftest import Site

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_a_paused_job_goes_on_from_its_records(site: Site) -> None:
    job_id = site.submit(hold=True)
    with site.runner(failpoint=f"stop@driver.finishing#{site.marker()}") as runner:
        driver = site.driver_pid(runner)
        assert site.store.pause(site.project, job_id, "test").state is State.PAUSING
        os.kill(driver, signal.SIGCONT)
        job = site.wait(job_id, State.PAUSED)
        assert job.reason == "paused"
        before = site.records()
        assert any("/filter/" in name for name in before)
        site.store.resume(site.project, job_id, "test")
        job = site.wait(job_id, State.HELD)
    after = site.records()
    assert {name: after[name] for name in before} == before
    assert [attempt.ended for attempt in job.attempts] == [State.PAUSED, State.HELD]


def test_a_cancelled_job_stops_by_itself(site: Site) -> None:
    job_id = site.submit()
    with site.runner(failpoint="stop@driver.filtered_shard") as runner:
        driver = site.driver_pid(runner)
        site.store.cancel(site.project, job_id, "test")
        os.kill(driver, signal.SIGCONT)
        job = site.wait(job_id)
        assert (job.state, job.reason) == (State.CANCELLED, "cancelled")
    assert not site.corpus.versions()


def test_a_cancelled_job_that_does_not_stop_is_killed(site: Site) -> None:
    job_id = site.submit()
    with site.runner(failpoint="stop@driver.filtering") as runner:
        driver = site.driver_pid(runner)
        site.store.cancel(site.project, job_id, "test", force=True)
        job = site.wait(job_id)
        assert (job.state, job.reason) == (State.CANCELLED, "killed")
        assert "SIGKILL" in job.message
    with pytest.raises(ProcessLookupError):
        os.kill(driver, 0)


def test_a_runner_that_stops_hands_its_jobs_back(site: Site) -> None:
    job_id = site.submit()
    with site.runner(failpoint="stop@driver.filtering") as runner:
        driver = site.driver_pid(runner)
        (process,) = present(site.database, 60)
        assert (process.role, process.name) == ("runner", "here")
        os.kill(driver, signal.SIGCONT)
    job = site.job(job_id)
    assert (job.state, job.reason) == (State.QUEUED, "drained")
    assert not present(site.database, 60)
