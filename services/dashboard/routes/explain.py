"""Explain: what became of a document and why, and in which versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from curation.history import History, Moment
from curation.whatif.checks import Check
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import cluster_page, explain_page, version_page
from services.dashboard.pages import allow, new_router, page
from services.dashboard.tables import Column, Row, Table
from services.dashboard.versions import VersionName, number_asked
from services.errors import NotFound
from services.identity.principal import Permission, Principal
from services.insights.models import Decision
from services.insights.trials import HISTORY_VERSIONS, Judged

SHOWN = 10
"""How many documents of one id are shown."""
ZEROS = 3
"""Where a stage found nothing of more things than this, they share a line."""
GONE = {
    "input_left": "gone: its input file left",
    "input_changed": "gone: its input file has other content, without this record",
    "unaccounted": "gone, though its input file is as it was",
}

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Choice = Annotated[str, Query(max_length=120)]
DocumentId = Annotated[str, Query(alias="id", max_length=4096)]

CHECK_COLUMNS = (
    Column("stage", "Stage", "code"),
    Column("value", "Value"),
    Column("measured", "Measured", "number"),
    Column("bound", "Dropped where"),
    Column("verdict", "Verdict", "state"),
    Column("reason", "Reason", "code"),
)


@dataclass(frozen=True)
class Told:
    """One document of the id that was asked for."""

    decision: Decision
    checks: Table
    problem: str | None
    """Why the bounds cannot be told."""
    survivor: str | None
    cluster: str | None


@router.get("/corpora/{name}/explain", dependencies=[SLOW])
def show_explain(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    document_id: DocumentId = "",
    source: Choice = "",
) -> Response:
    """What became of a document, by its id."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    about = {"corpus": name, "version": version}
    told: list[Told] = []
    problem, more = "", False
    if document_id:
        try:
            found = plane.insights.explain(*place, document_id, source=source or None)
        except NotFound as error:
            problem = error.detail
        else:
            more = found.more or len(found.decisions) > SHOWN
            for number, decision in enumerate(found.decisions[:SHOWN]):
                judged, unknown = plane.trials.judged(place, decision)
                told.append(_told(number, document_id, decision, judged, unknown, about))
    return page(
        request,
        "explain.html",
        [each.checks for each in told],
        title=f"Explain a document of {name}",
        section="Explain",
        corpus=name,
        version=version,
        status=404 if problem else 200,
        number=place[2],
        told=told,
        problem=problem,
        more=more,
        asked={"id": document_id, "source": source, "text": ""},
        sources=plane.trials.sources(place),
        history=_history_page(about | {"id": document_id}) if document_id else None,
        tried=None,
    )


