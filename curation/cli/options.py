"""What commands have in common: their arguments and options, and how they print."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from curation.errors import Problem, RecipeError

if TYPE_CHECKING:
    from curation.runner.runner import OpenRunner

LIBRARY, SERVICE, ADMINISTRATION = "Library", "Service", "Administration"
"""The sections of the help."""

Engine = Literal["ray", "local"]
CorpusArgument = Annotated[str, typer.Argument(metavar="CORPUS", help="A folder or s3://bucket/prefix.")]
RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="A YAML or JSON file.")]
VersionOption = Annotated[
    str | None, typer.Option("--version", metavar="N", help="Which version, or its tag; default the newest.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
ByOption = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who does it; default: your login.")]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="Where the work is done: Ray, or this process (to debug).")
]
SetOption = Annotated[list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Change the recipe.")]
RunIdOption = Annotated[
    str | None, typer.Option("--run-id", metavar="ID", help="Name the run; default: a digest of recipe and input.")
]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, metavar="N", help="Workers of the local Ray; default: one a core.")
]
AddressOption = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="A Ray cluster to join; default: start one here.")
]
IdsOption = Annotated[
    Path | None, typer.Option("--ids", metavar="FILE", help="An id a line, or a source, a tab and an id.")
]
UrlsOption = Annotated[
    list[str] | None, typer.Option("--url", metavar="PREFIX", help="A place on the web, with all below it.")
]
SourcesOption = Annotated[list[str] | None, typer.Option("--source", metavar="NAME", help="A source of the recipe.")]
LicencesOption = Annotated[
    list[str] | None, typer.Option("--licence", metavar="NAME", help="A licence in the documents' metadata.")
]
WhyOption = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is published.")]
EraseOption = Annotated[
    bool, typer.Option("--erase", help="Remove the texts from every version at once, and prove it.")
]


def open_engine(engine: Engine, workers: int | None, address: str | None) -> OpenRunner:
    """The engine's runner; options that it does not have are the command's fault, not the recipe's."""
    from curation.runner import open_runner

    try:
        return open_runner(engine, workers=workers, address=address)
    except RecipeError as error:
        raise RecipeError([Problem(f"--{problem.path}", problem.message) for problem in error.problems]) from None


def chosen(corpus: str, version: str | None) -> int | None:
    """The number of the version that an option names, by its number or a tag; None for the newest."""
    if version is None:
        return None
    from curation.corpus import Corpus
    from curation.tags import resolve

    return resolve(Corpus(corpus), version).version


def doer(by: str | None) -> str:
    """Who is recorded; nobody where this user has no name."""
    try:
        return getpass.getuser() if by is None else by
    except (OSError, KeyError):
        return ""


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=1, ensure_ascii=False, default=str))
