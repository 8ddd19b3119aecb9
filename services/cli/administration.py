"""`curation serve`, and `curation admin …`: the installation itself, by its settings (CURATION_…), not over REST."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from curation.cli import ADMINISTRATION, SERVICE
from curation.errors import StorageError
from services.cli.show import JsonOption, say, show_json

if TYPE_CHECKING:
    from services.database import Database
    from services.serve import Announcement
    from services.settings import Settings

DataOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="The embedded service's folder; default ./curation-data.")
]


class Part(StrEnum):
    """As services.serve has them; that is loaded when it is needed."""

    API = "api"
    SCHEDULER = "scheduler"
    RUNNER = "runner"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=SERVICE)(serve)
    admin = typer.Typer(no_args_is_help=True, help="Work on the installation itself, by its settings.")
    for command in (migrate, rebuild):
        admin.command()(command)
    admin.command("first-key")(first_key)
    admin.command("verify-audit")(verify_audit)
    app.add_typer(admin, name="admin", rich_help_panel=ADMINISTRATION)


def serve(
    host: Annotated[
        str | None, typer.Option(metavar="HOST", help="The address to listen on; default 127.0.0.1.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(metavar="N", min=0, max=65535, help="Default 8321; 0 takes a free one.")
    ] = None,
    data: DataOption = None,
    roots: Annotated[
        list[str] | None,
        typer.Option(
            "--root", metavar="DIR|URL", help="Where recipes may read and write, several; default: this folder."
        ),
    ] = None,
    only: Annotated[
        list[Part] | None, typer.Option(help="Only this part, several; default: all in one process.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the first key there, for this user only, instead of showing it. Where "
            "the database is a server's, one is made only so, or by `curation admin first-key`.",
        ),
    ] = None,
) -> None:
    """Start the service: API, scheduler and runner. What is not given here is read from CURATION_… in the environment.
    Ctrl-C or SIGTERM stops it; running jobs go on at the next start."""
    settings = _settings(host=host, port=port, data=data, roots=tuple(roots) if roots else None)

    from services import serve as serving

    parts = [serving.Role(part) for part in only or ()]
    serving.serve(settings, parts, key_file=key_file, announce=_announce)
    print("Stopped.", flush=True)


def migrate(data: DataOption = None) -> None:
    """Bring the database to this release's tables. `serve` does so by itself for the embedded one only."""
    from services.database import migrate as migration
    from services.database import open_database

    database = open_database(_settings(data=data))
    try:
        migration.upgrade(database)
    finally:
        database.close()
    say("The database has this release's tables.")


def _settings(**changes: object) -> Settings:
    """The environment's settings, with what the command line says instead. Raises SettingsError."""
    from services.settings import load_settings

    return load_settings().model_copy(update={name: value for name, value in changes.items() if value is not None})


def _announce(told: Announcement) -> None:
    """What a person needs to know; on standard output, so that a script can wait for it."""
    from curation.render import visible

    for warning in told.warnings:
        print(f"curation: {visible(warning)}", file=sys.stderr)
    parts = ", ".join(told.roles)
    print(f"Serving {parts}{f' at {told.url}' if told.url else ''}")
    print(f"Data: {told.data or 'in the database of CURATION_DATABASE_URL'}")
    print(f"Recipes may read and write below: {', '.join(visible(_resolved(root)) for root in told.roots)}")
    if told.key:
        print(f"The first API key, shown this once: {told.key}")
    if told.key_file:
        print(f"The first API key is in {told.key_file}")
    if told.url:
        file = f" --key-file {told.key_file}" if told.key_file else ""
        print(f"Log in: curation login {told.url}{file}")
        print(f"Dashboard: {told.url}/ui/, with the same key")
    print("Ctrl-C stops it.", flush=True)


def _resolved(root: str) -> str:
    """Where a root is, whatever the folder that this was started in."""
    return root if "://" in root else str(Path(root).resolve())


