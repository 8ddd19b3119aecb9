"""The tables of the page on what differs between two versions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic_core import to_jsonable_python

from curation.difference import Difference
from curation.difference.model import Amount, Cause, Changed, Documents, Drift, Group, Rule, Side
from services.dashboard.pages import segment
from services.dashboard.ranking import SHOWN, largest, sums
from services.dashboard.session import ROOT
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.text import UNKNOWN
from services.recipes.difference import difference
from services.recipes.recipe import Change

SHOWN_DRIFT = 12
SHOWN_CHANGES = 200
SHOWN_VALUE = 300
"""How many characters a value of a recipe has here."""
_WHY = {
    "input_new": "from input files that are new",
    "input_left": "their input files left",
    "input_changed": "their input files have other content",
    "unaccounted": "nobody decided about them, though their input files are as they were",
    "promoted": "were duplicates of a document that is gone",
}
_DROPPED = {"added": "pass a rule that had dropped them", "removed": "dropped now"}


def amounts(found: Difference) -> Table:
    """From one version to the other; the rows add up."""
    changed = found.changed.total
    rows = [
        {"what": f"version {found.a.version}", **_amount(found.a)},
        {"what": "added", **_amount(found.added.total)},
        {"what": "removed", **_amount(found.removed.total, -1)},
        {"what": f"changed: another text ({changed.documents:,})", **_growth(changed)},
    ]
    columns = (
        Column("what", "Kept documents"),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Tokens", "count"),
    )
    return Table("amounts", "In all", columns, rows, total={"what": f"version {found.b.version}", **_amount(found.b)})


def groups(found: Difference, axis: Literal["source", "language"]) -> Table:
    """What was added, removed and changed of each source or language."""
    added, removed = (_named(side, axis) for side in (found.added, found.removed))
    changed = {one.name: one for one in (found.changed.sources if axis == "source" else found.changed.languages)}
    rows = [
        _group(name, added.get(name), removed.get(name), changed.get(name))
        for name in sorted(added.keys() | removed.keys() | changed.keys())
    ]
    columns = (
        Column("name", axis.capitalize()),
        Column("added", "Added", "count"),
        Column("removed", "Removed", "count"),
        Column("changed", "Changed", "count"),
        Column("bytes_added", "Text added", "bytes"),
        Column("bytes_removed", "Text removed", "bytes"),
        Column("bytes_changed", "Growth of changed", "bytes"),
        Column("tokens", "Tokens, difference", "count"),
    )
    numbers = tuple(column.name for column in columns[1:] if column.name != "tokens")
    if all(row["tokens"] is not None for row in rows):
        numbers += ("tokens",)
    return Table(
        f"{axis}s",
        f"Added, removed and changed by {axis}",
        columns,
        largest(rows, numbers, label="name", by="all"),
        Chart("bar", "name", ("added", "removed", "changed"), "documents"),
        {"name": "all", **sums(rows, numbers)},
        empty="No document was added, removed or changed.",
    )


def causes(found: Difference) -> Table:
    """Why documents are in one of the versions only."""
    rows = [
        {"what": what, "why": _because(what, cause), "reason": cause.reason, **_amount(cause)}
        for what, side in (("added", found.added), ("removed", found.removed))
        for cause in side.causes
    ]
    columns = (
        Column("what", "What"),
        Column("why", "Why"),
        Column("reason", "Rule", "code"),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Tokens", "count"),
    )
    return Table("causes", "Why", columns, rows, empty="Both versions keep the same documents.")


def rules(found: Difference, corpus: str, *, every: bool, more: str) -> Table:
    """What each rule dropped in both versions, most moved rates first."""
    ranked = sorted(found.rules, key=lambda rule: (-_moved(rule), rule.reason))
    shown = ranked if every else ranked[:SHOWN]
    rows = [
        {
            "reason": rule.reason,
            "documents_a": rule.documents_a,
            "rate_a": rule.rate_a,
            "documents_b": rule.documents_b,
            "rate_b": rule.rate_b,
            "points": None if rule.rate_change is None else 100 * rule.rate_change,
        }
        for rule in shown
    ]
    a, b = found.a.version, found.b.version

    def samples(row: Row) -> str:
        version = b if row["documents_b"] else a
        return f"{ROOT}/corpora/{segment(corpus)}/funnel/{segment(row['reason'])}?version={version}"

    columns = (
        Column("reason", "Rule", "code", samples),
        Column("documents_a", f"Dropped in {a}", "count"),
        Column("rate_a", f"Rate in {a}", "share"),
        Column("documents_b", f"Dropped in {b}", "count"),
        Column("rate_b", f"Rate in {b}", "share"),
        Column("points", "Change, percentage points", "number"),
    )
    return Table(
        "rules",
        "Drop rates then and now",
        columns,
        rows,
        Chart("bar", "reason", ("rate_a", "rate_b"), "share of the documents that came to the stage, 0 to 1"),
        note="A rate is of the documents that came to the rule's stage. Most moved rates first.",
        empty="Neither version has dropped anything.",
        more=None if len(shown) == len(ranked) else more,
    )


def drifts(found: Difference, over: Literal["kept", "read"], *, every: bool, more: str) -> Table:
    """How far each distribution has moved, most first."""
    ranked = [drift for drift in found.drift if drift.over == over]
    shown = ranked if every else ranked[:SHOWN_DRIFT]
    what = "the kept documents" if over == "kept" else "all that were read"
    columns = (
        Column("distribution", "Distribution", "code"),
        Column("psi", "Index", "number"),
        Column("chance", "By chance", "number"),
        Column("reading", "Shift"),
        Column("moved", f"Most moved: share in {found.a.version}, share in {found.b.version}"),
    )
    return Table(
        f"drift-{over}",
        f"Drift of {what}",
        columns,
        [
            {
                "distribution": drift.distribution,
                "psi": drift.psi,
                "chance": drift.chance,
                "reading": drift.reading if drift.exceeds_chance else f"{drift.reading}, within chance",
                "moved": "; ".join(
                    f"{one.name or UNKNOWN}: {one.share_a:.1%}, {one.share_b:.1%}" for one in drift.moved
                ),
            }
            for drift in shown
        ],
        Chart("bar", "distribution", ("psi", "chance"), "population stability index"),
        empty="Nothing was measured.",
        more=None if len(shown) == len(ranked) else more,
    )


def moved(found: Difference) -> list[Drift]:
    """The distributions that have moved more than chance explains."""
    return [drift for drift in found.drift if drift.reading in {"some", "large"} and drift.exceeds_chance]


def recipes(before: Mapping[str, object], after: Mapping[str, object]) -> Table:
    """How the recipe of one version became the other's."""
    changes = difference(*(to_jsonable_python(recipe) for recipe in (before, after)))
    return changed_options("recipe", "Recipe", changes, empty="Both versions were made by the same recipe.")


