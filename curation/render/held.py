"""Held runs: what they would publish, and which gates they do not pass."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render import funnel, new_table, number, size, visible

if TYPE_CHECKING:
    from curation.change import Change
    from curation.pipeline.held import Drafts


def held_json(drafts: Drafts) -> dict[str, Any]:
    """A held run for programs."""
    manifest, report, change = drafts
    return {
        "run": manifest.run,
        "version": manifest.version,
        "parent": manifest.parent,
        "kind": manifest.kind,
        "created": manifest.created.isoformat(),
        "digest": manifest.digest,
        "documents": manifest.documents,
        "bytes": manifest.bytes,
        "breaches": [breach.model_dump() for breach in change.breaches],
        "funnel": [step.model_dump() for step in report.funnel()],
    }


def show_held_runs(console: Console, url: str, runs: Sequence[Drafts]) -> None:
    """The held runs of a corpus for people."""
    if not runs:
        console.print(Text(f"{url}: no run is held."), soft_wrap=True)
        return
    table = new_table(url, "run", "made (UTC)", ">version", ">documents", ">text", "why")
    for manifest, _, change in runs:
        made = manifest.created.strftime("%Y-%m-%d %H:%M:%S")
        counts = (f"{manifest.documents:,}", size(manifest.bytes))
        why = "\n".join(visible(breach.message) for breach in change.breaches) or "it passes its gates"
        table.add_row(manifest.run, made, str(manifest.version), *counts, Text(why))
    console.print(table)


def show_held(console: Console, url: str, drafts: Drafts) -> None:
    """One held run for people, and how to go on from it."""
    manifest, report, change = drafts
    console.print()
    console.print(funnel(report, f"{manifest.recipe['name']}, version {manifest.version} if it is published"))
    console.print()
    if change.breaches:
        console.print(_breaches(change))
    else:
        console.print(Text("It passes its recipe's gates."))
    console.print()
    which = f"{shlex.quote(url)} {manifest.run}"
    for line in (
        f"Publish it: curation publish {which} --digest {manifest.digest}",
        f"Remove it:  curation abandon {which}",
        "Or change the recipe's gates and give the same command again: it is judged anew, and not made again.",
    ):
        console.print(Text(line), soft_wrap=True)


def _breaches(change: Change) -> Table:
    table = new_table("Gates that it does not pass", "gate", "what", ">found", ">bound", ">reference")
    for breach in change.breaches:
        found = "a share of nothing" if breach.value is None else number(breach.value)
        table.add_row(
            f"gates.{breach.gate}",
            Text(visible(breach.metric)),
            Text(found, style="red"),
            number(breach.bound),
            number(breach.reference),
        )
    return table
