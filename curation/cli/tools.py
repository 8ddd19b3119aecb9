"""Commands beside a corpus: sample text, a store's checkup, the list of stages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, JsonOption, print_json
from curation.errors import Problem, RecipeError


@app.command(rich_help_panel=LIBRARY)
def sample(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the files go; made if it is not there.")],
) -> None:
    """Harvest real text from this machine. Packages' descriptions, licences, sources, manual pages, translations."""
    from curation.render import screen, show_harvest
    from curation.sample import harvest

    show_harvest(screen(), directory, harvest(directory))


@app.command(rich_help_panel=LIBRARY)
def doctor(url: Annotated[str, typer.Argument(metavar="URL", help="A folder or s3://bucket/prefix.")]) -> None:
    """Check that a store can hold a corpus. It must let exactly one of many racing writers win."""
    from curation.render import screen, show_checks
    from curation.storage import doctor as examine

    checks = examine(url)
    show_checks(screen(), url, checks)
    if not all(check.ok for check in checks):
        raise typer.Exit(4)


@app.command(rich_help_panel=LIBRARY)
def stages(
    kinds: Annotated[list[str] | None, typer.Argument(metavar="[KIND]...", help="Only these; default: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Every stage with its options, defaults and source."""
    import curation.recipe  # noqa: F401, which registers every family
    from curation.render import screen, show_stages, stages_json
    from curation.stage import stage_kinds

    found = stage_kinds()
    if unknown := [kind for kind in kinds or () if kind not in found]:
        raise RecipeError([Problem("KIND", f"there is no stage {unknown[0]!r}; there are {', '.join(found)}")])
    chosen = {kind: found[kind] for kind in kinds or found}
    if as_json:
        print_json(stages_json(chosen))
    else:
        show_stages(screen(), chosen)
