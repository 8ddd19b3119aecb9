"""Commands about runs that are done but for publishing: look at one, then publish or abandon it."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, CorpusArgument, JsonOption, print_json
from curation.errors import HeldError, Problem, RecipeError

if TYPE_CHECKING:
    from curation.corpus import Corpus
    from curation.pipeline.held import Drafts

RunArgument = Annotated[str, typer.Argument(metavar="RUN", help="A held run's id.")]


@contextmanager
def told_if_held(url: str, *, as_json: bool = False) -> Iterator[None]:
    """Within, a run that is held is shown, with how to go on, before its error ends the command."""
    from curation.corpus import Corpus
    from curation.pipeline import held

    try:
        yield
    except HeldError as error:
        corpus = Corpus(url)
        _tell(corpus, held(corpus, error.run), as_json=as_json)
        raise


@app.command("held", rich_help_panel=LIBRARY)
def held_command(
    corpus: CorpusArgument,
    run: Annotated[str | None, typer.Argument(metavar="RUN", help="Only this run, with its funnel.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Runs that wait to be published. Which gates they do not pass, and what they would publish."""
    from curation.corpus import Corpus
    from curation.pipeline.held import held_run, held_runs
    from curation.render import screen
    from curation.render.held import held_json, show_held_runs

    opened = Corpus(corpus)
    if run is not None:
        _tell(opened, held_run(opened, run), as_json=as_json)
        return
    runs = held_runs(opened)
    if not runs:
        opened.version()
    if as_json:
        print_json([held_json(drafts) for drafts in runs])
    else:
        show_held_runs(screen(), opened.url, runs)


@app.command(rich_help_panel=LIBRARY)
def publish(
    corpus: CorpusArgument,
    run: RunArgument,
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="SHA256", help="Only if it is still this, as `held` shows it.")
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who approves it; default: your login's name.")
    ] = None,
) -> None:
    """Publish a held run as it is. The version's change records who did."""
    from curation.corpus import Corpus
    from curation.pipeline.held import publish_held

    opened = Corpus(corpus)
    manifest = publish_held(opened, run, by or _login(), digest)
    print(f"Version {manifest.version} of {opened.url}: {manifest.documents:,} documents, run {manifest.run}.")


@app.command(rich_help_panel=LIBRARY)
def abandon(corpus: CorpusArgument, run: RunArgument) -> None:
    """Remove a held run. Nothing of it is published; the same recipe can be run again."""
    from curation.corpus import Corpus
    from curation.pipeline.held import abandon as abandon_run

    opened = Corpus(corpus)
    abandon_run(opened, run)
    print(f"Run {run} of {opened.url} is abandoned; nothing of it was published.")


def _tell(corpus: Corpus, drafts: Drafts, *, as_json: bool) -> None:
    from curation.render import screen
    from curation.render.held import held_json, show_held

    if as_json:
        print_json(held_json(drafts))
    else:
        show_held(screen(), corpus.url, drafts)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user without a name
        raise RecipeError([Problem("--by", "your login has no name here; say who approves it")]) from None
