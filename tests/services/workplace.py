"""A place where jobs are done: a database, small inputs, a corpus, and runners in threads of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from sqlalchemy import update

from curation.corpus import Corpus
from services.database import Database
from services.database.tables import jobs
from services.identity.projects import Projects
from services.jobs.job import Job, NewJob
from services.jobs.states import FINAL, State
from services.jobs.store import JobStore
from services.runner.forks import Forks
from services.runner.runner import Runner
from services.settings import Settings
from tests.pipeline.inputs import recipe

Answer = TypeVar("Answer")


class Workplace:
    """Over the tables of `database`; `inputs` holds `write_inputs`, and the corpus is at `output`."""

    patience_s: ClassVar[float] = 90.0

    def __init__(self, settings: Settings, database: Database, forks: Forks, inputs: Path, output: str) -> None:
        self.settings = settings
        self.database = database
        self.inputs = inputs
        self.output = output
        self.project = Projects(database, settings).ensure_default().id
        self.store = JobStore(database, settings)
        self.forks = forks

    @property
    def corpus(self) -> Corpus:
        return Corpus(self.output)

    def recipe(self) -> dict[str, Any]:
        """The recipe over the small inputs."""
        return recipe(self.inputs, self.output).model_dump(mode="json")

    def submit(self, changes: dict[str, Any] | None = None, **job: Any) -> str:
        """A job of the recipe with these changes, which is acknowledged; its id."""
        wanted = self.recipe() | (changes or {})
        new = NewJob(recipe=wanted, recipe_name="small", corpus="small", corpus_url=wanted["output"], **job)
        return self.store.submit(self.project, new, "test")[0].id

    def job(self, job_id: str) -> Job:
        return self.store.get(self.project, job_id)

    def wait(self, job_id: str, *states: State) -> Job:
        """The job, once it is in one of these states (final ones, where none is named)."""
        return self.until(lambda: self.job(job_id), lambda job: job.state in (states or FINAL))

    def until(self, ask: Callable[[], Answer], is_so: Callable[[Answer], bool]) -> Answer:
        """What `ask` answers, once it is so."""
        end = time.monotonic() + self.patience_s
        while not is_so(answer := ask()):
            assert time.monotonic() < end, f"{answer}\n{self.logs()}"
            time.sleep(0.03)
        return answer

    def logs(self) -> str:
        """What may say why something does not come."""
        return ""

    def hurry(self, job_id: str) -> None:
        """A lost job may be claimed at once."""
        with self.database.transaction() as connection:
            connection.execute(update(jobs).where(jobs.c.id == job_id).values(not_before=None))

    @contextmanager
    def runner(self, **changes: Any) -> Iterator[Runner]:
        """A runner with these changes of the settings, while the block lasts."""
        runner = Runner(self.settings.model_copy(update=changes), self.database, self.forks)
        stop = threading.Event()
        thread = threading.Thread(target=runner.run, args=(stop,))
        thread.start()
        try:
            yield runner
        finally:
            stop.set()
            thread.join()
