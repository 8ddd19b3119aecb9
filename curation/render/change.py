"""How a version came of the one before it, for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console

from curation.change import Change, Looked
from curation.manifest import InputShard
from curation.pipeline import Outcome
from curation.render import visible

_SHOWN = 5


def show_outcome(console: Console, outcome: Outcome) -> None:
    """What a refresh came to: a version and what changed, or what it looked at."""
    change = outcome.change
    if not outcome.published:
        console.print(
            f"Nothing new: version {outcome.version} has everything. {looked_at(change.looked)}", style="bold"
        )
        return
    console.print(f"Version {outcome.version}: {outcome.report.documents('kept'):,} documents are kept.", style="bold")
    show_change(console, change)


def show_change(console: Console, change: Change) -> None:
    """What was looked at, read, removed and promoted."""
    looked = change.looked
    console.print(looked_at(looked))
    for what, files in (("new", looked.new), ("changed", looked.changed), ("vanished", looked.vanished)):
        _show_files(console, what, files)
    read = change.read
    if read.documents():
        counts = ", ".join(f"{read.documents(outcome):,} {outcome}" for outcome in ("kept", "dropped", "failed"))
        console.print(f"Read: {read.documents():,} records; {counts}.")
        for step in read.funnel():
            for reason, count in step.reasons.items():
                console.print(f"  dropped {count:,}  {reason}")
    for cell in change.removed:
        console.print(f"Removed: {cell.documents:,} documents of {visible(cell.source)}  {cell.reason}")
    if change.promoted or change.stranded:
        console.print(
            f"Duplicates of what was removed: {change.promoted:,} are kept now, {change.stranded:,} could not be "
            "decided anew (their input file is gone or has changed)."
        )


def looked_at(looked: Looked) -> str:
    """How many input files there were, in a sentence."""
    counts = f"{len(looked.new):,} new, {len(looked.changed):,} changed, {len(looked.vanished):,} vanished"
    return f"Looked at {looked.unchanged + len(looked.new) + len(looked.changed):,} input files: {counts}."


def _show_files(console: Console, what: str, files: Sequence[InputShard]) -> None:
    for file in files[:_SHOWN]:
        console.print(f"  {what}: {visible(file.uri)}", highlight=False, soft_wrap=True)
    if len(files) > _SHOWN:
        console.print(f"  … and {len(files) - _SHOWN:,} more that are {what}")
