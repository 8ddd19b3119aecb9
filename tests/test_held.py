"""The commands about held runs: what they show, what they exit with, and what is published after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from curation.corpus import Corpus
from tests.pipeline.inputs import recipe, write_inputs
from tests.test_cli import call

GATES = [
    {"metric": "drop_rate", "of": "gopher_quality.short_doc", "over": "new", "max": 0.01},
    {"metric": "documents", "min": 1000},
    {"metric": "source_share", "of": "web", "min": 0.1},
]


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    path = tmp_path / "recipe.yaml"
    wanted = recipe(tmp_path, tmp_path / "corpus", stages=[{"kind": "gopher_quality"}], gates=GATES)
    path.write_text(yaml.safe_dump(wanted.model_dump(mode="json")))
    return path


def test_a_user_looks_at_a_held_run_and_publishes_it(
    recipe_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = str(recipe_file.parent / "corpus")
    code, out, err = call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local")
    assert code == 9
    assert "is held, nothing is published: gates.0: drop_rate of gopher_quality.short_doc over new is" in err
    for shown in ("gates.0", "gates.1", "1,000", "curation publish", "curation abandon"):
        assert shown in out
    assert "gates.2" not in out

    code, out, _ = call(capsys, monkeypatch, "held", corpus, "--json")
    (held,) = json.loads(out)
    assert code == 0
    assert [(breach["gate"], breach["bound"]) for breach in held["breaches"]] == [(0, 0.01), (1, 1000)]
    code, out, _ = call(capsys, monkeypatch, "held", corpus)
    assert held["run"] in out
    code, out, _ = call(capsys, monkeypatch, "held", corpus, held["run"], "--json")
    assert json.loads(out) == held
    assert held["funnel"][0]["documents_in"] == 25

    code, _, err = call(capsys, monkeypatch, "publish", corpus, held["run"], "--digest", "0" * 64)
    assert (code, "not what you have seen" in err) == (5, True)
    code, out, _ = call(capsys, monkeypatch, "publish", corpus, held["run"], "--digest", held["digest"], "--by", "ada")
    assert (code, "Version 1" in out) == (0, True)
    assert Corpus(corpus).manifest().digest == held["digest"]
    approved = Corpus(corpus).change().approved
    assert approved is not None
    assert approved.by == "ada"

    code, out, _ = call(capsys, monkeypatch, "held", corpus)
    assert (code, "no run is held" in out) == (0, True)


def test_a_user_abandons_a_held_run(
    recipe_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = str(recipe_file.parent / "corpus")
    call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local", "--run-id", "tonight")
    code, out, _ = call(capsys, monkeypatch, "abandon", corpus, "tonight")
    assert (code, "abandoned" in out) == (0, True)
    code, _, err = call(capsys, monkeypatch, "publish", corpus, "tonight")
    assert (code, "no run 'tonight' is held" in err) == (4, True)
    code, _, err = call(capsys, monkeypatch, "publish", corpus, "..")
    assert (code, "RUN: found '..'" in err) == (2, True)
    assert not Corpus(corpus).versions()
