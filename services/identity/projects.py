"""Projects: who works together, and where their recipes may read and write.

No two projects' roots overlap, so that no recipe reaches another project's corpora; `default` is no exception. It has
all of the installation's roots until an admin narrows it, which has to come before another project is given a part.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, RowMapping, select
from sqlalchemy.exc import IntegrityError

from curation.errors import Problem, StorageError
from curation.storage.address import absolute
from services.database import Database, new_id
from services.database.tables import projects
from services.database.types import clock
from services.errors import AlreadyExists, Conflict, Invalid, NotFound, PreconditionFailed
from services.settings import Settings

DEFAULT = "default"
EVERYTHING = "*"
"""The roots of `default` as they are kept until an admin narrows them: whatever the installation's roots are."""

ProjectName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]


class Project(BaseModel):
    """People and keys that work on the same recipes, jobs and corpora, unseen by other projects."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    id: str
    name: ProjectName
    roots: tuple[str, ...]
    """Where its recipes may read and write: folders and `s3://bucket/prefix`."""
    revision: int
    """Changes whenever the roots do."""
    created: datetime
    created_by: str


class Projects:
    """The projects of an installation."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._installation = tuple(absolute_root(root) for root in settings.roots)

    def ensure_default(self) -> Project:
        """The project `default`, made if there is none; its roots are the installation's until they are narrowed."""
        try:
            return self.by_name(DEFAULT)
        except NotFound:
            pass
        try:
            with self._database.transaction() as connection:
                self._insert(connection, DEFAULT, (EVERYTHING,), "installation")
        except IntegrityError:
            pass  # another process made it
        return self.by_name(DEFAULT)

    def create(self, name: str, roots: Sequence[str], by: str) -> Project:
        """A new project. Without roots it can neither read nor write.

        Raises Invalid for roots outside the installation's, Conflict for roots that overlap another project's,
        AlreadyExists for a name that is taken.
        """
        self.ensure_default()
        wanted = self._checked(roots)
        try:
            with self._database.transaction() as connection:
                self._refuse_overlaps(connection, wanted, None)
                return self._project(self._insert(connection, name, wanted, by))
        except IntegrityError:
            raise AlreadyExists(f"there is a project {name!r} already") from None

    def get(self, project_id: str) -> Project:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(select(projects).where(projects.c.id == project_id)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no project {project_id!r}")
        return self._project(row)

    def by_name(self, name: str) -> Project:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(select(projects).where(projects.c.name == name)).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no project {name!r}")
        return self._project(row)

    def list(self, *, after: str | None = None, limit: int = 50) -> Sequence[Project]:
        """Every project, newest first; `after` is the id of the last one seen."""
        question = select(projects).order_by(projects.c.id.desc()).limit(limit)
        if after is not None:
            question = question.where(projects.c.id < after)
        with self._database.reading() as connection:
            return [self._project(row) for row in connection.execute(question).mappings()]

    def update(self, project_id: str, roots: Sequence[str], revision: int) -> Project:
        """Give it other roots. Raises PreconditionFailed for another revision than the present one, and as `create`."""
        wanted = self._checked(roots)
        with self._database.transaction() as connection:
            self._refuse_overlaps(connection, wanted, project_id)
            changed = connection.execute(
                projects.update()
                .where(projects.c.id == project_id, projects.c.revision == revision)
                .values(roots=list(wanted), revision=revision + 1)
                .returning(*projects.c)
            )
            row = changed.mappings().one_or_none()
        if row is None:
            present = self.get(project_id).revision
            raise PreconditionFailed(f"found revision {revision}, but it is {present} now; read it again")
        return self._project(row)

    def roots(self, project_id: str) -> tuple[str, ...]:
        """Where the project's recipes may read and write: what it was given, as far as it is still the installation's.
        Raises NotFound."""
        return self.get(project_id).roots

    def _insert(self, connection: Connection, name: str, roots: Sequence[str], by: str) -> RowMapping:
        values = {"id": new_id("prj"), "name": name, "roots": list(roots), "revision": 1, "created": clock()}
        made = connection.execute(projects.insert().values(**values, created_by=by).returning(*projects.c))
        return made.mappings().one()

    def _project(self, row: RowMapping) -> Project:
        given = self._installation if EVERYTHING in row["roots"] else tuple(row["roots"])
        allowed = tuple(root for root in given if any(contains(outer, root) for outer in self._installation))
        return Project(**{**row, "roots": allowed})

    def _checked(self, roots: Sequence[str]) -> tuple[str, ...]:
        """The roots, absolute, each within the installation's and none within another."""
        wanted: list[str] = []
        wrong: list[Problem] = []
        for place, root in enumerate(roots):
            try:
                wanted.append(absolute_root(root))
            except Invalid as error:
                wrong.append(Problem(f"roots.{place}", error.detail))
                continue
            if not any(contains(outer, wanted[-1]) for outer in self._installation):
                wrong.append(Problem(f"roots.{place}", "is outside of the installation's roots"))
            elif any(overlap(other, wanted[-1]) for other in wanted[:-1]):
                wrong.append(Problem(f"roots.{place}", "overlaps another of these roots"))
        if wrong:
            raise Invalid("the roots are wrong", problems=wrong)
        return tuple(wanted)

    def _refuse_overlaps(self, connection: Connection, wanted: Sequence[str], project_id: str | None) -> None:
        """Raises Conflict for roots that overlap another project's. The lock makes one such change wait for another."""
        connection.execute(select(projects.c.id).where(projects.c.name == DEFAULT).with_for_update())
        for row in connection.execute(select(projects)).mappings():
            taken = self._installation if EVERYTHING in row["roots"] else row["roots"]
            for root in wanted:
                other = next((other for other in taken if overlap(other, root)), None)
                if row["id"] != project_id and other is not None:
                    advice = f"; narrow the roots of {DEFAULT!r} first" if row["name"] == DEFAULT else ""
                    raise Conflict(f"{root} overlaps {other}, a root of project {row['name']!r}{advice}")


def absolute_root(root: str) -> str:
    """One spelling for one place: a folder's absolute path, or `s3://bucket/prefix` without a slash at its end.

    Raises Invalid for anything else, and for a prefix with empty, `.` or `..` segments.
    """
    if not root.isprintable():
        raise Invalid("expected a folder or s3://bucket/prefix, without control characters")
    try:
        address = absolute(root)
    except StorageError as error:
        raise Invalid(str(error)) from None
    if address.startswith("s3://") and {"", ".", ".."} & set(address.removeprefix("s3://").split("/")):
        raise Invalid(f"{root}: expected s3://bucket/prefix without empty, . or .. segments")
    return address


def contains(outer: str, inner: str) -> bool:
    """Whether the absolute root `inner` is `outer` or below it. Links are followed as they are now."""
    outer_parts, inner_parts = _parts(outer), _parts(inner)
    return inner_parts[: len(outer_parts)] == outer_parts


def overlap(one: str, other: str) -> bool:
    """Whether one of two absolute roots contains the other."""
    return contains(one, other) or contains(other, one)


def _parts(root: str) -> list[str]:
    if root.startswith("s3://"):
        return root.split("/")
    return ["file", *(part for part in os.path.realpath(root).split("/") if part)]
