"""The command line: what it prints, and what it exits with."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from curation.cli import main
from curation.corpus import Corpus
from curation.history import History, Moment
from curation.pipeline import Progress
from curation.render import ProgressDisplay
from curation.render.explanation import show_history
from tests.pipeline.inputs import recipe, write_inputs
from tests.texts import essay, write_jsonl
from tests.versions import Record, publish


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
    assert "survivor w2" in out
    assert "verified similarity 0." in out
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
        (["run", "broken.yaml", "--engine", "local"], 2, "broken.yaml: not YAML"),
        (["run", ".", "--engine", "local"], 2, "the recipe is wrong:\n  .: Is a directory"),
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
    (tmp_path / "broken.yaml").write_text("name: [")
    found, _, err = call(capsys, monkeypatch, *arguments)
    assert found == code
    assert message in err


def test_the_help_has_sections_and_whole_sentences(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = call(capsys, monkeypatch, "--help")
    assert code == 0
    headings = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["Options:", "Library:", "Service:", "Administration:"]
    assert "..." not in out.split("Library:")[1]
    assert "9  a run, or a job that was followed, is held" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "local", "--workers", "2"], "--workers: found 2, but the local engine is this one process"),
        (["--engine", "local", "--address", "10.0.0.1:1"], "--address: found '10.0.0.1:1', but the local engine"),
    ],
)
def test_a_wrong_option_is_not_blamed_on_the_recipe(
    options: list[str],
    message: str,
    recipe_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, err = call(capsys, monkeypatch, "run", str(recipe_file), *options)
    assert code == 2
    assert message in err
    assert "the command is wrong" in err


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("sources.0.uri=[a", "sources.0.uri: '[a' is not YAML; quote it"),
        ("output=http://host/x", "output: http://"),
        ("stages.language.keep=[english]", "stages.0.keep: the model knows no language 'english'"),
    ],
)
def test_a_wrong_setting_is_named_by_its_path(
    setting: str,
    message: str,
    recipe_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, err = call(capsys, monkeypatch, "run", str(recipe_file), "--engine", "local", "--set", setting)
    assert code == 2
    assert message in err


@pytest.fixture(scope="module")
def long_recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe whose first shard takes some seconds on the local engine."""
    folder = tmp_path_factory.mktemp("long")
    essays = [essay(n) for n in range(40)]
    write_jsonl(folder / "in.jsonl", [{"id": f"{n}", "text": essays[n % 40]} for n in range(40_000)])
    path = folder / "recipe.yaml"
    stages = "[{kind: language, keep: [en]}, {kind: gopher_repetition}, {kind: gopher_quality}, {kind: exact_dedup}]"
    path.write_text(
        f"{{name: long, output: {folder}/corpus, sources: [{{name: s, uri: {folder}/in.jsonl}}], stages: {stages}}}"
    )
    return path


