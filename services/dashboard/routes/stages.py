"""What stages there are, and what each may be told: beside the editor of a recipe, and by itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request
from starlette.responses import Response

from services.dashboard.pages import allow, new_router, page, segment
from services.dashboard.session import ROOT, is_part
from services.dashboard.stage_options import option_rows
from services.dashboard.tables import Column, Table
from services.errors import NotFound
from services.identity.principal import Permission
from services.recipes.stages import describe_stages

router = new_router()
READING = [allow(Permission.RECIPES_READ)]


@router.get("/stages", dependencies=READING)
def show_stages(request: Request) -> Response:
    """Every kind of stage."""
    columns = (
        Column("kind", "Stage", "code", lambda row: f"{ROOT}/stages/{segment(row['kind'])}"),
        Column("summary", "What it does"),
        Column("reference", "Source of its rules"),
        Column("version", "Version", "count"),
    )
    rows = [stage.model_dump(exclude={"json_schema"}) for stage in describe_stages()]
    table = Table("stages", "Stages", columns, rows)
    return page(request, "stages.html", [table], title="Stages", section="Recipes")


@router.get("/stages/{kind}", dependencies=READING)
def show_stage(request: Request, kind: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$")]) -> Response:
    """One kind's options; only those where a part of a page asks."""
    stage = next((stage for stage in describe_stages() if stage.kind == kind), None)
    if stage is None:
        raise NotFound(f"there is no stage {kind!r}")
    columns = (
        Column("option", "Option", "code"),
        Column("type", "Takes"),
        Column("default", "Default", "code"),
        Column("meaning", "What it is"),
    )
    table = Table("options", f"Options of {kind}", columns, option_rows(stage))
    template = "stage_options.html" if is_part(request) else "stage.html"
    return page(request, template, [table], title=f"Stage {kind}", section="Recipes", stage=stage)
