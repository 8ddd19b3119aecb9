"""The audit log: who did what, each row sealed by the hash of the row before it.

A row that was changed, removed from the middle or put in breaks the chain. Rows that are missing at the end do so too,
unless the head was changed with them: whoever must rule that out keeps a head (`Audit.head`) somewhere else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Connection, RowMapping, select
from sqlalchemy.exc import IntegrityError

from services.database import Database
from services.database.tables import audit, audit_head
from services.database.types import clock, micros
from services.errors import Conflict

GENESIS = "0" * 64
HEAD = 1
PAGE = 1000


class Entry(BaseModel):
    """What somebody did."""

    model_config = ConfigDict(frozen=True)

    principal: str
    action: str
    target: str
    project_id: str | None = None
    detail: Mapping[str, str | int | bool | None] = {}
    request_id: str = ""


class AuditRow(BaseModel):
    """One row of the audit log."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    sequence: int
    """1, 2, … without gaps, over all projects."""
    at: datetime
    project_id: str | None
    """The project that was worked in; null where nobody was let in."""
    principal: str
    """`key:key_01k…`, `oidc:subject`, or `anonymous`."""
    action: str
    """The operation's id, such as `cancel_job`."""
    target: str
    """The request's path."""
    detail: dict[str, str | int | bool | None]
    """The method, the answer's status, the project's name, the address that it came from, the path of what was `made`,
    and what else matters of this action, such as a made key's role."""
    request_id: str
    previous: str
    """The hash of the row before."""
    hash: str
    """SHA-256 over this row and `previous`."""


class AuditFilter(BaseModel):
    """Which rows a list shows. Every field that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    principal: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None


ALL = AuditFilter()


class Verified(BaseModel):
    """What a whole, unbroken audit log comes to."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    rows: int
    """How many rows were checked: all of them."""
    head: str
    """The last row's hash. Kept elsewhere, it shows later that no row was taken from the end."""


class BrokenChain(Conflict):
    """The audit log was changed by somebody else than this service."""

    slug, title = "broken-audit-log", "The audit log was changed"


class Audit:
    """The audit log of an installation."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def append(self, entry: Entry) -> int:
        """Write a row behind the last one, and return its number."""
        with self._database.transaction() as connection:
            head = self._lock_head(connection)
            row = entry.model_dump() | {
                "sequence": head["sequence"] + 1,
                "at": connection.execute(select(clock())).scalar_one(),
                "detail": dict(entry.detail),
                "previous": head["hash"],
            }
            row["hash"] = _seal(row)
            connection.execute(audit.insert().values(**row))
            connection.execute(audit_head.update().values(sequence=row["sequence"], hash=row["hash"]))
        return int(row["sequence"])

    def list(
        self, project_id: str | None, which: AuditFilter = ALL, *, after: int | None = None, limit: int = 50
    ) -> Sequence[AuditRow]:
        """Newest first, of one project or (None) of all; `after` is the number of the last one seen."""
        question = select(audit).where(*_matching(which)).order_by(audit.c.sequence.desc()).limit(limit)
        if project_id is not None:
            question = question.where(audit.c.project_id == project_id)
        if after is not None:
            question = question.where(audit.c.sequence < after)
        with self._database.reading() as connection:
            return [AuditRow(**row) for row in connection.execute(question).mappings()]

    def verify(self) -> Verified:
        """Check every row, and that none is missing. Raises BrokenChain with the first row that is wrong."""
        head = self.head()
        previous, checked = GENESIS, 0
        while rows := self._after(checked, head.rows):
            for row in rows:
                checked += 1
                if row["sequence"] != checked:
                    raise BrokenChain(f"row {checked} of the audit log is missing")
                if row["previous"] != previous or row["hash"] != _seal(dict(row)):
                    raise BrokenChain(f"row {checked} of the audit log is not as it was written")
                previous = row["hash"]
        if checked != head.rows or previous != head.head:
            raise BrokenChain(f"the audit log ends at row {checked}, but {head.rows} were written")
        return head

    def head(self) -> Verified:
        """How many rows were written, and the last one's hash; nothing is checked."""
        with self._database.reading() as connection:
            row = connection.execute(select(audit_head)).mappings().one_or_none()
        return Verified(rows=0, head=GENESIS) if row is None else Verified(rows=row["sequence"], head=row["hash"])

    def _after(self, sequence: int, last: int) -> Sequence[RowMapping]:
        question = select(audit).where(audit.c.sequence > sequence, audit.c.sequence <= last)
        with self._database.reading() as connection:
            return connection.execute(question.order_by(audit.c.sequence).limit(PAGE)).mappings().all()

    def _lock_head(self, connection: Connection) -> RowMapping:
        """The head, which nobody else can change until this transaction ends."""
        locked = select(audit_head).where(audit_head.c.id == HEAD).with_for_update()
        head = connection.execute(locked).mappings().one_or_none()
        if head is None:
            try:
                with connection.begin_nested():
                    connection.execute(audit_head.insert().values(id=HEAD, sequence=0, hash=GENESIS))
            except IntegrityError:
                pass  # another process wrote the first row meanwhile
            head = connection.execute(locked).mappings().one()
        return head


def _matching(which: AuditFilter) -> list[ColumnElement[bool]]:
    conditions = (
        (which.principal, lambda value: audit.c.principal == value),
        (which.action, lambda value: audit.c.action == value),
        (which.since, lambda value: audit.c.at >= value),
        (which.until, lambda value: audit.c.at < value),
    )
    return [condition(value) for value, condition in conditions if value is not None]


def _seal(row: Mapping[str, Any]) -> str:
    """SHA-256 of a row's canonical JSON, the hash before it included."""
    sealed = {name: row[name] for name in AuditRow.model_fields if name != "hash"}
    text = json.dumps(sealed | {"at": micros(row["at"])}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
