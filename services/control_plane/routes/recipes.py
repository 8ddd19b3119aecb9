"""`/v1/recipes` and `/v1/stages`: recipes that are stored by name, and what they may be made of."""

from __future__ import annotations

import copy
from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Path, Query, Response
from pydantic import Field, StringConstraints

from curation.recipe.setting import apply_setting
from services.control_plane.conventions import IfMatch, Page, PageSize, PageToken, etag, expect, problems
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow
from services.control_plane.slow import SLOW
from services.errors import AlreadyExists, Invalid, NotFound, PreconditionFailed
from services.identity.principal import Permission, Principal
from services.jobs.job import Model, Shown
from services.recipes.difference import difference
from services.recipes.recipe import (
    MAX_REVISION,
    NAME_PATTERN,
    RecipeDiff,
    RecipeRevision,
    RecipeSummary,
    StageDescription,
    StoredRecipe,
)
from services.recipes.stages import describe_stages, recipe_schema, stage_schema

router = APIRouter(prefix="/v1", tags=["recipes"])

EXAMPLE = {
    "name": "web",
    "output": "corpora/web",
    "sources": [{"name": "crawl", "uri": "raw/${occurrence:%Y-%m-%d}/*.jsonl.gz"}],
    "stages": [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}],
}

Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=80, description="The recipe's name.")]
Number = Annotated[int | None, Query(ge=1, le=MAX_REVISION, description="Which revision; default: the newest.")]
Reader = Annotated[Principal, allow(Permission.RECIPES_READ)]
READING = [allow(Permission.RECIPES_READ)]
Writer = Annotated[Principal, allow(Permission.RECIPES_WRITE)]
RecipeBody = Annotated[
    dict[str, Any],
    Body(
        description="A recipe, as in a recipe file. `/v1/recipes/schema` says what may be in it.",
        openapi_examples={"nightly": {"summary": "A recipe that reads one day's files", "value": EXAMPLE}},
    ),
]
SETTING_PATH = r"stages\.[^=&*\x00-\x20\x7f]{1,200}"
Setting = Annotated[str, StringConstraints(pattern=rf"^{SETTING_PATH}=[^&*!\x00-\x1f\x7f]{{0,300}}$", max_length=512)]
"""`path=value`, the value as YAML, but without anchors, aliases and tags, of which no plain value has need."""
MAX_NOTE = 500
Note = Annotated[
    str,
    Query(max_length=MAX_NOTE, pattern=r"^[^\x00-\x1f\x7f]*$", description="What this revision is for."),
]


