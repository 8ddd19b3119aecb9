"""Mixtures: what a version gives in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from curation.cli.app import app
from curation.cli.options import LIBRARY, CorpusArgument, JsonOption, VersionOption, chosen, print_json
from curation.errors import Problem, RecipeError

if TYPE_CHECKING:
    from curation.mixture import Mixture

SchemeOption = Annotated[
    str | None,
    typer.Option(
        "--scheme", metavar="NAME", help="natural, fixed, temperature, unimax, quality_bucketed or rehydrate."
    ),
]
ByOption = Annotated[str | None, typer.Option("--by", metavar="WHAT", help="Groups: source, language or bucket.")]
WeightsOption = Annotated[
    list[str] | None, typer.Option("--weight", metavar="NAME=X", help="A group's weight; of rehydrate a size's.")
]
EpochsOfOption = Annotated[
    list[str] | None, typer.Option("--max-epochs-of", metavar="NAME=X", help="The cap of one group.")
]


@app.command(rich_help_panel=LIBRARY)
def mixture(
    corpus: CorpusArgument,
    version: VersionOption = None,
    scheme: SchemeOption = None,
    by: ByOption = None,
    tokens: Annotated[int | None, typer.Option("--tokens", min=1, help="How many tokens are seen.")] = None,
    max_epochs: Annotated[float | None, typer.Option("--max-epochs", help="How often a document is, at most.")] = None,
    max_epochs_of: EpochsOfOption = None,
    weights: WeightsOption = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="Of scheme temperature.")] = None,
    bucket: Annotated[str | None, typer.Option("--bucket", metavar="COLUMN", help="Where buckets are.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What share of training each part of a version has. By its recipe's mixture, or another: nothing is changed."""
    from curation.corpus import Corpus
    from curation.mixture import mixture_report
    from curation.render import screen
    from curation.render.mixture import show_mixture

    given = {
        "by": by,
        "tokens": tokens,
        "max_epochs": max_epochs,
        "temperature": temperature,
        "bucket": bucket,
        "max_epochs_of": _numbers("--max-epochs-of", max_epochs_of),
        "cluster_weights" if scheme == "rehydrate" else "weights": _numbers("--weight", weights),
    }
    opened = Corpus(corpus)
    manifest = opened.manifest(opened.readable(chosen(corpus, version)).version)
    recorded = manifest.recipe.get("mixture")
    asked = _asked(recorded if isinstance(recorded, dict) else {}, scheme, given)
    with opened.saying_what_is_gone(manifest.version):
        report = mixture_report(opened.storage, manifest, asked)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        show_mixture(screen(), report)


def _numbers(option: str, given: list[str] | None) -> dict[str, float] | None:
    """`NAME=X` options as a mapping; None where there are none."""
    found = {}
    for text in given or ():
        name, separator, number = text.rpartition("=")
        try:
            found[name] = float(number)
        except ValueError:
            separator = ""
        if not (name and separator):
            raise RecipeError([Problem(option, f"{text!r} is not a name, = and a number: --weight web=2")])
    return found or None


def _asked(recorded: dict[str, Any], scheme: str | None, given: dict[str, Any]) -> Mixture:
    """The recipe's mixture with what was given instead; of another scheme only what both have in common stays."""
    from curation.mixture import Mixture

    options = {name: value for name, value in given.items() if value is not None}
    if scheme is not None and scheme != recorded.get("scheme"):
        common = ("by", "tokens", "max_epochs", "max_epochs_of")
        recorded = {name: recorded[name] for name in common if name in recorded and recorded[name] != "bucket"}
    changed = recorded | options | ({"scheme": scheme} if scheme is not None else {})
    try:
        return Mixture.model_validate(changed)
    except ValidationError as error:
        raise RecipeError([_problem(detail["loc"], detail["msg"]) for detail in error.errors()]) from None


def _problem(place: Sequence[int | str], message: str) -> Problem:
    """What is wrong with an option, or with how options go together."""
    option = str(place[0]).replace("_", "-") if place else "scheme"
    of = f" {place[1]}:" if len(place) > 1 else ""
    name = {"weights": "weight", "cluster-weights": "weight"}.get(option, option)
    return Problem(f"--{name}", f"{of} {message.removeprefix('Value error, ')}".strip())
