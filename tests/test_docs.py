"""What the documents promise: links that lead somewhere, commands that parse, examples that run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from curation.cli import open_app

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(<?([^)\s>]+)>?[^)]*\)")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FOLDERS = "(?:benchmarks|curation|deploy|docs|recipes|services|tests)"
NAMED_FILE = re.compile(
    rf"(?:(?<=`){FOLDERS}/[\w./*-]*\w|(?<![\w./:*-]){FOLDERS}/[\w./*-]*\w\.(?:md|py|sh|svg|ya?ml|jsonl?)\b)"
)
BENCHMARK = re.compile(r"(benchmarks/\w+\.py)((?:[ \t]+[^\s`|#]+)*)")
REQUEST = re.compile(r"`(?:(GET|POST|PUT|PATCH|DELETE) )?((?:/v1|…)/[^`\s?]+)")
TARGET = re.compile(r"(?:`|^\s*)make ([a-z]+)\b", re.MULTILINE)
UNWRITTEN = {"curation/rules/shouting.py", "tests/rules/test_shouting.py"}
"""Files that a page asks its reader to write."""


def named(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_relative_link_leads_to_a_file_or_heading(document: Path) -> None:
    dead = [target for target in relative_links(document.read_text()) if not exists(document, target)]
    assert dead == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_command_parses(document: Path) -> None:
    for command in commands(document.read_text()):
        parse(command)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_file_that_is_named_is_there(document: Path) -> None:
    files = set(NAMED_FILE.findall(document.read_text())) - UNWRITTEN
    assert [file for file in sorted(files) if not any(REPOSITORY.glob(file))] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_benchmark_knows_its_arguments(document: Path) -> None:
    """The words and options that a page gives to a benchmark stand in the usage that this begins with."""
    for file, arguments in BENCHMARK.findall(document.read_text()):
        usage = [line.partition(file)[2] for line in (REPOSITORY / file).read_text().splitlines() if f" {file}" in line]
        for argument in re.findall(r"(?<=\s)--[a-z-]+|(?<=\s)[a-z]+(?=\s|$)", arguments):
            assert any(re.search(rf"(?<![\w-]){argument}\b", line) for line in usage), f"{file} {argument}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_request_is_one_of_the_service(document: Path) -> None:
    paths = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())["paths"]
    operations = [(method.upper(), shape(path)) for path, methods in paths.items() for method in methods]
    for method, address in REQUEST.findall(document.read_text()):
        asked = shape(address)
        found = [path for known, path in operations if method in ("", known) and path.endswith(asked.removeprefix("…"))]
        assert asked in found or (found and asked.startswith("…")), f"{method} {address}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_target_of_make_is_there(document: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    text = document.read_text()
    shown = "\n".join(block for _, block in BLOCK.findall(text)) + "".join(re.findall(r"`[^`\n]+`", text))
    assert set(TARGET.findall(shown)) <= targets


def test_the_readme_shows_commands() -> None:
    assert list(commands((REPOSITORY / "README.md").read_text()))


def test_a_wrong_command_does_not_parse() -> None:
    for command in ("curation runn r.yaml", "curation run r.yaml --fast", "curation run", "curation recipes pull x"):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            parse(command)


def test_the_stage_in_contributing_passes_its_test(tmp_path: Path) -> None:
    stage, test = (
        text for kind, text in BLOCK.findall((REPOSITORY / "CONTRIBUTING.md").read_text()) if kind == "python"
    )
    (tmp_path / "shouting.py").write_text(stage)
    (tmp_path / "test_shouting.py").write_text(test)
    program = (
        "import sys, pytest, curation.rules;"
        f"curation.rules.__path__.append({str(tmp_path)!r});"
        f"sys.exit(pytest.main(['-p', 'no:cacheprovider', {str(tmp_path / 'test_shouting.py')!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def relative_links(text: str) -> Iterator[str]:
    for target in LINK.findall(BLOCK.sub("", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


def exists(document: Path, target: str) -> bool:
    name, _, heading = target.partition("#")
    path = document.parent / name if name else document
    return path.exists() and (not heading or heading in anchors(path.read_text()))


def shape(address: str) -> str:
    """An address whatever the names of its parameters."""
    return re.sub(r"\{\w+\}", "{}", address)


def anchors(text: str) -> set[str]:
    """The names that a forge gives to headings: lower case, spaces as hyphens, no punctuation."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def commands(text: str) -> Iterator[str]:
    """The lines of code blocks that call `curation`, without prompts and whatever they are piped into."""
    for _, block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            command = re.sub(r"^\s*(\$ )?(\.venv/bin/)?", "", line)
            if command.startswith("curation "):
                yield re.split(r"\s[|>&]", command)[0]


def parse(command: str) -> None:
    """Read a command's arguments as the command line does, and do nothing."""
    found: Any = typer.main.get_command(open_app())
    name, *rest = shlex.split(command, comments=True)
    while hasattr(found, "commands"):
        name, *rest = rest
        assert name in found.commands, f"no such command: {command}"
        found = found.commands[name]
    found.make_context(name, rest)
