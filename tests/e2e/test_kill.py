"""Killed at any moment, the same command completes, redoes only what was not recorded, and gives the same bytes."""

from __future__ import annotations

import signal
from pathlib import Path

from curation.corpus import Corpus
from tests.e2e.zygote import Job, Zygote
from tests.pipeline.inputs import recipe

KILLS = 36


def recorded(output: Path) -> set[str]:
    """The names of the records of the run in progress."""
    return {str(path.relative_to(output)) for path in (output / "_runs").rglob("*.json")}


def test_killed_at_any_moment(zygote: Zygote, inputs: Path, tmp_path: Path) -> None:
    whole = zygote.run(Job.of("run", recipe(inputs, tmp_path / "whole")))
    assert whole["status"] == 0
    assert whole["moments"] > 2 * KILLS
    late = list(range(whole["moments"] - 11, whole["moments"] + 1))
    early = [1 + step * (whole["moments"] - 12) // (KILLS - len(late)) for step in range(KILLS - len(late))]
    for kill in [*early, *late]:
        output = tmp_path / f"killed-{kill}"
        assert zygote.run(Job.of("run", recipe(inputs, output), kill))["status"] == -signal.SIGKILL
        published = bool(Corpus(str(output)).versions())
        before = recorded(output)
        again = zygote.run(Job.of("run", recipe(inputs, output)))
        assert again["status"] == 0, f"killed at {kill} of {whole['moments']}"
        assert again["digest"] == whole["digest"]
        assert before.isdisjoint(again["steps"])
        assert not (published and again["steps"])
        assert len(Corpus(str(output)).versions()) == 1
