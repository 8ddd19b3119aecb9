"""`curation corpora diff|history|tag|tags|hold|holds|restore|vacuum|takedown|certificates …`: what differs between the
versions of the service's corpora, and what is done to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from curation.cli.options import EraseOption, IdsOption, LicencesOption, SourcesOption, UrlsOption, WhyOption
from services.cli.login import open_client
from services.cli.options import CommandError, made, pairs
from services.cli.show import JsonOption, say, show_json, show_list, show_table

if TYPE_CHECKING:
    from services.client import Client
    from services.upkeep.models import VacuumReport

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="A corpus that the service knows.")]
VersionArgument = Annotated[str, typer.Argument(metavar="VERSION", help="A number, a tag, or newest.")]


def diff(
    name: NameArgument,
    a: Annotated[str | None, typer.Argument(metavar="[A]", help="A version or tag; default: the one before B.")] = None,
    b: Annotated[str | None, typer.Argument(metavar="[B]", help="A version or tag; default: the newest.")] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, max=50, help="How many documents of each kind.")] = 5,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Which documents are shown.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """What a version has against another. Documents, rules and distributions, by source and language, with samples."""
    from curation.render import screen
    from curation.render.diff import show_difference

    with open_client() as client:
        found = client.corpora.diff(name, a, b, samples=samples, seed=seed)
    if as_json:
        show_json(found)
    else:
        show_difference(screen(), found)


def history(
    name: NameArgument,
    document_id: Annotated[str, typer.Argument(metavar="DOC_ID", help="A document's id.")],
    as_json: JsonOption = False,
) -> None:
    """Every version in which the decision about a document changed."""
    from curation.render import screen
    from curation.render.explanation import show_history

    with open_client() as client:
        found = client.corpora.history(name, document_id)
    if as_json:
        show_json(found)
    else:
        show_history(screen(), found)


def tags(name: NameArgument, as_json: JsonOption = False) -> None:
    """The tags, and the versions that have them."""
    with open_client() as client:
        found = list(client.upkeep.tags(name))
    rows = ((tag.name, tag.version, tag.previous, tag.at, tag.by) for tag in found)
    show_list(found, as_json, "No tags.", ("tag", ">version", ">before", "since", "by"), rows)


def tag(
    name: NameArgument,
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="A number, a tag, or newest.")] = None,
    tag: Annotated[str | None, typer.Argument(metavar="TAG", help="Such as production.")] = None,
    delete: Annotated[str | None, typer.Option("--delete", metavar="TAG", help="Take this tag away.")] = None,
) -> None:
    """Name a version, as in `tag NAME 12 production`. A vacuum leaves what has a tag."""
    with open_client() as client:
        if delete is not None and version is None:
            client.upkeep.delete_tag(name, delete)
            say(f"No version has the tag {delete} any more.")
        elif delete is None and version is not None and tag is not None:
            put = client.upkeep.put_tag(name, tag, _number(client, name, version))
            before = f", before it {put.previous}" if put.previous else ""
            say(f"{put.name} is version {put.version}{before}.")
        else:
            raise CommandError("expected VERSION and TAG, or --delete TAG")


def holds(name: NameArgument, as_json: JsonOption = False) -> None:
    """The versions under a legal hold, and why."""
    with open_client() as client:
        found = list(client.upkeep.holds(name))
    rows = ((hold.version, hold.reason, hold.at, hold.by) for hold in found)
    show_list(found, as_json, "No version is held.", (">version", "why", "since", "by"), rows)


def hold(
    name: NameArgument,
    version: VersionArgument,
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why.")] = None,
    release: Annotated[bool, typer.Option("--release", help="End the hold.")] = False,
) -> None:
    """Put a version under a legal hold. Neither vacuum nor erasure touches it until it is released."""
    if (reason is None) != release:
        raise CommandError("expected either --reason TEXT or --release")
    with open_client() as client:
        number = _number(client, name, version)
        if reason is None:
            client.upkeep.release_hold(name, number)
            say(f"Version {number} is released.")
        else:
            held = client.upkeep.put_hold(name, number, reason)
            say(f"Version {number} is held: {held.reason}")


def restore(name: NameArgument, version: VersionArgument) -> None:
    """Bring an old version back as the newest. One commit; nothing is copied."""
    with open_client() as client:
        found = client.upkeep.restore(name, _number(client, name, version))
    if found.published:
        say(f"Version {found.version} is version {found.restored} again.")
    else:
        say(f"Nothing to do: version {found.version}, the newest, is version {found.restored} already.")


def vacuum(
    name: NameArgument,
    keep: Annotated[int | None, typer.Option("--keep", min=1, metavar="N", help="The newest N versions stay.")] = None,
    grace_days: Annotated[
        float | None, typer.Option("--grace-days", min=0, metavar="D", help="What was in use so lately stays.")
    ] = None,
    is_meant: Annotated[bool, typer.Option("--yes", help="Remove it; without, only say what would go.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove the files of versions that need not stay. The recipe's `retention` says which, or these options."""
    from services.upkeep.models import VacuumOptions

    options = made(VacuumOptions, {}, dry_run=not is_meant, keep=keep, grace_days=grace_days)
    with open_client() as client:
        found = client.upkeep.vacuum(name, options)
    if as_json:
        show_json(found)
    else:
        _show_vacuum(found)


