"""How a takedown and its certificate are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render import size, visible

if TYPE_CHECKING:
    from curation.pipeline.certificate import Asked, Certificate, Erasure, Holder
    from curation.pipeline.takedown import Look


def show_look(console: Console, found: Look) -> None:
    """What a takedown would remove."""
    console.print(Text(f"{found.documents:,} kept documents match, {size(found.bytes)} of text.", style="bold"))
    for what, counts in (("why", found.reasons), ("source", found.sources)):
        said = ", ".join(f"{visible(name)} {count:,}" for name, count in counts.items())
        console.print(Text(f"By {what}: {said}" if said else f"By {what}: none"))
    _show_holders(console, found.versions, found.unknown_versions)


def show_certificate(console: Console, certificate: Certificate) -> None:
    """A certificate, for people."""
    documents = certificate.documents
    title = f"Certificate {certificate.number} of {visible(certificate.corpus)}"
    console.print(Text(title, style="bold"), soft_wrap=True)
    asked_by = f" by {visible(certificate.who)}" if certificate.who else ""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in (
        ("written", f"{certificate.written:%Y-%m-%d %H:%M:%S} UTC{asked_by}"),
        ("asked", _asked(certificate.asked)),
        ("reason", visible(certificate.asked.reason or "(none given)")),
        ("published", f"version {certificate.version}, run {certificate.run}, from version {certificate.base}"),
        ("documents", f"{documents.lines:,}, listed in {documents.path}"),
        ("duplicates", f"{certificate.promoted:,} promoted, {certificate.stranded:,} stranded"),
        ("manifest before", certificate.digest_before),
        ("manifest after", certificate.digest_after),
        ("token shards", ", ".join(map(visible, certificate.token_shards)) or "none"),
        *_erased(certificate.erasure),
        ("previous certificate", certificate.previous or "(this is the first)"),
        ("digest", certificate.digest),
    ):
        table.add_row(Text(name, style="dim"), Text(value))
    console.print(table)
    _show_holders(console, certificate.versions, certificate.unknown_versions)


def _asked(asked: Asked) -> str:
    ids = [f"{asked.ids:,} {'id' if asked.ids == 1 else 'ids'}"] if asked.ids else []
    named = [
        f"{what} {visible(value)}"
        for what, values in (("URL", asked.urls), ("source", asked.sources), ("licence", asked.licences))
        for value in values
    ]
    return f"{', '.join([*ids, *named])}; {'erase' if asked.erase else 'take down'}"


def _erased(erasure: Erasure | None) -> Sequence[tuple[str, str]]:
    if erasure is None:
        return (("erased", "no: older versions still hold the texts"),)
    search = erasure.search
    return (
        ("erased", f"{erasure.files.lines:,} files, listed in {erasure.files.path}"),
        ("rewritten", f"{len(erasure.rewritten):,} reports, without the examples that quoted a document"),
        (
            "searched",
            f"{search.objects:,} objects ({size(search.bytes)}) for {search.excerpts:,} stretches of the texts: none "
            f"found; {search.shared:,} more are also in documents that remain",
        ),
    )


def _show_holders(console: Console, holders: Sequence[Holder], unknown: Sequence[int]) -> None:
    """Which versions held documents: those with equally many in a line."""
    by_count: dict[int, list[int]] = {}
    for holder in holders:
        by_count.setdefault(holder.documents, []).append(holder.version)
    for count, versions in by_count.items():
        console.print(Text(f"Held by {versions_named(versions)}: {count:,} of them."))
    for holder in holders:
        if holder.tags:
            console.print(Text(f"Version {holder.version} has the tags: {', '.join(map(visible, holder.tags))}."))
    if unknown:
        console.print(Text(f"Of {versions_named(unknown)} nobody can tell: the files had been removed before."))


def versions_named(versions: Sequence[int]) -> str:
    """Versions in words, those in a row as a range: `versions 2 to 6, 8`."""
    ranges: list[list[int]] = []
    for version in sorted(versions):
        if ranges and version == ranges[-1][1] + 1:
            ranges[-1][1] = version
        else:
            ranges.append([version, version])
    said = [str(first) if first == last else f"{first} to {last}" for first, last in ranges]
    return f"version{'s' if len(versions) > 1 else ''} {', '.join(said)}"
