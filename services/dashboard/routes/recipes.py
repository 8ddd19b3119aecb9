"""Recipes: the list, and the editor that says what is wrong, and what would change, before anything is stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from services.control_plane.conventions import PageToken, etag
from services.control_plane.plane import Plane, ThePlane
from services.dashboard.calls import RefusedError, call
from services.dashboard.fields import whole_number
from services.dashboard.links import corpus_page, job_page_of, recipe_page
from services.dashboard.pages import Form, allow, go, new_router, page, segment, with_query
from services.dashboard.recipe_text import (
    DiffLine,
    Finding,
    UnreadableError,
    Written,
    difference,
    read_recipe,
    write_recipe,
)
from services.dashboard.session import ROOT
from services.dashboard.tables import Column, Row, Table
from services.errors import Invalid, PreconditionFailed
from services.identity.principal import Permission, Principal
from services.recipes.listing import list_recipes
from services.recipes.recipe import MAX_REVISION, NAME_PATTERN, RecipeName, StoredRecipe
from services.recipes.stages import describe_stages

PAGE = 50
MAX_SCHEDULES = 200
"""How many schedules are looked through for those of a recipe."""
RECIPES = f"{ROOT}/recipes"
NEW = f"{ROOT}/new/recipe"
EMPTY: Mapping[str, Any] = {
    "name": "my-corpus",
    "output": "corpora/my-corpus",
    "sources": [{"name": "crawl", "uri": "raw/crawl/*.jsonl.gz"}],
    "stages": [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}],
}
"""What a new recipe begins as."""

router = new_router()
Reader = Annotated[Principal, allow(Permission.RECIPES_READ)]
Writer = Annotated[Principal, allow(Permission.RECIPES_WRITE)]
WRITING = [allow(Permission.RECIPES_WRITE)]
Name = Annotated[str, Path(pattern=NAME_PATTERN)]
Revision = Annotated[int | None, Query(ge=1, le=MAX_REVISION)]


@dataclass(frozen=True)
class Check:
    """What is to be said of a text in the editor."""

    findings: tuple[Finding, ...] = ()
    diff: tuple[DiffLine, ...] = ()
    """How the stored revision becomes what is written."""
    has_comments: bool = False


@dataclass(frozen=True)
class Draft:
    """What stands in the editor."""

    text: str
    note: str = ""
    revision: int | None = None
    """What it is based on; None: the newest that is stored."""
    shown: int | None = None
    """Which revision it is as it is stored; None where it was written here."""
    check: Check | None = None
    conflict: StoredRecipe | None = None
    """What somebody else has saved meanwhile."""
    status: int = 200


# ------------------------------------------------------------------------------- list


@router.get("/recipes")
def show_recipes(request: Request, plane: ThePlane, who: Reader, after: PageToken = None) -> Response:
    """The project's recipes, by name."""
    question = ["ui recipes", who.project_id]
    found = list_recipes(plane.database, who.project_id, after=plane.pages.read(after, question), limit=PAGE + 1)
    more = plane.pages.write(found[PAGE - 1].name, question) if len(found) > PAGE else None
    of_jobs = (
        Column("corpus", "Corpus", "text", corpus_page),
        Column("job_state", "Last job", "state", job_page_of),
        Column("job_created", "Submitted", "time"),
    )
    columns = (
        Column("name", "Recipe", "text", lambda row: recipe_page({"recipe": row["name"]})),
        Column("revision", "Revision", "count", _revisions_page),
        Column("changed", "Changed", "time"),
        Column("changed_by", "By", "code"),
        Column("note", "Note"),
        *(of_jobs if who.may(Permission.JOBS_READ) else ()),
    )
    table = Table(
        "recipes",
        "Recipes",
        columns,
        [recipe.model_dump() for recipe in found[:PAGE]],
        empty="No recipe yet.",
        classes="roomy",
        more=with_query(request, after=more) if more else None,
    )
    return page(request, "recipes.html", [table], title="Recipes", section="Recipes", new=NEW)


