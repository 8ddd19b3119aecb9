"""Commands that look at what a corpus holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, CorpusArgument, JsonOption, VersionOption, chosen, print_json
from curation.errors import Problem, RecipeError

if TYPE_CHECKING:
    from curation.corpus import Corpus


@app.command(rich_help_panel=LIBRARY)
def report(corpus: CorpusArgument, version: VersionOption = None, as_json: JsonOption = False) -> None:
    """Where every document went. The funnel, by source, by language, examples by rule."""
    from curation.render import report_json, screen, show_report

    number = chosen(corpus, version)
    if as_json:
        print_json(report_json(corpus, number))
    else:
        show_report(screen(), corpus, number)


@app.command(rich_help_panel=LIBRARY)
def explain(
    corpus: CorpusArgument,
    document_id: Annotated[str, typer.Argument(metavar="DOC_ID")],
    version: VersionOption = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show every version in which the decision changed.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Why a document was kept or dropped. Every stage's values, the decision, the copies that stand for it."""
    from curation.corpus import Corpus
    from curation.render import screen
    from curation.render.explanation import explanation_json, show_explanation
    from curation.tags import resolve

    opened = Corpus(corpus)
    if history:
        if version is not None:
            raise RecipeError([Problem("--history", "it is of all versions; leave --version out")])
        _history(opened, document_id, as_json)
    elif as_json:
        print_json(explanation_json(opened, resolve(opened, version), document_id))
    else:
        show_explanation(screen(), opened, resolve(opened, version), document_id)


def _history(corpus: Corpus, document_id: str, as_json: bool) -> None:
    from curation.history import history
    from curation.render import screen
    from curation.render.explanation import show_history

    found = history(corpus, document_id)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_history(screen(), found)


@app.command(rich_help_panel=LIBRARY)
def diff(
    corpus: CorpusArgument,
    a: Annotated[str | None, typer.Argument(metavar="[A]", help="A version or tag; default: the one before B.")] = None,
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="A version or tag; default: the newest.")] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, max=1000, help="How many documents of each kind.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which documents are shown.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """What a version has against another. Documents, rules and distributions, by source and language, with samples."""
    from curation.corpus import Corpus
    from curation.difference import difference
    from curation.render import screen
    from curation.render.diff import show_difference
    from curation.tags import resolve

    opened = Corpus(corpus)
    before = None if a is None else resolve(opened, a).version
    found = difference(opened, before, resolve(opened, b).version, samples, seed)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        show_difference(screen(), found)


@app.command(rich_help_panel=LIBRARY)
def versions(corpus: CorpusArgument, as_json: JsonOption = False) -> None:
    """What has been published, newest first."""
    from curation.corpus import Corpus
    from curation.render import screen, show_versions, versions_json

    opened = Corpus(corpus)
    opened.version()
    if as_json:
        print_json(versions_json(opened))
    else:
        show_versions(screen(), opened)


@app.command(rich_help_panel=LIBRARY)
def verify(corpus: CorpusArgument, version: VersionOption = None) -> None:
    """Compare every file of a version with its manifest. By size and SHA-256."""
    from curation.corpus import Corpus

    opened = Corpus(corpus)
    number = opened.version(chosen(corpus, version)).version
    print(f"version {number}: {opened.verify(number):,} files are what the manifest says")
