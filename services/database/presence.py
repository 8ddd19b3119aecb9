"""Which processes of the installation are there: each writes its own row, and the others see when it last did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Literal

from sqlalchemy import delete, insert, select, update

from services.database.database import Database
from services.database.ids import new_id
from services.database.tables import processes
from services.database.types import clock, later

Role = Literal["api", "scheduler", "runner"]
Detail = Mapping[str, str | int | float | bool | None]

FORGOTTEN_S = 3600.0
"""How long the row of a process that died without a word is kept."""


@dataclass(frozen=True)
class Process:
    """One process, as it was when it last said so."""

    id: str
    role: str
    name: str
    version: str
    started: datetime
    seen: datetime
    detail: Detail


class Presence:
    """This process's row; it appears with the first `beat`."""

    def __init__(self, database: Database, role: Role, name: str) -> None:
        self.id = new_id("proc")
        self._database = database
        self._role: Role = role
        self._name = name

    def beat(self, detail: Detail | None = None) -> None:
        """Say that this process is there, and what it does."""
        now, said = clock(), dict(detail or {})
        with self._database.transaction() as connection:
            row = update(processes).where(processes.c.id == self.id).values(seen=now, detail=said)
            if connection.execute(row).rowcount:
                return
            connection.execute(delete(processes).where(processes.c.seen < later(-FORGOTTEN_S)))
            connection.execute(
                insert(processes).values(
                    id=self.id,
                    role=self._role,
                    name=self._name,
                    version=version("curation"),
                    started=now,
                    seen=now,
                    detail=said,
                )
            )

    def leave(self) -> None:
        """Say that it is gone."""
        with self._database.transaction() as connection:
            connection.execute(delete(processes).where(processes.c.id == self.id))


def present(database: Database, within_s: float) -> Sequence[Process]:
    """The processes that have said something within so many seconds, by role and name."""
    wanted = (
        select(processes)
        .where(processes.c.seen >= later(-within_s))
        .order_by(processes.c.role, processes.c.name, processes.c.id)
    )
    with database.reading() as connection:
        return [Process(**row) for row in connection.execute(wanted).mappings()]
