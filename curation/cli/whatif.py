"""Commands that say what a recipe would do: with other thresholds, or before it is run at all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation.cli.app import app
from curation.cli.options import (
    LIBRARY,
    CorpusArgument,
    JsonOption,
    RecipeArgument,
    SetOption,
    VersionOption,
    chosen,
    print_json,
)
from curation.errors import Problem, RecipeError, StorageError

ExamplesOption = Annotated[
    int, typer.Option("--examples", min=0, max=50, metavar="N", help="How many documents of each kind are shown.")
]


@app.command("whatif", rich_help_panel=LIBRARY)
def whatif_command(
    corpus: CorpusArgument,
    version: VersionOption = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Another threshold of a stage.")
    ] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", metavar="PATH=FIRST:LAST:STEP", help="Each of these values, or PATH=A,B,C.")
    ] = None,
    curve: Annotated[
        str | None, typer.Option("--curve", metavar="PATH", help="All values of a threshold, from end to end.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="With --sweep: draw what would be kept.")
    ] = None,
    examples: ExamplesOption = 3,
    as_json: JsonOption = False,
) -> None:
    """What other thresholds would keep. Replays a version's decisions from what was measured; no text is read."""
    from curation.corpus import Corpus
    from curation.render import screen
    from curation.render.whatif import show_curve, show_sweep, show_what_if
    from curation.whatif.curve import curve as curve_of
    from curation.whatif.whatif import sweep as sweep_values
    from curation.whatif.whatif import what_if

    if sweep is not None and curve is not None:
        raise RecipeError([Problem("--curve", "found with --sweep; give one of them")])
    if sweep is None and curve is None and not settings:
        raise RecipeError([Problem("--set", "say what should differ, as in --set stages.gopher_quality.min_words=80")])
    if plot is not None and sweep is None:
        raise RecipeError([Problem("--plot", "goes with --sweep")])
    opened, number = Corpus(corpus), chosen(corpus, version)
    if curve is not None:
        found = curve_of(opened, curve, settings or [], number)
        if as_json:
            print_json(found.model_dump(mode="json"))
        else:
            show_curve(screen(), found)
        return
    if sweep is None:
        answer = what_if(opened, settings or [], number, examples)
        if as_json:
            print_json(answer.model_dump(mode="json"))
        else:
            show_what_if(screen(), answer)
        return
    swept = sweep_values(opened, sweep, settings or [], number, examples)
    if plot is not None:
        from curation.render.sweep_plot import draw_sweep

        _write(plot, draw_sweep(swept))
    if as_json:
        print_json(swept.model_dump(mode="json"))
    else:
        show_sweep(screen(), swept)


@app.command("preview", rich_help_panel=LIBRARY)
def preview_command(
    recipe: RecipeArgument,
    size: Annotated[int, typer.Option("--sample", min=1, max=100_000, metavar="N", help="How many documents.")] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which documents.")] = 0,
    settings: SetOption = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, metavar="N", help="The cores of the run; default: this machine's.")
    ] = None,
    core_hour_price: Annotated[
        float | None, typer.Option("--core-hour-price", min=0, metavar="PRICE", help="What a core costs an hour.")
    ] = None,
    examples: ExamplesOption = 3,
    as_json: JsonOption = False,
) -> None:
    """Try a recipe on a sample of its input. The funnel, examples, time and cost; nothing is written."""
    from curation.recipe import load_recipe
    from curation.render import screen
    from curation.render.preview import show_preview
    from curation.whatif.preview import preview

    loaded = load_recipe(recipe, settings or [])
    found = preview(loaded, size, seed, workers, core_hour_price, examples)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_preview(screen(), found)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{path}: {error.strerror or error}") from None
