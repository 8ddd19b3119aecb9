"""The catalogue: which corpora a project has, by name. What is in a corpus, the corpus itself says."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Row, delete, insert, select
from sqlalchemy.exc import IntegrityError

from services.database import Database, new_id
from services.database.tables import corpora
from services.database.types import clock
from services.errors import AlreadyExists, NotFound

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$"
MAX_NAME = 80
_TRIES = 20


class CorpusEntry(BaseModel):
    """A corpus that the project knows."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    id: str
    name: str
    """What it is called in this project."""
    url: str
    """Where it is: a folder, or `s3://bucket/prefix`."""
    created: datetime
    """When the project came to know it."""


class Catalogue:
    """A project's corpora: one entry an address, one address a name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, project_id: str, url: str, name: str | None = None) -> CorpusEntry:
        """The entry of the corpus at this (canonical) address, made where there is none. Without a name it is called
        by the last part of its address, with a number where that is taken. Any number may do so at once.

        Raises AlreadyExists for a name that is given and belongs to another corpus, or where the corpus has another.
        """
        for wanted in _names(url, name):
            found = self._at(project_id, url)
            if found is not None:
                return _expect_name(found, name)
            try:
                return self._insert(project_id, url, wanted)
            except IntegrityError:
                # The name is taken, or somebody else has just registered the address.
                continue
        found = self._at(project_id, url)
        if found is None:
            raise AlreadyExists(f"the name {name or _name_of(url)} is taken by another corpus; give another one")
        return _expect_name(found, name)

    def get(self, project_id: str, name: str) -> CorpusEntry:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(
                select(corpora).where(corpora.c.project_id == project_id, corpora.c.name == name)
            ).one_or_none()
        if row is None:
            raise NotFound(f"this project knows no corpus {name!r}")
        return _entry(row)

    def list(self, project_id: str, *, after: str | None = None, limit: int = 50) -> Sequence[CorpusEntry]:
        """By name; `after` is the last one seen."""
        wanted = select(corpora).where(corpora.c.project_id == project_id).order_by(corpora.c.name).limit(limit)
        if after is not None:
            wanted = wanted.where(corpora.c.name > after)
        with self._database.reading() as connection:
            return [_entry(row) for row in connection.execute(wanted)]

    def forget(self, project_id: str, name: str) -> None:
        """Take it out of the catalogue; the corpus itself is not touched. Raises NotFound."""
        with self._database.transaction() as connection:
            gone = connection.execute(delete(corpora).where(corpora.c.project_id == project_id, corpora.c.name == name))
        if gone.rowcount == 0:
            raise NotFound(f"this project knows no corpus {name!r}")

    def _at(self, project_id: str, url: str) -> CorpusEntry | None:
        with self._database.reading() as connection:
            row = connection.execute(
                select(corpora).where(corpora.c.project_id == project_id, corpora.c.url == url)
            ).one_or_none()
        return None if row is None else _entry(row)

    def _insert(self, project_id: str, url: str, name: str) -> CorpusEntry:
        values = {"id": new_id("corpus"), "project_id": project_id, "name": name, "url": url}
        with self._database.transaction() as connection:
            row = connection.execute(insert(corpora).values(**values, created=clock()).returning(corpora)).one()
        return _entry(row)


def _entry(row: Row[Any]) -> CorpusEntry:
    return CorpusEntry(id=row.id, name=row.name, url=row.url, created=row.created)


def _expect_name(found: CorpusEntry, name: str | None) -> CorpusEntry:
    if name is not None and found.name != name:
        raise AlreadyExists(f"this corpus is in the catalogue already, as {found.name!r}")
    return found


def _names(url: str, name: str | None) -> Iterator[str]:
    """What to try: the given name only; else the address' last part, then with numbers, then with the address' hash."""
    if name is not None:
        yield name
        return
    base = _name_of(url)
    yield base
    for number in range(2, _TRIES):
        yield f"{base[: MAX_NAME - 4]}-{number}"
    yield f"{base[: MAX_NAME - 17]}-{hashlib.sha256(url.encode()).hexdigest()[:16]}"


def _name_of(url: str) -> str:
    last = url.removeprefix("s3://").rstrip("/").rsplit("/", 1)[-1]
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", last).lstrip("_.-")[:MAX_NAME]
    return name or "corpus"
