"""Commands that make versions."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from curation.cli.app import app
from curation.cli.options import (
    LIBRARY,
    AddressOption,
    EngineOption,
    JsonOption,
    RecipeArgument,
    RunIdOption,
    SetOption,
    WorkersOption,
    open_engine,
    print_json,
)


@app.command(rich_help_panel=LIBRARY)
def run(
    recipe: RecipeArgument,
    engine: EngineOption = "ray",
    settings: SetOption = None,
    run_id: RunIdOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Curate a recipe's sources and publish a version. The same command again goes on where it was."""
    from curation.cli.held import told_if_held
    from curation.pipeline import curate
    from curation.recipe import load_recipe
    from curation.render import ProgressDisplay, screen, show_report

    loaded = load_recipe(recipe, settings or [])
    with (
        told_if_held(loaded.output),
        open_engine(engine, workers, address) as runner,
        ProgressDisplay(Console(stderr=True)) as seen,
    ):
        outcome = curate(loaded, runner, run_id, seen.watch)
    show_report(screen(), loaded.output, outcome.version)
    if not outcome.published:
        print(f"Nothing new: version {outcome.version} was published before, from the same recipe and input.")


@app.command(rich_help_panel=LIBRARY)
def refresh(
    recipe: RecipeArgument,
    redo: Annotated[
        bool, typer.Option("--redo", help="Curate everything anew where the recipe says something else by now.")
    ] = False,
    engine: EngineOption = "ray",
    settings: SetOption = None,
    run_id: RunIdOption = None,
    workers: WorkersOption = None,
    address: AddressOption = None,
    as_json: JsonOption = False,
) -> None:
    """Read what is new since the newest version. Publishes the next one and says what changed."""
    from curation.cli.held import told_if_held
    from curation.pipeline import refresh as refresh_
    from curation.recipe import load_recipe
    from curation.render import ProgressDisplay, screen
    from curation.render.change import show_outcome

    loaded = load_recipe(recipe, settings or [])
    with (
        told_if_held(loaded.output, as_json=as_json),
        open_engine(engine, workers, address) as runner,
        ProgressDisplay(Console(stderr=True)) as seen,
    ):
        outcome = refresh_(loaded, runner, run_id, seen.watch, redo=redo)
    if as_json:
        print_json(outcome.model_dump(mode="json", exclude={"report"}))
    else:
        show_outcome(screen(), outcome, loaded.refresh.vanished)