@pytest.mark.parametrize(
    ("number", "after_s", "code", "message"),
    [
        (signal.SIGINT, 0.0, 130, "interrupted"),
        (signal.SIGINT, 0.4, 130, "interrupted"),
        (signal.SIGINT, 0.8, 130, "interrupted"),
        (signal.SIGINT, 1.2, 130, "interrupted"),
        (signal.SIGTERM, 0.6, 143, "terminated"),
        (signal.SIGTERM, 1.0, 143, "terminated"),
    ],
)
def test_a_signal_ends_a_local_run_with_a_sentence(
    number: signal.Signals, after_s: float, code: int, message: str, long_recipe: Path
) -> None:
    """Wherever it comes: in compiled code, while that is loaded, in our own."""
    program = subprocess.Popen(
        [sys.executable, "-c", "from curation.cli import main; main()", "run", str(long_recipe), "--engine", "local"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with program:
        assert program.stderr
        assert program.stderr.readline().startswith("filter")
        time.sleep(after_s)
        program.send_signal(number)
        out, err = program.communicate(timeout=60)
    assert (out, program.returncode) == ("", code), err
    assert err == f"curation: {message}; the same command goes on from what is recorded\n"


def test_progress_tells_the_time_left_where_there_is_no_terminal() -> None:
    console = Console(file=io.StringIO(), width=120)
    with ProgressDisplay(console) as seen:
        for done in range(4):
            seen.watch(Progress(step="filter", done=done, total=3, documents=10 * done))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["0/3", "1/3", "3/3"]
    assert lines[1].endswith(" left")


def test_a_survivor_is_shown_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    moment = Moment(
        version=4,
        run="r",
        kind="refresh",
        published=datetime.now(UTC),
        source="web",
        shard="/in/b.jsonl",
        row=1,
        outcome="dropped",
        reason="minhash_dedup.duplicate",
        survivor="w2",
        survivor_shard="/in/\x1ba.jsonl",
        survivor_row=7,
        similarity=0.9,
    )
    show_history(Console(width=400), History(id="w2", moments=(moment,), unknown=(2, 3)))
    shown = capsys.readouterr().out
    assert "survivor w2 (/in/<001B>a.jsonl, record 7), verified similarity 0.9" in shown
    assert "their files have been removed: 2, 3." in shown


def test_a_user_compares_versions_and_follows_a_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = Corpus(str(tmp_path))
    copy = Record("copy", "one", "dedup.duplicate", ("a", "f", 0))
    publish(corpus, {"f": [Record("a", "one"), copy], "g": [Record("b", "two"), Record("c", "three")]})
    publish(corpus, {"f": [Record("a", "one", "takedown.ids"), copy], "g": [Record("b", "2"), Record("c", "three")]})
    publish(corpus, {"f": [copy], "h": [Record("d", "four", value=9.0)]})
    code, out, _ = call(capsys, monkeypatch, "diff", corpus.url, "1", "2")
    assert code == 0
    for told in (
        "from version 1 to version 2",
        "dropped now by takedown.ids",
        "0 new, 1 changed, 0 gone, 1 as they were",
    ):
        assert told in out
    for shown in ("-  web  b  3 B  two", "+  web  b  1 B  2"):
        assert shown.split() in [line.split() for line in out.splitlines()]
    code, out, _ = call(capsys, monkeypatch, "diff", corpus.url, "--json", "--samples", "1")
    found = json.loads(out)
    assert (code, found["a"]["version"], found["b"]["version"]) == (0, 2, 3)
    assert found["samples"]["removed"][0]["id"] in {"b", "c"}
    code, out, _ = call(capsys, monkeypatch, "explain", corpus.url, "copy", "--version", "2")
    assert (code, "No copy is kept: the last one was dropped in its turn." in out) == (0, True)
    code, out, _ = call(capsys, monkeypatch, "explain", corpus.url, "copy", "--json")
    assert (code, json.loads(out)[0]["survivors"]) == (0, {"links": [], "end": "gone"})
    code, out, _ = call(capsys, monkeypatch, "explain", corpus.url, "b", "--history")
    assert (code, "not in this version: its input file left" in out) == (0, True)
    code, out, _ = call(capsys, monkeypatch, "explain", corpus.url, "a", "--history", "--json")
    assert [moment["outcome"] for moment in json.loads(out)["moments"]] == ["kept", "dropped", "gone"]
    code, _, err = call(capsys, monkeypatch, "explain", corpus.url, "a", "--history", "--version", "1")
    assert (code, "--history: it is of all versions" in err) == (2, True)
    code, _, err = call(capsys, monkeypatch, "diff", corpus.url, "1", "nightly")
    assert (code, "no tag 'nightly'" in err) == (4, True)


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
    code, out, _ = call(capsys, monkeypatch, "stages", "c4", "--json")
    assert [stage["kind"] for stage in json.loads(out)] == ["c4"]
    code, _, err = call(capsys, monkeypatch, "stages", "c5")
    assert (code, "there is no stage 'c5'" in err) == (2, True)


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
