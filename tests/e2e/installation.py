"""A whole installation for one test: database, store, inputs; its processes are real, and can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, TypeVar

from curation.corpus import Corpus
from services.client import Client, UnreachableError
from services.database import Database, open_database
from services.database.migrate import upgrade
from services.identity.keys import Keys
from services.identity.projects import Projects
from services.jobs.job import Job, JobFilter, NewJob
from services.jobs.states import FINAL
from services.jobs.store import JobStore
from services.recipes.store import RecipeStore
from services.runner.runner import Runner
from services.schedules.schedule import NewSchedule
from services.schedules.store import ScheduleStore
from services.settings import Settings
from tests.pipeline.inputs import recipe

PATIENCE_S = 90.0
Part = Literal["all", "api", "scheduler", "runner"]
Answer = TypeVar("Answer")


class Installation:
    """One database and one corpus. `root` is a folder or an `s3://` bucket, where the corpus lies; `inputs` holds
    `write_inputs`."""

    def __init__(self, folder: Path, database_url: str, root: str, inputs: Path) -> None:
        folder.mkdir(parents=True)
        secret = folder / "secret.key"
        secret.write_bytes(os.urandom(32))
        self.inputs = inputs
        self.output = f"{root}/{uuid.uuid4().hex}"
        values: dict[str, Any] = {"data": folder, "database_url": database_url, "secret_key_file": secret}
        values |= {"roots": (root, str(inputs)), "engine": "local", "poll_s": 0.05, "heartbeat_s": 0.2, "lease_s": 8.0}
        self.settings = Settings(**values, runner_name="here", max_attempts=5)
        self.marker = folder / "reached"
        self.database: Database = open_database(self.settings, pool_size=3)
        upgrade(self.database)
        self.project = Projects(self.database, self.settings).ensure_default()
        self.store = JobStore(self.database, self.settings)
        self._processes: list[subprocess.Popen[bytes]] = []
        self._clients: list[Client] = []
        self._key: str | None = None

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.output)

    def recipe(self) -> dict[str, Any]:
        """The recipe of the small inputs."""
        return recipe(self.inputs, self.output).model_dump(mode="json")

    def submit(self, **job: Any) -> str:
        """A job that is acknowledged; its id."""
        new = NewJob(recipe=self.recipe(), recipe_name="small", corpus="small", corpus_url=self.output, **job)
        return self.store.submit(self.project.id, new, "test")[0].id

    def schedule(self) -> str:
        """A schedule with one occurrence, which is due; its id."""
        RecipeStore(self.database).create(self.project.id, "small", self.recipe(), "test")
        due = self.database.now() - timedelta(minutes=1)
        new = NewSchedule(name="once", recipe_name="small", cron=f"{due:%-M %-H %-d %-m} *", timezone="UTC")
        before = ScheduleStore(self.database, clock=lambda: due - timedelta(minutes=2))
        return before.create(self.project.id, new, "test").id

    def jobs_of(self, schedule_id: str) -> Sequence[Job]:
        """The jobs of a schedule."""
        return self.store.list(self.project.id, JobFilter(schedule_id=schedule_id))

    def job(self, job_id: str) -> Job:
        return self.store.get(self.project.id, job_id)

    def failing(self, point: str) -> Settings:
        """The settings, with which one process is killed at this point, once."""
        return self.settings.model_copy(update={"failpoint": f"{point}#{self.marker}"})

    @contextmanager
    def runner(self, settings: Settings) -> Iterator[None]:
        """A runner in a thread of this process, for failpoints of its drivers."""
        stop = threading.Event()
        thread = threading.Thread(target=Runner(settings, self.database).run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def start(self, part: Part, settings: Settings | None = None, *, port: int = 0) -> subprocess.Popen[bytes]:
        """A process of the service; it leads a process group of its own."""
        only = [] if part == "all" else ["--only", part]
        log = (self.settings.data / f"{part}-{len(self._processes)}.log").open("wb")
        with log:
            process = subprocess.Popen(
                [str(Path(sys.executable).with_name("curation")), "serve", *only, "--port", str(port)],
                env=(settings or self.settings).environment(),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def start_api(self, settings: Settings) -> tuple[subprocess.Popen[bytes], Client]:
        """An API process that answers, and a client of it."""
        if self._key is None:
            made = Keys(self.database, self.settings.secret_key()).first(self.project.id)
            assert made is not None
            self._key = made[1]
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = self.start("api", settings, port=port)
        client = Client(f"http://127.0.0.1:{port}", self._key, retry_s=0.5)
        self._clients.append(client)
        self.until(lambda: _answers(client), bool)
        return process, client

    def until(self, ask: Callable[[], Answer], is_so: Callable[[Answer], bool]) -> Answer:
        """What `ask` answers, once it is so."""
        end = time.monotonic() + PATIENCE_S
        while not is_so(answer := ask()):
            assert time.monotonic() < end, f"{answer}\n{self.logs()}"
            time.sleep(0.05)
        return answer

    def ended(self, job_id: str) -> Job:
        """The job, once it is final."""
        return self.until(lambda: self.job(job_id), lambda job: job.state in FINAL)

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
