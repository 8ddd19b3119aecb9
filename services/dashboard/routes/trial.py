"""Texts that are in no corpus: what a version's recipe would make of them. Nothing of them is kept or logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import Request
from starlette.responses import Response

from curation.whatif.trial import Trial
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import explain_page
from services.dashboard.pages import Form, allow, new_router, page
from services.dashboard.routes.explain import CHECK_COLUMNS, check_rows
from services.dashboard.tables import Column, Row, Table, export
from services.dashboard.versions import VersionName, number_asked
from services.identity.principal import Permission, Principal
from services.insights.trials import Tried

MAX_CHARACTERS = 200_000

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]


@router.post("/corpora/{name}/explain", dependencies=[SLOW])
def try_text(
    request: Request, plane: ThePlane, who: Reader, name: Name, form: Form, version: VersionName = ""
) -> Response:
    """What the version's recipe would make of a text. Nothing of it is kept."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    text, sources = form.get("text", "").replace("\r\n", "\n"), plane.trials.sources(place)
    source = form.get("source", "") if form.get("source", "") in sources else sources[0]
    problem = _wrong(text)
    tried = None if problem else plane.trials.tried(place, text, source)
    tables = list(_of_tried(tried, {"corpus": name, "version": version})) if tried else []
    by_name = {table.name: table for table in tables}
    asked, _, how = form.get("export", "").partition(".")
    if asked in by_name and how in {"csv", "json"}:
        return export(by_name[asked], how)
    return page(
        request,
        "explain.html",
        tables,
        title=f"Explain a document of {name}",
        section="Explain",
        corpus=name,
        version=version,
        status=422 if problem else 200,
        number=place[2],
        told=[],
        problem=problem,
        more=False,
        asked={"id": "", "source": source, "text": text[:MAX_CHARACTERS]},
        sources=sources,
        history=None,
        tried=tried,
    )


def _wrong(text: str) -> str:
    if not text.strip():
        return "Found no text, expected some."
    if len(text) > MAX_CHARACTERS:
        return f"Found {len(text):,} characters, expected {MAX_CHARACTERS:,} at most."
    return ""


def _of_tried(tried: Tried, about: Row) -> Iterator[Table]:
    yield _verdicts(tried.trial)
    if tried.likest is not None:
        rows = [
            {**about, **each.model_dump(), "equal": "yes, but for case and white space" if each.is_exact else ""}
            for each in tried.likest.nearest
        ]
        columns = (
            Column("id", "Kept document", "code", explain_page),
            Column("source", "Source"),
            Column("similarity", "Similarity", "number"),
            Column("equal", "Equal"),
            Column("excerpt", "It begins"),
        )
        note = (
            f"Kept documents that share a bucket of the index with it: {tried.likest.candidates:,}; compared were the "
            f"{tried.likest.compared:,} that share most. Similarity is the Jaccard index of the sets of shingles."
        )
        empty = "No kept document is near enough to share a bucket of the index with it."
        yield Table(
            "nearest", "Nearest kept documents", columns, rows, note=note if rows else "", empty=empty, has_export=False
        )


def _verdicts(found: Trial) -> Table:
    rows = [
        row
        for verdict in found.verdicts
        for row in check_rows(verdict.stage, verdict.checks, verdict.reason, verdict.value, verdict.threshold)
    ]
    note = "Stages behind the one that drops it are asked all the same." if found.stopped else ""
    return Table(
        "checks",
        "Stage by stage",
        CHECK_COLUMNS,
        rows,
        note=note,
        empty="The recipe has no stage that looks at one document.",
        classes="checks",
        has_export=False,
    )
