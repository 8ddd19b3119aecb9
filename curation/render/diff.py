"""How the difference of two versions is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from curation.render import NAME_WIDTH, SHOWN_LANGUAGES, new_table, number, shortened, size, visible

if TYPE_CHECKING:
    from curation.difference import Difference
    from curation.difference.model import Cause, Changed, Documents, Excerpt, Group, Rule, Side

SHOWN_RULES = 15
SHOWN_DRIFT = 10
LEAST_CHANGE = 0.0005
"""Rules whose drop rate has moved by less than this share are counted, and not shown."""
_WHY = {
    "input_new": "from input files that are new",
    "input_left": "their input files left",
    "input_changed": "their input files have other content",
    "unaccounted": "nobody decided about them, though their input files are as they were",
}
_ADDED = {"dropped": "pass {}, which had dropped them", "promoted": "promoted: were {} of a document that is gone"}
_REMOVED = {"dropped": "dropped now by {}"}


def show_difference(console: Console, found: Difference) -> None:
    """What version `b` has against version `a`, for people."""
    console.print(Text(f"{found.corpus}: from version {found.a.version} to version {found.b.version}", style="bold"))
    console.print(Text(_inputs(found)))
    for table in (_amounts(found), _groups(found, "source"), _groups(found, "language"), _causes(found), _rules(found)):
        if table.row_count:
            console.print()
            console.print(table)
    console.print()
    _show_drift(console, found)
    _show_samples(console, found)


def _inputs(found: Difference) -> str:
    looked = found.inputs
    counts = {
        "new": len(looked.new),
        "changed": len(looked.changed),
        "gone": len(looked.vanished),
        "as they were": looked.unchanged,
    }
    return "Input files: " + ", ".join(f"{count:,} {what}" for what, count in counts.items()) + "."


def _amounts(found: Difference) -> Table:
    table = new_table("Kept documents", "", ">documents", ">text", ">tokens")
    changed = found.changed.total
    rows = (
        _side(found.a),
        ("added", *_signed(found.added, 1)),
        ("removed", *_signed(found.removed, -1)),
        ("changed", f"{changed.documents:,}", _grown(changed.after.bytes - changed.before.bytes), _more(changed)),
        _side(found.b),
    )
    for row in rows:
        table.add_row(*row)
    return table


def _side(side: Side) -> tuple[str, str, str, str]:
    tokens = "" if side.tokens is None else f"{side.tokens:,}"
    return f"version {side.version}", f"{side.documents:,}", size(side.bytes), tokens


def _signed(found: Documents, sign: int) -> tuple[str, str, str]:
    total = found.total
    if not total.documents:
        return "0", "0", "0"
    tokens = "" if total.tokens is None else f"{sign * total.tokens:+,}"
    return f"{sign * total.documents:+,}", _grown(sign * total.bytes), tokens


def _more(changed: Changed) -> str:
    """How many tokens the changed documents have gained; empty where they were not all counted."""
    before, after = changed.before.tokens, changed.after.tokens
    if before is None or after is None:
        return ""
    return f"{after - before:+,}" if after != before else "0"


def _grown(count: int) -> str:
    """A size with its sign."""
    return f"{'-' if count < 0 else '+'}{size(abs(count))}" if count else "0"


def _groups(found: Difference, axis: str) -> Table:
    """Added, removed and changed documents by source or by language, most first."""
    table = new_table(f"By {axis}", axis, ">added", ">removed", ">changed", ">text")
    by_source = axis == "source"
    added, removed = (_named(side.sources if by_source else side.languages) for side in (found.added, found.removed))
    changed = {group.name: group for group in (found.changed.sources if by_source else found.changed.languages)}
    rows = []
    for name in added.keys() | removed.keys() | changed.keys():
        documents = [groups[name].documents if name in groups else 0 for groups in (added, removed, changed)]
        grown = (added[name].bytes if name in added else 0) - (removed[name].bytes if name in removed else 0)
        grown += changed[name].after.bytes - changed[name].before.bytes if name in changed else 0
        rows.append((-sum(documents), name, documents, grown))
    for _, name, documents, grown in sorted(rows)[:SHOWN_LANGUAGES]:
        table.add_row(Text(visible(name) or "(unknown)"), *(f"{count:,}" for count in documents), _grown(grown))
    if len(rows) > SHOWN_LANGUAGES:
        table.add_row(f"{len(rows) - SHOWN_LANGUAGES} more")
    return table


def _named(groups: tuple[Group, ...]) -> dict[str, Group]:
    return {group.name: group for group in groups}


def _causes(found: Difference) -> Table:
    table = new_table("Why", "", ">documents", ">text", "because")
    for what, side, told in (("added", found.added, _ADDED), ("removed", found.removed, _REMOVED)):
        for index, cause in enumerate(side.causes):
            table.add_row(
                what if index == 0 else "", f"{cause.documents:,}", size(cause.bytes), Text(_because(cause, told))
            )
    return table


def _because(cause: Cause, told: dict[str, str]) -> str:
    return _WHY[cause.why] if cause.why in _WHY else told[cause.why].format(cause.reason)


def _rules(found: Difference) -> Table:
    """The rules whose drops have changed, most moved rates first."""
    table = new_table(
        "Rules that drop another share", "rule", ">dropped before", ">rate", ">dropped now", ">rate", ">change"
    )
    moved = [rule for rule in found.rules if rule.rate_a != rule.rate_b]
    much = [rule for rule in moved if rule.rate_change is None or abs(rule.rate_change) >= LEAST_CHANGE]
    for rule in sorted(much, key=lambda rule: (-abs(rule.rate_change or 1), rule.reason))[:SHOWN_RULES]:
        change = f"{100 * rule.rate_change:+.2f} points" if rule.rate_change is not None else ""
        table.add_row(
            Text(visible(rule.reason)), f"{rule.documents_a:,}", _rate(rule, "rate_a"), f"{rule.documents_b:,}",
            _rate(rule, "rate_b"), change,
        )  # fmt: skip
    if len(moved) > (shown := min(len(much), SHOWN_RULES)):
        table.add_row(f"{len(moved) - shown} more{'' if len(much) > shown else ', by less than 0.05 points'}")
    return table


def _rate(rule: Rule, name: str) -> str:
    rate: float | None = getattr(rule, name)
    return "" if rate is None else f"{rate:.2%}"


def _show_drift(console: Console, found: Difference) -> None:
    """The distributions that have moved more than chance explains; one sentence where none has."""
    moved = [drift for drift in found.drift if drift.reading in {"some", "large"} and drift.exceeds_chance]
    if not moved:
        largest = max((drift.psi or 0.0 for drift in found.drift), default=0.0)
        told = f"No distribution has moved beyond chance: the largest index is {largest:.3f} of {len(found.drift)}."
        console.print(Text(told))
        console.print()
        return
    table = new_table(
        "Drift", "distribution", "of documents", ">index", "shift", "most moved (share before, share now)"
    )
    for drift in moved[:SHOWN_DRIFT]:
        bins = "; ".join(f"{visible(b.name)} {b.share_a:.1%}, {b.share_b:.1%}" for b in drift.moved)
        table.add_row(drift.distribution, drift.over, f"{drift.psi:.3f}", drift.reading, Text(bins, style="dim"))
    if len(moved) > SHOWN_DRIFT:
        table.add_row(f"{len(moved) - SHOWN_DRIFT} more")
    console.print(table)
    console.print()


def _show_samples(console: Console, found: Difference) -> None:
    samples = found.samples
    for what, excerpts in (("added", samples.added), ("removed", samples.removed)):
        if excerpts:
            console.print(Text(f"Some of what was {what}", style="bold"))
        for excerpt in excerpts:
            _show(console, excerpt)
    if samples.changed:
        console.print(Text("Some of what has another text", style="bold"))
    for pair in samples.changed:
        _show(console, pair.before, "-")
        _show(console, pair.after, "+")


def _show(console: Console, excerpt: Excerpt, mark: str = " ") -> None:
    name = shortened(visible(excerpt.id), NAME_WIDTH)
    line = Text(
        f"{mark} {shortened(visible(excerpt.source), 16):16}  {name:{NAME_WIDTH}}  {number(excerpt.bytes):>9} B  "
    )
    line.append(visible(excerpt.excerpt), style="dim")
    console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
