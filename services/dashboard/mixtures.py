"""The tables of a mixture's page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from curation.report import MixtureReport, MixtureShare
from services.dashboard.links import version_page
from services.dashboard.ranking import SHOWN, largest, sums
from services.dashboard.tables import Chart, Column, Kind, Row, Table
from services.insights.models import Mixture, VersionSources

SHOWN_SOURCES = 5
"""Of the history; a sixth line is the others."""
OTHERS = "others"

_LABELS = {"source": "Source", "language": "Language", "bucket": "Bucket"}
_WHEN = {"now": "version", "then": "copy"}
_COMPARED: Mapping[str, tuple[str, Kind]] = {
    "target": ("Target", "share"),
    "realised": ("Realised", "share"),
    "weight": ("Tokens seen", "count"),
    "epochs": ("Epochs", "number"),
}


def shares(plan: MixtureReport) -> Table:
    """Target against realised."""
    columns = (
        Column("part", _LABELS[plan.by]),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Unique tokens", "count"),
        Column("natural", "Natural", "share"),
        Column("target", "Target", "share"),
        Column("realised", "Realised", "share"),
    )
    added = ("documents", "bytes", "tokens", "natural", "target", "realised")
    rows = [{"part": _name(part), **{name: getattr(part, name) for name in added}} for part in plan.parts]
    return Table(
        "shares",
        f"Target and realised shares by {plan.by}",
        columns,
        largest(rows, added, label="part", by="tokens"),
        Chart("bar", "part", ("target", "realised"), "share of the tokens seen, 0 to 1"),
        {"part": "all", **sums(rows, added)},
        note="Natural: the share of the tokens that there are. Target: what the scheme gives. "
        "Realised: what the caps leave of it.",
    )


def epochs(plan: MixtureReport) -> Table:
    """How often each part is seen, against its cap, and what that is worth."""
    columns = (
        Column("part", _LABELS[plan.by]),
        Column("tokens", "Unique tokens", "count"),
        Column("weight", "Tokens seen", "count"),
        Column("epochs_wanted", "Epochs by target", "number"),
        Column("epochs", "Epochs", "number"),
        Column("max_epochs", "Cap", "number"),
        Column("capped", "Binds"),
        Column("effective_tokens", "Worth in fresh tokens", "count"),
    )
    rows = [
        {
            "part": _name(part),
            "capped": "yes" if part.is_capped else "",
            **part.model_dump(
                include={"tokens", "weight", "epochs_wanted", "epochs", "max_epochs", "effective_tokens"}
            ),
        }
        for part in plan.parts
    ]
    added = ("tokens", "weight", "effective_tokens")
    shown = largest(rows, added, label="part", by="weight")
    if len(rows) > SHOWN:
        others = shown[-1]
        shown[-1] = {**others, "epochs": others["weight"] / others["tokens"] if others["tokens"] else None}
    has_caps = any(part.max_epochs is not None for part in plan.parts)
    return Table(
        "epochs",
        f"Epochs against the cap by {plan.by}",
        columns,
        shown,
        Chart("bar", "part", ("epochs_wanted", "epochs", *(("max_epochs",) if has_caps else ())), "epochs"),
        {"part": "all", **sums(rows, added), "epochs": plan.seen / plan.tokens},
        note="Up to 4 epochs a repetition is worth nearly as much as fresh text, beyond 40 nothing (Muennighoff et al. "
        "2023): that is what the last column goes by.",
    )


def sources(found: Mixture) -> Table:
    """What there is, where there is no plan."""
    columns = (
        Column("source", "Source"),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("share_documents", "Share of documents", "share"),
        Column("share_bytes", "Share of text", "share"),
    )
    rows = [part.model_dump(include={column.name for column in columns}) for part in found.parts]
    added = ("documents", "bytes", "share_documents", "share_bytes")
    return Table(
        "shares",
        "Shares of the sources as they came out",
        columns,
        largest(rows, added, label="source", by="bytes"),
        Chart("bar", "source", ("share_bytes",), "share of the text, 0 to 1"),
        {"source": "all", **sums(rows, added)},
        empty="This version keeps nothing.",
    )


def effect(own: MixtureReport | None, trial: MixtureReport) -> Table:
    """The copy part by part, beside the version's own where both have the same parts."""
    before = {_name(part): part for part in own.parts} if own and _is_alike(own, trial) else {}
    both = ("now", "then") if before else ("then",)
    columns = [Column("part", _LABELS[trial.by])]
    for name, (label, kind) in _COMPARED.items():
        columns += [Column(f"{name}_{when}", f"{label}, {_WHEN[when]}", kind) for when in both]
    rows = [
        {"part": name, **_side(before.get(name), "now"), **_side(part, "then")}
        for part in trial.parts
        for name in [_name(part)]
    ]
    added = tuple(column.name for column in columns if column.name.startswith(("target", "realised", "weight")))
    return Table(
        "effect",
        "What the copy would change" if before else "What the copy would give",
        columns,
        largest(rows, added, label="part", by="weight_then"),
        Chart("bar", "part", tuple(f"realised_{when}" for when in both), "share of the tokens seen, 0 to 1"),
        {"part": "all", **sums(rows, added)},
        note="" if before or own is None else "The version's own mixture has other parts, so only the copy is shown.",
    )