@router.get("/corpora/{name}/explain/history", dependencies=[SLOW])
def show_history(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    document_id: Annotated[str, Query(alias="id", min_length=1, max_length=4096)],
    version: VersionName = "",
) -> Response:
    """What the newest versions said about a document, one after the other."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    found, has_older = plane.trials.history(place, document_id)
    newest = plane.insights.version(*place[:2]).version
    return page(
        request,
        "explain_history.html",
        [_holding(found, name, newest), _moments(found, name)],
        title=f"{document_id} from version to version",
        section="Explain",
        corpus=name,
        version=version,
        unknown=found.unknown,
        looked=HISTORY_VERSIONS if has_older else None,
        back=explain_page({"corpus": name, "version": version, "id": document_id}),
    )


def _told(
    number: int, document_id: str, decision: Decision, judged: Sequence[Judged], problem: str | None, about: Row
) -> Told:
    rows = [row for stage in judged for row in _judged_rows(stage, decision)]
    table = Table(
        f"checks-{number}", "Stage by stage", CHECK_COLUMNS, rows, empty="No stage has looked at it.", classes="checks"
    )
    where = {"id": decision.survivor, "shard": decision.survivor_shard, "row": decision.survivor_row}
    own = {"id": document_id, "source": decision.source, "shard": decision.shard, "row": decision.row}
    return Told(
        decision=decision,
        checks=table,
        problem=problem,
        survivor=cluster_page({**about, **where}) if decision.survivor is not None else None,
        cluster=cluster_page({**about, **own}) if (decision.cluster_size or 1) > 1 else None,
    )


def _judged_rows(stage: Judged, decision: Decision) -> Iterator[dict[str, Any]]:
    stops = stage.stage == decision.stage
    if not stage.is_reached:
        yield {"stage": stage.stage, "verdict": "not reached"}
        return
    yield from check_rows(
        stage.stage, stage.checks, decision.reason if stops else None, decision.value, decision.threshold
    )


def check_rows(
    stage: str, checks: Sequence[Check], reason: str | None, value: float | None, threshold: float | None
) -> Iterator[dict[str, Any]]:
    """A row for each value; of those that broke a bound the one that decided has the verdict, and where none of them is
    named, a row of its own has it."""
    silent = [check for check in checks if check.op is None and _is_nothing(check)]
    folded = silent if len(silent) > ZEROS else []
    decided = False
    for check in checks:
        if check in folded or (reason is not None and check.measured is None):
            continue
        drops = reason is not None and check.reason == reason and check.is_broken
        decided = decided or drops
        yield {
            "stage": stage,
            "value": check.value.replace("_", " "),
            "measured": check.measured,
            "bound": "" if check.op is None else f"{check.op} {check.threshold:g}",
            "verdict": "drops" if drops else "passes" if check.op is not None and not check.is_broken else "",
            "reason": reason if drops else "",
        }
    if folded:
        others = "others" if len(folded) < len(checks) else "values"
        yield {"stage": stage, "value": f"{len(folded)} {others}", "measured": 0}
    if reason is not None and not decided:
        bound = "" if threshold is None else f"threshold {threshold:g}"
        yield {"stage": stage, "value": "", "measured": value, "bound": bound, "verdict": "drops", "reason": reason}
    elif not checks and reason is None:
        yield {"stage": stage, "verdict": "passes"}


def _is_nothing(check: Check) -> bool:
    return check.measured == 0 and not isinstance(check.measured, bool)


def _history_page(about: Row) -> str | None:
    address = explain_page(about)
    return address and address.replace("/explain?", "/explain/history?")


def _holding(found: History, name: str, newest: int) -> Table:
    """From which version to which one the document was kept: without an end where the newest version holds it."""
    rows: list[dict[str, Any]] = []
    held: dict[tuple[str, str, int], dict[str, Any]] = {}
    for moment in found.moments:
        at = moment.source, moment.shard, moment.row
        if moment.outcome == "kept":
            held[at] = {"corpus": name, "version": moment.version, "until": newest, "source": moment.source}
            rows.append(held[at])
        elif at in held:
            held.pop(at)["until"] = moment.version - 1
    columns = (
        Column("version", "From version", "code", version_page),
        Column("until", "To version", "code"),
        Column("source", "Source"),
    )
    return Table("holding", "Versions that hold it", columns, rows, empty="None of these versions keeps it.")


def _moments(found: History, name: str) -> Table:
    rows = [
        {
            "corpus": name,
            "version": moment.version,
            "published": moment.published,
            "kind": moment.kind,
            "what": _what(moment),
            "id": moment.survivor,
            "source": moment.source,
            "shard": moment.shard,
            "row": moment.row,
        }
        for moment in reversed(found.moments)
    ]
    columns = (
        Column("version", "Version", "code", version_page),
        Column("published", "Published", "time"),
        Column("kind", "Made by"),
        Column("what", "What it said"),
        Column("id", "Kept instead", "code", lambda row: explain_page({**row, "source": None})),
        Column("source", "Source"),
        Column("shard", "Input file", "code"),
        Column("row", "Record", "count"),
    )
    return Table("moments", "Versions in which the decision changed", columns, rows)


def _what(moment: Moment) -> str:
    if moment.why is not None:
        return GONE[moment.why]
    if moment.reason is None:
        return moment.outcome
    told = f"{moment.outcome} by {moment.reason}"
    if moment.value is not None and moment.threshold is not None:
        told += f": {moment.value:.4g}, threshold {moment.threshold:g}"
    if moment.similarity is not None:
        told += f", similarity {moment.similarity:.4g}"
    return told
