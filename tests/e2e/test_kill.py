"""Killed at any moment, the same command completes, redoes only what was not recorded, and gives the same bytes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus

KILLS = 36


class Zygote:
    """Runs the small recipe, whole or killed, in children of one warm process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.e2e.zygote", str(folder)]
        root = Path(__file__).parents[2]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root)
        self.greeting = self._answer()

    def run(self, output: Path, kill: int = 0) -> dict[str, Any]:
        assert self.process.stdin
        self.process.stdin.write(f"{output} {kill}\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._answer())
        return answer

    def _answer(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="module")
def zygote(inputs: Path) -> Iterator[Zygote]:
    zygote = Zygote(inputs)
    with zygote.process:
        assert zygote.greeting == "ready"
        yield zygote
        zygote.process.communicate()


def recorded(output: Path) -> set[str]:
    """The names of the records of the run in progress."""
    return {str(path.relative_to(output)) for path in (output / "_runs").rglob("*.json")}


def test_killed_at_any_moment(zygote: Zygote, tmp_path: Path) -> None:
    whole = zygote.run(tmp_path / "whole")
    assert whole["status"] == 0
    assert whole["moments"] > 2 * KILLS
    late = list(range(whole["moments"] - 11, whole["moments"] + 1))
    early = [1 + step * (whole["moments"] - 12) // (KILLS - len(late)) for step in range(KILLS - len(late))]
    for kill in [*early, *late]:
        output = tmp_path / f"killed-{kill}"
        assert zygote.run(output, kill)["status"] == -signal.SIGKILL
        published = bool(Corpus(str(output)).versions())
        before = recorded(output)
        again = zygote.run(output)
        assert again["status"] == 0, f"killed at {kill} of {whole['moments']}"
        assert again["digest"] == whole["digest"]
        assert before.isdisjoint(again["steps"])
        assert not (published and again["steps"])
        assert len(Corpus(str(output)).versions()) == 1
