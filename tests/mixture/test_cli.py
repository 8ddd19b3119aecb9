"""`curation mixture` and `curation tokenizer train`, as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.cli import main
from curation.pipeline import curate
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import COUNTED, recipe, write_inputs


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    write_inputs(folder)
    mixture = {"tokens": 40_000, "max_epochs": 4}
    curate(recipe(folder, folder / "corpus", stages=COUNTED, mixture=mixture), LocalRunner())
    return folder


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object) -> tuple[int, str]:
    """The exit code, and what was printed."""
    monkeypatch.setattr("sys.argv", ["curation", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    out, err = capsys.readouterr()
    return int(end.value.code or 0), out + err


def test_the_recipes_mixture_or_another(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, said = call(capsys, monkeypatch, "mixture", folder / "corpus")
    assert code == 0
    assert "natural, by source" in said
    assert "counted by o200k_base" in said
    assert "tokens are missing: every part is at its cap" in said
    asked = ("--scheme", "fixed", "--weight", "web=3", "--weight", "notes=1", "--tokens", 1000, "--json")
    code, said = call(capsys, monkeypatch, "mixture", folder / "corpus", "--version", 1, *asked)
    found = json.loads(said)
    assert (code, found["scheme"], found["budget"]) == (0, "fixed", 1000)
    assert {part["group"]: part["weight"] for part in found["parts"]} == {"web": 750, "notes": 250}
    code, said = call(capsys, monkeypatch, "mixture", folder / "corpus", "--scheme", "rehydrate", "--weight", "1=2")
    assert code == 0
    assert "cluster size" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--scheme", "temperature"), "--scheme: scheme temperature needs temperature"),
        (("--scheme", "fxied"), "--scheme: Input should be 'natural'"),
        (("--scheme", "fixed", "--weight", "web"), "--weight: 'web' is not a name, = and a number"),
        (("--scheme", "fixed", "--weight", "web=-1"), "--weight: web: Input should be greater than or equal to 0"),
        (("--scheme", "fixed", "--weight", "webb=1"), "there are notes, web"),
        (("--max-epochs", "0"), "--max-epochs: Input should be greater than 0"),
    ],
)
def test_what_is_wrong_is_said(
    folder: Path,
    options: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, said = call(capsys, monkeypatch, "mixture", folder / "corpus", *options)
    assert code == 2
    assert message in said


def test_a_tokenizer_is_trained_and_counts(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tokenizer.json"
    code, said = call(capsys, monkeypatch, "tokenizer", "train", folder / "corpus", "--out", path, "--vocab", 500)
    assert code == 0, said
    learned = path.read_bytes()
    assert call(capsys, monkeypatch, "tokenizer", "train", folder / "corpus", "--out", path, "--vocab", 500)[0] == 0
    assert path.read_bytes() == learned
    stages = [{"kind": "language", "keep": ["en"]}, {"kind": "tokens", "tokenizer": str(path)}]
    asked = recipe(folder, tmp_path / "corpus").model_dump(mode="json") | {"stages": stages}
    curate(validate_recipe(asked), LocalRunner())
    code, said = call(capsys, monkeypatch, "mixture", tmp_path / "corpus", "--json")
    found = json.loads(said)
    assert (code, found["tokenizer"]) == (0, str(path))
    assert (
        found["tokenizer_sha256"]
        in call(capsys, monkeypatch, "tokenizer", "train", folder / "corpus", "--out", path, "--vocab", 500)[1]
    )


def test_a_tokenizer_from_files(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--out", tmp_path / "t.json", "--vocab", 300)
    assert call(capsys, monkeypatch, "tokenizer", "train", f"{folder}/web/*.gz", f"{folder}/notes/**", *out)[0] == 0
    code, said = call(capsys, monkeypatch, "tokenizer", "train", f"{folder}/nothing/*.jsonl", *out)
    assert (code, "nothing matches" in said) == (3, True)
    code, said = call(capsys, monkeypatch, "tokenizer", "train", f"{folder}/web/*.gz", *out, "--version", 1)
    assert (code, "is no corpus" in said) == (2, True)
    code, said = call(
        capsys, monkeypatch, "tokenizer", "train", f"{folder}/web/*.gz", "--out", tmp_path / "no/t.json", "--vocab", 300
    )
    assert (code, "there is no folder" in said) == (2, True)
