"""What keeps versions, and what a vacuum found, as tables and as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from curation.render import new_table, shortened, size, visible

if TYPE_CHECKING:
    from curation.corpus import Corpus
    from curation.retention import Hold, Vacuumed
    from curation.tags import Tag

SHOWN_FILES = 10
REASON_WIDTH = 100


def marks(corpus: Corpus) -> Mapping[int, list[str]]:
    """What is to be said of versions beside what they are: their tags, and that they are held or gone."""
    from curation.retention import held_versions
    from curation.tags import tags
    from curation.vacuums import gone

    said: dict[int, list[str]] = {}
    for tag in tags(corpus):
        if tag.version is not None:
            said.setdefault(tag.version, []).append(tag.name)
    for number in held_versions(corpus):
        said.setdefault(number, []).append("held")
    for number, removed in gone(corpus.storage).items():
        said.setdefault(number, []).append(f"{removed.what} {removed.when:%Y-%m-%d}")
    return said


def show_tags(console: Console, url: str, found: Sequence[Tag]) -> None:
    """Tags, or one tag's history."""
    if not found:
        console.print(Text(f"{url}: no version has a tag."), soft_wrap=True)
        return
    shown = new_table(url, "tag", ">version", "since (UTC)", "by")
    for tag in found:
        shown.add_row(tag.name, str(tag.version or "none"), f"{tag.when:%Y-%m-%d %H:%M:%S}", visible(tag.who))
    console.print(shown)


def show_holds(console: Console, url: str, found: Sequence[Hold]) -> None:
    """The legal holds in force."""
    if not found:
        console.print(Text(f"{url}: no version is under a legal hold."), soft_wrap=True)
        return
    shown = new_table(url, ">version", "since (UTC)", "by", "reason")
    for hold in found:
        since = f"{hold.when:%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(hold.version), since, visible(hold.who), Text(visible(hold.reason or "")))
    console.print(shown)


def vacuumed_json(corpus: Corpus, found: Vacuumed, dry_run: bool) -> dict[str, Any]:
    """What a vacuum found, for programs."""
    return {"corpus": corpus.url, "dry_run": dry_run, "bytes": found.bytes} | found.model_dump(mode="json")


def show_vacuumed(console: Console, corpus: Corpus, found: Vacuumed, dry_run: bool) -> None:
    """What a vacuum removed, or (`dry_run`) would."""
    shown = new_table(corpus.url, ">version", "", "why")
    before = {gone.version for gone in found.gone} - set(found.versions)
    for number in sorted({version.version for version in corpus.versions()} - before, reverse=True):
        if number in found.versions:
            shown.add_row(str(number), Text("would go" if dry_run else "gone", style="red"), "")
        else:
            why = ", ".join(found.stays.get(number, ("versions that stay need all its files",)))
            shown.add_row(str(number), Text("stays", style="green"), Text(shortened(visible(why), REASON_WIDTH)))
    console.print(shown)
    if dry_run:
        for file in found.files[:SHOWN_FILES]:
            console.print(Text(f"  {visible(file.path)} ({size(file.bytes)})"), soft_wrap=True)
        if len(found.files) > SHOWN_FILES:
            console.print(f"  … and {len(found.files) - SHOWN_FILES:,} more")
    what = "would be removed" if dry_run else "removed"
    console.print(f"{len(found.files):,} files {what}, {size(found.bytes)}.", highlight=False)
    if found.spared:
        said = f"{found.spared:,} files that no version needs stay for now: too young, or a run may want them."
        console.print(said, highlight=False)
