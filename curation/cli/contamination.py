"""The command that holds a version against a set of benchmarks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError
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
from curation.errors import HeldError, Problem, RecipeError

if TYPE_CHECKING:
    from curation.contamination import Contamination


@app.command(rich_help_panel=LIBRARY)
def contamination(
    corpus: CorpusArgument,
    version: VersionOption = None,
    registry: Annotated[
        str | None,
        typer.Option("--registry", metavar="URI", help="Benchmarks as JSON lines; default: show what the run found."),
    ] = None,
    registry_sha256: Annotated[
        str | None, typer.Option("--registry-sha256", metavar="HEX", help="The digest that the registry must have.")
    ] = None,
    rule: Annotated[
        Literal["cluster", "gpt3", "tulu"] | None,
        typer.Option("--rule", help="How much is too much; default cluster."),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option("--threshold", metavar="SCORE", help="Contaminated from this score on.")
    ] = None,
    most: Annotated[
        int | None,
        typer.Option("--max", min=0, metavar="N", help="End with code 9 if more kept documents are contaminated."),
    ] = None,
    as_json: JsonOption = False,
    engine: EngineOption = "ray",
    workers: WorkersOption = None,
    address: AddressOption = None,
) -> None:
    """Which benchmark items a version holds. Searches the kept documents, or shows what its own run found."""
    from curation.corpus import Corpus
    from curation.pipeline.contaminated import check_contamination, found_by_run
    from curation.render import ProgressDisplay, screen
    from curation.render.contamination import show_contamination

    opened, number = Corpus(corpus), chosen(corpus, version)
    if registry is None:
        given = (("--registry-sha256", registry_sha256), ("--rule", rule), ("--threshold", threshold))
        if problems := [Problem(name, "goes with --registry") for name, value in given if value is not None]:
            raise RecipeError(problems)
        reports = found_by_run(opened, number)
    else:
        stage = _stage(registry, registry_sha256, rule or "cluster", threshold)
        with open_engine(engine, workers, address) as runner, ProgressDisplay(Console(stderr=True)) as seen:
            reports = [check_contamination(opened, number, stage, runner, seen.watch)]
    if as_json:
        print_json([report.model_dump(mode="json") for report in reports])
    else:
        for report in reports:
            show_contamination(screen(), report)
    found = max(report.contaminated_kept for report in reports)
    if most is not None and found > most:
        print(f"curation: {found:,} kept documents are contaminated, at most {most:,} may be (--max)", file=sys.stderr)
        raise typer.Exit(HeldError.exit_code)


def _stage(registry: str, sha256: str | None, rule: str, threshold: float | None) -> Contamination:
    from curation.contamination import Contamination

    options = {"registry": registry, "registry_sha256": sha256, "rule": rule, "threshold": threshold, "action": "tag"}
    try:
        return Contamination.model_validate({"kind": "contamination"} | options)
    except ValidationError as error:
        raise RecipeError(
            [
                Problem(f"--{str(found['loc'][0]).replace('_', '-')}", found["msg"].removeprefix("Value error, "))
                for found in error.errors()
            ]
        ) from None
