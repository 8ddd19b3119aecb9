"""Drivers that work on Ray, the default engine: they end as others do, and leave no task behind."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from services.jobs.states import State
from tests.services.runner.conftest import Site, is_stopped

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def on_ray(ray_cluster: str) -> dict[str, Any]:
    """The settings with which a driver joins the tests' cluster."""
    return {"engine": "ray", "ray_address": ray_cluster, "workers": 2}


def running_tasks() -> int:
    """How many of this cluster's CPUs are taken."""
    import ray

    return int(ray.cluster_resources()["CPU"] - ray.available_resources().get("CPU", 0))


def test_a_job_on_ray_is_killed_once_and_succeeds(site: Site, on_ray: dict[str, Any]) -> None:
    job_id = site.submit()
    with site.runner(**on_ray, failpoint=f"driver.filtered_shard#{site.marker()}"):
        job = site.until(lambda: site.job(job_id), lambda job: job.reason == "lost")
        assert "SIGKILL" in job.message
        site.hurry(job_id)
        job = site.wait(job_id)
    assert (job.state, job.attempt, job.version) == (State.SUCCEEDED, 2, 1), job
    assert [version.run for version in site.corpus.versions()] == [job.run]


def test_a_job_on_ray_is_cancelled_with_its_tasks(site: Site, on_ray: dict[str, Any]) -> None:
    job_id = site.submit()
    with site.runner(**on_ray, failpoint="stop@driver.filtered_shard") as runner:
        driver = site.driver_pid(runner)
        site.store.cancel(site.project, job_id, "test")
        os.kill(driver, signal.SIGCONT)
        job = site.wait(job_id)
    assert (job.state, job.reason) == (State.CANCELLED, "cancelled"), job
    assert not site.corpus.versions()
    site.until(running_tasks, lambda count: count == 0)


@pytest.mark.parametrize("point", ["driver.opened", "driver.filtered_shard"])
def test_a_driver_on_ray_that_is_terminated_hands_its_job_back(site: Site, on_ray: dict[str, Any], point: str) -> None:
    job_id = site.submit()
    driver = site.driver(site.claim(), **on_ray, failpoint=f"stop@{point}")
    site.until(lambda: driver.pid, is_stopped)
    os.kill(driver.pid, signal.SIGTERM)
    os.kill(driver.pid, signal.SIGCONT)
    assert driver.wait() == 0
    assert (site.job(job_id).state, site.job(job_id).reason) == (State.QUEUED, "drained"), site.job(job_id)
    assert not site.corpus.versions()