class Changes(Model):
    """What is set in a recipe."""

    settings: Annotated[tuple[Setting, ...], Field(min_length=1, max_length=20)]
    """`path=value`, as a what-if takes them."""
    note: Annotated[str, Field(max_length=MAX_NOTE, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
    """What this revision is for; default: the settings."""


class FieldMessage(Shown):
    """One thing that is wrong."""

    path: str
    """Dotted, from the recipe's root: `stages.2.min_words`."""
    message: str


class Validation(Shown):
    """Whether a recipe can be run in this project."""

    is_valid: bool
    problems: tuple[FieldMessage, ...] = ()
    """Everything that is wrong with it."""
    recipe: dict[str, Any] | None = None
    """With every default, addresses absolute, placeholders filled with an example; null where it is not valid."""
    fingerprint: str | None = None
    """Changes when anything does that determines the result on the same input."""


class Stages(Shown):
    """The kinds of stages."""

    items: tuple[StageDescription, ...]


@router.get("/recipes", operation_id="list_recipes", summary="List recipes", responses=problems())
def list_recipes(plane: ThePlane, who: Reader, page: PageToken = None, page_size: PageSize = 50) -> Page[RecipeSummary]:
    """The project's recipes, by name."""
    question = ["recipes", who.project_id]
    found = plane.recipes.list(who.project_id, after=plane.pages.read(page, question), limit=page_size + 1)
    return plane.pages.page(found, page_size, question, lambda recipe: recipe.name)


@router.post(
    "/recipes/validate",
    operation_id="validate_recipe",
    summary="Check a recipe",
    responses=problems(),
    dependencies=[SLOW],
)
def validate_recipe(plane: ThePlane, who: Writer, recipe: RecipeBody) -> Validation:
    """Say everything that is wrong with a recipe, each problem by its path, or what it means. Nothing is stored. The
    models that it names are read, which is why this needs `recipes:write`."""
    try:
        resolved = plane.intake.check(who.project_id, recipe)
    except Invalid as error:
        found = tuple(FieldMessage(path=problem.path, message=problem.message) for problem in error.problems)
        return Validation(is_valid=False, problems=found)
    return Validation(
        is_valid=True,
        recipe=resolved.recipe.pinned().model_dump(mode="json"),
        fingerprint=resolved.recipe.fingerprint(),
    )


@router.get(
    "/recipes/schema",
    operation_id="get_recipe_schema",
    summary="Get a recipe's schema",
    responses=problems(),
    dependencies=READING,
)
def get_recipe_schema() -> dict[str, Any]:
    """The JSON Schema of a whole recipe, for editors. What it cannot say, `/v1/recipes/validate` does."""
    return recipe_schema()


@router.get("/recipes/{name}", operation_id="get_recipe", summary="Get a recipe", responses=problems(404))
def get_recipe(plane: ThePlane, who: Reader, name: Name, response: Response, revision: Number = None) -> StoredRecipe:
    """The newest revision, or the one that is asked for. The ETag is the newest's: what changing the recipe needs."""
    stored = plane.recipes.get(who.project_id, name, revision)
    newest = stored.revision if revision is None else plane.recipes.newest(who.project_id, name)
    response.headers["ETag"] = etag(name, newest)
    return stored


@router.put(
    "/recipes/{name}",
    operation_id="put_recipe",
    summary="Store a recipe",
    responses={201: {"model": StoredRecipe, "description": "It is new."}, **problems(409, 412)},
    dependencies=[SLOW],
)
def put_recipe(
    plane: ThePlane,
    who: Writer,
    name: Name,
    recipe: RecipeBody,
    response: Response,
    if_match: IfMatch = None,
    if_none_match: Annotated[str | None, Header(max_length=100, description="`*`: only if there is none.")] = None,
    note: Note = "",
) -> StoredRecipe:
    """Store a new recipe, or with If-Match the next revision of one that is there. It is checked, and every problem is
    told by its path; its `name` must be the one that it is stored by. Revisions are never changed.
    """
    if if_none_match not in (None, "*"):
        raise PreconditionFailed(f"found If-None-Match: {if_none_match}, expected *")
    if if_match is not None and if_none_match is not None:
        raise PreconditionFailed("found If-Match and If-None-Match: *, which never hold both")
    plane.intake.check(who.project_id, recipe)
    if if_match is None:
        try:
            stored = plane.recipes.create(who.project_id, name, recipe, who.name, note=note)
        except AlreadyExists as error:
            raise PreconditionFailed(error.detail) if if_none_match else error from None
        response.status_code = 201
        response.headers["Location"] = f"/v1/recipes/{name}"
    else:
        try:
            newest = plane.recipes.newest(who.project_id, name)
        except NotFound as error:
            raise PreconditionFailed(error.detail) from None
        expect(if_match, name, newest)
        stored = plane.recipes.overwrite(who.project_id, name, recipe, who.name, revision=newest, note=note)
    response.headers["ETag"] = etag(name, stored.revision)
    return stored


@router.post(
    "/recipes/{name}/settings",
    operation_id="set_in_recipe",
    summary="Set options of a recipe",
    responses=problems(404, 412, 428),
    dependencies=[SLOW],
)
def set_in_recipe(
    plane: ThePlane,
    who: Writer,
    name: Name,
    changes: Changes,
    response: Response,
    if_match: IfMatch = None,
) -> StoredRecipe:
    """Store the next revision of a recipe, with these options set to these values: what saves a what-if. It is checked
    as any other."""
    stored = plane.recipes.get(who.project_id, name)
    expect(if_match, name, stored.revision)
    body = copy.deepcopy(stored.recipe)
    for setting in changes.settings:
        apply_setting(body, setting)
    plane.intake.check(who.project_id, body)
    note = changes.note or ", ".join(changes.settings)[:MAX_NOTE]
    made = plane.recipes.overwrite(who.project_id, name, body, who.name, revision=stored.revision, note=note)
    response.headers["ETag"] = etag(name, made.revision)
    return made


@router.delete(
    "/recipes/{name}",
    status_code=204,
    operation_id="delete_recipe",
    summary="Delete a recipe",
    responses=problems(404, 412, 428),
)
def delete_recipe(plane: ThePlane, who: Writer, name: Name, if_match: IfMatch = None) -> None:
    """Forget a recipe. Jobs keep what they run; schedules of it fail until there is one of this name again, which goes
    on counting revisions.
    """
    newest = plane.recipes.newest(who.project_id, name)
    expect(if_match, name, newest)
    plane.recipes.delete(who.project_id, name, revision=newest)


@router.get(
    "/recipes/{name}/revisions",
    operation_id="list_recipe_revisions",
    summary="List a recipe's revisions",
    responses=problems(404),
)
def list_recipe_revisions(
    plane: ThePlane, who: Reader, name: Name, page: PageToken = None, page_size: PageSize = 50
) -> Page[RecipeRevision]:
    """Newest first, without their bodies."""
    question = ["revisions", who.project_id, name]
    last = plane.pages.read(page, question)
    before = int(last) if last is not None else None
    found = plane.recipes.revisions(who.project_id, name, before=before, limit=page_size + 1)
    return plane.pages.page(found, page_size, question, lambda revision: revision.revision)


@router.get(
    "/recipes/{name}/diff", operation_id="diff_recipe", summary="Compare two revisions", responses=problems(404)
)
def diff_recipe(
    plane: ThePlane,
    who: Reader,
    name: Name,
    before: Annotated[int, Query(alias="from", ge=1, le=MAX_REVISION, description="The older revision.")],
    after: Annotated[int | None, Query(alias="to", ge=1, le=MAX_REVISION, description="Default: the newest.")] = None,
) -> RecipeDiff:
    """How one revision became another, change by change."""
    old = plane.recipes.get(who.project_id, name, before)
    new = plane.recipes.get(who.project_id, name, after)
    changes = tuple(difference(old.recipe, new.recipe))
    return RecipeDiff(name=name, before=old.revision, after=new.revision, changes=changes)


@router.get(
    "/stages",
    operation_id="list_stages",
    summary="List the kinds of stages",
    responses=problems(),
    dependencies=READING,
)
def list_stages() -> Stages:
    """Every stage that a recipe may have, with where its rules come from and the JSON Schema of its options."""
    return Stages(items=tuple(describe_stages()))


@router.get(
    "/stages/{kind}/schema",
    operation_id="get_stage_schema",
    summary="Get a stage's schema",
    responses=problems(404),
    dependencies=READING,
)
def get_stage_schema(
    kind: Annotated[str, Path(pattern=r"^[a-z][a-z0-9_]{0,39}$", description="The stage's `kind`.")],
) -> dict[str, Any]:
    """The JSON Schema of one stage's options."""
    return stage_schema(kind)