_MEASURES: tuple[tuple[str, Callable[[MixtureReport], float]], ...] = (
    ("Tokens to be seen (budget)", lambda plan: plan.budget),
    ("Tokens seen", lambda plan: plan.seen),
    ("Tokens missing, for all are at their caps", lambda plan: plan.shortfall),
    ("Worth in fresh tokens", lambda plan: round(plan.effective_tokens)),
    ("Tokens that caps take from their parts", lambda plan: plan.moved),
    ("Epochs at most", lambda plan: max(part.epochs for part in plan.parts)),
    ("Divergence from the target, nats", lambda plan: round(plan.kl_target, 4)),
    ("Divergence from the natural shares, nats", lambda plan: round(plan.kl_natural, 4)),
    ("As diverse as so many equal parts", lambda plan: plan.effective_parts),
)


def measures(own: MixtureReport | None, trial: MixtureReport) -> Table:
    """The copy as a whole, beside the version's own."""
    columns = [Column("measure", "In all"), Column("then", "Copy", "number")]
    if own:
        columns[1:1] = [Column("now", "Version", "number")]
        columns.append(Column("change", "Change", "number"))
    rows = []
    for label, measure in _MEASURES:
        then, now = measure(trial), measure(own) if own else None
        rows.append({"measure": label, "now": now, "then": then, "change": None if now is None else then - now})
    return Table("measures", "In all", columns, rows)


def _is_alike(own: MixtureReport, trial: MixtureReport) -> bool:
    """Whether parts of the same name are the same documents."""
    return own.by == trial.by and {_name(part) for part in own.parts} == {_name(part) for part in trial.parts}


def _side(part: MixtureShare | None, when: str) -> dict[str, Any]:
    return {f"{name}_{when}": getattr(part, name) for name in _COMPARED} if part else {}


def _name(part: MixtureShare) -> str:
    return f"{part.group} · {part.tier}" if part.tier else part.group


def past(versions: Sequence[VersionSources], corpus: str) -> list[Table]:
    """How much each source has had, version by version: in tokens where all were counted, else in bytes."""
    is_counted = all(version.tokens is not None for version in versions)
    measure = "tokens" if is_counted else "bytes"
    what, kind, unit = _MEASURED[measure]
    newest = sorted(versions[-1].sources, key=lambda source: (-source.bytes, source.name))
    shown = [source.name for source in newest[:SHOWN_SOURCES]]
    has_others = any(source.name not in shown for version in versions for source in version.sources)
    rows = [{"corpus": corpus, **_past_row(version, measure, shown)} for version in versions]
    first = (
        Column("version", "Version", "text", version_page),
        Column("published", "Published", "time"),
        Column("total", what, kind),
    )
    names = {f".{source}": source for source in shown} | ({f"_{OTHERS}": OTHERS} if has_others else {})
    amounts = [Column(f"amount{key}", name, kind) for key, name in names.items()]
    parts = [Column(f"share{key}", name, "share") for key, name in names.items()]
    return [
        Table(
            "amounts",
            f"{what} kept of each source, by version",
            (*first, *amounts),
            rows,
            Chart("line", "version", tuple(column.name for column in amounts), unit),
        ),
        Table(
            "parts",
            f"Share of each source in the {unit}, by version",
            (*first, *parts),
            rows,
            Chart("line", "version", tuple(column.name for column in parts), f"share of the {unit}, 0 to 1"),
        ),
    ]


_MEASURED: Mapping[str, tuple[str, Kind, str]] = {
    "tokens": ("Tokens", "count", "tokens"),
    "bytes": ("Text", "bytes", "bytes of text"),
}


def _past_row(version: VersionSources, measure: str, shown: Sequence[str]) -> Row:
    total: int = getattr(version, measure)
    amounts = {source.name: getattr(source, measure) or 0 for source in version.sources}
    kept = {f".{source}": amounts.get(source, 0) for source in shown}
    kept[f"_{OTHERS}"] = total - sum(kept.values())
    return {
        "version": version.version,
        "published": version.published,
        "total": total,
        **{f"amount{key}": amount for key, amount in kept.items()},
        **{f"share{key}": amount / total if total else 0.0 for key, amount in kept.items()},
    }
