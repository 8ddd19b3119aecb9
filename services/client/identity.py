"""Whose key it is, keys and projects over REST.

The models are the client's own: those of the stores would bring the database's library with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from services.client.transport import Transport, shaped
from services.identity.principal import Permission, Role


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Me(_Model):
    """Who asks, in which project, and what they may do there."""

    name: str
    project_id: str
    project: str
    role: Role
    permissions: tuple[Permission, ...] = ()
    is_installation_admin: bool = False


class Key(_Model):
    """An API key, without its secret."""

    id: str
    name: str
    role: Role
    scopes: tuple[Permission, ...] | None = None
    """What it is narrowed to; None: all that its role may."""
    is_installation_admin: bool = False
    created: datetime
    created_by: str
    expires: datetime | None = None
    revoked: datetime | None = None
    last_used: datetime | None = None
    """To the minute."""


class KeyWithSecret(_Model):
    """A key that was made just now."""

    key: Key
    secret: str
    """Its text, in this answer only."""


class Project(_Model):
    """Who works together, and where their recipes may read and write."""

    id: str
    name: str
    roots: tuple[str, ...]
    revision: int
    created: datetime
    created_by: str


class AuditRow(_Model):
    """What somebody did, or was denied."""

    sequence: int
    at: datetime
    project_id: str | None = None
    """None where nobody was let in."""
    principal: str
    action: str
    """The operation's id, such as `cancel_job`."""
    target: str
    """The request's path."""
    detail: Mapping[str, str | int | bool | None] = {}
    request_id: str = ""
    previous: str
    hash: str
    """SHA-256 over this row and the hash of the one before, `previous`."""


class Keys:
    """The keys of one project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        name: str,
        role: Role,
        *,
        scopes: Sequence[Permission] | None = None,
        expires: datetime | None = None,
        is_installation_admin: bool = False,
    ) -> KeyWithSecret:
        """Make one; it may at most what the key may that asks."""
        body = {
            "name": name,
            "role": role.value,
            "scopes": None if scopes is None else [scope.value for scope in scopes],
            "expires": None if expires is None else expires.isoformat(),
            "is_installation_admin": is_installation_admin,
        }
        return self._transport.post("/v1/keys", KeyWithSecret, body)

    def list(self) -> Iterator[Key]:
        """Newest first, revoked and expired ones too."""
        return self._transport.pages("/v1/keys", Key)

    def revoke(self, key_id: str) -> None:
        """End it at once."""
        self._transport.send("DELETE", f"/v1/keys/{quote(key_id, safe='')}")


class Projects:
    """The projects of the installation."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, name: str, roots: Sequence[str]) -> Project:
        """Make one; without roots it can neither read nor write. An admin's of the installation only."""
        return self._transport.post("/v1/projects", Project, {"name": name, "roots": list(roots)})

    def list(self) -> Iterator[Project]:
        """Those that the key may see."""
        return self._transport.pages("/v1/projects", Project)

    def update(self, project_id: str, roots: Sequence[str]) -> Project:
        """Give it these roots instead of its own, whatever they are. An admin's of the installation only."""
        path = f"/v1/projects/{quote(project_id, safe='')}"
        body = {"roots": list(roots)}
        return shaped(Project, self._transport.send("PATCH", path, body=body, headers={"If-Match": "*"}))


class AuditLog:
    """Who did what, in one project; for an admin of the installation, in all."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(
        self,
        *,
        principal: str | None = None,
        action: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Iterator[AuditRow]:
        """Newest first, page by page as they are asked for."""
        asked = {"principal": principal, "action": action, "since": since, "until": until}
        return self._transport.pages("/v1/audit", AuditRow, **asked)