def _show_vacuum(found: VacuumReport) -> None:
    from curation.render import size
    from curation.render.takedown import versions_named

    show_table(
        "Versions that stay", (">version", "why"), ((one.version, "; ".join(one.reasons)) for one in found.stays)
    )
    what = f"{found.files:,} files, {size(found.bytes)}"
    gone = f", which {versions_named(found.versions)} cannot be read without" if found.versions else ""
    say(f"{what}, {'would go: say --yes' if found.dry_run else 'are gone'}{gone}.")
    if found.spared:
        say(f"{found.spared:,} files that no version needs stay for now: too young, or a run may want them.")


def takedown(
    name: NameArgument,
    ids: IdsOption = None,
    urls: UrlsOption = None,
    sources: SourcesOption = None,
    licences: LicencesOption = None,
    reason: WhyOption = None,
    erase: EraseOption = False,
    hold: Annotated[bool, typer.Option("--hold", help="Wait for `curation approve` before publishing.")] = False,
    labels: Annotated[
        list[str] | None, typer.Option("--label", metavar="KEY=VALUE", help="For finding the job again.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a version without some documents. They stay out of every later one; a certificate says what was done."""
    from curation.cli.takedown import CALLED, wanted_ids
    from services.jobs.job import NewTakedown

    if not (ids or urls or sources or licences):
        raise CommandError("expected --ids, --url, --source or --licence")
    new = made(
        NewTakedown,
        CALLED,
        ids=wanted_ids(ids) if ids else None,
        urls=urls,
        sources=sources,
        licences=licences,
        reason=reason,
        erase=erase,
        hold=hold,
        labels=pairs("--label", labels or []),
    )
    with open_client() as client:
        job = client.upkeep.take_down(name, new)
    if as_json:
        show_json(job)
    else:
        say(f"{job.id} is {job.state}: a takedown of the corpus {job.corpus}")
        say(f"Watch it: curation follow {job.id}")


def certificates(
    name: NameArgument,
    number: Annotated[int | None, typer.Argument(metavar="[N]", min=1, help="Show one; default: list them.")] = None,
    as_json: JsonOption = False,
) -> None:
    """What takedowns have certified, or one certificate: the service checks it first, with those before it."""
    from curation.render import screen
    from curation.render.takedown import show_certificate

    with open_client() as client:
        if number is not None:
            found = client.upkeep.certificate(name, number)
            show_json(found) if as_json else show_certificate(screen(), found)
            return
        every = list(client.upkeep.certificates(name))
    rows = ((one.number, one.written, one.version, one.documents.lines, one.asked.erase, one.who) for one in every)
    columns = (">certificate", "written", ">version", ">documents", "erased", "by")
    show_list(every, as_json, "Nothing was ever taken down.", columns, rows)


def _number(client: Client, name: str, version: str) -> int:
    """The number of a version that is called by its number, a tag, or `newest`."""
    return int(version) if version.isdigit() else client.corpora.version(name, version).version


COMMANDS = (diff, history, tags, tag, holds, hold, restore, vacuum, takedown, certificates)
