"""The funnel of a version: where its text went, stage by stage and reason by reason, and samples of each reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Any, get_args

from fastapi import Query, Request
from starlette.responses import Response

from curation.report import EXAMPLES, EXCERPT, Report
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.routes.versions import ReasonName
from services.control_plane.slow import SLOW
from services.dashboard.links import explain_page
from services.dashboard.pages import allow, new_router, page, segment
from services.dashboard.session import ROOT
from services.dashboard.tables import Column, Kind, Row, Table
from services.dashboard.text import UNKNOWN
from services.dashboard.versions import VersionName, number_asked
from services.identity.principal import Permission, Principal
from services.insights.flow import Flow, Loss, Stretch, Unit, flow, is_of
from services.insights.models import Sample

UNITS: tuple[Unit, ...] = get_args(Unit)
KINDS: dict[Unit, Kind] = {"documents": "count", "bytes": "bytes", "tokens": "count"}

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Choice = Annotated[str, Query(max_length=120)]


@dataclass(frozen=True)
class Segment:
    """A part of a bar, in per cent of the axis; a loss leads to its samples."""

    kind: str
    """`out`, `cut`, or `loss-0` to `loss-3`, which are shades."""
    x: float
    width: float
    label: str
    amount: int
    address: str | None = None

    @property
    def short(self) -> str:
        """The label within the bar: without the stage, and none where it would not fit."""
        label = self.label.partition(".")[2] if self.address else ""
        return label if len(label) < self.width else ""


@dataclass(frozen=True)
class Bar:
    """One stage's bar: what goes on, then what does not."""

    stage: str
    into: int | None
    out: int | None
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class Card:
    """A sample as it is shown, its excerpt in three parts of which the second decided."""

    sample: Sample
    parts: tuple[str, str, str]
    goes_on: bool
    """Whether the text is longer than the excerpt, as far as can be seen from it."""
    explain: str | None
    survivor: str | None


@router.get("/corpora/{name}/funnel", dependencies=[SLOW])
def show_funnel(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    unit: Unit = "documents",
    source: Choice = "",
    language: Choice = "",
) -> Response:
    """From what was read to what is kept."""
    number = number_asked(plane, who, name, version)
    report = plane.insights.report(who.project_id, name, number)
    found = flow(report, unit, source=source, language=_language(language))
    addresses = _Addresses(name, version, source, language)
    tables = [_steps(found), _reasons(found, addresses)]
    return page(
        request,
        "funnel.html",
        tables,
        title=f"Funnel of {name}, version {number}",
        section="Funnel",
        corpus=name,
        version=version,
        flow=found,
        bars=list(_bars(found, addresses)),
        most=_most(found),
        counted=next((stretch.stage for stretch in found.stretches if stretch.into is not None), None),
        kind=KINDS[unit],
        units=UNITS,
        asked={"source": source, "language": language, "unit": unit},
        sources=sorted({cell.source for cell in report.cells}),
        languages=sorted({cell.language or UNKNOWN for cell in report.cells}),
    )


@router.get("/corpora/{name}/funnel/{reason}", dependencies=[SLOW])
def show_samples(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    reason: ReasonName,
    version: VersionName = "",
    source: Choice = "",
    language: Choice = "",
) -> Response:
    """Documents that were dropped for one reason, chosen uniformly."""
    number = number_asked(plane, who, name, version)
    found = plane.insights.samples(who.project_id, name, number, reason, limit=EXAMPLES)
    report = plane.insights.report(who.project_id, name, number)
    wanted = _language(language)
    chosen = [
        sample
        for sample in found.samples
        if (not source or sample.source == source) and (wanted is None or (sample.language or "") == wanted)
    ]
    place = {"corpus": name, "version": version or None}
    return page(
        request,
        "samples.html",
        [_samples(chosen)],
        title=reason,
        section="Funnel",
        corpus=name,
        version=version,
        number=number,
        found=found,
        cards=[_card(sample, place) for sample in chosen],
        dropped=sum(cell.documents for cell in report.cells if cell.reason == reason and is_of(cell, source, wanted)),
        is_filtered=bool(source or language),
        asked={"source": source, "language": language},
        sources=_counted(report, reason, "source"),
        languages=_counted(report, reason, "language"),
        back=_Addresses(name, version, source, language).funnel(),
    )


# ---------------------------------------------------------------------------- funnel


@dataclass(frozen=True)
class _Addresses:
    """Where a funnel's parts lead, with its version and filters."""

    name: str
    version: str
    source: str
    language: str

    def funnel(self, reason: str | None = None) -> str:
        asked = {"version": self.version, "source": self.source, "language": self.language}
        query = "&".join(f"{name}={segment(value)}" for name, value in asked.items() if value)
        path = f"{ROOT}/corpora/{segment(self.name)}/funnel"
        path += "" if reason is None else f"/{segment(reason)}"
        return f"{path}?{query}" if query else path


def _most(found: Flow) -> int:
    """The end of the axis: what came into the first step of which that is known."""
    amounts = (amount for stretch in found.stretches for amount in (stretch.into, stretch.out) if amount is not None)
    return next(amounts, 0)


