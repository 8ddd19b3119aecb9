"""From reports, manifests and rows to the answers: pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from curation import corpus, document
from curation.change import Change
from curation.explanation import Found
from curation.manifest import Manifest
from curation.report import EXCERPT, Cell, MixtureReport, MixtureShare, Report
from services.errors import NotFound
from services.insights.models import (
    Amount,
    CorpusVersion,
    Decision,
    FunnelStep,
    Group,
    Mixture,
    MixturePart,
    Reason,
    RemovedAmount,
    RunReport,
    Sample,
    Samples,
    VersionChange,
    VersionSources,
    VersionSummary,
)
from services.insights.runs import job_of

_DECIDED = ("outcome", "stage", "reason", "value", "threshold", "detail", "survivor", "survivor_shard", "survivor_row")
_ABOUT = (document.SOURCE, document.SHARD, document.ROW, *_DECIDED, "similarity", "language", "bytes")


def kept_amount(report: Report) -> Amount:
    return Amount(documents=report.documents("kept"), bytes=report.bytes("kept"), tokens=report.tokens("kept"))


def summary(version: corpus.Version) -> VersionSummary:
    return VersionSummary(
        version=version.version,
        run=version.run,
        job_id=job_of(version.run),
        published=version.published,
        recipe=version.recipe,
        fingerprint=version.fingerprint,
        gone=None if version.gone is None else str(version.gone),
        documents=version.documents,
        bytes=version.bytes,
        tokens=version.tokens,
    )


def version_of(version: corpus.Version, manifest: Manifest) -> CorpusVersion:
    return CorpusVersion(
        **summary(version).model_dump(),
        kind=manifest.kind,
        restored=manifest.restored,
        parent=manifest.parent,
        digest=manifest.digest,
        inputs=len(manifest.inputs),
        files=len(manifest.shards),
    )


def change_of(version: corpus.Version, change: Change) -> VersionChange:
    return VersionChange(
        version=version.version,
        run=version.run,
        kind=change.kind,
        base=change.base,
        looked=change.looked,
        documents_read=change.read.documents(),
        kept=kept_amount(change.read),
        steps=steps(change.read),
        reasons=reasons(change.read),
        removed=tuple(_removed(cell) for cell in change.removed),
        promoted=change.promoted,
        stranded=change.stranded,
        breaches=change.breaches,
        approved=change.approved,
    )


def _removed(cell: Cell) -> RemovedAmount:
    return RemovedAmount(
        reason=cell.reason,
        source=cell.source,
        language=cell.language,
        documents=cell.documents,
        bytes=cell.bytes,
        tokens=cell.tokens,
    )


def steps(report: Report) -> tuple[FunnelStep, ...]:
    return tuple(FunnelStep.model_validate(step.model_dump()) for step in report.funnel())


def version_sources(version: corpus.Version, report: Report) -> VersionSources:
    return VersionSources(
        version=version.version,
        published=version.published,
        sources=groups(report, "source"),
        **kept_amount(report).model_dump(),
    )


def groups(report: Report, axis: Literal["source", "language"]) -> tuple[Group, ...]:
    """What is kept of each source or language, by name."""
    cells: dict[str, list[Cell]] = {}
    for cell in report.cells:
        cells.setdefault(getattr(cell, axis), []).append(cell)
    return tuple(_group(name, cells[name]) for name in sorted(cells))


def _group(name: str, cells: Sequence[Cell]) -> Group:
    own = Report(cells=tuple(cells))
    return Group(name=name, documents_read=own.documents(), **kept_amount(own).model_dump())


def reasons(report: Report) -> tuple[Reason, ...]:
    """Most documents first, then by name."""
    read = report.documents()
    shown: dict[str, int] = {}
    for example in report.examples:
        shown[example.reason] = shown.get(example.reason, 0) + 1
    sums: dict[str, Reason] = {}
    for cell in report.cells:
        if cell.outcome == "kept":
            continue
        before = sums.get(cell.reason)
        documents = cell.documents + (before.documents if before else 0)
        sums[cell.reason] = Reason(
            reason=cell.reason,
            stage=cell.stage,
            outcome=cell.outcome,
            documents=documents,
            bytes=cell.bytes + (before.bytes if before else 0),
            share=documents / read,
            samples=shown.get(cell.reason, 0),
        )
    return tuple(sorted(sums.values(), key=lambda reason: (-reason.documents, reason.reason)))


def samples(manifest: Manifest, report: Report, reason: str, limit: int) -> Samples:
    """Raises NotFound for a reason that nothing was dropped for."""
    known = {one.reason: one for one in reasons(report)}
    if reason not in known:
        raise NotFound(f"version {manifest.version} dropped nothing for the reason {reason!r}")
    examples = [example for example in report.examples if example.reason == reason][:limit]
    return Samples(
        version=manifest.version,
        run=manifest.run,
        reason=reason,
        seed=seed_of(manifest),
        documents=known[reason].documents,
        samples=tuple(
            Sample.model_validate(example.model_dump(include=set(Sample.model_fields))) for example in examples
        ),
    )


def seed_of(manifest: Manifest) -> int:
    seed = manifest.recipe.get("seed", 0)
    return seed if isinstance(seed, int) else 0


def mixture(manifest: Manifest, report: Report, plan: MixtureReport | None, problem: str | None) -> Mixture:
    sources = groups(report, "source")
    kept = kept_amount(report)
    is_asked = manifest.recipe.get("mixture") is not None
    shares = _shares_by_source(plan) if plan is not None and plan.by == "source" and is_asked else {}
    return Mixture(
        version=manifest.version,
        run=manifest.run,
        parts=tuple(
            MixturePart(
                source=source.name,
                **source.model_dump(include={"documents", "bytes", "tokens"}),
                share_documents=_share(source.documents, kept.documents),
                share_bytes=_share(source.bytes, kept.bytes),
                share_tokens=(
                    None if source.tokens is None or kept.tokens is None else _share(source.tokens, kept.tokens)
                ),
                **shares.get(source.name, {}),
            )
            for source in sources
        ),
        plan=plan,
        problem=problem,
    )


def _shares_by_source(plan: MixtureReport) -> dict[str, dict[str, float]]:
    """What a plan says of each source: the sums of its parts."""
    sources: dict[str, list[MixtureShare]] = {}
    for part in plan.parts:
        sources.setdefault(part.group, []).append(part)
    return {
        source: {
            "target": math.fsum(part.target for part in parts),
            "realised": math.fsum(part.realised for part in parts),
            "epochs": _share(sum(part.weight for part in parts), sum(part.tokens for part in parts)),
        }
        for source, parts in sources.items()
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def decision_of(manifest: Manifest, found: Found, kept: dict[str, Any] | None) -> Decision:
    """One decision; `kept` is the kept document, where it was kept."""
    row = found.row
    return Decision(
        **{name: row[name] for name in _ABOUT},
        values=_values(manifest, row),
        excerpt=None if kept is None else kept[document.TEXT][:EXCERPT],
        cluster_size=None if kept is None else kept["cluster_size"],
        url=None if kept is None else kept[document.URL],
    )


def _values(manifest: Manifest, row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Stage → name → value, of the stages that the document came to, in the recipe's order."""
    stages = manifest.recipe.get("stages", [])
    names = [str(stage["name"]) for stage in stages] if isinstance(stages, list | tuple) else []
    values = {
        name: {key.removeprefix(f"{name}."): value for key, value in row.items() if key.startswith(f"{name}.")}
        for name in names
    }
    return {name: found for name, found in values.items() if any(value is not None for value in found.values())}


def run_report(manifest: Manifest, report: Report, *, is_draft: bool) -> RunReport:
    return RunReport(
        version=manifest.version,
        run=manifest.run,
        is_draft=is_draft,
        kept=kept_amount(report),
        documents_read=report.documents(),
        steps=steps(report),
        reasons=reasons(report),
        sources=groups(report, "source"),
        languages=groups(report, "language"),
    )
