"""`curation corpora what-if`: what a corpus of the service would keep under other thresholds."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.login import open_client
from services.cli.options import CommandError
from services.cli.show import JsonOption, screen, show_json


def what_if(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The corpus.")],
    version: Annotated[
        str | None, typer.Option("--version", metavar="N", help="Or a tag; default: the newest.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Another threshold of a stage.")
    ] = None,
    sweep: Annotated[
        str | None, typer.Option("--sweep", metavar="PATH=FIRST:LAST:STEP", help="Each of these values, or PATH=A,B,C.")
    ] = None,
    curve: Annotated[
        str | None, typer.Option("--curve", metavar="PATH", help="All values of a threshold, from end to end.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What other thresholds would keep. Replays a version's decisions; no text is read."""
    from curation.render.whatif import show_curve, show_sweep, show_what_if

    if (sweep is not None and curve is not None) or not (sweep or curve or settings):
        raise CommandError("expected --set, --sweep or --curve; of the last two one at most")
    with open_client() as client:
        if curve is not None:
            drawn = client.corpora.curve(name, curve, settings or [], version)
            show_json(drawn) if as_json else show_curve(screen(), drawn)
        elif sweep is not None:
            swept = client.corpora.sweep(name, sweep, settings or [], version)
            show_json(swept) if as_json else show_sweep(screen(), swept)
        else:
            answer = client.corpora.what_if(name, settings or [], version)
            show_json(answer) if as_json else show_what_if(screen(), answer)
