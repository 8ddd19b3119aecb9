"""`curation recipes …`: recipes that the service keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from curation.cli import SERVICE
from curation.errors import ConflictError, Problem, RecipeError
from services.cli.jobs import read_recipe
from services.cli.login import open_client
from services.cli.options import CommandError
from services.cli.show import JsonOption, say, show_json, show_list, show_table, text

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A stored recipe.")]
FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="A YAML or JSON file.")]
SettingsOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the file's recipe.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Recipes that the service keeps.")
    group.command("list")(show_recipes)
    for command in (show, push, validate, revisions, diff, delete):
        group.command()(command)
    app.add_typer(group, name="recipes", rich_help_panel=SERVICE)


def show_recipes(as_json: JsonOption = False) -> None:
    """Every stored recipe."""
    with open_client() as client:
        found = list(client.recipes.list())
    rows = ((recipe.name, recipe.revision, recipe.updated) for recipe in found)
    show_list(found, as_json, "No recipes.", ("recipe", ">revision", "updated"), rows)


def show(
    name: NameArgument,
    revision: Annotated[int | None, typer.Option(metavar="N", min=1, help="Default: the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """A stored recipe as it was written, ready to be edited and pushed."""
    import yaml

    with open_client() as client:
        recipe = client.recipes.get(name, revision)
    if as_json:
        show_json(recipe)
    else:
        print(yaml.safe_dump(recipe.recipe, sort_keys=False, allow_unicode=False), end="")


def revisions(name: NameArgument, as_json: JsonOption = False) -> None:
    """Every revision of a recipe, newest first."""
    with open_client() as client:
        found = list(client.recipes.revisions(name))
    if as_json:
        show_json(found)
    else:
        rows = ((one.revision, one.created, one.created_by, one.note) for one in found)
        show_table("", (">revision", "written", "by", "note"), rows)


def validate(
    file: FileArgument,
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a recipe file. The service says everything that is wrong with it, and stores nothing."""
    recipe = read_recipe(file, settings or [])
    with open_client() as client:
        found = client.recipes.validate(recipe)
    if as_json:
        show_json(found)
    if not found.is_valid:
        raise RecipeError([Problem(problem.path, problem.message) for problem in found.problems])
    if not as_json:
        say(f"{file} can be run.")


def push(
    name: NameArgument,
    file: FileArgument,
    settings: SettingsOption = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What changed, for people.")] = "",
    if_revision: Annotated[
        int | None,
        typer.Option(metavar="N", min=0, help="Only while this is the newest revision; 0: only if there is none."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Store a recipe, or a new revision of it. The service checks it first."""
    recipe = read_recipe(file, settings or [])
    with open_client() as client:
        stored = client.recipes.put(name, recipe, note=note, if_revision=if_revision)
    if as_json:
        show_json(stored)
    else:
        say(f"{stored.name} is at revision {stored.revision}.")


def diff(
    name: NameArgument,
    before: Annotated[int | None, typer.Argument(min=1, help="Default: the one before the newest.")] = None,
    after: Annotated[int | None, typer.Argument(min=1, help="Default: the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """How one revision became another."""
    with open_client() as client:
        if before is None:
            before = client.recipes.get(name).revision - 1
            if before == 0:
                raise CommandError(f"{name} has one revision only, expected two to compare")
        found = client.recipes.diff(name, before, after)
    if as_json:
        show_json(found)
    elif not found.changes:
        say(f"Revisions {found.before} and {found.after} are the same.")
    else:
        rows = ((c.op, c.path, _short(c.before), _short(c.after)) for c in found.changes)
        show_table(f"{found.name}, revision {found.before} to {found.after}", ("", "where", "before", "after"), rows)


def delete(
    name: NameArgument,
    force: Annotated[bool, typer.Option("--force", help="Even if schedules use it, which then start nothing.")] = False,
) -> None:
    """Forget a recipe. Jobs that ran it keep theirs."""
    with open_client() as client:
        users = [] if force else [one.name for one in client.schedules.list() if one.recipe_name == name]
        if users:
            used_by = f"the schedule{'s' if len(users) > 1 else ''} {', '.join(users)}"
            raise ConflictError(f"{name} is used by {used_by}; forget it nevertheless with --force")
        client.recipes.delete(name)
    say(f"{name} is forgotten.")


def _short(value: object) -> str:
    return "" if value is None else text(json.dumps(value, ensure_ascii=False))
