"""`/v1/me`, `/v1/projects`, `/v1/keys` and `/v1/audit`: who asks, who works where, and who did what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.control_plane.conventions import (
    IfMatch,
    Page,
    PageSize,
    PageToken,
    etag,
    expect,
    problems,
)
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow, note
from services.control_plane.slow import SLOW
from services.errors import Forbidden, NotFound
from services.identity.audit import AuditFilter, AuditRow, Verified
from services.identity.keys import Key, NewKey
from services.identity.principal import Permission, Principal, Role
from services.identity.projects import Project, ProjectName
from services.moment import Moment

router = APIRouter(prefix="/v1")

PLAIN = r"^[^\x00-\x1f\x7f]+$"

ProjectId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", description="The project's `id`.")]
KeyId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", description="The key's `id`.")]
Root = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Roots = Annotated[tuple[Root, ...], Field(max_length=20)]

ProjectReader = Annotated[Principal, allow(Permission.PROJECTS_READ)]
ProjectWriter = Annotated[Principal, allow(Permission.PROJECTS_WRITE)]
KeyReader = Annotated[Principal, allow(Permission.KEYS_READ)]
KeyWriter = Annotated[Principal, allow(Permission.KEYS_WRITE)]
Auditor = Annotated[Principal, allow(Permission.AUDIT_READ)]


class Me(BaseModel):
    """Who asks, and what they may do."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    name: str
    """How the audit log calls them."""
    project_id: str
    project: str
    """The project that the request is about."""
    role: Role
    permissions: tuple[Permission, ...]
    """What may be asked, role and scopes taken together."""
    is_installation_admin: bool


class NewProject(BaseModel):
    """A project to be made."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: ProjectName
    roots: Roots = ()
    """Where its recipes may read and write: folders and `s3://bucket/prefix` within the installation's roots, none of
    them another project's."""


class ProjectPatch(BaseModel):
    """What is to change about a project."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    roots: Roots
    """All of its roots from now on."""


class KeyWithSecret(BaseModel):
    """A key that was just made."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    key: Key
    secret: str
    """What goes behind `Authorization: Bearer`. It is shown only here."""


NEW_PROJECT: dict[str, Any] = {"web": {"value": {"name": "web", "roots": ["s3://text/web"]}}}
NEW_KEY: dict[str, Any] = {
    "nightly": {
        "summary": "A key that submits jobs and reads nothing but jobs",
        "value": {"name": "nightly", "role": "editor", "scopes": ["jobs:read", "jobs:write"]},
    }
}


@router.get("/me", operation_id="get_me", summary="Who am I?", tags=["identity"], responses=problems())
def get_me(who: Annotated[Principal, allow()]) -> Me:
    """Whose key this is, in which project, and what it may do there."""
    return Me(
        **who.model_dump(exclude={"scopes", "expires"}),
        permissions=tuple(permission for permission in Permission if who.may(permission)),
    )


@router.get("/projects", operation_id="list_projects", summary="List projects", tags=["projects"], responses=problems())
def list_projects(
    plane: ThePlane, who: ProjectReader, page: PageToken = None, page_size: PageSize = 50
) -> Page[Project]:
    """The projects that you can see, newest first: every one for an admin of the installation, else your own."""
    question = ["projects", who.name]
    after = plane.pages.read(page, question)
    if not who.is_installation_admin:
        return Page(items=(plane.projects.get(who.project_id),))
    found = plane.projects.list(after=after, limit=page_size + 1)
    items = tuple(found[:page_size])
    return Page(
        items=items,
        next_page=plane.pages.write(items[-1].id, question) if len(found) > page_size else None,
    )


@router.post(
    "/projects",
    status_code=201,
    operation_id="create_project",
    summary="Make a project",
    tags=["projects"],
    responses=problems(409),
)
def create_project(
    plane: ThePlane,
    who: ProjectWriter,
    new: Annotated[NewProject, Body(openapi_examples=NEW_PROJECT)],
    request: Request,
    response: Response,
) -> Project:
    """Only an admin of the installation can. No two projects' roots overlap: `default` has all of the installation's
    roots until it is given others, which has to be done before another project can have a part of them."""
    note(request, name=new.name, roots=" ".join(new.roots))
    project = plane.projects.create(new.name, new.roots, who.name)
    response.headers["Location"] = f"/v1/projects/{project.id}"
    response.headers["ETag"] = etag(project.id, project.revision)
    return project


@router.get(
    "/projects/{project_id}",
    operation_id="get_project",
    summary="Get a project",
    tags=["projects"],
    responses=problems(404),
)
def get_project(plane: ThePlane, who: ProjectReader, project_id: ProjectId, response: Response) -> Project:
    """With its ETag, which a change needs."""
    if project_id != who.project_id and not who.is_installation_admin:
        raise NotFound(f"there is no project {project_id!r}")
    project = plane.projects.get(project_id)
    response.headers["ETag"] = etag(project.id, project.revision)
    return project


