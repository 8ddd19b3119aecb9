"""The revisions of a recipe: who wrote them, how one became another, and an old one again."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import Request
from starlette.responses import Response

from services.control_plane.conventions import PageToken, etag
from services.control_plane.plane import ThePlane
from services.dashboard.calls import call
from services.dashboard.differences import changed_options
from services.dashboard.fields import whole_number
from services.dashboard.pages import Form, go, new_router, page, segment, with_query
from services.dashboard.recipe_text import difference
from services.dashboard.routes.recipes import RECIPES, WRITING, Name, Reader, Revision
from services.dashboard.tables import Column, Table
from services.recipes.difference import difference as changes_of
from services.recipes.recipe import RecipeRevision

PAGE = 50

router = new_router()


@router.get("/recipes/{name}/revisions")
def show_revisions(
    request: Request,
    plane: ThePlane,
    who: Reader,
    name: Name,
    before: Revision = None,
    after: Revision = None,
    older: PageToken = None,
) -> Response:
    """Every revision, and how `before` became `after`: by default, what the newest one changed."""
    newest = plane.recipes.get(who.project_id, name, after)
    older_one = before or max(1, newest.revision - 1)
    base = plane.recipes.get(who.project_id, name, older_one)
    question = ["ui revisions", who.project_id, name]
    behind = plane.pages.read(older, question)
    found = plane.recipes.revisions(who.project_id, name, before=int(behind) if behind else None, limit=PAGE + 1)
    more = plane.pages.write(str(found[PAGE - 1].revision), question) if len(found) > PAGE else None
    changes = changed_options(
        "changes",
        f"From revision {base.revision} to {newest.revision}",
        changes_of(base.recipe, newest.recipe),
        empty="These revisions say the same.",
    )
    return page(
        request,
        "recipe_revisions.html",
        [_revisions(name, found[:PAGE], with_query(request, older=more) if more else None), changes],
        title=f"{name}: revisions",
        section="Recipes",
        name=name,
        base=base,
        shown=newest,
        newest=plane.recipes.newest(who.project_id, name),
        diff=difference(base.recipe, newest.recipe),
    )


@router.post("/recipes/{name}/restore", dependencies=WRITING)
async def restore(request: Request, name: Name, form: Form) -> Response:
    """Store an old revision as the next one."""
    path = f"/v1/recipes/{segment(name)}"
    old = await call(request, "GET", path, params={"revision": form.get("revision", "")})
    stored = await call(
        request,
        "PUT",
        path,
        old["recipe"],
        params={"note": f"as revision {old['revision']}"},
        headers={"If-Match": etag(name, whole_number(form.get("newest", "")) or 0)},
    )
    said = f"{name} is at revision {stored['revision']}, which says what revision {old['revision']} said."
    return go(request, f"{RECIPES}/{segment(name)}", said)


def _revisions(name: str, found: Iterable[RecipeRevision], more: str | None) -> Table:
    here = f"{RECIPES}/{segment(name)}"
    rows = [{**one.model_dump(), "what": "what it changed" if one.revision > 1 else ""} for one in found]
    columns = (
        Column("revision", "Revision", "count", lambda row: f"{here}?revision={row['revision']}"),
        Column("created", "Written", "time"),
        Column("created_by", "By", "code"),
        Column("note", "Note"),
        Column("what", "", "text", lambda row: f"?after={row['revision']}#difference" if row["what"] else None),
    )
    return Table("revisions", "Revisions", columns, rows, more=more)