def _revisions_page(row: Row) -> str:
    return f"{recipe_page({'recipe': row['name']})}/revisions"


# ------------------------------------------------------------------------------- edit


@router.get("/new/recipe")
def show_new(request: Request, plane: ThePlane, who: Writer, like: RecipeName = "") -> Response:
    """The editor with an example, or with a copy of another recipe."""
    if like:
        who.require(Permission.RECIPES_READ)
    body = plane.recipes.get(who.project_id, like).recipe if like else EMPTY
    return _new(request, Draft(write_recipe({**body, "name": f"{like}-copy"} if like else body)))


@router.post("/new/recipe/check", dependencies=WRITING)
async def check_new(request: Request, form: Form) -> Response:
    """What is wrong with what is written."""
    found = await _check(request, form.get("yaml", ""), None)
    return await run_in_threadpool(page, request, "recipe_check.html", title="Check", check=found)


@router.post("/new/recipe", dependencies=WRITING)
async def create(request: Request, form: Form) -> Response:
    """Store a new recipe under the name that it gives itself."""
    text, note = form.get("yaml", ""), form.get("note", "").strip()
    if form.get("do") == "check":
        checked = Draft(text, note, check=await _check(request, text, None))
        return await run_in_threadpool(_new, request, checked)
    try:
        written = await run_in_threadpool(read_recipe, text)
        name = _name(written)
        await call(request, "PUT", _path(name), written.body, params={"note": note}, headers={"If-None-Match": "*"})
    except UnreadableError as error:
        draft = Draft(text, note, check=Check(error.findings), status=Invalid.status)
    except RefusedError as error:
        draft = _refused(Draft(text, note), written, error)
    else:
        return go(request, f"{RECIPES}/{segment(name)}", f"{name} is stored.")
    return await run_in_threadpool(_new, request, draft)


@router.get("/recipes/{name}")
def show_recipe(request: Request, plane: ThePlane, who: Reader, name: Name, revision: Revision = None) -> Response:
    """The editor with a revision, by default the newest."""
    stored = plane.recipes.get(who.project_id, name, revision)
    return _editor(request, plane, who, name, Draft(write_recipe(stored.recipe), shown=stored.revision))


@router.post("/recipes/{name}/check", dependencies=WRITING)
async def check(request: Request, name: Name, form: Form) -> Response:
    """What is wrong with what is written, and what would change."""
    found = await _check(request, form.get("yaml", ""), await _newest(request, name))
    return await run_in_threadpool(page, request, "recipe_check.html", title="Check", check=found)


@router.post("/recipes/{name}")
async def save(request: Request, plane: ThePlane, who: Writer, name: Name, form: Form) -> Response:
    """Store the next revision; only behind the one that was edited."""
    draft = Draft(form.get("yaml", ""), form.get("note", "").strip(), whole_number(form.get("revision", "")))
    newest = await _newest(request, name)
    if form.get("do") == "check":
        checked = replace(draft, check=await _check(request, draft.text, newest))
        return await run_in_threadpool(_editor, request, plane, who, name, checked)
    try:
        written = await run_in_threadpool(read_recipe, draft.text)
        changes = await run_in_threadpool(difference, newest.recipe, written.body)
        if not changes:
            return go(request, f"{RECIPES}/{segment(name)}", f"Nothing is different: still revision {newest.revision}.")
        stored = await call(
            request,
            "PUT",
            _path(name),
            written.body,
            params={"note": draft.note},
            headers={"If-Match": etag(name, draft.revision or 0)},
        )
    except UnreadableError as error:
        again = replace(draft, check=Check(error.findings), status=Invalid.status)
    except RefusedError as error:
        if error.problem["status"] == PreconditionFailed.status:
            said = Check(diff=changes, has_comments=_has_comments(draft.text))
            again = replace(
                draft, revision=newest.revision, check=said, conflict=newest, status=PreconditionFailed.status
            )
        else:
            again = _refused(draft, written, error)
    else:
        return go(request, f"{RECIPES}/{segment(name)}", f"{name} is at revision {stored['revision']}.")
    return await run_in_threadpool(_editor, request, plane, who, name, again)


