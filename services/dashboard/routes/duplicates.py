"""Copies: how many a version dropped, how like they are, who copies whom, and the largest clusters."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from curation.clusters import Asked, Duplicates, Precision
from curation.clusters.copies import BINS
from curation.report import Report
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import cluster_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.versions import VersionName, number_asked
from services.identity.principal import Permission, Principal

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Choice = Annotated[str, Query(max_length=120)]


@router.get("/corpora/{name}/duplicates", dependencies=[SLOW])
def show_duplicates(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    source: Choice = "",
    stage: Choice = "",
    min_similarity: Annotated[float, Query(ge=0, le=1)] = 0.0,
    precision: bool = False,
) -> Response:
    """The copies of a version; `precision` compares a sample of them again."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    report = plane.insights.report(*place)
    stages = plane.clusters.stages(place)
    asked = Asked(source or None, stage or None, min_similarity)
    found = plane.clusters.account(place, asked)
    measured = plane.clusters.precision(place, asked) if precision else None
    about = {"corpus": name, "version": version}
    tables = [_clusters(found, about), _sizes(report), _similarities(found), _pairs(found)]
    return page(
        request,
        "duplicates.html",
        [*tables, *([_precision(measured)] if measured else [])],
        title=f"Duplicates of {name}, version {place[2]}",
        section="Duplicates",
        corpus=name,
        version=version,
        found=found,
        read=report.documents(),
        compared=report.dedup,
        measured=measured,
        measure=with_query(request, precision="true") + "#precision",
        asked={"source": source, "stage": stage, "min_similarity": min_similarity},
        is_filtered=asked != Asked(),
        sources=sorted({cell.source for cell in report.cells}),
        stages=[each.name for each in stages],
    )


def _clusters(found: Duplicates, about: Row) -> Table:
    rows = [
        {
            **about,
            "id": each.id,
            "source": each.source,
            "shard": each.shard,
            "row": each.row,
            "copies": each.copies,
            "bytes": each.bytes,
            "least": each.least_similarity,
        }
        for each in found.largest
    ]
    columns = (
        Column("id", "Kept document", "code", cluster_page),
        Column("source", "Source"),
        Column("copies", "Copies dropped", "count"),
        Column("bytes", "Their text", "bytes"),
        Column("least", "Least similarity", "number"),
    )
    note = f"The {len(rows)} largest of {found.clusters:,} clusters." if found.clusters > len(rows) else ""
    return Table("clusters", "Largest clusters", columns, rows, note=note, empty="No copy is like this.")


def _sizes(report: Report) -> Table:
    """In bins that double, for most clusters are small."""
    rows: list[dict[str, Any]] = []
    for size, clusters in sorted(report.clusters.items()):
        low = 1 << (size - 1).bit_length() - 1
        label = f"{low + 1:,} to {2 * low:,}" if low > 1 else "2"
        if not rows or rows[-1]["size"] != label:
            rows.append({"size": label, "clusters": 0, "documents": 0})
        rows[-1]["clusters"] += clusters
        rows[-1]["documents"] += clusters * size
    columns = (
        Column("size", "Documents in a cluster"),
        Column("clusters", "Clusters", "count"),
        Column("documents", "Documents in them", "count"),
    )
    return Table(
        "sizes",
        "Clusters by size",
        columns,
        rows,
        Chart("bars", "size", ("clusters",), "clusters"),
        total={"size": "all", **{key: sum(row[key] for row in rows) for key in ("clusters", "documents")}},
        note="Of the whole version, whatever is chosen above; the kept document is counted. The bins double.",
        empty="No document stands for copies.",
    )


def _similarities(found: Duplicates) -> Table:
    names = [each.stage for each in found.similarities]
    counts = list(zip(*(each.counts for each in found.similarities), strict=True))
    first = next((n for n, row in enumerate(counts) if any(row)), 0)
    rows = [
        {"from": f"{n / BINS:.2f} to {(n + 1) / BINS:.2f}", **{f"stage-{k}": count for k, count in enumerate(row)}}
        for n, row in enumerate(counts)
        if n >= first
    ]
    total = {"from": "all", **{f"stage-{k}": each.documents for k, each in enumerate(found.similarities)}}
    columns = [Column("from", "Similarity"), *(Column(f"stage-{k}", name, "count") for k, name in enumerate(names))]
    return Table(
        "similarities",
        "Copies by their similarity with the kept document",
        columns,
        rows,
        Chart("bars", "from", tuple(column.name for column in columns[1:]), "copies"),
        total=total,
        note="Verified Jaccard similarity of the sets of shingles; 1 of exact copies, which the last bin has.",
        empty="No copy is like this.",
    )


def _pairs(found: Duplicates) -> Table:
    rows = [
        {
            "source": each.source,
            "of": each.survivor_source or "(its input file left)",
            "documents": each.documents,
            "share": each.documents / found.documents,
            "bytes": each.bytes,
        }
        for each in found.pairs
    ]
    columns = (
        Column("source", "Copies in"),
        Column("of", "Of documents in"),
        Column("documents", "Copies", "count"),
        Column("share", "Share", "share"),
        Column("bytes", "Their text", "bytes"),
    )
    left_out = f"{found.pairs_left_out:,} further pairs have fewer copies; the total has them too."
    return Table(
        "pairs",
        "Who copies whom",
        columns,
        rows,
        total={"source": "all", "documents": found.documents, "share": 1.0, "bytes": found.bytes},
        note=left_out if found.pairs_left_out else "",
        empty="No copy is like this.",
    )


def _precision(found: Precision) -> Table:
    rows = [
        {
            "stage": each.stage,
            "asks": "equal texts" if each.min_similarity is None else f"{each.min_similarity:g} and more",
            "copies": each.copies,
            "sampled": each.sampled,
            "compared": each.compared,
            "alike": each.alike,
            "share": each.share.value if each.compared else None,
            "low": each.share.low if each.compared else None,
            "high": each.share.high if each.compared else None,
            "error": each.largest_error,
        }
        for each in found.stages
    ]
    columns = (
        Column("stage", "Stage"),
        Column("asks", "Asks for"),
        Column("copies", "Dropped", "count"),
        Column("sampled", "Sampled", "count"),
        Column("compared", "Compared", "count"),
        Column("alike", "Copies indeed", "count"),
        Column("share", "Precision", "share"),
        Column("low", "At least", "share"),
        Column("high", "At most", "share"),
        Column("error", "Largest error", "number"),
    )
    unread = "".join(f" {count:,} could not be compared: {why}." for why, count in found.unread.items())
    note = (
        f"A uniform sample by seed {found.seed}, of which both texts were read again and compared; bounds with 95 % "
        f"confidence. The error is that of the recorded similarity.{unread}"
    )
    return Table(
        "precision", "Precision, measured on a sample", columns, rows, note=note, empty="No copy is like this."
    )
