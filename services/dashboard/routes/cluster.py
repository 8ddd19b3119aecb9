"""One document with the copies that were dropped for it: why it was kept, and what tells them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import Query, Request
from starlette.responses import Response

from curation.clusters import Comparison, Member, Members, Record
from curation.clusters.comparison import WORD
from curation.decision import KEPT
from curation.dedup import DedupStage
from curation.report import Report
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.links import cluster_page, explain_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.tables import Column, Row, Table
from services.dashboard.versions import VersionName, number_asked
from services.errors import NotFound
from services.identity.principal import Permission, Principal
from services.insights.duplicates import Beside
from services.insights.insights import Place
from services.insights.models import Decision

RULES = {
    "longest": "the longest text, in characters",
    "newest": "the newest by its date; one without a date loses",
    "earliest": "the earliest by its date; one without a date loses",
    "best_quality": "the largest",
}
AROUND = 24
"""How many words that both texts have are shown beside those that one of them has."""

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Choice = Annotated[str, Query(max_length=120)]
DocumentId = Annotated[str, Query(alias="id", min_length=1, max_length=4096)]


@dataclass(frozen=True)
class Words:
    """A part of one text as it is shown: `alike` in both texts, only in this one (`own`), or how many words were `left`
    out."""

    kind: Literal["alike", "own", "left"]
    text: str


@router.get("/corpora/{name}/duplicates/cluster", dependencies=[SLOW])
def show_cluster(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    document_id: DocumentId,
    version: VersionName = "",
    source: Choice = "",
    shard: Annotated[str, Query(max_length=4096)] = "",
    row: Annotated[int | None, Query(ge=0)] = None,
    copy: Annotated[int | None, Query(ge=0)] = None,
    whole: bool = False,
) -> Response:
    """One document and the copies that it stands for. `copy` is the number of the one to be shown beside it, `whole`
    with all that they have in common. Where an id is that of several records, `shard` and `row` say which is meant,
    else the first that is kept."""
    place = who.project_id, name, number_asked(plane, who, name, version)
    decisions = plane.insights.explain(*place, document_id, source=source or None).decisions
    decision, others = _chosen(decisions, shard, row)
    found = plane.clusters.members(place, decision.shard, decision.row)
    shown = _beside(plane, place, document_id, decision, found.listed, copy)
    about = {"corpus": name, "version": version}
    tables = [
        _rules(plane.clusters.stages(place), decision, found, shown, stays=_stays(plane, place)),
        _members(request, found, about),
        _others(document_id, others, about),
    ]
    return page(
        request,
        "cluster.html",
        tables,
        title=f"Copies of {document_id}",
        section="Duplicates",
        corpus=name,
        version=version,
        id=document_id,
        of=decision,
        number=place[2],
        found=found,
        survivor=_survivor_page(decision, about),
        explain=explain_page(about | {"id": document_id, "source": decision.source}),
        beside=shown,
        excerpt=_excerpt(plane.insights.report(*place), shown),
        first=with_query(request, copy=0) + "#beside",
        sides=_sides(shown.comparison, whole=whole) if shown and shown.comparison else None,
        whole=with_query(request, whole="true") + "#beside" if not whole else None,
    )


def _chosen(decisions: Sequence[Decision], shard: str, row: int | None) -> tuple[Decision, list[Decision]]:
    """The decision that is meant, and the others. Raises NotFound."""
    meant = [each for each in decisions if (not shard or each.shard == shard) and (row is None or each.row == row)]
    if not meant:
        raise NotFound(f"no document of this id was read from record {row} of {shard}")
    chosen = next((each for each in meant if each.outcome == KEPT), meant[0])
    return chosen, [each for each in decisions if each is not chosen]


def _beside(
    plane: Plane, place: Place, document_id: str, decision: Decision, listed: Sequence[Member], copy: int | None
) -> Beside | None:
    if copy is None or not listed:
        return None
    if copy >= len(listed):
        raise NotFound(f"there is no copy number {copy}; {len(listed)} are listed, from 0")
    member = listed[copy]
    kept = Record(decision.source, decision.shard, decision.row, document_id)
    return plane.clusters.beside(place, kept, Record(member.source, member.shard, member.row, member.id))


def _sides(found: Comparison, *, whole: bool) -> tuple[list[Words], list[Words]]:
    """The kept text and the dropped one; of long stretches that are alike, unless they are shown whole, the ends."""
    kept = [(each.kept, each.is_same) for each in found.stretches]
    dropped = [(each.dropped, each.is_same) for each in found.stretches]
    return list(_words(kept, whole=whole)), list(_words(dropped, whole=whole))


def _words(stretches: Sequence[tuple[str, bool]], *, whole: bool) -> Iterator[Words]:
    for number, (text, is_same) in enumerate(stretches):
        if not is_same:
            yield Words("own", text)
            continue
        words = WORD.findall(text)
        before = AROUND if number else 0
        behind = AROUND if number + 1 < len(stretches) else 0
        left = len(words) - before - behind
        if whole or left <= AROUND or len(stretches) == 1:
            yield Words("alike", text)
            continue
        yield Words("alike", "".join(words[:before]))
        yield Words("left", f"{left:,}")
        yield Words("alike", "".join(words[len(words) - behind :]))


def _excerpt(report: Report, shown: Beside | None) -> str:
    """What the report holds of a copy whose text cannot be had any more."""
    if shown is None or shown.comparison is not None:
        return ""
    at = shown.dropped.shard, shown.dropped.row
    return next((each.excerpt for each in report.examples if (each.shard, each.row) == at), "")


def _rules(
    stages: Iterable[DedupStage], decision: Decision, found: Members, shown: Beside | None, *, stays: bool
) -> Table:
    """Why it was kept: what each stage with copies of it compares, of it and of the copies."""
    rows: list[dict[str, Any]] = []
    for stage in stages:
        listed = [each for each in found.listed if each.stage == stage.name]
        if not listed:
            continue
        rule = RULES[stage.keep] + (f" {stage.quality}" if stage.quality else "")
        row: dict[str, Any] = {"stage": stage.name, "rule": rule}
        if stage.quality:
            own, _, value = stage.quality.partition(".")
            row |= {"kept": decision.values.get(own, {}).get(value), "best": _largest(each.quality for each in listed)}
        elif stage.keep == "longest":
            row |= {"kept": decision.bytes, "best": _largest(each.bytes for each in listed)}
            row["unit"] = "bytes of UTF-8, which come near characters"
        if shown is not None and shown.characters is not None and stage.keep == "longest":
            row |= {
                "kept": shown.characters[0],
                "best": shown.characters[1],
                "unit": "characters, of the copy beside it",
            }
        elif shown is not None and stage.keep in {"newest", "earliest"}:
            dates = (each.isoformat(" ", "seconds") if each else "no date" for each in shown.added)
            row |= dict(zip(("kept", "best"), dates, strict=True), unit="of the copy beside it")
        rows.append(row)
    columns = (
        Column("stage", "Stage"),
        Column("rule", "Keeps of several copies"),
        Column("kept", "This one has", "number"),
        Column("best", "The best copy has", "number"),
        Column("unit", "In"),
    )
    note = "Of equals the first in the order of the sources, their files and records is kept."
    if stays:
        note += " What an earlier version has kept stays, whatever copies come later (better_copies: stay)."
    return Table("rules", "Why it was kept", columns, rows, note=note, empty="No copy names it.")


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _members(request: Request, found: Members, about: Row) -> Table:
    rows = [
        {**about, **each.model_dump(), "number": number, "beside": "beside it"}
        for number, each in enumerate(found.listed)
    ]
    columns = (
        Column("id", "Copy", "code", explain_page),
        Column("source", "Source"),
        Column("similarity", "Similarity", "number"),
        Column("stage", "Dropped by"),
        Column("bytes", "Text", "bytes"),
        Column("language", "Language"),
        Column("version", "Since version", "count"),
        Column("shard", "Input file", "code"),
        Column("row", "Record", "count"),
        Column("beside", "Show", "text", lambda row: with_query(request, copy=row["number"]) + "#beside"),
    )
    note = (
        f"The first {len(rows)} of {found.documents:,}, in the order of the input."
        if len(rows) < found.documents
        else ""
    )
    return Table("members", "Copies that were dropped", columns, rows, note=note, empty="No copy names it.")


def _others(document_id: str, others: Iterable[Decision], about: Row) -> Table:
    rows = [
        {
            **about,
            "id": document_id,
            "outcome": each.outcome,
            "source": each.source,
            "shard": each.shard,
            "row": each.row,
        }
        for each in others
    ]
    columns = (
        Column("shard", "Input file", "code", cluster_page),
        Column("row", "Record", "count"),
        Column("source", "Source"),
        Column("outcome", "Outcome"),
    )
    return Table("others", "Other documents of this id", columns, rows)


def _survivor_page(decision: Decision, about: Row) -> str | None:
    where = {"id": decision.survivor, "shard": decision.survivor_shard, "row": decision.survivor_row}
    return cluster_page({**about, **where}) if decision.survivor is not None else None


def _stays(plane: Plane, place: Place) -> bool:
    """Whether the recipe lets documents stay that an earlier version has kept."""
    refresh = plane.insights.manifest(*place).recipe.get("refresh")
    return isinstance(refresh, dict) and refresh.get("better_copies") == "stay"
