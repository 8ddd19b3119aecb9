"""Items of benchmarks in a corpus: how many were found, and in which documents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from curation.pipeline.contaminated import WORST, ContaminationReport, Hit
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import explain_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.versions import VersionName, number_asked
from services.identity.principal import Permission, Principal

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Benchmark = Annotated[str, Query(max_length=200)]


@router.get("/corpora/{name}/contamination", dependencies=[SLOW])
def contamination(
    request: Request, plane: ThePlane, who: Reader, name: Name, version: VersionName = "", benchmark: Benchmark = ""
) -> Response:
    """What the version's stages of contamination found, by benchmark and by document."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    reports = plane.screening.contamination(place)
    tables = [table for report in reports for table in _of_report(request, name, version, report, benchmark)]
    return page(
        request,
        "contamination.html",
        tables,
        title="Contamination",
        section="Contamination",
        corpus=name,
        version=version,
        of=plane.insights.version(*place),
        url=plane.insights.corpus(*place[:2]).url,
        reports=reports,
        benchmark=benchmark,
        names=sorted({each.benchmark for report in reports for each in report.benchmarks}),
    )


def _of_report(
    request: Request, corpus: str, version: str, report: ContaminationReport, benchmark: str
) -> Iterable[Table]:
    yield _benchmarks(request, report)
    columns = (
        Column("document", "Document", "code", explain_page),
        Column("source", "Source"),
        Column("outcome", "Outcome"),
        Column("items", "Items in it", "count"),
        Column("benchmark", "Benchmark"),
        Column("item", "Item", "code"),
        Column("score", "Score", "number"),
        Column("start", "From", "count"),
        Column("end", "To", "count"),
    )
    for name, caption, hits, empty in (
        ("worst", "Documents that hold most", report.worst, "No document holds as much of an item."),
        ("chance", "Nearest below the threshold", report.chance, "Nothing was found below the threshold."),
    ):
        yield Table(
            f"{report.stage}-{name}",
            caption,
            columns,
            [
                {"corpus": corpus, "version": version, **each.model_dump(), "document": _named(each)}
                for each in hits
                if benchmark in {"", each.benchmark}
            ],
            empty=empty,
            note=f"{WORST} documents at most, each with the item that scores highest in it. From and to count the "
            "characters of the text as the stage saw it.",
        )


def _benchmarks(request: Request, report: ContaminationReport) -> Table:
    rows = [
        {
            "benchmark": each.benchmark,
            "items_hit": each.items_hit,
            "documents": each.documents,
            "dropped": each.documents - each.documents_kept,
            "kept": each.documents_kept,
            "canary": each.documents_with_canary,
            "chance_items": each.chance_items,
            "chance_documents": each.chance_documents,
        }
        for each in report.benchmarks
    ]
    total = {
        "benchmark": "all",
        "items_hit": sum(each.items_hit for each in report.benchmarks),
        "documents": report.contaminated,
        "dropped": report.contaminated_dropped,
        "kept": report.contaminated - report.contaminated_dropped,
        "canary": sum(each.documents_with_canary for each in report.benchmarks),
        "chance_items": sum(each.chance_items for each in report.benchmarks),
    }
    kept = {"cut": "Cut and kept", "tag": "Marked and kept"}.get(report.action or "", "Kept")
    return Table(
        f"{report.stage}-benchmarks",
        "Documents that hold items of benchmarks",
        (
            Column("benchmark", "Benchmark", "text", lambda row: _chosen(request, row, total)),
            Column("items_hit", "Items hit", "count"),
            Column("documents", "Documents", "count"),
            Column("dropped", "Dropped", "count"),
            Column("kept", kept, "count"),
            Column("canary", "With its canary", "count"),
            Column("chance_items", "Items below the threshold", "count"),
            Column("chance_documents", "in documents", "count"),
        ),
        rows,
        chart=Chart("stacked", "benchmark", ("dropped", "kept"), "documents"),
        total=total if rows else None,
        note="A document that holds items of several benchmarks stands in the row of each, and once in the last row. "
        "Dropped means that the version does not keep it, whichever stage has dropped it.",
        empty="No document holds anything of an item of the registry, not even by chance.",
    )


def _chosen(request: Request, row: Row, total: Row) -> str | None:
    return None if row is total else with_query(request, benchmark=row["benchmark"])


def _named(hit: Hit) -> str:
    return hit.id if hit.id is not None else f"{hit.shard}, record {hit.row}"
