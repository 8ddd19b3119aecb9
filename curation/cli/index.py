"""The dedup index: what it consists of, and making it again."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from curation.cli.app import app
from curation.cli.options import (
    LIBRARY,
    AddressOption,
    CorpusArgument,
    EngineOption,
    JsonOption,
    VersionOption,
    WorkersOption,
    chosen,
    open_engine,
    print_json,
)
from curation.errors import Problem, RecipeError


@app.command(rich_help_panel=LIBRARY)
def index(
    corpus: CorpusArgument,
    version: VersionOption = None,
    as_json: JsonOption = False,
    compact: Annotated[bool, typer.Option("--compact", help="Merge all segments, and publish that.")] = False,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it anew from the kept documents, and publish that.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="With --rebuild: only compare, and publish nothing.")] = False,
    engine: EngineOption = "ray",
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Show the dedup index: its segments, oldest first. Merge them, or make it anew from the documents."""
    from curation.corpus import Corpus
    from curation.pipeline.reindex import check_index, reindex
    from curation.render import ProgressDisplay, screen
    from curation.render.index import index_json, show_index

    opened = Corpus(corpus)
    if check and not rebuild:
        raise RecipeError([Problem("--check", "goes with --rebuild")])
    if not compact and not rebuild:
        manifest = opened.manifest(chosen(corpus, version))
        if as_json:
            print_json(index_json(manifest))
        else:
            show_index(screen(), manifest)
        return
    if compact and rebuild:
        raise RecipeError([Problem("--compact", "goes without --rebuild, which leaves one segment anyway")])
    if version is not None:
        raise RecipeError([Problem("--version", "only the newest version's index is made again")])
    with open_engine(engine, workers, address) as runner, ProgressDisplay(Console(stderr=True)) as seen:
        if check:
            print(f"The index is what the documents give: {check_index(opened, runner, seen.watch)} equal files.")
            return
        outcome = reindex(opened, runner, "rebuild" if rebuild else "compact", seen.watch)
    if outcome.published:
        print(f"Version {outcome.version}: its index is one segment.")
    else:
        print(f"Nothing to do: the index of version {outcome.version} is one segment already.")
