"""Who asks, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from services.errors import Forbidden

NOT_VALID = "expected `Authorization: Bearer` with a key that is known, not expired and not revoked"
"""What everybody is told who is not let in, so that nothing can be learned from it."""


class Role(StrEnum):
    """What a key may do in its project; each may what those before it may."""

    VIEWER = "viewer"
    EDITOR = "editor"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """One kind of thing that can be asked; also the names of a key's scopes."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    JOBS_OPERATE = "jobs:operate"
    """Approve, discard, delete, force."""
    RECIPES_READ = "recipes:read"
    RECIPES_WRITE = "recipes:write"
    CORPORA_READ = "corpora:read"
    CORPORA_WRITE = "corpora:write"
    """Tags, restoring, vacuuming; make corpora known, forget them."""
    CORPORA_GOVERN = "corpora:govern"
    """Take documents down; put versions under a legal hold, and release them."""
    SCHEDULES_READ = "schedules:read"
    SCHEDULES_WRITE = "schedules:write"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    METRICS_READ = "metrics:read"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    AUDIT_READ = "audit:read"
    PROJECTS_READ = "projects:read"
    PROJECTS_WRITE = "projects:write"
    """Make and change projects: an admin's of the whole installation only."""


P = Permission
_VIEWER = {P.JOBS_READ, P.RECIPES_READ, P.CORPORA_READ, P.SCHEDULES_READ, P.PROJECTS_READ, P.METRICS_READ}
_EDITOR = _VIEWER | {P.JOBS_WRITE, P.RECIPES_WRITE}
_OPERATOR = _EDITOR | {P.JOBS_OPERATE, P.CORPORA_WRITE, P.SCHEDULES_WRITE, P.WEBHOOKS_READ, P.WEBHOOKS_WRITE}
_ADMIN = _OPERATOR | {P.CORPORA_GOVERN, P.KEYS_READ, P.KEYS_WRITE, P.AUDIT_READ}

PERMISSIONS: Mapping[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset(_VIEWER),
    Role.EDITOR: frozenset(_EDITOR),
    Role.OPERATOR: frozenset(_OPERATOR),
    Role.ADMIN: frozenset(_ADMIN),
}
RANK = {role: rank for rank, role in enumerate(Role)}


class Principal(BaseModel):
    """Whoever made a request, in the one project that the request is about."""

    model_config = ConfigDict(frozen=True)

    name: str
    """How the audit log calls them: `key:key_01k…` or `oidc:subject`."""
    project_id: str
    project: str
    role: Role
    scopes: frozenset[Permission] | None = None
    """What the key is narrowed to; None: all that its role may."""
    is_installation_admin: bool = False
    """Whether it may make projects, and sees every one."""
    expires: float | None = None
    """When its token ends, in seconds since 1970; of a key only the database knows."""

    def may(self, permission: Permission) -> bool:
        """Whether role and scopes allow it."""
        if permission is Permission.PROJECTS_WRITE:
            allowed = self.is_installation_admin
        else:
            allowed = permission in PERMISSIONS[self.role]
        return allowed and (self.scopes is None or permission in self.scopes)

    def require(self, permission: Permission) -> None:
        """Raises Forbidden unless it is allowed."""
        if not self.may(permission):
            needed = next((role for role in Role if permission in PERMISSIONS[role]), None)
            who = f"the role {needed} or higher" if needed else "an admin of the installation"
            raise Forbidden(f"this needs {who}, with the scope {permission} where the key has scopes")
