"""API keys: made once, shown once, kept as a hash under the installation's secret."""

from __future__ import annotations

import hmac
import re
import secrets
import threading
import time
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, bindparam, null, or_, select

from curation.errors import Problem
from services.database import Database, new_id
from services.database.tables import api_keys, projects
from services.database.types import clock
from services.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from services.identity.principal import NOT_VALID, PERMISSIONS, RANK, Permission, Principal, Role
from services.moment import Moment

KEY_TEXT = re.compile(r"cur_([0-9a-hjkmnp-tv-z]{26})_([A-Za-z0-9_-]{43})", re.ASCII)
"""The prefix is what scanners for leaked secrets look for; then the key's id, then 32 random bytes."""
NO_KEY = "key_" + "0" * 26
"""Looked up for what is no key at all, so that it is refused no faster than a wrong one."""
LAST_USED_S = 60
KEY = "key:"
"""What the names of principals with keys begin with."""


class NewKey(BaseModel):
    """A key to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@ -]{0,79}$")]
    """What people call it, such as where it is used; need not be unique."""
    role: Role
    """What it may do in its project; at most what the key may that makes it."""
    scopes: frozenset[Permission] | None = None
    """What it is narrowed to; null: all that its role may."""
    expires: Moment | None = None
    """When it ends; null: not before it is revoked."""
    is_installation_admin: bool = False
    """Whether it may make projects and work in every one; only such a key can make one, and its role is `admin`."""


class Key(BaseModel):
    """An API key, without its secret."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    id: str
    name: str
    role: Role
    scopes: tuple[Permission, ...] | None
    is_installation_admin: bool
    created: datetime
    created_by: str
    expires: datetime | None
    revoked: datetime | None
    last_used: datetime | None
    """To the minute."""


class Keys:
    """The keys of an installation."""

    def __init__(self, database: Database, secret: bytes) -> None:
        self._database = database
        self._pepper = hmac.digest(secret, b"api-keys", "sha256")
        self._lock = threading.Lock()
        self._touched: dict[str, float] = {}

    def create(self, project_id: str, new: NewKey, by: str) -> tuple[Key, str]:
        """A key and its text, which is nowhere else. Who may make which is `grant`'s business. Raises Invalid."""
        with self._database.transaction() as connection:
            return self._create(connection, project_id, new, by)

    def grant(self, who: Principal, new: NewKey) -> tuple[Key, str]:
        """A key in the project that `who` works in. Raises Forbidden for one that may more than they do."""
        if RANK[new.role] > RANK[who.role]:
            raise Forbidden(f"a key of the role {who.role} cannot make one of the role {new.role}")
        if new.is_installation_admin and not who.is_installation_admin:
            raise Forbidden("only an admin of the installation can make another one")
        if who.scopes is not None and (new.scopes is None or not new.scopes <= who.scopes):
            raise Forbidden(f"the scopes must be among {', '.join(sorted(who.scopes))}")
        return self.create(who.project_id, new, who.name)

    def first(self, project_id: str) -> tuple[Key, str] | None:
        """The installation's first key, which may everything; None when there is or was any key."""
        new = NewKey(name="first", role=Role.ADMIN, is_installation_admin=True)
        with self._database.transaction() as connection:
            connection.execute(select(projects.c.id).where(projects.c.id == project_id).with_for_update())
            if connection.execute(select(api_keys.c.id).limit(1)).first() is not None:
                return None
            return self._create(connection, project_id, new, "installation")

    def get(self, project_id: str, key_id: str) -> Key:
        """Raises NotFound."""
        with self._database.reading() as connection:
            row = connection.execute(select(api_keys).where(*_its(project_id, key_id))).mappings().one_or_none()
        if row is None:
            raise NotFound(f"there is no key {key_id!r}")
        return _key(row)

    def list(self, project_id: str, *, after: str | None = None, limit: int = 50) -> Sequence[Key]:
        """Newest first, revoked and expired ones too; `after` is the id of the last one seen."""
        question = select(api_keys).where(api_keys.c.project_id == project_id)
        if after is not None:
            question = question.where(api_keys.c.id < after)
        with self._database.reading() as connection:
            rows = connection.execute(question.order_by(api_keys.c.id.desc()).limit(limit)).mappings()
            return [_key(row) for row in rows]

    def revoke(self, who: Principal, key_id: str) -> Key:
        """End a key of the project that `who` works in; again is the same as once.

        Raises NotFound, Forbidden for an installation's key where `who` may not make one, and Conflict for the last
        key that can manage the installation.
        """
        with self._database.transaction() as connection:
            admins = select(api_keys.c.id).where(api_keys.c.is_installation_admin).order_by(api_keys.c.id)
            connection.execute(admins.with_for_update()).all()
            row = connection.execute(select(api_keys).where(*_its(who.project_id, key_id))).mappings().one_or_none()
            if row is None:
                raise NotFound(f"there is no key {key_id!r}")
            if row["revoked"] is not None:
                return _key(row)
            if row["is_installation_admin"] and not who.is_installation_admin:
                raise Forbidden("only an admin of the installation can revoke this key")
            if row["is_installation_admin"] and row["scopes"] is None:
                others = admins.where(api_keys.c.id != key_id, api_keys.c.scopes.is_(None), *_valid())
                if connection.execute(others.limit(1)).first() is None:
                    raise Conflict("it is the last key that can manage the installation; make another one first")
            change = api_keys.update().where(api_keys.c.id == key_id).values(revoked=clock())
            return _key(connection.execute(change.returning(*api_keys.c)).mappings().one())

    def authenticate(self, text: str) -> Principal:
        """Whose key it is. Raises Unauthorized, the same for every text that is not a valid key."""
        parts = KEY_TEXT.fullmatch(text)
        key_id = f"key_{parts[1]}" if parts else NO_KEY
        with self._database.reading() as connection:
            row = connection.execute(_whose(), {"key_id": key_id}).mappings().one_or_none()
        expected = row["hash"] if row is not None else "0" * 64
        is_right = hmac.compare_digest(self._hash(text), expected)
        if row is None or not is_right or not row["is_valid"]:
            raise Unauthorized(NOT_VALID)
        self._touch(row)
        return _principal(row)

    def resume(self, name: str) -> Principal:
        """The principal `key:…`, whom a session that it opened before is about. Raises Unauthorized once the key was
        revoked or has expired."""
        with self._database.reading() as connection:
            row = connection.execute(_whose(), {"key_id": name.removeprefix(KEY)}).mappings().one_or_none()
        if row is None or not row["is_valid"]:
            raise Unauthorized(NOT_VALID)
        self._touch(row)
        return _principal(row)

    def still_valid(self, names: Collection[str]) -> set[str]:
        """Which of these principals' keys (`key:…`) have neither been revoked nor expired."""
        ids = [name.removeprefix(KEY) for name in names]
        with self._database.reading() as connection:
            found = connection.execute(select(api_keys.c.id).where(api_keys.c.id.in_(ids), *_valid()))
            return {f"{KEY}{row.id}" for row in found}

    def _create(self, connection: Connection, project_id: str, new: NewKey, by: str) -> tuple[Key, str]:
        now = connection.execute(select(clock())).scalar_one()
        _check(new, now)
        key_id = new_id("key")
        text = f"cur_{key_id.removeprefix('key_')}_{secrets.token_urlsafe(32)}"
        values = new.model_dump(exclude={"scopes", "role"}) | {
            "id": key_id,
            "project_id": project_id,
            "hash": self._hash(text),
            "role": str(new.role),
            "scopes": null() if new.scopes is None else sorted(new.scopes),
            "created": now,
            "created_by": by,
        }
        made = connection.execute(api_keys.insert().values(**values).returning(*api_keys.c))
        return _key(made.mappings().one()), text

    def _hash(self, text: str) -> str:
        return hmac.digest(self._pepper, text.encode("utf-8", "surrogatepass"), "sha256").hex()

    def _touch(self, row: RowMapping) -> None:
        """Write when it was used, at most once a minute on all processes, and ask for it but once on this one."""
        now = time.monotonic()
        with self._lock:
            if now - self._touched.get(row["id"], -LAST_USED_S) < LAST_USED_S:
                return
            self._touched[row["id"]] = now
        before = row["now"] - timedelta(seconds=LAST_USED_S)
        if row["last_used"] is not None and row["last_used"] > before:
            return
        is_old = or_(api_keys.c.last_used.is_(None), api_keys.c.last_used <= before)
        with self._database.transaction() as connection:
            connection.execute(api_keys.update().where(api_keys.c.id == row["id"], is_old).values(last_used=row["now"]))


