"""Two runs at once on one corpus: one wins, the other says so, and a reader sees whole versions only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import deltalake
import pytest
import yaml

from curation.corpus import Corpus
from tests.e2e import night
from tests.nights import publish_night
from tests.pipeline.inputs import recipe, write_inputs

CURATION = [sys.executable, "-c", "from curation.cli import main; main()"]


def race(*recipes: Path, command: str = "run") -> list[int]:
    """The exit codes of these runs, started together."""
    runs = [
        subprocess.Popen(
            [*CURATION, command, str(path), "--engine", "local"],
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
    assert race(path, path) == [0, 0]
    assert len(Corpus(str(tmp_path / "corpus")).versions()) == 1


@pytest.mark.parametrize("attempt", range(2))
def test_of_two_different_runs_one_wins_or_follows(tmp_path: Path, attempt: int) -> None:
    write_inputs(tmp_path)
    one, other = write_recipe(tmp_path, "one"), write_recipe(tmp_path, "other", stages=[])
    codes = race(one, other)
    versions = Corpus(str(tmp_path / "corpus")).versions()
    assert codes in ([0, 5], [0, 0])
    assert len(versions) == codes.count(0)
    for version in versions:
        assert Corpus(str(tmp_path / "corpus")).documents(version.version).count_rows() == version.documents


def test_a_reader_counts_right_while_somebody_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus, history = Corpus(str(tmp_path)), deltalake.DeltaTable.history
    corpus.create()
    publish_night(corpus, ["a"])

    def late(table: deltalake.DeltaTable, limit: int | None = None) -> list[dict[str, object]]:
        if not is_late:
            is_late.append(True)
            publish_night(Corpus(corpus.url), ["a", "b"])
        return history(table, limit)

    is_late: list[bool] = []
    monkeypatch.setattr(deltalake.DeltaTable, "history", late)
    for version in corpus.versions():
        assert corpus.manifest_of(version).version == version.version
        assert corpus.documents(version.version).count_rows() == version.documents
    assert is_late


def test_of_two_different_refreshes_one_wins_or_follows(tmp_path: Path) -> None:
    night.prepare(tmp_path)
    paths = []
    for promote in (True, False):
        policy = {"vanished": "retire", "better_copies": "replace", "promote": promote}
        wanted = night.recipe(tmp_path, tmp_path / "three-nights", refresh=policy)
        paths.append(tmp_path / f"{promote}.yaml")
        paths[-1].write_text(yaml.safe_dump(wanted.model_dump(mode="json")))
    assert race(*paths, command="refresh") in ([0, 5], [0, 0])
    corpus = Corpus(str(tmp_path / "three-nights"))
    assert len(corpus.versions()) == night.NIGHTS + 1
    assert corpus.verify() > 0
