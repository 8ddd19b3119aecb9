"""A process with everything loaded, which forks a child for each command, to be killed at any moment cheaply.

    python -m tests.e2e.zygote

Reads lines of JSON, each a list of jobs (see `Job`) that are begun together, and answers each with a list of how they
ended: the child's exit `status` (negative: a signal), and, if it ended by itself, how many `moments` there were, the
names of the `steps` that were done, the moments of the `commits`, the newest version's `digest`, whether it
`published`, and the `error` that it ended with. A moment is a call that changes what is stored; with `kill` = n the
child is killed just before the n-th (0: never).
"""

from __future__ import annotations

import json
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, Self

import deltalake
from pydantic import BaseModel

from curation.corpus import Corpus
from curation.errors import CurationError
from curation.pipeline import curate, refresh
from curation.pipeline.filter import Run
from curation.pipeline.inputs import list_shards
from curation.pipeline.progress import unwatched
from curation.pipeline.steps import deduplicate_parts, filter_shards, finish_parts
from curation.pipeline.takedown import takedown
from curation.recipe import Recipe, validate_recipe
from curation.runner.local import LocalRunner
from curation.storage import forget_storages
from curation.storage.local import LocalStorage
from curation.storage.s3 import S3Storage
from curation.tombstones import Criteria
from curation.work import Work
from tests.pipeline.inputs import recipe, write_inputs


class Job(BaseModel):
    """What a child does."""

    do: Literal["run", "refresh", "erase"]
    recipe: dict[str, Any] = {}
    """What is run or refreshed."""
    output: str = ""
    ids: tuple[str, ...] = ()
    """Of `erase`: the corpus, and what is taken down."""
    environment: dict[str, str] = {}
    kill: int = 0

    @classmethod
    def of(cls, do: Literal["run", "refresh"], recipe: Recipe, kill: int = 0, **more: Any) -> Self:
        return cls(do=do, recipe=recipe.model_dump(mode="json"), output=recipe.output, kill=kill, **more)


class Zygote:
    """The process, as whoever started it has it."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.e2e.zygote"]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        self._selector = selectors.DefaultSelector()
        assert self.process.stdout
        self._selector.register(self.process.stdout, selectors.EVENT_READ)
        assert self._answer() == "ready"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        self.process.communicate()

    def run(self, job: Job) -> dict[str, Any]:
        """How one child ended."""
        (ended,) = self.run_together([job])
        return ended

    def run_together(self, jobs: Sequence[Job], meanwhile: Callable[[], None] | None = None) -> list[dict[str, Any]]:
        """How children ended that were begun together; this is called over and over while they work, if given."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps([job.model_dump(mode="json") for job in jobs]) + "\n")
        self.process.stdin.flush()
        try:
            while meanwhile is not None and not self._selector.select(timeout=0):
                meanwhile()
        finally:  # the next request has an answer of its own
            answer: list[dict[str, Any]] = json.loads(self._answer())
        return answer

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


class Moments:
    """Counts the calls that change what is stored, and kills this process before the chosen one."""

    def __init__(self, kill: int) -> None:
        self.kill = kill
        self.count = 0
        self.steps: list[str] = []
        self.commits: list[int] = []
        """The moments before the commits."""

    def watch(self) -> None:
        """Count from now on."""
        os.fsync = self._before(lambda descriptor: None)  # a kill is no power loss: nothing need reach the disk
        for place, name in ((os, "replace"), (os, "link"), (pathlib.Path, "unlink"), (os, "rmdir")):
            setattr(place, name, self._before(getattr(place, name)))
        for name in ("write", "create", "delete", "delete_many"):
            setattr(S3Storage, name, self._before(getattr(S3Storage, name)))
        for name in ("create", "create_write_transaction"):
            original = getattr(deltalake.DeltaTable, name)
            setattr(deltalake.DeltaTable, name, self._around(original))
        write = LocalStorage.write

        def noted(storage: LocalStorage, key: str, data: bytes) -> Any:
            entry = write(storage, key, data)
            if key.startswith("_runs/") and key.endswith(".json"):
                self.steps.append(key)
            return entry

        setattr(LocalStorage, "write", noted)  # noqa: B010, mypy forbids to assign a method

    def _before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self._pass()
            return call(*arguments, **named)

        return counted

    def _around(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            self._pass()
            self.commits.append(self.count)
            result = call(*arguments, **named)
            self._pass()
            return result

        return counted

    def _pass(self) -> None:
        self.count += 1
        if self.count == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    _warm()
    print("ready", flush=True)
    for line in sys.stdin:
        children = [_begin(Job.model_validate(job)) for job in json.loads(line)]
        print(json.dumps([_end(*child) for child in children]), flush=True)


def _warm() -> None:
    """Load the kernels without starting a thread: what has threads must not be forked."""
    with tempfile.TemporaryDirectory() as folder:
        write_inputs(Path(folder))
        wanted = recipe(Path(folder), f"{folder}/corpus")
        run, runner = Run("warm", wanted, Work(folder, "warm")), LocalRunner()
        parts = filter_shards(run, list_shards(wanted)[:3], runner, unwatched)
        verdicts = deduplicate_parts(run, parts, runner, unwatched)
        finish_parts(run, parts, verdicts, 1, runner, unwatched)


def _begin(job: Job) -> tuple[int, int]:
    """A child that does the job, and the pipe from it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            os.write(writing, json.dumps(_do(job)).encode())
            os._exit(0)
        except BaseException:  # noqa: BLE001, the parent's loop must not go on in the child
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    return child, reading


def _end(child: int, pipe: int) -> dict[str, Any]:
    with os.fdopen(pipe, "rb") as file:
        answer: dict[str, Any] = json.loads(file.read() or "{}")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status} | answer


def _do(job: Job) -> dict[str, Any]:
    os.environ.update(job.environment)
    forget_storages()
    moments, published, error = Moments(job.kill), False, None
    moments.watch()
    try:
        published = _published(job)
    except CurationError as raised:
        error = f"{type(raised).__name__}: {raised}"
    digest = None
    with suppress(CurationError):
        digest = Corpus(job.output).manifest().digest
    ended = {"moments": moments.count, "steps": moments.steps, "commits": moments.commits, "digest": digest}
    return ended | {"published": published, "error": error}


def _published(job: Job) -> bool:
    runner = LocalRunner()
    if job.do == "erase":
        criteria = Criteria.model_validate({"ids": [{"id": each} for each in job.ids]})
        return takedown(job.output, criteria, runner, erase=True).published
    wanted = validate_recipe(job.recipe)
    return (curate if job.do == "run" else refresh)(wanted, runner).published


if __name__ == "__main__":
    main()
