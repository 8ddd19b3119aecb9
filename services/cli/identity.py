"""`curation keys …`, `curation projects …` and `curation audit`: who may what, and who did what."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated, Literal

import typer

from curation.cli import ADMINISTRATION
from curation.errors import MissingError
from services.cli.login import open_client
from services.cli.options import one_of, time_option
from services.cli.show import JsonOption, LimitOption, say, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(no_args_is_help=True, help="API keys of the project.")
    keys.command("list")(show_keys)
    keys.command("create")(create_key)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys", rich_help_panel=ADMINISTRATION)
    projects = typer.Typer(no_args_is_help=True, help="Projects of the installation.")
    projects.command("list")(show_projects)
    projects.command("create")(create_project)
    projects.command("update")(update_project)
    app.add_typer(projects, name="projects", rich_help_panel=ADMINISTRATION)
    app.command(rich_help_panel=ADMINISTRATION)(audit)


def show_keys(as_json: JsonOption = False) -> None:
    """Every key, without its text."""
    with open_client() as client:
        found = list(client.keys.list())
    if as_json:
        show_json(found)
        return
    columns = ("key", "name", "role", "scopes", "made", "expires", "revoked", "last used")
    rows = ((k.id, k.name, k.role, k.scopes or "", k.created, k.expires, k.revoked, k.last_used) for k in found)
    show_table("", columns, rows)


def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Where it is used, say.")],
    role: Annotated[
        Literal["viewer", "editor", "operator", "admin"], typer.Option(help="What it may do; each more than the last.")
    ] = "viewer",
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="Narrow it, such as jobs:read; several.")
    ] = None,
    expires: Annotated[datetime | None, time_option(help="When it ends:")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its text is shown this once."""
    from services.identity.principal import Permission, Role

    narrowed = None if scopes is None else [one_of(Permission, "--scope", scope) for scope in scopes]
    with open_client() as client:
        key = client.keys.create(name, Role(role), scopes=narrowed or None, expires=expires)
    if as_json:
        show_json(key)
    else:
        say(f"{key.key.id} is made, {key.key.role}. Its text, shown this once: {key.secret}")


def revoke_key(key_id: Annotated[str, typer.Argument(metavar="KEY", help="A key's id.")]) -> None:
    """End a key at once."""
    with open_client() as client:
        client.keys.revoke(key_id)
    say(f"{key_id} is revoked.")


def show_projects(as_json: JsonOption = False) -> None:
    """The projects that the key may see."""
    with open_client() as client:
        found = list(client.projects.list())
    if as_json:
        show_json(found)
    else:
        show_table("", ("project", "id", "roots"), ((p.name, p.id, p.roots) for p in found))


def create_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    roots: Annotated[
        list[str] | None,
        typer.Option("--root", metavar="DIR|URL", help="Where its recipes may read and write; several."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a project, as an admin of the installation."""
    with open_client() as client:
        project = client.projects.create(name, roots or [])
    if as_json:
        show_json(project)
    else:
        say(f"{project.name} is made: {project.id}.")


def update_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A project's name or id.")],
    roots: Annotated[
        list[str], typer.Option("--root", metavar="DIR|URL", help="All of its roots from now on; several.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Change where a project's recipes may read and write, as an admin of the installation."""
    with open_client() as client:
        found = next((one for one in client.projects.list() if name in (one.id, one.name)), None)
        if found is None:
            raise MissingError(f"there is no project {name!r}")
        project = client.projects.update(found.id, roots)
    if as_json:
        show_json(project)
    else:
        say(f"{project.name} reads and writes below: {', '.join(project.roots)}.")


def audit(
    action: Annotated[str | None, typer.Option(metavar="ACTION", help="Only this, such as cancel_job.")] = None,
    principal: Annotated[str | None, typer.Option("--by", metavar="PRINCIPAL", help="Only of this one.")] = None,
    since: Annotated[datetime | None, time_option(help="Only since then:")] = None,
    until: Annotated[datetime | None, time_option(help="Only before:")] = None,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Who did what, newest first."""
    with open_client() as client:
        asked = client.audit.list(action=action, principal=principal, since=since, until=until)
        found = list(islice(asked, limit))
    if as_json:
        show_json(found)
    else:
        columns = (">", "when", "who", "did", "to", "answer")
        rows = ((r.sequence, r.at, r.principal, r.action, r.target, str(r.detail.get("status", ""))) for r in found)
        show_table("", columns, rows)
