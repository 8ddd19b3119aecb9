"""The recipes of a project: named, each with every revision that it ever had."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from curation.errors import Problem
from services.database import Database, new_id
from services.database.tables import recipe_revisions, recipes
from services.database.types import clock
from services.errors import AlreadyExists, Invalid, NotFound, PreconditionFailed
from services.recipes.checking import checked
from services.recipes.recipe import RecipeRevision, RecipeSummary, StoredRecipe


class RecipeStore:
    """A recipe is checked when it is written. Revisions count from 1 and are never used again, nor changed; a name that
    is deleted and made again goes on counting."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, project_id: str, name: str, body: dict[str, Any], by: str, *, note: str = "") -> StoredRecipe:
        """A new recipe. Raises AlreadyExists, and Invalid with every problem of the body."""
        _check(name, body)
        try:
            with self._database.transaction() as connection:
                row = self._row(connection, project_id, name)
                if row is not None and row.deleted is None:
                    raise AlreadyExists(f"there is a recipe {name!r}; to change it, give If-Match with its ETag")
                recipe_id, revision = (row.id, row.revision + 1) if row is not None else (new_id("rcp"), 1)
                if row is None:
                    self._insert(connection, project_id, recipe_id, name)
                else:
                    self._move(connection, recipe_id, row.revision, revision)
                self._write(connection, recipe_id, revision, body, by, note)
        except IntegrityError:
            raise AlreadyExists(f"somebody else has just made the recipe {name!r}") from None
        return self.get(project_id, name, revision)

    def overwrite(
        self, project_id: str, name: str, body: dict[str, Any], by: str, *, revision: int, note: str = ""
    ) -> StoredRecipe:
        """The next revision behind `revision`, which must still be the newest (PreconditionFailed). Raises NotFound,
        and Invalid with every problem of the body."""
        _check(name, body)
        with self._database.transaction() as connection:
            row = self._found(connection, project_id, name)
            self._move(connection, row.id, revision, revision + 1)
            self._write(connection, row.id, revision + 1, body, by, note)
        return self.get(project_id, name, revision + 1)

    def get(self, project_id: str, name: str, revision: int | None = None) -> StoredRecipe:
        """One revision, by default the newest. Raises NotFound."""
        with self._database.reading() as connection:
            row = self._found(connection, project_id, name)
            which = revision or row.revision
            found = connection.execute(
                select(recipe_revisions).where(
                    recipe_revisions.c.recipe_id == row.id, recipe_revisions.c.revision == which
                )
            ).one_or_none()
        if found is None:
            raise NotFound(f"the recipe {name!r} has no revision {which}; its newest is {row.revision}")
        return StoredRecipe(
            name=name,
            recipe=found.body,
            revision=found.revision,
            note=found.note,
            created=found.created,
            created_by=found.created_by,
        )

    def newest(self, project_id: str, name: str) -> int:
        """The number of the newest revision. Raises NotFound."""
        with self._database.reading() as connection:
            return int(self._found(connection, project_id, name).revision)

    def list(self, project_id: str, *, after: str | None = None, limit: int = 50) -> Sequence[RecipeSummary]:
        """By name; `after` is the name of the last one seen."""
        query = (
            select(recipes.c.name, recipes.c.revision, recipes.c.created, recipes.c.updated)
            .where(recipes.c.project_id == project_id, recipes.c.deleted.is_(None))
            .order_by(recipes.c.name)
            .limit(limit)
        )
        if after is not None:
            query = query.where(recipes.c.name > after)
        with self._database.reading() as connection:
            return [RecipeSummary(**row) for row in connection.execute(query).mappings()]

    def revisions(
        self, project_id: str, name: str, *, before: int | None = None, limit: int = 50
    ) -> Sequence[RecipeRevision]:
        """Newest first; `before` is the number of the last one seen. Raises NotFound."""
        columns = [recipe_revisions.c[column] for column in RecipeRevision.model_fields]
        with self._database.reading() as connection:
            row = self._found(connection, project_id, name)
            query = select(*columns).where(recipe_revisions.c.recipe_id == row.id)
            if before is not None:
                query = query.where(recipe_revisions.c.revision < before)
            query = query.order_by(recipe_revisions.c.revision.desc()).limit(limit)
            return [RecipeRevision(**found) for found in connection.execute(query).mappings()]

    def delete(self, project_id: str, name: str, *, revision: int) -> None:
        """Forget the recipe, whose newest revision must be this one. Jobs keep what they run. Raises NotFound."""
        with self._database.transaction() as connection:
            row = self._found(connection, project_id, name)
            if row.revision != revision:
                raise _changed(revision)
            connection.execute(update(recipes).where(recipes.c.id == row.id).values(deleted=clock(), updated=clock()))

    def _row(self, connection: Connection, project_id: str, name: str) -> Row[Any] | None:
        query = select(recipes).where(recipes.c.project_id == project_id, recipes.c.name == name)
        return connection.execute(query).one_or_none()

    def _found(self, connection: Connection, project_id: str, name: str) -> Row[Any]:
        row = self._row(connection, project_id, name)
        if row is None or row.deleted is not None:
            raise NotFound(f"there is no recipe {name!r}")
        return row

    def _insert(self, connection: Connection, project_id: str, recipe_id: str, name: str) -> None:
        values = {"id": recipe_id, "project_id": project_id, "name": name, "revision": 1}
        connection.execute(insert(recipes).values(**values, created=clock(), updated=clock()))

    def _move(self, connection: Connection, recipe_id: str, old: int, new: int) -> None:
        """From one revision to the next; the guard in the statement decides between two that write at once."""
        moved = connection.execute(
            update(recipes)
            .where(recipes.c.id == recipe_id, recipes.c.revision == old)
            .values(revision=new, updated=clock(), deleted=None)
        )
        if moved.rowcount != 1:
            raise _changed(old)

    def _write(
        self, connection: Connection, recipe_id: str, revision: int, body: dict[str, Any], by: str, note: str
    ) -> None:
        connection.execute(
            insert(recipe_revisions).values(
                recipe_id=recipe_id, revision=revision, body=body, note=note, created=clock(), created_by=by
            )
        )


def _check(name: str, body: dict[str, Any]) -> None:
    recipe = checked(body)
    if recipe.name != name:
        problem = Problem("name", f"found {recipe.name!r}, expected {name!r}, the name that it is stored by")
        raise Invalid(str(problem), problems=[problem])


def _changed(revision: int) -> PreconditionFailed:
    return PreconditionFailed(f"found revision {revision}, but it has changed since; read it again")
