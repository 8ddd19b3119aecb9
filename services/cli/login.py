"""`curation login`, `logout`: which service the commands speak to, and by which key.

A login is a file that only this user can read. CURATION_URL, CURATION_KEY and CURATION_PROJECT go before it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.cli import SERVICE
from curation.errors import Problem, RecipeError, StorageError
from services.cli.options import CommandError
from services.cli.show import JsonOption, show_facts, show_json, show_table

if TYPE_CHECKING:
    from services.client import Client

URL, KEY, PROJECT = "CURATION_URL", "CURATION_KEY", "CURATION_PROJECT"


class LoginError(CommandError):
    """Nobody is logged in, or the login cannot be read."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (login, logout, status):
        app.command(rich_help_panel=SERVICE)(command)


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="What `curation serve` printed.")],
    key_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A file that holds the key; `-` is standard input. Default: ask for it."),
    ] = None,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Which project; default: the key's.")] = None,
    allow_clear: Annotated[
        bool, typer.Option("--allow-clear", help="Send the key over http to another machine, where all can read it.")
    ] = False,
) -> None:
    """Check a key and remember it for the other commands."""
    from services.client import Client

    key = _key(key_file)
    with Client(url, key, project, allow_clear=allow_clear) as client:
        me = client.me()
    entry = {"url": url, "key": key, "project": project, "allow_clear": allow_clear}
    path = _file(os.environ)
    _write(path, json.dumps(entry, indent=1))
    print(f"Logged in to {url} as {me.name}, {me.role} in the project {me.project}. Remembered in {path}.")


def logout() -> None:
    """Forget the key. It stays valid: `curation keys revoke` ends it."""
    path = _file(os.environ)
    try:
        path.unlink()
    except FileNotFoundError:
        print("Nobody was logged in.")
    else:
        print(f"Removed {path}.")


def status(as_json: JsonOption = False) -> None:
    """Who you are there, and which processes the service has."""
    with open_client() as client:
        me, found = client.me(), client.status()
    if as_json:
        show_json({"me": me, "status": found})
        return
    show_facts(
        [
            ("service", client.url),
            ("you", f"{me.name}, {me.role} in the project {me.project}"),
            ("version", found.version),
            ("database", found.database),
            ("its clock", found.at),
        ]
    )
    columns = ("process", "role", "host", "version", "started", "seen")
    show_table("", columns, ((p.id, p.role, p.name, p.version, p.started, p.seen) for p in found.processes))


def open_client() -> Client:
    """A client for whoever is logged in. Raises LoginError."""
    from services.client import Client

    entry = _login(os.environ)
    url, key, project = entry.get("url"), entry.get("key"), entry.get("project")
    if not isinstance(url, str) or not isinstance(key, str):
        raise LoginError(f"nobody is logged in: `curation login URL`, or set {URL} and {KEY}")
    return Client(url, key, project if isinstance(project, str) else None, allow_clear=entry.get("allow_clear") is True)


def _login(environment: Mapping[str, str]) -> Mapping[str, object]:
    """What the environment says; the file is read for what it leaves open, but a key is never sent to another URL than
    the one that it was given for."""
    said: dict[str, object] = {
        name: environment[variable]
        for name, variable in (("url", URL), ("key", KEY), ("project", PROJECT))
        if environment.get(variable)
    }
    if "url" in said:
        return said
    remembered = _read(_file(environment))
    return {**remembered, **said}


def _file(environment: Mapping[str, str]) -> Path:
    home = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME") or "~").expanduser() / ".config"
    return Path(home) / "curation" / "login.json"


def _read(path: Path) -> Mapping[str, object]:
    try:
        entry = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LoginError(f"{path}: {error.strerror}; log in again") from None
    except ValueError:
        raise LoginError(f"{path}: found no JSON, expected what `curation login` writes; log in again") from None
    return entry if isinstance(entry, dict) else {}


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"{text}\n")
        draft.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror}") from None


def _key(path: Path | None) -> str:
    """The key from a file, standard input, or the keyboard (where it is not shown)."""
    if path is None and sys.stdin.isatty():
        return str(typer.prompt("Key", hide_input=True)).strip()
    if path is None or str(path) == "-":
        return sys.stdin.readline().strip()
    try:
        return path.read_text().strip()
    except OSError as error:
        raise RecipeError([Problem("--key-file", f"{path}: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise RecipeError([Problem("--key-file", f"{path}: found no text, expected a key")]) from None