@router.patch(
    "/projects/{project_id}",
    operation_id="update_project",
    summary="Change a project's roots",
    tags=["projects"],
    dependencies=[allow(Permission.PROJECTS_WRITE)],
    responses=problems(404, 409, 412, 428),
)
def update_project(
    plane: ThePlane,
    project_id: ProjectId,
    patch: ProjectPatch,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Project:
    """Only an admin of the installation can. Jobs that are queued are checked against the new roots when they start."""
    note(request, roots=" ".join(patch.roots))
    present = plane.projects.get(project_id)
    expect(if_match, project_id, present.revision)
    project = plane.projects.update(project_id, patch.roots, present.revision)
    response.headers["ETag"] = etag(project.id, project.revision)
    return project


@router.get("/keys", operation_id="list_keys", summary="List keys", tags=["keys"], responses=problems())
def list_keys(plane: ThePlane, who: KeyReader, page: PageToken = None, page_size: PageSize = 50) -> Page[Key]:
    """The project's keys without their secrets, newest first; those that are revoked or expired too."""
    question = ["keys", who.project_id]
    found = plane.keys.list(who.project_id, after=plane.pages.read(page, question), limit=page_size + 1)
    items = tuple(found[:page_size])
    return Page(
        items=items,
        next_page=plane.pages.write(items[-1].id, question) if len(found) > page_size else None,
    )


@router.post(
    "/keys", status_code=201, operation_id="create_key", summary="Make a key", tags=["keys"], responses=problems()
)
def create_key(
    plane: ThePlane,
    who: KeyWriter,
    new: Annotated[NewKey, Body(openapi_examples=NEW_KEY)],
    request: Request,
    response: Response,
) -> KeyWithSecret:
    """The answer holds the secret, which is not shown again. A key can only make keys that may no more than itself."""
    scopes = None if new.scopes is None else " ".join(sorted(new.scopes))
    note(request, role=new.role.value, scopes=scopes, is_installation_admin=new.is_installation_admin)
    key, secret = plane.keys.grant(who, new)
    response.headers["Location"] = f"/v1/keys/{key.id}"
    return KeyWithSecret(key=key, secret=secret)


@router.get("/keys/{key_id}", operation_id="get_key", summary="Get a key", tags=["keys"], responses=problems(404))
def get_key(plane: ThePlane, who: KeyReader, key_id: KeyId) -> Key:
    """Without its secret, which nobody has but who was shown it."""
    return plane.keys.get(who.project_id, key_id)


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    operation_id="revoke_key",
    summary="Revoke a key",
    tags=["keys"],
    responses=problems(404, 409),
)
def revoke_key(plane: ThePlane, who: KeyWriter, key_id: KeyId) -> None:
    """It ends at once, and stays in the list. Keys that were made with it go on."""
    plane.keys.revoke(who, key_id)


@router.get("/audit", operation_id="list_audit", summary="Read the audit log", tags=["audit"], responses=problems())
def list_audit(
    plane: ThePlane,
    who: Auditor,
    principal: Annotated[
        str | None, Query(max_length=200, pattern=PLAIN, description="Only what they did: `key:key_01k…`.")
    ] = None,
    action: Annotated[
        str | None, Query(pattern=r"^[a-z_]{1,80}$", description="Only this operation: `create_key`.")
    ] = None,
    since: Annotated[Moment | None, Query(description="Only from this time on.")] = None,
    until: Annotated[Moment | None, Query(description="Only before this time.")] = None,
    page: PageToken = None,
    page_size: PageSize = 50,
) -> Page[AuditRow]:
    """Everything that was done or denied in this project, newest first; for an admin of the installation, in all. Every
    filter that is given must hold."""
    project_id = None if who.is_installation_admin else who.project_id
    which = AuditFilter(principal=principal, action=action, since=since, until=until)
    question = ["audit", project_id, which.model_dump(mode="json")]
    after = plane.pages.read(page, question)
    found = plane.audit.list(project_id, which, after=None if after is None else int(after), limit=page_size + 1)
    items = tuple(found[:page_size])
    return Page(
        items=items,
        next_page=plane.pages.write(str(items[-1].sequence), question) if len(found) > page_size else None,
    )


@router.get(
    "/audit/verify",
    operation_id="verify_audit",
    summary="Check the audit log",
    tags=["audit"],
    responses=problems(409),
    dependencies=[SLOW],
)
def verify_audit(plane: ThePlane, who: Auditor) -> Verified:
    """Reads the whole log and checks that no row was changed or taken out; only for an admin of the installation. Keep
    `head` somewhere else, and no row can be taken from the end unseen."""
    if not who.is_installation_admin:
        raise Forbidden("this needs an admin of the installation")
    return plane.audit.verify()
