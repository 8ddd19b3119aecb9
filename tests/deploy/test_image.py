"""The Dockerfile: what it copies exists, what it runs works here too, what it installs is what the services need."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from deploy.runtime_lock import closure, direct_requirements, read_lock

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
LINES = re.sub(r"\\\n\s*", "", DOCKERFILE).splitlines()
IN_SLIM_IMAGES = {"python", "groupadd", "useradd"}


def instructions(name: str) -> list[str]:
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    ignored = (ROOT / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    for copy in instructions("COPY"):
        if "--from=" in copy:
            continue
        *sources, _target = [part for part in copy.split() if not part.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
            assert source in sent, source
    for path in sent:
        assert (ROOT / path).exists(), path


def test_images_are_pinned_and_the_process_is_nobody_in_particular() -> None:
    for base in instructions("FROM"):
        assert re.match(r"python:3\.11\.\d+-slim-\w+( AS \w+)?$", base), base
    assert instructions("USER") == ["10001:10001"]
    assert instructions("HEALTHCHECK")


def test_every_command_is_there_when_it_runs() -> None:
    for run in instructions("RUN"):
        program = run.split()[0]
        made = re.match(r"/opt/(curation|build|node)/bin/(pip|python)$", program)
        assert made or program in IN_SLIM_IMAGES, run
        if made:
            assert f"python -m venv /opt/{made[1]}" in instructions("RUN")[: instructions("RUN").index(run)]


def needed(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """What an installed package needs here, by its own metadata."""
    found, waiting = set[tuple[str, str]](), [(name, extra) for extra in {"", *extras}]
    while waiting:
        asked, extra = waiting.pop()
        try:
            lines = requires(asked) or []
        except PackageNotFoundError:
            continue
        for line in map(Requirement, lines):
            if line.marker is None or line.marker.evaluate({"extra": extra}):
                for more in {"", *line.extras}:
                    other = (re.sub(r"[-_.]+", "-", line.name).lower(), more)
                    if other not in found:
                        found.add(other)
                        waiting.append(other)
    return {other for other, _extra in found}


def test_the_runtime_lock_has_all_that_the_services_need_and_no_tools_of_tests() -> None:
    pins = read_lock((ROOT / "requirements.lock").read_text())
    locked = closure(direct_requirements((ROOT / "pyproject.toml").read_text()), pins)
    overridden = {"fasttext-predict"}
    assert needed("curation", frozenset({"telemetry"})) - overridden - {"curation"} <= locked
    assert not locked & {"pytest", "mypy", "ruff", "moto", "schemathesis", "spacy", "hypothesis", "duckdb"}
    assert all("--hash=sha256:" in pins[name].text for name in locked)


def test_a_package_that_is_not_locked_is_an_error() -> None:
    with pytest.raises(KeyError, match="make lock"):
        closure(["nosuch"], {})


def test_the_wheel_is_built_in_a_clean_folder(tmp_path: Path) -> None:
    """The build stage's last steps, with what it copies and nothing else."""
    for name in ("requirements.lock", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "deploy" / "runtime_lock.py", tmp_path / "deploy")
    for name in ("curation", "services"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    lock = subprocess.run(
        [sys.executable, "deploy/runtime_lock.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert "fastapi==" in lock
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "-qq"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", "wheels", "."]
    subprocess.run([*pip, *options], cwd=tmp_path, check=True)
    [wheel] = (tmp_path / "wheels").glob("curation-*.whl")
    import zipfile

    names = zipfile.ZipFile(wheel).namelist()
    pages = ROOT / "services" / "dashboard"
    shown = [path for name in ("static", "templates") for path in (pages / name).rglob("*") if path.is_file()]
    assert {"chart.js", "htmx.js", "base.html"} <= {path.name for path in shown}
    for path in [*sorted((ROOT / "services").rglob("*.py")), *shown]:
        assert str(path.relative_to(ROOT)) in names
    assert any(name.startswith("services/database/migrations/") for name in names)