@router.post("/recipes/{name}/delete", dependencies=WRITING)
async def delete(request: Request, name: Name, form: Form) -> Response:
    """Forget a recipe, if nobody has changed it since it was shown."""
    revision = whole_number(form.get("revision", "")) or 0
    await call(request, "DELETE", _path(name), headers={"If-Match": etag(name, revision)})
    return go(request, RECIPES, f"{name} is forgotten. Its jobs keep what they ran.")


def _editor(request: Request, plane: Plane, who: Principal, name: str, draft: Draft) -> Response:
    newest = plane.recipes.get(who.project_id, name)
    users: list[str] = []
    if who.may(Permission.SCHEDULES_READ):
        listed = plane.schedules.list(who.project_id, limit=MAX_SCHEDULES)
        users = sorted(schedule.name for schedule in listed if schedule.recipe_name == name)
    return page(
        request,
        "recipe.html",
        title=name,
        section="Recipes",
        status=draft.status,
        name=name,
        newest=newest,
        users=users,
        draft=draft,
        check=draft.check,
        revision=draft.revision or newest.revision,
        action=f"{RECIPES}/{segment(name)}",
        kinds=_kinds(newest.recipe),
    )


def _new(request: Request, draft: Draft) -> Response:
    return page(
        request,
        "recipe.html",
        title="New recipe",
        section="Recipes",
        status=draft.status,
        name=None,
        newest=None,
        users=[],
        draft=draft,
        check=draft.check,
        revision=None,
        action=NEW,
        kinds=_kinds({}),
    )


def _kinds(body: Mapping[str, Any]) -> dict[str, list[str]]:
    """The stages that the recipe has, and those that it could have."""
    used = {stage.get("kind") for stage in body.get("stages", ())}
    kinds = [stage.kind for stage in describe_stages()]
    return {
        "In this recipe": [kind for kind in kinds if kind in used],
        "Others" if used else "Stages": [kind for kind in kinds if kind not in used],
    }


async def _check(request: Request, text: str, stored: StoredRecipe | None) -> Check:
    """What the API says of the text, and what is different from what is stored."""
    try:
        written = await run_in_threadpool(read_recipe, text)
    except UnreadableError as error:
        return Check(error.findings)
    answer = await call(request, "POST", "/v1/recipes/validate", written.body)
    found = written.placed(answer["problems"])
    if stored is None:
        return Check(found, has_comments=_has_comments(text))
    return Check(found, await run_in_threadpool(difference, stored.recipe, written.body), _has_comments(text))


def _refused(draft: Draft, written: Written, error: RefusedError) -> Draft:
    """What was written, with what the API has against it; what is not about that is raised again."""
    problem = error.problem
    if problem["status"] not in (Invalid.status, PreconditionFailed.status):
        raise error
    errors = problem["errors"] or [{"path": "", "message": problem["detail"]}]
    return replace(draft, check=Check(written.placed(errors)), status=problem["status"])


async def _newest(request: Request, name: str) -> StoredRecipe:
    return StoredRecipe.model_validate(await call(request, "GET", _path(name)))


def _name(written: Written) -> str:
    """What the recipe calls itself. Raises UnreadableError where that is no name to store it by."""
    name = written.body.get("name")
    if not isinstance(name, str) or not re.fullmatch(NAME_PATTERN, name):
        found = "nothing" if name is None else repr(name)[:100]
        said = f"found {found}, expected letters, digits, `_`, `.` and `-`, at most 80, the first one a letter or digit"
        raise UnreadableError(written.placed([{"path": "name", "message": said}]))
    return name


def _path(name: str) -> str:
    return f"/v1/recipes/{segment(name)}"


def _has_comments(text: str) -> bool:
    """Whether a line is one: they are not kept."""
    return any(line.lstrip().startswith("#") for line in text.splitlines())
