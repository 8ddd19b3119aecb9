"""`/v1/corpora/{name}/explain` and `history`: what became of one document."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from curation.history import History
from services.control_plane.conventions import problems
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Name, Reader
from services.control_plane.routes.versions import HOW_CALLED, NEWEST, PLAIN, VERSION_PATTERN, number_of
from services.control_plane.slow import SLOW
from services.insights.models import Explanation

router = APIRouter(prefix="/v1/corpora/{name}", tags=["corpora"], responses=problems(404), dependencies=[SLOW])


@router.get(
    "/explain",
    operation_id="explain_document",
    summary="Explain a document",
)
def explain_document(
    plane: ThePlane,
    who: Reader,
    name: Name,
    document_id: Annotated[str, Query(alias="id", min_length=1, max_length=4096, description="The document's id.")],
    version: Annotated[str, Query(pattern=VERSION_PATTERN, max_length=80, description=HOW_CALLED)] = NEWEST,
    source: Annotated[
        str | None, Query(min_length=1, max_length=80, pattern=PLAIN, description="Only of this source.")
    ] = None,
) -> Explanation:
    """Why a document was kept or dropped: the decision, every stage's values, the survivor of a duplicate, and the
    beginning of the text where it was kept."""
    number = number_of(plane, who, name, version)
    return plane.insights.explain(who.project_id, name, number, document_id, source=source)


@router.get("/history", operation_id="get_history", summary="Get a document's history")
def get_history(
    plane: ThePlane,
    who: Reader,
    name: Name,
    document_id: Annotated[str, Query(alias="id", min_length=1, max_length=4096, description="The document's id.")],
) -> History:
    """Every version in which the decision about a document changed: when it was kept, dropped and why, and when its
    input file left. Versions of which the files have been removed are named."""
    return plane.insights.history(who.project_id, name, document_id)