def _bars(found: Flow, addresses: _Addresses) -> Iterator[Bar]:
    most = max(1, _most(found))
    for stretch in found.stretches:
        parts: list[tuple[str, str, int, str | None]] = [("out", "goes on", stretch.out or 0, None)]
        parts += [("cut", "cut out of documents that go on", stretch.cut, None)] if stretch.cut else []
        parts += [
            (f"loss-{index % 4}", loss.reason, loss.amount or 0, addresses.funnel(loss.reason))
            for index, loss in enumerate(stretch.losses)
        ]
        ends = accumulate(amount for _, _, amount, _ in parts)
        segments = tuple(
            Segment(kind, 100 * (end - amount) / most, 100 * amount / most, label, amount, address)
            for (kind, label, amount, address), end in zip(parts, ends, strict=True)
            if amount and stretch.out is not None
        )
        yield Bar(stretch.stage, stretch.into, stretch.out, segments)


def _steps(found: Flow) -> Table:
    rows = [
        {
            "stage": stretch.stage,
            "in": stretch.into,
            "lost": _lost(stretch),
            "cut": stretch.cut,
            "out": stretch.out,
            "share": _share(_lost(stretch), stretch.into),
        }
        for stretch in found.stretches
    ]
    lost = None if found.into is None else found.into - (found.kept or 0) - found.cut
    total = {
        "stage": "all",
        "in": found.into,
        "lost": lost,
        "cut": found.cut,
        "out": found.kept,
        "share": _share(lost, found.into),
    }
    kind = KINDS[found.unit]
    columns = (
        Column("stage", "Stage"),
        Column("in", "In", kind),
        Column("lost", "Dropped or failed", kind),
        *([Column("cut", "Cut out", kind)] if found.cut else []),
        Column("out", "Out", kind),
        Column("share", "Share of what came in", "share"),
    )
    return Table("steps", f"Stages, in {found.unit}", columns, rows, total=total, classes="wide")


def _reasons(found: Flow, addresses: _Addresses) -> Table:
    rows = [_reason(stretch, loss, found.into) for stretch in found.stretches for loss in stretch.losses]
    rows.sort(key=lambda row: -(row["amount"] or 0))

    def samples(row: Row) -> str | None:
        return addresses.funnel(row["reason"]) if row.get("stage") else None

    columns = (
        Column("reason", "Reason", "text", samples),
        Column("stage", "Stage"),
        Column("outcome", "Outcome"),
        Column("amount", found.unit.capitalize(), KINDS[found.unit]),
        Column("of_read", "Of what was read", "share"),
        Column("of_stage", "Of what came to the stage", "share"),
    )
    lost = _sum(found.dropped, found.failed)
    total = {"reason": "all", "amount": lost, "of_read": _share(lost, found.into)}
    return Table(
        "reasons", f"Reasons, in {found.unit}", columns, rows, total=total, empty="Nothing was dropped.", classes="wide"
    )


def _reason(stretch: Stretch, loss: Loss, read: int | None) -> dict[str, Any]:
    return {
        "reason": loss.reason,
        "stage": stretch.stage,
        "outcome": loss.outcome,
        "amount": loss.amount,
        "of_read": _share(loss.amount, read),
        "of_stage": _share(loss.amount, stretch.into),
    }


def _lost(stretch: Stretch) -> int | None:
    return None if stretch.into is None or stretch.out is None else stretch.into - stretch.out - stretch.cut


def _share(part: int | None, whole: int | None) -> float | None:
    return None if part is None or whole is None else part / max(1, whole)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


# --------------------------------------------------------------------------- samples


def _samples(chosen: Sequence[Sample]) -> Table:
    columns = (
        Column("id", "Document"),
        Column("source", "Source"),
        Column("language", "Language"),
        Column("value", "Value", "number"),
        Column("threshold", "Threshold", "number"),
        Column("detail", "Detail"),
        Column("survivor", "Survivor"),
        Column("shard", "Input file"),
        Column("row", "Record", "count"),
        Column("decided", "What decided"),
        Column("excerpt", "Text"),
    )
    rows = [sample.model_dump() | {"decided": _parts(sample)[1] or None} for sample in chosen]
    return Table("samples", "Samples", columns, rows)


def _card(sample: Sample, place: Row) -> Card:
    return Card(
        sample=sample,
        parts=_parts(sample),
        goes_on=len(sample.excerpt) == EXCERPT,
        explain=explain_page({**place, "id": sample.id, "source": sample.source}),
        survivor=explain_page({**place, "id": sample.survivor}),
    )


def _parts(sample: Sample) -> tuple[str, str, str]:
    """Before what decided, it, and behind it."""
    start, end = sample.span or (len(sample.excerpt), len(sample.excerpt))
    return sample.excerpt[:start], sample.excerpt[start:end], sample.excerpt[end:]


def _counted(report: Report, reason: str, axis: str) -> list[tuple[str, int]]:
    """How many documents of each source or language there are of this reason, most first."""
    counts: dict[str, int] = {}
    for cell in report.cells:
        if cell.reason == reason:
            name = getattr(cell, axis) or UNKNOWN
            counts[name] = counts.get(name, 0) + cell.documents
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _language(asked: str) -> str | None:
    """As cells have it; None for any."""
    return None if not asked else "" if asked == UNKNOWN else asked
