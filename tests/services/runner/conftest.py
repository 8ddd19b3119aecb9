"""A place to run jobs at: a database, a folder with inputs, and runners that are stopped at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from curation.corpus import Corpus
from services.database import Database
from services.database.tables import jobs
from services.database.types import later
from services.identity.projects import Projects
from services.jobs.job import Claim, Job, NewJob
from services.jobs.states import FINAL, State
from services.jobs.store import JobStore
from services.runner.runner import Runner
from services.settings import Settings
from tests.pipeline.inputs import recipe, write_inputs

PATIENCE_S = 60.0
STAGES = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}]
"""Few, since every driver loads their kernels anew."""


@dataclass
class Site:
    """An installation whose parts a test starts and kills."""

    folder: Path
    settings: Settings
    database: Database
    store: JobStore
    project: str
    drivers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def corpus(self) -> Corpus:
        return Corpus(str(self.folder / "corpus"))

    def submit(self, changes: dict[str, Any] | None = None, **job: Any) -> str:
        """A job over the small inputs; its id."""
        wanted = recipe(self.folder / "in", self.folder / "corpus", stages=STAGES).model_dump(mode="json")
        wanted |= changes or {}
        new = NewJob(recipe=wanted, recipe_name="small", corpus="small", corpus_url=wanted["output"], **job)
        return self.store.submit(self.project, new, "test")[0].id

    def job(self, job_id: str) -> Job:
        return self.store.get(self.project, job_id)

    def wait(self, job_id: str, *states: State) -> Job:
        """The job, once it is in one of these states (final ones, where none is named)."""
        found: Job = self.until(lambda: self.job(job_id), lambda job: job.state in (states or FINAL))
        return found

    def until(self, ask: Callable[[], Any], is_so: Callable[[Any], bool]) -> Any:
        """What `ask` answers, once it is so."""
        end = time.monotonic() + PATIENCE_S
        while not is_so(answer := ask()):
            assert time.monotonic() < end, answer
            time.sleep(0.02)
        return answer

    @contextmanager
    def runner(self, **changes: Any) -> Iterator[Runner]:
        """A runner, while the block lasts."""
        runner = Runner(self.settings.model_copy(update=changes), self.database)
        stop = threading.Event()
        thread = threading.Thread(target=runner.run, args=(stop,))
        thread.start()
        try:
            yield runner
        finally:
            stop.set()
            thread.join()

    def claim(self, owner: str = "test") -> Claim:
        claim: Claim = self.until(lambda: self.store.claim(owner), lambda found: found is not None)
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

    def hurry(self, job_id: str) -> None:
        """A lost job may be claimed at once."""
        with self.database.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(not_before=None))

    def driver_pid(self, runner: Runner) -> int:
        """The runner's one driver, once it stands still."""
        pid: int = self.until(lambda: runner.pids, lambda pids: len(pids) == 1 and is_stopped(pids[0]))[0]
        return pid

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
def site(settings: Settings, database: Database, tmp_path: Path) -> Iterator[Site]:
    """An empty installation over the small inputs."""
    write_inputs(tmp_path / "in")
    quick = {"poll_s": 0.05, "heartbeat_s": 0.2, "runner_name": "here"}
    settings = settings.model_copy(update=quick)
    project = Projects(database, settings).ensure_default()
    site = Site(tmp_path, settings, database, JobStore(database, settings), project.id)
    yield site
    for driver in site.drivers:
        if driver.poll() is None:
            os.killpg(driver.pid, signal.SIGKILL)
        driver.communicate()
