"""Personal data and secrets in a corpus: how much was found of what, and what became of it; never what stood there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import explain_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.tables import Chart, Column, Row, Table
from services.dashboard.text import in_words
from services.dashboard.versions import VersionName, number_asked
from services.identity.principal import Permission, Principal
from services.insights.privacy import ALL, PrivacyFigures, PrivacyStage

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Filter = Annotated[str, Query(max_length=200)]


@router.get("/corpora/{name}/privacy", dependencies=[SLOW])
def privacy(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    source: Filter = "",
    stage: Filter = "",
    type_: Annotated[str, Query(alias="type", max_length=80)] = "",
) -> Response:
    """What the version's stages of privacy found, by type and by source, with samples in which nothing can be read of
    it. A `stage` and a `type` of it choose the samples, a `source` all of the page."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    found = plane.screening.privacy(place)
    samples = {
        each.stage: plane.screening.privacy_samples(
            place, each.stage, source or None, type_ if each.stage == stage else ALL
        )
        for each in found.stages
    }
    tables = [table for each in found.stages for table in _of_stage(request, each, source)]
    return page(
        request,
        "privacy.html",
        tables,
        title="Privacy",
        section="Privacy",
        corpus=name,
        version=version,
        of=plane.insights.version(*place),
        stages=found.stages,
        facts={each.stage: _facts(each, source) for each in found.stages},
        does={each.stage: _does(each) for each in found.stages},
        not_found={each.stage: _not_found(each, source) for each in found.stages},
        samples=samples,
        source=source,
        asked=(stage, type_),
        sources=sorted({each for one in found.stages for each in one.reached}),
        explain=lambda sample: explain_page({
            "corpus": name, "version": version, "id": sample.id, "source": sample.source
        }),
    )  # fmt: skip


def _of_stage(request: Request, stage: PrivacyStage, source: str) -> Iterable[Table]:
    found = [each for each in stage.found if source in {"", each.source}]
    yield _by_type(request, stage, found, source)
    yield _by_source(request, stage)
    yield Table(
        f"{stage.stage}-settings",
        "What it is set to",
        (Column("option", "Option", "code"), Column("value", "Value")),
        [{"option": option, "value": in_words(value)} for option, value in stage.options.items()],
    )


def _by_type(request: Request, stage: PrivacyStage, found: Sequence[PrivacyFigures], source: str) -> Table:
    dropped = _sums((each.type, each.documents) for each in stage.dropped if source in {"", each.source})
    there = {each.type for each in found if each.documents}
    rows = [
        {
            "type": name,
            "placeholder": placeholder,
            **_amounts([each for each in found if each.type == name]),
            "dropped": dropped.get(name, 0),
        }
        for name, placeholder in stage.placeholders.items()
        if name in there
    ]
    total = {
        "type": "all",
        **_amounts([each for each in found if each.type == ALL]),
        "dropped": sum(dropped.values()),
    }
    return Table(
        f"{stage.stage}-types",
        f"Documents in which {stage.stage} found something, by type" + (f", source {source}" if source else ""),
        (
            Column("type", "Type", "text", lambda row: _of_type(request, stage, row, total)),
            *([Column("placeholder", "Becomes", "code")] if stage.action == "redact" else []),
            *_columns(stage),
            Column("dropped", "Dropped for too many", "count"),
        ),
        rows,
        chart=Chart("bar", "type", ("documents",), "documents"),
        total=total if rows else None,
        empty="Nothing was found.",
        note="A document that holds several types stands in the row of each, and once in the last row; there, dropped "
        "for too many are those of one type and those of all types together.",
    )


def _by_source(request: Request, stage: PrivacyStage) -> Table:
    dropped = _sums((each.source, each.documents) for each in stage.dropped)
    by_source = {source: _amounts([]) for source in stage.reached}
    by_source |= {each.source: _amounts([each]) for each in stage.found if each.type == ALL}
    rows = [
        {
            "source": source,
            "reached": stage.reached[source],
            **amounts,
            "share": amounts["documents"] / stage.reached[source] if stage.reached[source] else None,
            "dropped": dropped.get(source, 0),
        }
        for source, amounts in sorted(by_source.items(), key=lambda item: (-item[1]["documents"], item[0]))
    ]
    reached = sum(stage.reached.values())
    amounts = _amounts([each for each in stage.found if each.type == ALL])
    share = amounts["documents"] / reached if reached else None
    total = {"source": "all", "reached": reached, **amounts, "share": share, "dropped": sum(dropped.values())}
    return Table(
        f"{stage.stage}-sources",
        f"What {stage.stage} found, by source",
        (
            Column(
                "source",
                "Source",
                "text",
                lambda row: None if row is total else with_query(request, source=row["source"]),
            ),
            Column("reached", "Came to the stage", "count"),
            *_columns(stage),
            Column("share", "Share with a find", "share"),
            Column("dropped", "Dropped for too many", "count"),
        ),
        rows,
        total=total if rows else None,
        empty="No document came to this stage.",
    )


def _columns(stage: PrivacyStage) -> tuple[Column, ...]:
    spans_kept = "Redacted in them" if stage.action == "redact" else "Still in them"
    return (
        Column("documents", "Documents with it", "count"),
        Column("spans", "Found", "count"),
        Column("documents_kept", "Documents kept", "count"),
        Column("spans_kept", spans_kept, "count"),
    )


def _amounts(figures: Sequence[PrivacyFigures]) -> dict[str, int]:
    return {
        "documents": sum(each.documents for each in figures),
        "spans": sum(each.spans for each in figures),
        "documents_kept": sum(each.documents_kept for each in figures),
        "spans_kept": sum(each.spans_kept for each in figures),
    }


def _facts(stage: PrivacyStage, source: str) -> dict[str, int]:
    """Of one source, or of all."""
    amounts = _amounts([each for each in stage.found if each.type == ALL and source in {"", each.source}])
    reached = sum(count for name, count in stage.reached.items() if source in {"", name})
    dropped = sum(each.documents for each in stage.dropped if source in {"", each.source})
    return {**amounts, "reached": reached, "dropped": dropped}


def _does(stage: PrivacyStage) -> str:
    """What the stage does, in a sentence."""
    does = {
        "redact": "Replaces what it finds by placeholders",
        "drop": "Leaves texts as they are",
        "tag": "Only counts: what it finds is still in the texts",
    }[stage.action]
    limits = [] if stage.max_count is None else [f"more than {stage.max_count} find{'s' * (stage.max_count != 1)}"]
    limits += [f"more than {most} of type {name}" for name, most in stage.max_counts.items()]
    if stage.action == "drop" and not limits:
        limits = ["any find"]
    return f"{does}, and drops documents with {' or '.join(limits)}." if limits else f"{does}."


def _not_found(stage: PrivacyStage, source: str) -> list[str]:
    """The types that were looked for, and of which there is nothing."""
    there = {each.type for each in stage.found if each.documents and source in {"", each.source}}
    return [name for name in stage.placeholders if name not in there]


def _of_type(request: Request, stage: PrivacyStage, row: Row, total: Row) -> str:
    """The same page with samples of this type; of all types without one."""
    if row is total:
        return with_query(request, stage=None, type=None)
    return with_query(request, stage=stage.stage, type=row["type"])


def _sums(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for name, documents in counts:
        sums[name] = sums.get(name, 0) + documents
    return sums
