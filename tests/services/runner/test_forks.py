"""Where drivers come from: children of one process, each as if it had been started by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.jobs.states import State
from services.runner.forks import Forks, Started
from tests.services.runner.conftest import Site

only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(scope="module")
def own() -> Iterator[Forks]:
    """A process that a test may kill."""
    forks = Forks(dict(os.environ))
    yield forks
    forks.close()


def until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def end(driver: Started) -> tuple[str, str]:
    """What a driver that is told nothing says at its end: on its output, and its exit code."""
    os.close(driver.standard_input)
    with os.fdopen(driver.output) as output, os.fdopen(driver.told) as told:
        said = output.read()
        os.set_blocking(driver.told, True)
        return said, told.read()


def test_a_driver_leads_a_session_and_has_its_own_output_and_exit_code(own: Forks) -> None:
    driver = own.start(os.environ)
    assert os.getsid(driver.pid) == driver.pid != os.getsid(0)
    said, code = end(driver)
    assert "validation error for Claim" in said
    assert code == "exit 1\n"


def test_what_forks_has_one_thread_and_drivers_hold_nothing_of_each_other(own: Forks) -> None:
    first, second = own.start(os.environ), own.start(os.environ)
    server = parent(first.pid)
    assert server == parent(second.pid)
    assert len(list(Path(f"/proc/{server}/task").iterdir())) == 1
    assert end(first)[1] == "exit 1\n", "the second one would hold its standard input open"
    assert end(second)[1] == "exit 1\n"


def test_a_driver_that_dies_before_it_begins_is_not_one(own: Forks) -> None:
    """Least of all is its exit code the id of a process."""
    with pytest.raises(OSError, match="ended with 1 before it began"):
        own.start({"NO=NAME": "of a variable"})
    assert end(own.start(os.environ))[1] == "exit 1\n"


def test_a_killed_server_is_seen_and_replaced(own: Forks) -> None:
    orphan = own.start(os.environ)
    server = parent(orphan.pid)
    os.kill(server, signal.SIGKILL)
    until(lambda: parent(orphan.pid) != server)
    assert end(orphan)[1] == "", "nobody can say how it ended"
    driver = own.start(os.environ)
    assert parent(driver.pid) != server
    assert end(driver)[1] == "exit 1\n"


@only_sqlite
def test_a_driver_whose_server_is_killed_is_killed_and_lost(site: Site, own: Forks) -> None:
    site.forks = own
    job_id = site.submit()
    with site.runner(failpoint=f"stop@driver.filtering#{site.marker()}") as runner:
        driver = site.driver_pid(runner)
        os.kill(parent(driver), signal.SIGKILL)
        job = site.until(lambda: site.job(job_id), lambda job: job.reason == "lost")
        assert "the process that forked it" in job.message
        site.hurry(job_id)
        assert site.wait(job_id).state is State.SUCCEEDED
