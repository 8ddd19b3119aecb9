"""A process with everything loaded, which forks a child for each run, to be killed at any moment cheaply.

    python -m tests.e2e.zygote FOLDER      FOLDER holds `write_inputs`

Reads lines `OUTPUT KILL` and answers each with a line of JSON: the child's exit `status` (negative: a signal), and, if
it ended by itself, how many `moments` there were, the version's `digest`, and the names of the `steps` that were done.
A moment is a call that changes what is on disk; with KILL = n the child is killed just before the n-th (0: never).
"""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import deltalake

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.pipeline.filter import Run, filter_shard
from curation.pipeline.inputs import list_shards
from curation.runner.local import LocalRunner
from curation.storage.local import LocalStorage
from curation.work import Work
from tests.pipeline.inputs import recipe


class Moments:
    """Counts the calls that change what is on disk, and kills this process before the chosen one."""

    def __init__(self, kill: int) -> None:
        self.kill = kill
        self.count = 0
        self.steps: list[str] = []

    def watch(self) -> None:
        """Count from now on."""
        for place, name in ((os, "replace"), (os, "link"), (os, "fsync"), (pathlib.Path, "unlink"), (os, "rmdir")):
            setattr(place, name, self._before(getattr(place, name)))
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
            result = call(*arguments, **named)
            self._pass()
            return result

        return counted

    def _pass(self) -> None:
        self.count += 1
        if self.count == self.kill:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    folder = Path(sys.argv[1])
    _warm(folder)
    print("ready", flush=True)
    for line in sys.stdin:
        output, kill = line.split()
        print(json.dumps(_run(folder, output, int(kill))), flush=True)


def _warm(folder: Path) -> None:
    """Load the kernels without starting a thread: what has threads must not be forked."""
    with tempfile.TemporaryDirectory() as work:
        wanted = recipe(folder, work)
        for shard in list_shards(wanted)[:2]:
            filter_shard(Run("warm", wanted, Work(work, "warm")), shard)


def _run(folder: Path, output: str, kill: int) -> dict[str, Any]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        os.write(writing, json.dumps(_curate(folder, output, kill)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer: dict[str, Any] = json.loads(pipe.read() or "{}")
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {"status": status} | answer


def _curate(folder: Path, output: str, kill: int) -> dict[str, Any]:
    moments = Moments(kill)
    moments.watch()
    curate(recipe(folder, output), LocalRunner())
    return {"moments": moments.count, "steps": moments.steps, "digest": Corpus(output).manifest().digest}


if __name__ == "__main__":
    main()
