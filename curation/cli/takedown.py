"""Commands that take documents down, and show what proves it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from curation.cli.app import app
from curation.cli.options import (
    LIBRARY,
    AddressOption,
    ByOption,
    CorpusArgument,
    EngineOption,
    JsonOption,
    RunIdOption,
    WorkersOption,
    doer,
    open_engine,
    print_json,
)
from curation.errors import Problem, RecipeError

if TYPE_CHECKING:
    from curation.tombstones import Criteria

_OPTIONS = {"ids": "--ids", "urls": "--url", "sources": "--source", "licences": "--licence"}


@app.command(rich_help_panel=LIBRARY)
def takedown(
    corpus: CorpusArgument,
    ids: Annotated[
        Path | None, typer.Option("--ids", metavar="FILE", help="An id a line, or a source, a tab and an id.")
    ] = None,
    url: Annotated[
        list[str] | None, typer.Option("--url", metavar="PREFIX", help="A place on the web, with all below it.")
    ] = None,
    source: Annotated[
        list[str] | None, typer.Option("--source", metavar="NAME", help="A source of the recipe.")
    ] = None,
    licence: Annotated[
        list[str] | None, typer.Option("--licence", metavar="NAME", help="A licence in the documents' metadata.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why; it is published.")] = None,
    erase: Annotated[
        bool, typer.Option("--erase", help="Remove the texts from every version at once, and prove it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what matches.")] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
    engine: EngineOption = "ray",
    run_id: RunIdOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Publish a version without some documents. They stay out of every later one; a certificate says what was done."""
    from curation.cli.held import told_if_held
    from curation.pipeline.takedown import look
    from curation.pipeline.takedown import takedown as take_down
    from curation.render import ProgressDisplay, screen
    from curation.render.takedown import show_certificate, show_look

    if not (ids or url or source or licence):
        raise RecipeError([Problem("--ids", "say what to take down: --ids, --url, --source or --licence")])
    criteria = _criteria(ids, url or [], source or [], licence or [])
    with (
        told_if_held(corpus, as_json=as_json),
        open_engine(engine, workers, address) as runner,
        ProgressDisplay(Console(stderr=True)) as seen,
    ):
        if dry_run:
            found = look(corpus, criteria, runner, erase=erase, watch=seen.watch)
        else:
            done = take_down(
                corpus, criteria, runner, reason=reason, erase=erase, who=doer(by), run_id=run_id, watch=seen.watch
            )
    if dry_run and as_json:
        print_json(found.model_dump(mode="json"))
    elif dry_run:
        show_look(screen(), found)
    elif as_json:
        print_json(done.model_dump(mode="json"))
    else:
        show_certificate(screen(), done.certificate)
        if not done.published:
            print(f"Version {done.certificate.version} was published before, for the same criteria.")


@app.command(rich_help_panel=LIBRARY)
def certificate(
    corpus: CorpusArgument,
    number: Annotated[int | None, typer.Argument(metavar="[N]", help="Which; default the newest.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the certificate of a takedown. It is checked first: its digest, those before it, and what it names."""
    from curation.corpus import Corpus
    from curation.pipeline.certificate import checked_certificate
    from curation.render import screen
    from curation.render.takedown import show_certificate

    found = checked_certificate(Corpus(corpus), number)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_certificate(screen(), found)
        print(f"Checked: certificate {found.number} and those before it are what was written.")


def _criteria(ids: Path | None, urls: list[str], sources: list[str], licences: list[str]) -> Criteria:
    from curation.tombstones import Criteria

    wanted = wanted_ids(ids) if ids else ()
    try:
        return Criteria.model_validate({"ids": wanted, "urls": urls, "sources": sources, "licences": licences})
    except ValidationError as error:
        raise RecipeError(
            [
                Problem(_OPTIONS.get(str((*found["loc"], "")[0]), ""), found["msg"].removeprefix("Value error, "))
                for found in error.errors()
            ]
        ) from None


def wanted_ids(path: Path) -> list[dict[str, str | None]]:
    """The ids that a file lists; white space is part of an id, but for the end of the line. Empty lines are none."""
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([Problem("--ids", f"{path} cannot be read as UTF-8 text: {error}")]) from None
    wanted: list[dict[str, str | None]] = []
    for line in (line.removesuffix("\r") for line in lines):
        source, tab, document_id = line.partition("\t")
        if line:
            wanted.append({"source": source, "id": document_id} if tab else {"source": None, "id": line})
    if not wanted:
        raise RecipeError([Problem("--ids", f"{path} lists no id")])
    return wanted
