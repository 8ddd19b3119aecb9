"""The stages that recipes may have, described for people and for programs."""

from __future__ import annotations

from typing import Any

from curation.recipe import Recipe
from curation.stage import Stage, stage_kinds
from services.errors import NotFound
from services.recipes.recipe import StageDescription

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def describe_stages() -> list[StageDescription]:
    """Every kind of stage, sorted."""
    return [_describe(kind, stage) for kind, stage in stage_kinds().items()]


def stage_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of one kind's options. Raises NotFound."""
    stage = stage_kinds().get(kind)
    if stage is None:
        raise NotFound(f"there is no stage {kind!r}; there are {', '.join(stage_kinds())}")
    return {"$schema": DIALECT, **stage.model_json_schema()}


def recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a whole recipe."""
    return {"$schema": DIALECT, **Recipe.model_json_schema()}


def _describe(kind: str, stage: type[Stage]) -> StageDescription:
    summary = (stage.__doc__ or "").strip().split("\n\n")[0].replace("\n    ", " ")
    return StageDescription(
        kind=kind,
        summary=summary,
        reference=stage.reference,
        version=stage.version,
        json_schema=stage.model_json_schema(),
    )
