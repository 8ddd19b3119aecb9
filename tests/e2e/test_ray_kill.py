"""Driver, worker or a whole local Ray cluster killed in mid-run: the same command completes, with the same bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from curation.corpus import Corpus
from curation.pipeline import curate
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import recipe, write_inputs
from tests.texts import essay, write_jsonl


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder)
    for shard in range(24):
        documents = [{"id": f"m{shard}-{n}", "text": essay(1000 * shard + n)} for n in range(60)]
        write_jsonl(folder / f"web/more-{shard:02d}.jsonl.gz", documents)
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> str:
    wanted = recipe(folder, folder / "expected")
    curate(wanted, LocalRunner())
    return Corpus(wanted.output).manifest().digest


@pytest.mark.parametrize(
    ("victim", "records"), [("driver", 3), ("worker", 5), ("worker", 20), ("cluster", 12), ("driver", 30)]
)
def test_killed_in_mid_run(folder: Path, expected: str, tmp_path: Path, victim: str, records: int) -> None:
    output = tmp_path / "corpus"
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(folder, output).model_dump(mode="json")))
    run = start(path)
    try:
        wait_for_records(run, output, records)
        kill(run, victim)
        first = run.wait(timeout=120)
    finally:
        kill_all(run.pid)
    if victim == "worker":
        assert first == 0
    again = start(path)
    assert again.wait(timeout=120) == 0
    assert Corpus(str(output)).manifest().digest == expected
    assert len(Corpus(str(output)).versions()) == 1


def start(path: Path) -> subprocess.Popen[bytes]:
    """The command that a user types, in a session of its own."""
    command = [sys.executable, "-c", "from curation.cli import main; main()", "run", str(path), "--workers", "2"]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_records(run: subprocess.Popen[bytes], output: Path, count: int) -> None:
    """Until the run in progress has recorded so many steps, or has ended."""
    end = time.monotonic() + 120
    while run.poll() is None and len(list((output / "_runs").rglob("*.json"))) < count:
        assert time.monotonic() < end
        time.sleep(0.01)


def kill(run: subprocess.Popen[bytes], victim: str) -> None:
    if victim == "cluster":
        kill_all(run.pid)
    elif victim == "driver":
        run.kill()
    else:
        workers = [pid for pid in session(run.pid) if command_line(pid).startswith(b"ray::")]
        at_work = [pid for pid in workers if b"_attempt" in command_line(pid)]
        os.kill((at_work or workers)[0], signal.SIGKILL)


def kill_all(leader: int) -> None:
    """Every process of the session."""
    for pid in session(leader):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def session(leader: int) -> list[int]:
    """The processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader:
                found.append(int(entry.name))
    return found


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