def rebuild(
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Whose catalogue; default: `default`.")] = None,
    data: DataOption = None,
    roots: Annotated[
        list[str] | None, typer.Option("--root", metavar="DIR|URL", help="Where to look; default: the project's roots.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the corpora below the roots and make them known again, each version with its job: for a lost database. Again
    is the same as once."""
    from services.rebuild import rebuild as rebuild_catalogue

    with _database(data) as (settings, database), _as_command_error():
        from services.identity.projects import Projects

        projects = Projects(database, settings)
        found = projects.ensure_default() if project is None else projects.by_name(project)
        rebuilt = rebuild_catalogue(database, found.id, roots or projects.roots(found.id))
    if as_json:
        show_json({"corpora": list(rebuilt.corpora), "jobs": rebuilt.jobs, "problems": list(rebuilt.problems)})
    else:
        for corpus in rebuilt.corpora:
            say(f"{corpus.name}: {corpus.url}")
        say(f"{len(rebuilt.corpora)} corpora in the project {found.name}; {rebuilt.jobs} jobs are new.")
    if rebuilt.problems:
        raise StorageError("; ".join(rebuilt.problems))


def first_key(
    key_file: Annotated[
        Path | None, typer.Option(help="Write it there, for this user only, instead of showing it.")
    ] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Where there are keys, but nobody has one: make another.")
    ] = False,
    data: DataOption = None,
) -> None:
    """Make the installation's first API key, which may everything, and show it this once. Whoever has the database and
    the secret key can do so; the audit log tells."""
    with _database(data) as (settings, database), _as_command_error(), _handed_over(key_file) as hand_over:
        hand_over(_installation_key(settings, database, recover))


def _installation_key(settings: Settings, database: Database, recover: bool) -> str:
    """A new key that may everything; in the audit log before anybody has seen it. Raises Conflict."""
    from services.errors import Conflict
    from services.identity.audit import Audit, Entry
    from services.identity.keys import Keys, NewKey
    from services.identity.principal import Role
    from services.identity.projects import Projects

    project = Projects(database, settings).ensure_default()
    keys = Keys(database, settings.secret_key())
    made, action = keys.first(project.id), "first_key"
    if made is None:
        if not recover:
            raise Conflict("there are keys already; if nobody has one, --recover makes another")
        new = NewKey(name="recovered", role=Role.ADMIN, is_installation_admin=True)
        made, action = keys.create(project.id, new, "installation"), "recover_key"
    key, text = made
    Audit(database).append(Entry(principal="installation", action=action, target=key.id, project_id=project.id))
    return text


@contextmanager
def _handed_over(path: Path | None) -> Iterator[Callable[[str], None]]:
    """How a secret comes to whoever asked for it: on the screen, or in a new file, which is made before the secret is.
    Raises SettingsError."""
    from services.errors import SettingsError

    if path is None:
        yield print
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another --key-file") from None
    try:
        with os.fdopen(descriptor, "w") as file:
            yield lambda secret: print(secret, file=file)
    except BaseException:
        path.unlink()
        raise
    say(f"The key is in {path}")


def verify_audit(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Check every row of the audit log, and that none is missing. Keep the hash: it shows later that no row was taken
    from the end."""
    from services.identity.audit import Audit

    with _database(data) as (_, database), _as_command_error():
        verified = Audit(database).verify()
    if as_json:
        show_json(verified)
    else:
        say(f"{verified.rows:,} rows are as they were written; the last one's hash is {verified.head}")


@contextmanager
def _database(data: Path | None) -> Iterator[tuple[Settings, Database]]:
    """The installation's database, which has this release's tables; the embedded one is given them."""
    from services.database import migrate as migration
    from services.database import open_database

    settings = _settings(data=data)
    database = open_database(settings)
    try:
        if settings.is_embedded:
            migration.upgrade(database)
        else:
            migration.check(database)
        yield settings, database
    finally:
        database.close()


@contextmanager
def _as_command_error() -> Iterator[None]:
    """What a client would be answered is said to whoever typed the command."""
    from services.client.errors import ProblemError
    from services.errors import ServiceError

    try:
        yield
    except ServiceError as error:
        raise ProblemError(error.status, detail=error.detail, problems=error.problems) from None
