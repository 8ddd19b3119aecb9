"""A whole installation for one test: database, store, inputs; its processes are real, and can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from services.client import Client, UnreachableError
from services.database import open_database
from services.database.migrate import upgrade
from services.identity.keys import Keys
from services.jobs.job import Job, JobFilter
from services.recipes.store import RecipeStore
from services.runner.forks import Forks
from services.schedules.schedule import NewSchedule
from services.schedules.store import ScheduleStore
from services.settings import Settings
from tests.services.workplace import Workplace

Part = Literal["all", "api", "scheduler", "runner"]


class Installation(Workplace):
    """One database and one corpus. `root` is a folder or an `s3://` bucket, where the corpus lies."""

    def __init__(self, folder: Path, database_url: str, root: str, inputs: Path, forks: Forks) -> None:
        folder.mkdir(parents=True)
        secret = folder / "secret.key"
        secret.write_bytes(os.urandom(32))
        values: dict[str, Any] = {"data": folder, "database_url": database_url, "secret_key_file": secret}
        values |= {"roots": (root, str(inputs)), "engine": "local", "poll_s": 0.05, "heartbeat_s": 0.2, "lease_s": 8.0}
        settings = Settings(**values, runner_name="here", max_attempts=5)
        database = open_database(settings, pool_size=3)
        upgrade(database)
        super().__init__(settings, database, forks, inputs, f"{root}/{uuid.uuid4().hex}")
        self.marker = folder / "reached"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients: list[Client] = []
        self._key: str | None = None

    def schedule(self) -> str:
        """A schedule with one occurrence, which is due; its id."""
        RecipeStore(self.database).create(self.project, "small", self.recipe(), "test")
        due = self.database.now() - timedelta(minutes=1)
        new = NewSchedule(name="once", recipe_name="small", cron=f"{due:%-M %-H %-d %-m} *", timezone="UTC")
        before = ScheduleStore(self.database, clock=lambda: due - timedelta(minutes=2))
        return before.create(self.project, new, "test").id

    def jobs_of(self, schedule_id: str) -> Sequence[Job]:
        """The jobs of a schedule."""
        return self.store.list(self.project, JobFilter(schedule_id=schedule_id))

    def failing(self, point: str) -> str:
        """The setting `failpoint` with which one process is killed at this point, once."""
        return f"{point}#{self.marker}"

    def start(self, part: Part, failpoint: str = "", *, port: int = 0) -> subprocess.Popen[bytes]:
        """A process of the service; it leads a process group of its own."""
        only = [] if part == "all" else ["--only", part]
        log = (self.settings.data / f"{part}-{len(self._processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("curation")), "serve", *only, "--port", str(port)],
                env=self.settings.model_copy(update={"failpoint": failpoint}).environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_api(self, failpoint: str = "") -> tuple[subprocess.Popen[bytes], Client]:
        """An API process that answers, and a client of it."""
        if self._key is None:
            made = Keys(self.database, self.settings.secret_key()).first(self.project)
            assert made is not None
            self._key = made[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = self.start("api", failpoint, port=port)
        client = Client(f"http://127.0.0.1:{port}", self._key, retry_s=0.5)
        self._clients.append(client)
        self.until(lambda: _answers(client), bool)
        return process, client

    def logs(self) -> str:
        """The end of what the processes wrote."""
        return "\n".join(f"{path.name}: {path.read_text()[-2000:]}" for path in self.settings.data.glob("*.log"))

    def close(self) -> None:
        """Kill what still runs."""
        for client in self._clients:
            client.close()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.database.close()


def _answers(client: Client) -> bool:
    try:
        return bool(client.me().project)
    except UnreachableError:
        return False
