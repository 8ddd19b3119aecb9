"""The recipes of a project as their list shows them: who changed each last, and the last job of each."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from services.database import Database
from services.database.tables import jobs, recipe_revisions, recipes


class ListedRecipe(BaseModel):
    """A stored recipe; of its last job nothing where it has none."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    name: str
    revision: int
    """The newest."""
    changed: datetime
    changed_by: str
    note: str
    job_id: str | None
    """The job of this name that was submitted last."""
    job_state: str | None
    job_created: datetime | None
    corpus: str | None
    """What that job makes, or made."""


def list_recipes(database: Database, project_id: str, *, after: str | None = None, limit: int) -> list[ListedRecipe]:
    """By name; `after` is the name of the last one seen. Each last job is one look into an index."""
    last = (
        select(jobs.c.id)
        .where(jobs.c.project_id == project_id, jobs.c.recipe_name == recipes.c.name, jobs.c.deleted.is_(None))
        .order_by(jobs.c.id.desc())
        .limit(1)
        .correlate(recipes)
        .scalar_subquery()
    )
    newest = (recipe_revisions.c.recipe_id == recipes.c.id) & (recipe_revisions.c.revision == recipes.c.revision)
    found = (
        select(
            *(recipes.c.name, recipes.c.revision, recipe_revisions.c.note),
            recipe_revisions.c.created.label("changed"),
            recipe_revisions.c.created_by.label("changed_by"),
            last.label("job_id"),
        )
        .join(recipe_revisions, newest)
        .where(recipes.c.project_id == project_id, recipes.c.deleted.is_(None))
        .order_by(recipes.c.name)
        .limit(limit)
    )
    if after is not None:
        found = found.where(recipes.c.name > after)
    listed = found.subquery()
    with_jobs = (
        select(listed, jobs.c.state.label("job_state"), jobs.c.created.label("job_created"), jobs.c.corpus)
        .outerjoin(jobs, jobs.c.id == listed.c.job_id)
        .order_by(listed.c.name)
    )
    with database.reading() as connection:
        return [ListedRecipe(**row) for row in connection.execute(with_jobs).mappings()]
