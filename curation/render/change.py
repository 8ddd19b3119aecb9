"""How a version came of the one before it, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.console import Console
from rich.text import Text

from curation.change import Change, Looked
from curation.manifest import InputShard
from curation.pipeline import Outcome
from curation.pipeline.rewrite import CHANGED, RETIRED
from curation.render import visible

Vanished = Literal["keep", "retire"]

_SHOWN = 5
_WHY = {RETIRED: "whose input file has vanished", CHANGED: "whose input file has changed"}


def show_outcome(console: Console, outcome: Outcome, vanished: Vanished) -> None:
    """What a refresh came to: a version and what changed, or what it looked at. `vanished` is the recipe's word."""
    change = outcome.change
    if not outcome.published:
        _say(console, f"Nothing new: version {outcome.version} has everything.", style="bold")
        _say(console, looked_at(change.looked))
        _show_vanished(console, change.looked, vanished)
        return
    kept = outcome.report.documents("kept")
    gained = change.read.documents("kept") - sum(cell.documents for cell in change.removed)
    than = f", {_signed(gained)} against version {change.base}" if change.kind == "refresh" else ""
    _say(console, f"Version {outcome.version}: {kept:,} documents are kept{than}.", style="bold")
    _show_change(console, change, vanished)


def _show_change(console: Console, change: Change, vanished: Vanished) -> None:
    """What was looked at, read, removed and promoted."""
    looked, read = change.looked, change.read
    if change.kind == "run":
        _say(console, f"Everything was read: {len(looked.new):,} input files.")
    else:
        _say(console, looked_at(looked))
        _show_files(console, "new", looked.new)
        _show_files(console, "changed", looked.changed)
        _show_vanished(console, looked, vanished)
    if read.documents():
        counts = ", ".join(f"{read.documents(outcome):,} {outcome}" for outcome in ("kept", "dropped", "failed"))
        _say(console, f"Read: {read.documents():,} records; {counts}.")
        for step in read.funnel():
            for reason, count in step.reasons.items():
                _say(console, f"  {count:>9,}  {reason}")
    for cell in change.removed:
        why = _WHY.get(cell.reason, cell.reason)
        _say(console, f"Removed: {cell.documents:,} documents of {visible(cell.source)}, {why}.")
    if change.promoted:
        _say(console, f"Of these are kept now, because the copy that stood for them was removed: {change.promoted:,}.")
    if change.stranded:
        _say(
            console,
            f"Stranded: {change.stranded:,} duplicates of what was removed could not be decided anew; their input file "
            "is gone or has changed.",
        )


def looked_at(looked: Looked) -> str:
    """How many input files there were, in a sentence."""
    counts = f"{len(looked.new):,} new, {len(looked.changed):,} changed, {len(looked.vanished):,} vanished"
    return f"Looked at {looked.unchanged + len(looked.new) + len(looked.changed):,} input files: {counts}."


def _show_vanished(console: Console, looked: Looked, vanished: Vanished) -> None:
    _show_files(console, "vanished", looked.vanished)
    if looked.vanished and vanished == "keep":
        _say(console, "  The documents of vanished files stay, as the recipe says (refresh.vanished: keep).")


def _show_files(console: Console, what: str, files: Sequence[InputShard]) -> None:
    for file in files[:_SHOWN]:
        _say(console, f"  {what}: {visible(file.uri)}")
    if len(files) > _SHOWN:
        _say(console, f"  … and {len(files) - _SHOWN:,} more that {'are' if what == 'new' else 'have'} {what}")


def _signed(count: int) -> str:
    return f"{count:+,}" if count else "as many"


def _say(console: Console, line: str, style: str = "") -> None:
    console.print(Text(line, style=style), soft_wrap=True)