def changed_options(name: str, caption: str, changes: Sequence[Change], *, empty: str) -> Table:
    """What one recipe says otherwise than another."""
    rows = [
        {
            "path": one.path,
            "op": one.op,
            "before": None if one.op == "added" else _value(one.before),
            "after": None if one.op == "removed" else _value(one.after),
        }
        for one in changes[:SHOWN_CHANGES]
    ]
    columns = (
        Column("path", "Option", "code"),
        Column("op", "What"),
        Column("before", "Before", "code"),
        Column("after", "After", "code"),
    )
    rest = f"{len(changes) - SHOWN_CHANGES} more changes are not shown." if len(changes) > SHOWN_CHANGES else ""
    return Table(name, caption, columns, rows, note=rest, empty=empty)


def _amount(found: Amount | Side, sign: int = 1) -> dict[str, Any]:
    return {
        "documents": sign * found.documents,
        "bytes": sign * found.bytes,
        "tokens": None if found.tokens is None else sign * found.tokens,
    }


def _growth(changed: Changed) -> dict[str, Any]:
    """What the changed documents add; they are in both versions."""
    before, after = changed.before, changed.after
    tokens = None if before.tokens is None or after.tokens is None else after.tokens - before.tokens
    if not changed.documents:
        tokens = 0
    return {"documents": 0, "bytes": after.bytes - before.bytes, "tokens": tokens}


def _named(side: Documents, axis: str) -> dict[str, Group]:
    return {group.name: group for group in (side.sources if axis == "source" else side.languages)}


def _group(name: str, added: Group | None, removed: Group | None, changed: Changed | None) -> dict[str, Any]:
    plus, minus, growth = added or Amount(tokens=0), removed or Amount(tokens=0), _growth(changed or Changed())
    tokens = (plus.tokens, None if minus.tokens is None else -minus.tokens, growth["tokens"])
    documents = {"added": plus.documents, "removed": minus.documents, "changed": changed.documents if changed else 0}
    return {
        "name": name or UNKNOWN,
        "all": sum(documents.values()),
        **documents,
        "bytes_added": plus.bytes,
        "bytes_removed": minus.bytes,
        "bytes_changed": growth["bytes"],
        "tokens": None if None in tokens else sum(number or 0 for number in tokens),
    }


def _because(what: str, cause: Cause) -> str:
    return _DROPPED[what] if cause.why == "dropped" else _WHY[cause.why]


def _moved(rule: Rule) -> float:
    """How far a rule's rate has moved; a rule that only one version has goes first."""
    return 1.0 if rule.rate_change is None else abs(rule.rate_change)


def _value(value: Any) -> str:
    """A value of a recipe: texts as they are, others as JSON, cut where it is long."""
    shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shown if len(shown) <= SHOWN_VALUE else f"{shown[:SHOWN_VALUE]} …"
