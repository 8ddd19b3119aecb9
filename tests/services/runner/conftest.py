"""A place to run jobs at: a database, a folder with inputs, and runners that are stopped at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from services.database import Database
from services.database.tables import jobs
from services.database.types import later
from services.jobs.job import Claim
from services.runner.forks import Forks
from services.runner.runner import Runner
from services.settings import Settings
from tests.pipeline.inputs import recipe, write_inputs
from tests.services.workplace import Workplace

STAGES = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}]
"""Few, since every driver loads their kernels anew."""


class Site(Workplace):
    """An installation whose parts a test starts and kills."""

    def __init__(self, folder: Path, settings: Settings, database: Database, forks: Forks) -> None:
        super().__init__(settings, database, forks, folder / "in", str(folder / "corpus"))
        self.folder = folder
        self.drivers: list[subprocess.Popen[bytes]] = []

    def recipe(self) -> dict[str, Any]:
        return recipe(self.inputs, self.output, stages=STAGES).model_dump(mode="json")

    def claim(self, owner: str = "test") -> Claim:
        claim = self.until(lambda: self.store.claim(owner), lambda found: found is not None)
        assert claim is not None
        return claim

    def driver(self, claim: Claim, **changes: Any) -> subprocess.Popen[bytes]:
        """A driver that no runner looks after."""
        environment = self.settings.model_copy(update=changes).environment()
        command = [sys.executable, "-m", "services.runner.driver"]
        driver = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, start_new_session=True)
        assert driver.stdin is not None
        driver.stdin.write(claim.model_dump_json().encode() + b"\n")
        driver.stdin.flush()
        self.drivers.append(driver)
        return driver

    def expire(self, job_id: str) -> None:
        """The job's lease runs out now, and somebody sees it; it need not wait to be claimed again."""
        with self.database.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(lease_until=later(-1)))
        assert self.store.reap() == 1
        self.hurry(job_id)

    def driver_pid(self, runner: Runner) -> int:
        """The runner's one driver, once it stands still."""
        return self.until(lambda: runner.pids, lambda pids: len(pids) == 1 and is_stopped(pids[0]))[0]

    def records(self) -> dict[str, int]:
        """Every record of runs in progress, and when it was written."""
        found = (self.folder / "corpus/_runs").rglob("*.json")
        return {str(path.relative_to(self.folder)): path.stat().st_mtime_ns for path in found}

    def marker(self) -> str:
        return str(self.folder / "reached")


def is_stopped(pid: int) -> bool:
    """Whether a process has been stopped by a signal."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.fixture
def site(settings: Settings, database: Database, forks: Forks, tmp_path: Path) -> Iterator[Site]:
    """An empty installation over the small inputs."""
    write_inputs(tmp_path / "in")
    quick = {"poll_s": 0.05, "heartbeat_s": 0.2, "runner_name": "here"}
    site = Site(tmp_path, settings.model_copy(update=quick), database, forks)
    yield site
    for driver in site.drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
