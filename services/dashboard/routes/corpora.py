"""Corpora, and one corpus: its versions, what holds them, and what the chosen one holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Annotated, Any, get_args

from fastapi import Query, Request
from starlette.responses import Response

from curation.report import summed_tokens
from services.control_plane.conventions import PageToken
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.dots import Marks, line_of
from services.dashboard.links import corpus_page, job_page, recipe_page, version_home, version_page
from services.dashboard.pages import allow, new_router, page, segment, with_query
from services.dashboard.session import ROOT, is_part
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.text import UNKNOWN
from services.dashboard.versions import VersionName, number_asked
from services.errors import ServiceError
from services.identity.principal import Permission, Principal
from services.insights import views
from services.insights.flow import Unit
from services.insights.models import Group, Histogram, VersionSummary

PAGE = 25
VERSIONS = 100
GROUPS = 12
"""How many languages or sources are shown before the others are one row."""

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Choice = Annotated[str, Query(max_length=120)]


# ----------------------------------------------------------------------------- pages


@router.get("/corpora", dependencies=[SLOW])
def list_corpora(request: Request, plane: ThePlane, who: Reader, after: PageToken = None) -> Response:
    """The corpora that the project knows, by name."""
    question = ["ui corpora", who.project_id]
    found = plane.catalogue.list(who.project_id, after=plane.pages.read(after, question), limit=PAGE + 1)
    more = plane.pages.write(found[PAGE - 1].name, question) if len(found) > PAGE else None
    now = datetime.now(UTC)
    rows = [_corpus(plane, who, entry.name, now) for entry in found[:PAGE]]
    columns = (
        Column("corpus", "Corpus", "text", corpus_page),
        Column("version", "Newest version", "count", version_page),
        Column("published", "Published", "time"),
        Column("age_s", "Age", "duration"),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Tokens", "count"),
        *([Column("problem", "Problem")] if any("problem" in row for row in rows) else []),
    )
    table = Table(
        "corpora",
        "Corpora",
        columns,
        rows,
        empty="No corpus yet: a job that publishes makes one.",
        more=with_query(request, after=more) if more else None,
    )
    return page(request, "corpora.html", [table], title="Corpora", section="Corpora")


@router.get("/corpora/{name}", dependencies=[SLOW])
def show_corpus(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    after: PageToken = None,
    unit: Unit = "documents",
    column: Choice = "",
    every: Annotated[str, Query(max_length=20)] = "",
) -> Response:
    """Its versions, and what the chosen one holds and was made from."""
    corpus = plane.insights.corpus(who.project_id, name)
    frame: dict[str, Any] = {"title": name, "section": "Versions", "corpus": name, "version": version}
    if corpus.newest is None:
        return page(request, "corpus.html", **frame, of=None, url=corpus.url)
    of = plane.insights.version(who.project_id, name, number_asked(plane, who, name, version))
    report = plane.insights.report(who.project_id, name, of.version)
    question = ["ui versions", who.project_id, name]
    last = plane.pages.read(after, question)
    found = plane.insights.versions(who.project_id, name, after=int(last) if last else None, limit=VERSIONS + 1)
    versions = found[:VERSIONS]
    more = plane.pages.write(str(versions[-1].version), question) if len(found) > VERSIONS else None
    marks = _marks(plane, who, name)
    lines = [line_of(name, versions, of.version, one, marks) for one in ("documents", "tokens")]
    tables = [
        _versions(name, versions, marks, with_query(request, after=more) if more else None),
        _groups(request, "languages", views.groups(report, "language"), unit, every),
        _groups(request, "sources", views.groups(report, "source"), unit, every),
    ]
    return page(
        request,
        "corpus.html",
        tables,
        **frame,
        of=of,
        newest=corpus.newest.version,
        url=corpus.url,
        lines=[line for line in lines if line.dots],
        tags=marks.tags.get(of.version, ()),
        hold=marks.holds.get(of.version),
        seen=" ".join(f"{tag}={number}" for number, tags in marks.tags.items() for tag in tags),
        links={"job": job_page({"id": of.job_id}), "recipe": recipe_page({"recipe": of.recipe})},
        parent=version_home(name, of.parent) if of.parent else None,
        units=get_args(Unit),
        asked={"unit": unit, "column": column},
        values=_values_address(name, version, column),
    )


@router.get("/corpora/{name}/values", dependencies=[SLOW])
def show_values(
    request: Request, plane: ThePlane, who: Reader, name: Name, version: VersionName = "", column: Choice = ""
) -> Response:
    """How long the texts are, and how a measured value is distributed: a page, or the part of one that htmx asks for.
    The first answer about a version and a column reads that column of all decisions."""
    number = number_asked(plane, who, name, version)
    columns = plane.insights.columns(who.project_id, name, number)
    chosen = column or next(iter(columns), "")
    wanted = [one for one in dict.fromkeys(("bytes", chosen)) if one]
    tables = [_histogram(plane.insights.distribution(who.project_id, name, number, one)) for one in wanted]
    return page(
        request,
        "corpus_values_part.html" if is_part(request) else "corpus_values.html",
        tables,
        title=f"Lengths and values of {name}, version {number}",
        section="Versions",
        corpus=name,
        version=version,
        columns=columns,
        chosen=chosen,
        home=f"{ROOT}/corpora/{segment(name)}",
    )


# ---------------------------------------------------------------------------- tables


def _corpus(plane: Plane, who: Principal, name: str, now: datetime) -> dict[str, Any]:
    """A corpus and its newest version; one that cannot be read says why."""
    try:
        newest = plane.insights.corpus(who.project_id, name).newest
    except ServiceError as error:
        return {"corpus": name, "problem": error.detail}
    if newest is None:
        return {"corpus": name}
    return {"corpus": name, "age_s": (now - newest.published).total_seconds(), **newest.model_dump()}


def _marks(plane: Plane, who: Principal, name: str) -> Marks:
    tags: dict[int, list[str]] = {}
    for tag in plane.upkeep.tags(who.project_id, name):
        if tag.version is not None:
            tags.setdefault(tag.version, []).append(tag.name)
    return Marks(tags, {hold.version: hold.reason or "" for hold in plane.upkeep.holds(who.project_id, name)})


def _versions(name: str, versions: Sequence[VersionSummary], marks: Marks, more: str | None) -> Table:
    rows = [
        {
            **version.model_dump(),
            "tags": ", ".join(marks.tags.get(version.version, ())),
            "hold": marks.holds.get(version.version),
            "id": version.job_id,
        }
        for version in versions
    ]
    columns = (
        Column("version", "Version", "count", lambda row: version_home(name, row["version"])),
        Column("published", "Published", "time"),
        Column("documents", "Documents", "count"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Tokens", "count"),
        Column("tags", "Tags"),
        Column("hold", "Legal hold"),
        Column("recipe", "Recipe", "text", recipe_page),
        Column("id", "Job", "code", job_page),
        *([Column("gone", "Removed")] if any(version.gone for version in versions) else []),
    )
    return Table("versions", "Versions, newest first", columns, rows, more=more, classes="tall wide")


def _groups(request: Request, name: str, groups: Sequence[Group], unit: Unit, every: str) -> Table:
    """What is kept of each source or language, most first; beyond the first few, and those of which nothing is kept, in
    one row unless all are asked for."""
    ordered = sorted(groups, key=lambda group: (-(getattr(group, unit) or 0), -group.documents, group.name))
    count = min(GROUPS, sum(group.documents > 0 for group in ordered))
    is_cut = every != name and len(ordered) > count + 1
    rows = [_group(group.name or UNKNOWN, [group]) for group in (ordered[:count] if is_cut else ordered)]
    if is_cut:
        rows.append(_group(f"{len(ordered) - count} others", ordered[count:]))
    columns = (
        Column("name", name[:-1].capitalize()),
        Column("documents_read", "Read", "count"),
        Column("documents", "Documents", "count"),
        Column("share", "Kept of read", "share"),
        Column("bytes", "Text", "bytes"),
        Column("tokens", "Tokens", "count"),
    )
    return Table(
        name,
        f"{name.capitalize()}: kept {unit}",
        columns,
        rows,
        chart=Chart("bar", "name", (unit,), unit),
        total=_group("all", groups),
        more=with_query(request, every=name) if is_cut else None,
    )


def _group(name: str, groups: Sequence[Group]) -> Row:
    documents, read = sum(group.documents for group in groups), sum(group.documents_read for group in groups)
    return {
        "name": name,
        "documents_read": read,
        "documents": documents,
        "share": documents / max(1, read),
        "bytes": sum(group.bytes for group in groups),
        "tokens": summed_tokens(group.tokens for group in groups),
    }


def _histogram(found: Histogram) -> Table:
    is_length = found.column == "bytes"
    rows = [
        {"bin": label, "kept": kept, "dropped": dropped}
        for label, kept, dropped in zip(_bins(found.edges), found.kept, found.dropped, strict=True)
    ]
    columns = (
        Column("bin", "Bytes" if is_length else found.column),
        Column("kept", "Kept", "count"),
        Column("dropped", "Dropped", "count"),
    )
    return Table(
        "lengths" if is_length else "values",
        "Length of the texts in bytes" if is_length else found.column,
        columns,
        rows,
        chart=Chart("bars", "bin", ("kept", "dropped"), "documents"),
        total={"bin": "all", "kept": sum(found.kept), "dropped": sum(found.dropped)},
        note=f"{found.missing:,} documents have no such value: they did not come so far." if found.missing else "",
    )


def _bins(edges: Sequence[float]) -> Iterator[str]:
    """`4 to 7` where bins are of whole numbers and double, else `0.250 to 0.300`, with digits enough to tell them."""
    doubles = edges[:2] == (0.0, 1.0) and len(edges) > 2
    for low, high in pairwise(edges):
        if doubles:
            yield f"{low:,.0f}" if high - low == 1 else f"{low:,.0f} to {high - 1:,.0f}"
        else:
            digits = min(9, max(0, math.ceil(1 - math.log10(high - low))))
            yield f"{low:,.{digits}f} to {high:,.{digits}f}"


def _values_address(name: str, version: str, column: str) -> str:
    asked = "&".join(f"{key}={segment(value)}" for key, value in (("version", version), ("column", column)) if value)
    return f"{ROOT}/corpora/{segment(name)}/values" + (f"?{asked}" if asked else "")
