"""What differs between two versions: documents, rules, distributions, the recipe, and samples of each kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from curation.clusters import Stretch, compare
from curation.difference import Difference
from curation.difference.model import ChangedExcerpt
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.slow import SLOW
from services.dashboard.differences import amounts, causes, drifts, groups, moved, recipes, rules
from services.dashboard.links import explain_page
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.tables import Table
from services.dashboard.versions import VersionName, number_asked
from services.errors import NotFound
from services.identity.principal import Permission, Principal

VERSIONS = 50
SEEDS = 2**31 - 1

router = new_router()
Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]


@dataclass(frozen=True)
class Pair:
    """A document that both versions keep, with another text: its words in stretches."""

    found: ChangedExcerpt
    stretches: Sequence[Stretch]


@router.get("/corpora/{name}/diff", dependencies=[SLOW])
def show_diff(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionName = "",
    before: Annotated[VersionName, Query(alias="from")] = "",
    after: Annotated[VersionName, Query(alias="to")] = "",
    seed: Annotated[int, Query(ge=0, le=SEEDS)] = 0,
    every: Annotated[bool, Query(alias="all")] = False,
) -> Response:
    """From one version to another; by default from the one before the newest to the newest."""
    newer = number_asked(plane, who, name, after or version)
    older = number_asked(plane, who, name, before) if before else _before(plane, who, name, newer)
    found, problem = None, ""
    try:
        found = None if older is None else plane.insights.diff(who.project_id, name, older, newer, seed=seed)
    except NotFound as error:
        problem = error.detail
    return page(
        request,
        "diff.html",
        _tables(request, plane, who, name, found, every=every) if found else (),
        title=f"From version {older} to version {newer}" if older else f"Version {newer}",
        section="Diff",
        corpus=name,
        version=version,
        status=404 if problem else 200,
        found=found,
        problem=problem,
        asked={"from": before or older or "", "to": after or version or newer},
        versions=plane.insights.versions(who.project_id, name, limit=VERSIONS),
        moved=moved(found) if found else (),
        pairs=[_pair(one) for one in found.samples.changed] if found else (),
        explain=lambda one, at: explain_page({"corpus": name, "version": at, "id": one.id, "source": one.source}),
        others=with_query(request, seed=(seed + 1) % SEEDS),
    )


def _before(plane: Plane, who: Principal, name: str, newer: int) -> int | None:
    """The version before one; None for the first."""
    found = plane.insights.versions(who.project_id, name, after=newer, limit=1)
    return found[0].version if found else None


def _tables(
    request: Request, plane: Plane, who: Principal, name: str, found: Difference, *, every: bool
) -> list[Table]:
    made_by = [plane.insights.manifest(who.project_id, name, side.version).recipe for side in (found.a, found.b)]
    more = with_query(request, all="true")
    return [
        amounts(found),
        groups(found, "source"),
        groups(found, "language"),
        causes(found),
        rules(found, name, every=every, more=more),
        drifts(found, "kept", every=every, more=more),
        drifts(found, "read", every=every, more=more),
        recipes(*made_by),
    ]


def _pair(found: ChangedExcerpt) -> Pair:
    return Pair(found, compare(found.after.excerpt, found.before.excerpt).stretches)
