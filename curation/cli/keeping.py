"""Commands about which versions stay, and which one counts."""

from __future__ import annotations

from typing import Annotated

import typer

from curation.cli.app import app
from curation.cli.options import LIBRARY, ByOption, CorpusArgument, JsonOption, doer, print_json

WantedArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A number, a tag, or newest.")]


@app.command(rich_help_panel=LIBRARY)
def restore(corpus: CorpusArgument, version: WantedArgument) -> None:
    """Bring an old version back as the newest. One commit; nothing is copied."""
    from curation.corpus import Corpus
    from curation.pipeline.restore import restore as restore_version
    from curation.tags import resolve

    opened = Corpus(corpus)
    number = resolve(opened, version).version
    outcome = restore_version(opened, number)
    if outcome.published:
        print(f"Version {outcome.version} is version {number} again.")
    else:
        print(f"Nothing to do: version {outcome.version}, the newest, is version {number} already.")


@app.command(rich_help_panel=LIBRARY)
def tag(
    corpus: CorpusArgument,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="A number, a tag, or newest.")] = None,
    name: Annotated[str | None, typer.Argument(metavar="TAG", help="Such as production.")] = None,
    delete: Annotated[str | None, typer.Option("--delete", metavar="TAG", help="Take this tag away.")] = None,
    by: ByOption = None,
) -> None:
    """Name a version, as in `tag CORPUS 12 production`. A vacuum leaves what has a tag."""
    from curation.corpus import Corpus
    from curation.errors import Problem, RecipeError
    from curation.tags import delete_tag, put_tag, resolve

    opened = Corpus(corpus)
    if delete is not None and version is None:
        gone = delete_tag(opened, delete, doer(by))
        print(f"{delete}: version {gone.previous} has this tag no more")
    elif delete is None and version is not None and name is not None:
        put = put_tag(opened, name, resolve(opened, version).version, doer(by))
        print(f"{name}: version {put.version}{f', before it {put.previous}' if put.previous else ''}")
    else:
        raise RecipeError([Problem("TAG", "give VERSION and TAG, or --delete TAG")])


@app.command(rich_help_panel=LIBRARY)
def tags(
    corpus: CorpusArgument,
    history: Annotated[str | None, typer.Option("--history", metavar="TAG", help="All that happened to one.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The tags, and the versions that have them."""
    from curation.corpus import Corpus
    from curation.errors import MissingError
    from curation.render import screen
    from curation.render.keeping import show_tags
    from curation.tags import tag_history
    from curation.tags import tags as every_tag

    opened = Corpus(corpus)
    opened.version()
    found = every_tag(opened) if history is None else tag_history(opened, history)
    if history is not None and not found:
        raise MissingError(f"{opened.url}: there never was a tag {history!r}")
    if as_json:
        print_json([tag.model_dump(mode="json") for tag in found])
    else:
        show_tags(screen(), opened.url, found)


@app.command(rich_help_panel=LIBRARY)
def hold(
    corpus: CorpusArgument,
    version: WantedArgument,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
    by: ByOption = None,
) -> None:
    """Put a version under a legal hold. Neither vacuum nor erasure touches it until it is released."""
    from curation.corpus import Corpus
    from curation.errors import Problem, RecipeError
    from curation.retention import put_hold, release_hold
    from curation.tags import resolve

    opened = Corpus(corpus)
    if (reason is None) != release:
        raise RecipeError([Problem("--reason", "give either --reason TEXT or --release")])
    number = resolve(opened, version).version
    if reason is None:
        release_hold(opened, number, doer(by))
        print(f"version {number} is released")
    else:
        held = put_hold(opened, number, reason, doer(by))
        print(f"version {number} is held: {held.reason}")


@app.command(rich_help_panel=LIBRARY)
def holds(corpus: CorpusArgument, as_json: JsonOption = False) -> None:
    """The versions under a legal hold, and why."""
    from curation.corpus import Corpus
    from curation.render import screen
    from curation.render.keeping import show_holds
    from curation.retention import holds as every_hold

    opened = Corpus(corpus)
    opened.version()
    found = every_hold(opened)
    if as_json:
        print_json([hold.model_dump(mode="json") for hold in found])
    else:
        show_holds(screen(), opened.url, found)


@app.command(rich_help_panel=LIBRARY)
def vacuum(
    corpus: CorpusArgument,
    keep: Annotated[int | None, typer.Option("--keep", metavar="N", help="The newest N versions stay.")] = None,
    grace_days: Annotated[
        float | None, typer.Option("--grace-days", metavar="D", help="What was in use so lately stays.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Remove the files of versions that need not stay. The recipe's `retention` says which, or these options."""
    from curation.corpus import Corpus
    from curation.render import screen
    from curation.render.keeping import show_vacuumed, vacuumed_json
    from curation.retention import vacuum as vacuum_corpus

    opened = Corpus(corpus)
    found = vacuum_corpus(opened, keep, grace_days, dry_run, doer(by))
    if as_json:
        print_json(vacuumed_json(opened, found, dry_run))
    else:
        show_vacuumed(screen(), opened, found, dry_run)
