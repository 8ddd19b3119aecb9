"""`/v1/corpora/{name}/versions/{version}/what-if`: what a version would keep under other thresholds; previews."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Response
from pydantic import BaseModel, Field

from services.control_plane.conventions import problems
from services.control_plane.plane import ThePlane
from services.control_plane.routes.jobs import Writer
from services.control_plane.routes.recipes import SETTING_PATH as PATH
from services.control_plane.routes.recipes import Setting
from services.control_plane.routes.versions import UNCHANGED, TheVersion, VersionAsked
from services.control_plane.slow import SLOW
from services.insights.whatifs import preview_recipe
from services.jobs.job import Model, Submission

Settings = Annotated[
    list[Setting],
    Query(
        alias="set",
        max_length=20,
        description="`path=value`: options of stages, by the stage's name or kind, that are set to another value.",
        openapi_examples={"words": {"value": ["stages.gopher_quality.min_words=80"]}},
    ),
]
Examples = Annotated[int, Query(ge=0, le=20, description="How many documents on each side of a threshold are shown.")]
VALUES = r"[0-9A-Za-z.,:+-]{1,300}"

router = APIRouter(prefix="/v1/corpora/{name}/versions/{version}", tags=["corpora"], dependencies=[SLOW])
previews = APIRouter(prefix="/v1/recipes", tags=["recipes"], dependencies=[SLOW])


class PreviewOptions(Model):
    """What is tried on a sample of its input."""

    submission: Submission
    """The recipe, as a job would be submitted."""
    sample: Annotated[int, Field(ge=1, le=2000)] = 1000
    """How many documents."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Another one takes other documents."""
    examples: Annotated[int, Field(ge=0, le=20)] = 3
    """How many documents of each reason are shown."""
    core_hour_price: Annotated[float, Field(ge=0, le=1e9)] | None = None
    """What a core costs an hour."""


def _shown(model: str, said: str) -> dict[int | str, dict[str, Any]]:
    """A library's answer, whose schema is added to the document at its end."""
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}
    return {200: {"description": said, "content": content}}


def _json(asked: VersionAsked, make: Callable[[], BaseModel]) -> Response:
    found = asked.answer(make, may_be_wrong=True)
    if isinstance(found, Response):
        return found
    return Response(found.model_dump_json(), media_type="application/json", headers={"ETag": asked.tag})


@router.get(
    "/thresholds",
    operation_id="list_thresholds",
    summary="List thresholds",
    response_class=Response,
    responses={**_shown("WhatIfThresholds", "The thresholds."), **problems(404), **UNCHANGED},
)
def list_thresholds(plane: ThePlane, asked: TheVersion) -> Response:
    """The options of the version's recipe that can be set to another value without reading a text."""
    return _json(asked, lambda: plane.whatifs.thresholds(asked.place))


@router.get(
    "/what-if",
    operation_id="get_what_if",
    summary="Ask what other thresholds would keep",
    response_class=Response,
    responses={**_shown("WhatIf", "What would be kept."), **problems(404), **UNCHANGED},
)
def get_what_if(plane: ThePlane, asked: TheVersion, settings: Settings, examples: Examples = 3) -> Response:
    """The version's decisions once more, with some options set to other values: what would be kept surely, at most and
    probably, by source, language and rule, and the documents nearest to the thresholds that changed. It reads the
    columns of the decisions that the changed stages go by, and no text but that of the documents that it shows."""
    return _json(asked, lambda: plane.whatifs.what_if(asked.place, settings, examples))


@router.get(
    "/what-if/curve",
    operation_id="get_curve",
    summary="Ask what is kept as a function of a threshold",
    response_class=Response,
    responses={**_shown("WhatIfCurve", "The curve."), **problems(404), **UNCHANGED},
)
def get_curve(
    plane: ThePlane,
    asked: TheVersion,
    of: Annotated[
        str,
        Query(
            pattern=rf"^{PATH}(={VALUES})?$",
            max_length=512,
            description="A threshold's path; the values are chosen from one end to the other, or are "
            "`=first:last:step` or `=a,b,null`, a thousand at most.",
            openapi_examples={"words": {"value": "stages.gopher_quality.min_words"}},
        ),
    ],
    settings: Settings = [],  # noqa: B006, FastAPI copies it
) -> Response:
    """How many documents, bytes and tokens would be kept, exactly, for each of some hundred values of one threshold, in
    one reading of the decisions: what a slider needs. Thresholds of stages that rank have no curve: sweep them."""
    return _json(asked, lambda: plane.whatifs.curve(asked.place, of, settings))


@router.get(
    "/what-if/sweep",
    operation_id="get_sweep",
    summary="Ask what several values of a threshold would keep",
    response_class=Response,
    responses={**_shown("WhatIfSweep", "What would be kept for each."), **problems(404), **UNCHANGED},
)
def get_sweep(
    plane: ThePlane,
    asked: TheVersion,
    of: Annotated[
        str,
        Query(
            pattern=rf"^{PATH}={VALUES}$",
            max_length=512,
            description="`path=first:last:step`, the last included, or `path=a,b,null`; twenty values at most.",
            openapi_examples={"words": {"value": "stages.gopher_quality.min_words=20:200:20"}},
        ),
    ],
    settings: Settings = [],  # noqa: B006, FastAPI copies it
    examples: Examples = 1,
) -> Response:
    """As `what-if`, for each of some values of one option, and for the one that the version was made with."""
    return _json(asked, lambda: plane.whatifs.sweep(asked.place, of, settings, examples))


@previews.post(
    "/preview",
    operation_id="preview_recipe",
    summary="Try a recipe on a sample",
    response_class=Response,
    responses={**_shown("WhatIfPreview", "What it would do."), **problems(404, 409)},
)
def preview_of_recipe(plane: ThePlane, who: Writer, options: Annotated[PreviewOptions, Body()]) -> Response:
    """Read a sample of a recipe's input and take it through the stages that look at one document at a time: the funnel
    with 95 % intervals, documents of every reason, and what a run may take. Nothing is queued or written."""
    resolved = plane.intake.resolve(who.project_id, options.submission)
    plane.intake.check_models(resolved)
    settings = plane.settings
    found = preview_recipe(
        resolved.recipe,
        plane.intake.confinement(who.project_id).check,
        size=options.sample,
        seed=options.seed,
        workers=options.submission.workers or settings.workers or (1 if settings.engine == "local" else None),
        core_hour_price=options.core_hour_price,
        examples=options.examples,
    )
    return Response(found.model_dump_json(), media_type="application/json")
