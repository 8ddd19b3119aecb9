"""A service as its users have it: `curation serve` in a process of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.client import Client
from tests.texts import essay, write_jsonl

CURATION = [sys.executable, "-c", "from curation.cli import main; main()"]
START_S = 60.0


@dataclass
class Served:
    """A running service below a folder."""

    folder: Path
    process: subprocess.Popen[str]
    url: str
    key: str

    def client(self) -> Client:
        return Client(self.url, self.key, retry_s=5.0)


def environment(folder: Path, **changes: str) -> dict[str, str]:
    """Nobody's settings, nobody's login, and a service that is quick."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CURATION_")}
    own = {"XDG_CONFIG_HOME": str(folder / "config"), "CURATION_ENGINE": "local", "CURATION_POLL_S": "0.1"}
    return {**kept, **own, "CURATION_HEARTBEAT_S": "0.2", "COLUMNS": "160", **changes}


def start(folder: Path, *arguments: str, **changes: str) -> subprocess.Popen[str]:
    """`curation serve` in a folder; whether it comes up is seen by what it prints."""
    with (folder / "serve.log").open("a") as log:
        return subprocess.Popen(
            [*CURATION, "serve", "--port", "0", "--data", "data", "--key-file", "first.key", *arguments],
            cwd=folder,
            env=environment(folder, **changes),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


@contextmanager
def serving(folder: Path, *arguments: str, **changes: str) -> Iterator[Served]:
    """A service until the end of the block, where it is stopped if it still runs."""
    process = start(folder, *arguments, **changes)
    try:
        url = announced(process)
        yield Served(folder, process, url, (folder / "first.key").read_text().strip())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def announced(process: subprocess.Popen[str]) -> str:
    """The URL, once everything listens."""
    assert process.stdout is not None
    url, until = "", time.monotonic() + START_S
    while (line := process.stdout.readline()) and time.monotonic() < until:
        url = found[1] if (found := re.match(r"Serving .* at (\S+)", line)) else url
        if line.startswith("Ctrl-C"):
            return url
    raise AssertionError(f"the service did not come up, exit code {process.wait(5)}")


def write_recipe(folder: Path, name: str = "small", documents: int = 30, stages: str = "[{kind: exact_dedup}]") -> Path:
    """A recipe file in the folder, and its input below it."""
    essays = [essay(n) for n in range(min(documents, 40))]
    rows = [{"id": f"{name}-{n}", "text": f"{essays[n % len(essays)]} {n}"} for n in range(documents - 1)]
    write_jsonl(folder / f"{name}-in" / "a.jsonl", [*rows, {**rows[0], "id": f"{name}-copy"}])
    path = folder / f"{name}.yaml"
    path.write_text(
        f"{{name: {name}, output: corpora/{name}, sources: [{{name: s, uri: {name}-in/*.jsonl}}], stages: {stages}}}"
    )
    return path


def recipe(folder: Path, name: str = "small") -> dict[str, object]:
    """The same as the API takes it."""
    write_recipe(folder, name)
    return {
        "name": name,
        "output": f"corpora/{name}",
        "sources": [{"name": "s", "uri": f"{name}-in/*.jsonl"}],
        "stages": [{"kind": "exact_dedup"}],
    }
