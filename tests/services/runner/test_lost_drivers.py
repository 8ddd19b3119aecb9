"""Drivers that die, or sleep while somebody else takes their job: whatever happens, one version comes of it."""

from __future__ import annotations

import os
import signal

import pytest

from curation.pipeline import curate
from curation.runner.local import LocalRunner
from services.errors import IllegalState
from services.jobs.states import State
from tests.pipeline.inputs import recipe
from tests.services.runner.conftest import STAGES, Site, is_stopped
from tests.texts import essay, write_jsonl

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("point", ["driver.deduplicated", "driver.published"])
def test_a_killed_driver_is_replaced(site: Site, point: str) -> None:
    job_id = site.submit()
    with site.runner(failpoint=f"{point}#{site.marker()}"):
        job = site.until(lambda: site.job(job_id), lambda job: job.reason == "lost")
        assert "SIGKILL" in job.message
        site.hurry(job_id)
        job = site.wait(job_id)
    assert (job.state, job.attempt, job.version, job.published) == (State.SUCCEEDED, 2, 1, True)
    assert len(site.corpus.versions()) == 1


@pytest.mark.parametrize("point", ["driver.before_permit", "driver.after_permit"])
def test_a_driver_that_wakes_too_late_publishes_nothing_more(site: Site, point: str) -> None:
    job_id = site.submit()
    sleeper = site.driver(site.claim(), failpoint=f"stop@{point}")
    site.until(lambda: sleeper.pid, is_stopped)
    site.expire(job_id)
    assert site.job(job_id).state is State.QUEUED
    assert site.driver(site.claim()).wait() == 0
    published = site.corpus.version()
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait()
    job = site.job(job_id)
    assert (job.state, job.attempt, job.version) == (State.SUCCEEDED, 2, 1)
    assert site.corpus.versions() == [published]


def test_a_job_that_may_have_published_is_not_cancelled(site: Site) -> None:
    """Its driver sleeps with the permit, and its lease runs out: it may still publish, so nobody is told otherwise."""
    job_id = site.submit()
    sleeper = site.driver(site.claim(), failpoint="stop@driver.after_permit")
    site.until(lambda: sleeper.pid, is_stopped)
    site.expire(job_id)
    for ask in (site.store.cancel, site.store.pause):
        with pytest.raises(IllegalState, match="may have published version 1"):
            ask(site.project, job_id, "test")
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait()
    assert site.driver(site.claim()).wait() == 0
    job = site.job(job_id)
    assert (job.state, job.version) == (State.SUCCEEDED, 1)
    assert [version.run for version in site.corpus.versions()] == [job.run]


def test_a_permit_that_somebody_elses_version_took_is_settled(site: Site) -> None:
    """The corpus has passed the version that the sleeper was permitted, which it cannot publish any more."""
    job_id = site.submit()
    sleeper = site.driver(site.claim(), failpoint="stop@driver.after_permit")
    site.until(lambda: sleeper.pid, is_stopped)
    site.expire(job_id)
    write_jsonl(site.folder / "in/web/new.jsonl", [{"id": "new", "text": essay(77)}])
    curate(recipe(site.folder / "in", site.folder / "corpus", stages=STAGES), LocalRunner())
    write_jsonl(site.folder / "in/web/newer.jsonl", [{"id": "newer", "text": essay(78)}])
    worker = site.driver(site.claim(), failpoint="stop@driver.opened")
    site.until(lambda: worker.pid, is_stopped)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait()
    assert site.store.cancel(site.project, job_id, "test").state is State.CANCELLING
    os.kill(worker.pid, signal.SIGCONT)
    assert worker.wait() == 0
    assert site.job(job_id).state is State.CANCELLED
    assert len(site.corpus.versions()) == 1


def test_a_driver_that_wakes_while_another_works_stops(site: Site) -> None:
    job_id = site.submit()
    sleeper = site.driver(site.claim(), failpoint="stop@driver.before_permit")
    site.until(lambda: sleeper.pid, is_stopped)
    site.expire(job_id)
    worker = site.driver(site.claim(), failpoint="stop@driver.before_permit")
    site.until(lambda: worker.pid, is_stopped)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.wait()
    assert site.job(job_id).state is State.RUNNING
    assert not site.corpus.versions()
    os.kill(worker.pid, signal.SIGCONT)
    assert worker.wait() == 0
    assert site.job(job_id).state is State.SUCCEEDED
    assert len(site.corpus.versions()) == 1
