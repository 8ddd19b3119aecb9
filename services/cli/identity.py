"""`curation keys …` and `curation projects …`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from services.cli.login import open_client
from services.cli.options import TIMES, aware, one_of
from services.cli.show import JsonOption, say, show_json, show_table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    keys = typer.Typer(no_args_is_help=True, help="API keys of the project.")
    keys.command("list")(show_keys)
    keys.command("create")(create_key)
    keys.command("revoke")(revoke_key)
    app.add_typer(keys, name="keys")
    projects = typer.Typer(no_args_is_help=True, help="Projects of the installation.")
    projects.command("list")(show_projects)
    projects.command("create")(create_project)
    app.add_typer(projects, name="projects")


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
    role: Annotated[str, typer.Option(help="viewer, editor, operator or admin.")] = "viewer",
    scopes: Annotated[list[str] | None, typer.Option("--scope", help="Narrow it, such as jobs:read; several.")] = None,
    expires: Annotated[datetime | None, typer.Option(help="When it ends.", formats=TIMES)] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key. Its text is shown this once."""
    from services.identity.principal import Permission, Role

    narrowed = None if scopes is None else [one_of(Permission, "--scope", scope) for scope in scopes]
    with open_client() as client:
        key = client.keys.create(name, one_of(Role, "--role", role), scopes=narrowed or None, expires=aware(expires))
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
    name: Annotated[str, typer.Argument(metavar="NAME")],
    roots: Annotated[
        list[str] | None, typer.Option("--root", help="Where its recipes may read and write; several.")
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
