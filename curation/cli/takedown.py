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
    EraseOption,
    IdsOption,
    JsonOption,
    LicencesOption,
    RunIdOption,
    SourcesOption,
    UrlsOption,
    WhyOption,
    WorkersOption,
    doer,
    open_engine,
    print_json,
)
from curation.errors import Problem, RecipeError

if TYPE_CHECKING:
    from curation.tombstones import Criteria

CALLED = {"ids": "--ids", "urls": "--url", "sources": "--source", "licences": "--licence"}


@app.command(rich_help_panel=LIBRARY)
def takedown(
    corpus: CorpusArgument,
    ids: IdsOption = None,
    urls: UrlsOption = None,
    sources: SourcesOption = None,
    licences: LicencesOption = None,
    reason: WhyOption = None,
    erase: EraseOption = False,
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

    if not (ids or urls or sources or licences):
        raise RecipeError([Problem("--ids", "say what to take down: --ids, --url, --source or --licence")])
    criteria = _criteria(ids, urls or [], sources or [], licences or [])
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
                Problem(CALLED.get(str((*found["loc"], "")[0]), ""), found["msg"].removeprefix("Value error, "))
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
