"""`curation whatif` and `curation preview`, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from tests.pipeline.inputs import recipe, write_inputs
from tests.test_cli import call


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(tmp_path, tmp_path / "corpus").model_dump(mode="json")))
    return path


def test_a_user_previews_runs_and_asks_what_if(
    recipe_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus, setting = str(recipe_file.parent / "corpus"), "stages.gopher_quality.min_words=20"
    code, out, _ = call(capsys, monkeypatch, "preview", str(recipe_file), "--core-hour-price", "0.5")
    assert code == 0
    assert "gopher_quality" in out
    assert "core hours, cost 0.00" in " ".join(out.split())
    code, out, _ = call(capsys, monkeypatch, "preview", str(recipe_file), "--json", "--set", setting)
    assert code == 0
    assert [step["documents_out"] for step in json.loads(out)["steps"] if step["stage"] == "gopher_quality"] == [19]

    assert call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local")[0] == 0
    code, out, _ = call(capsys, monkeypatch, "whatif", corpus, "--set", setting)
    assert code == 0
    assert "gopher_quality.short_doc" in out
    assert "let through, later verdicts unknown" in out
    assert "This note is too short to keep" in out

    plot = recipe_file.parent / "sweep.svg"
    sweep = ("--sweep", "stages.gopher_quality.min_words=20:260:60", "--plot", str(plot))
    code, out, _ = call(capsys, monkeypatch, "whatif", corpus, *sweep)
    assert code == 0
    assert "now" in out
    code, out, _ = call(capsys, monkeypatch, "whatif", corpus, *sweep, "--json")
    points = json.loads(out)["points"]
    assert [point["value"] for point in points] == [20, 50, 80, 140, 200, 260]
    code, out, _ = call(capsys, monkeypatch, "whatif", corpus, "--curve", "stages.gopher_quality.min_words")
    assert (code, "now" in out) == (0, True)
    code, out, _ = call(capsys, monkeypatch, "whatif", corpus, "--curve", sweep[1], "--json")
    assert [point["after"] for point in json.loads(out)["points"]] == [point["answer"]["after"] for point in points]
    bars = [each for each in ElementTree.parse(plot).iter() if each.tag.endswith("rect")]
    baselines = {round(float(bar.attrib["y"]) + float(bar.attrib["height"]), 1) for bar in bars if "y" in bar.attrib}
    assert len(bars) == 1 + 2 * (2 * len(points) + 1), "a panel of documents and one of text, two bars a value, a mark"
    assert len(baselines) == 4, "all bars of a panel stand on one line, its marks below"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["whatif", "nowhere", "--set", "stages.a.b=1"], 4, "no version has been published"),
        (["whatif", "nowhere"], 2, "--set: say what should differ"),
        (["whatif", "nowhere", "--set", "a=1", "--plot", "x.svg"], 2, "--plot: goes with --sweep"),
        (["whatif", "nowhere", "--sweep", "a=1", "--curve", "a"], 2, "--curve: found with --sweep"),
        (["preview", "nowhere.yaml"], 4, "no such recipe"),
        (["preview", "nowhere.yaml", "--sample", "0"], 2, "--sample"),
    ],
)
def test_what_cannot_be_done_says_so(
    arguments: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, _, err = call(capsys, monkeypatch, *arguments)
    assert found == code
    assert message in err
