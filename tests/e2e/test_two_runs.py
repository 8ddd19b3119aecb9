"""Two runs at once on one corpus: one wins, the other says so, and a reader sees whole versions only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from curation.corpus import Corpus
from tests.pipeline.inputs import recipe, write_inputs

CURATION = [sys.executable, "-c", "from curation.cli import main; main()"]


def race(folder: Path, *recipes: Path) -> list[int]:
    """The exit codes of these runs, started together."""
    runs = [
        subprocess.Popen(
            [*CURATION, "run", str(path), "--engine", "local"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in recipes
    ]
    codes = []
    for run in runs:
        _, complaint = run.communicate(timeout=120)
        assert "Traceback" not in complaint
        codes.append(run.returncode)
    return sorted(codes)


def write_recipe(folder: Path, name: str, **changes: object) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(recipe(folder, folder / "corpus", **changes).model_dump(mode="json")))
    return path


@pytest.mark.parametrize("attempt", range(2))
def test_the_same_run_twice_publishes_once(tmp_path: Path, attempt: int) -> None:
    write_inputs(tmp_path)
    path = write_recipe(tmp_path, "same")
    assert race(tmp_path, path, path) == [0, 0]
    assert len(Corpus(str(tmp_path / "corpus")).versions()) == 1


@pytest.mark.parametrize("attempt", range(2))
def test_of_two_different_runs_one_wins_or_follows(tmp_path: Path, attempt: int) -> None:
    write_inputs(tmp_path)
    one, other = write_recipe(tmp_path, "one"), write_recipe(tmp_path, "other", stages=[])
    codes = race(tmp_path, one, other)
    versions = Corpus(str(tmp_path / "corpus")).versions()
    assert codes in ([0, 5], [0, 0])
    assert len(versions) == codes.count(0)
    for version in versions:
        assert Corpus(str(tmp_path / "corpus")).documents(version.version).count_rows() == version.documents
