"""The command line: what it prints, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from curation.cli import main
from tests.pipeline.inputs import recipe, write_inputs


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str, str]:
    """The exit code, what went to standard output, and what went to standard error."""
    monkeypatch.setattr("sys.argv", ["curation", *arguments])
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out, err


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    write_inputs(tmp_path)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe(tmp_path, tmp_path / "corpus").model_dump(mode="json")))
    return path


def test_a_user_runs_reports_and_asks_why(
    recipe_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = str(recipe_file.parent / "corpus")
    code, out, err = call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local")
    assert code == 0
    assert "documents kept" in out
    assert corpus in out
    assert "gopher_quality.short_doc" in out
    assert "filter" in err
    assert "documents" in err

    code, out, _ = call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local")
    assert code == 0
    assert "Nothing new" in out

    code, out, _ = call(capsys, monkeypatch, "report", corpus, "--json")
    report = json.loads(out)
    assert code == 0
    assert report["funnel"][0]["documents_in"] == 25
    assert report["version"] == 1

    code, out, _ = call(capsys, monkeypatch, "explain", corpus, "near")
    assert code == 0
    assert "survivor w2, verified similarity 0." in out
    assert "language" in out

    code, out, _ = call(capsys, monkeypatch, "explain", corpus, "short", "--json")
    (row,) = json.loads(out)
    assert (row["reason"], row["threshold"]) == ("gopher_quality.short_doc", 50)

    code, out, _ = call(capsys, monkeypatch, "versions", corpus)
    assert code == 0
    assert "small" in out

    code, _, err = call(capsys, monkeypatch, "explain", corpus, "nobody")
    assert code == 4
    assert "knows no document 'nobody'" in err


def test_a_wrong_recipe_lists_every_problem_and_exits_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text("name: x\noutput: o\nsources: [{name: a, uri: u, format: xml}]\nstages: [{kind: exact_dedupe}]\n")
    code, _, err = call(capsys, monkeypatch, "run", str(path), "--engine", "local", "--set", "seed=-1")
    assert code == 2
    assert "sources.0.format" in err
    assert "stages.0: unknown stage 'exact_dedupe'; did you mean exact_dedup?" in err
    assert "seed" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "nowhere.yaml"], 4, "no such recipe"),
        (["report", "nowhere"], 4, "no version has been published"),
        (["versions", "nowhere"], 4, "no version has been published"),
        (["report", "ftp://host/x"], 4, "ftp"),
        (["frobnicate"], 2, "No such command"),
        (["run"], 2, "RECIPE"),
    ],
)
def test_what_cannot_be_done_says_so(
    arguments: list[str],
    code: int,
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, _, err = call(capsys, monkeypatch, *arguments)
    assert found == code
    assert message in err


def test_every_stage_is_listed_with_its_options_and_source(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(capsys, monkeypatch, "stages")
    assert code == 0
    kinds = ("language", "gopher_repetition", "gopher_quality", "c4", "fineweb_quality", "exact_dedup", "minhash_dedup")
    assert all(kind in out for kind in kinds)
    code, out, _ = call(capsys, monkeypatch, "stages", "--json")
    listed = {stage["kind"]: stage for stage in json.loads(out)}
    assert set(kinds) <= set(listed)
    for stage in listed.values():
        options = {name: field for name, field in stage["schema"]["properties"].items() if name != "kind"}
        assert all(field.get("description") for field in options.values()), stage["kind"]
        assert stage["reference"], stage["kind"]


def test_the_doctor_passes_a_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(capsys, monkeypatch, "doctor", str(tmp_path / "store"))
    assert code == 0
    assert "REFUSED" not in out


def test_documents_cannot_drive_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = "\x1b[31mred\x1b[0m \u202etxet [bold]markup[/bold] " * 3
    (tmp_path / "in.jsonl").write_text(
        json.dumps({"id": "\x1b[2Jid", "text": hostile}) + "\n" + '{"id":"b","text":"b"}'
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(
        f"{{name: h, output: {tmp_path}/corpus, sources: [{{name: s, uri: {tmp_path}/in.jsonl}}], "
        "stages: [{kind: gopher_quality, name: short, min_words: 2}, {kind: exact_dedup}]}"
    )
    code, out, err = call(capsys, monkeypatch, "run", str(path), "--engine", "local")
    assert "\x1b[31m" not in out + err
    assert "\u202e" not in out + err
    assert code in (0, 3)