def _its(project_id: str, key_id: str) -> tuple[ColumnElement[bool], ...]:
    return api_keys.c.project_id == project_id, api_keys.c.id == key_id


@cache
def _whose() -> Select[Any]:
    """The key `key_id`, its project, and whether it is valid now; built once, since every request asks it."""
    columns = [*api_keys.c, projects.c.name.label("project"), clock().label("now"), and_(*_valid()).label("is_valid")]
    return select(*columns).join(projects).where(api_keys.c.id == bindparam("key_id"))


def _valid() -> tuple[ColumnElement[bool], ...]:
    return api_keys.c.revoked.is_(None), or_(api_keys.c.expires.is_(None), api_keys.c.expires > clock())


def _principal(row: RowMapping) -> Principal:
    return Principal(
        name=f"{KEY}{row['id']}",
        project_id=row["project_id"],
        project=row["project"],
        role=row["role"],
        scopes=row["scopes"],
        is_installation_admin=row["is_installation_admin"],
    )


def _key(row: RowMapping) -> Key:
    return Key(**{name: row[name] for name in Key.model_fields})


def _check(new: NewKey, now: datetime) -> None:
    allowed = PERMISSIONS[new.role] | ({Permission.PROJECTS_WRITE} if new.is_installation_admin else set())
    wrong = []
    if new.scopes is not None and not new.scopes <= allowed:
        beyond = ", ".join(sorted(new.scopes - allowed))
        wrong.append(Problem("scopes", f"found {beyond}, which the role {new.role} does not have"))
    if new.expires is not None and new.expires <= now:
        wrong.append(Problem("expires", "found a time in the past"))
    if new.is_installation_admin and new.role is not Role.ADMIN:
        wrong.append(Problem("role", f"found {new.role}, expected admin for an admin of the installation"))
    if wrong:
        raise Invalid("the key is wrong", problems=wrong)
