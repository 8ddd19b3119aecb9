"""What is done to a version from its page: tags, restoring, legal holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from services.control_plane.conventions import etag
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name
from services.control_plane.routes.upkeep import tag_thing
from services.dashboard.calls import call
from services.dashboard.fields import whole_number
from services.dashboard.links import version_home
from services.dashboard.pages import Form, allow, go, new_router, segment
from services.errors import IllegalState, Invalid
from services.identity.principal import Permission, Principal

router = new_router()
Writer = Annotated[Principal, allow(Permission.CORPORA_WRITE)]


@router.post("/corpora/{name}/tags")
async def put_tag(
    request: Request,
    plane: ThePlane,
    name: Name,
    form: Form,
    who: Writer,
) -> Response:
    """Give a version a tag, which may be taken from the version that had it when the page was made."""
    tag, version = form.get("tag", "").strip(), _number(form)
    seen = dict(pair.split("=", 1) for pair in form.get("seen", "").split() if "=" in pair)
    headers = await _if_match(request, plane, who, name, tag, seen[tag]) if tag in seen else {}
    await call(
        request, "PUT", f"/v1/corpora/{segment(name)}/tags/{segment(tag)}", {"version": version}, headers=headers
    )
    return go(request, version_home(name, version), f"Version {version} has the tag {tag} now.")


@router.post("/corpora/{name}/tags/{tag}/delete")
async def delete_tag(
    request: Request,
    plane: ThePlane,
    name: Name,
    tag: str,
    form: Form,
    who: Writer,
) -> Response:
    """Take a tag away from the version that had it when the page was made."""
    version = _number(form)
    headers = await _if_match(request, plane, who, name, tag, str(version))
    await call(request, "DELETE", f"/v1/corpora/{segment(name)}/tags/{segment(tag)}", headers=headers)
    return go(request, version_home(name, version), f"The tag {tag} is gone; the version stays until a vacuum.")


@router.post("/corpora/{name}/restore")
async def restore(request: Request, name: Name, form: Form) -> Response:
    """Publish a version again as the newest."""
    made = await call(request, "POST", f"/v1/corpora/{segment(name)}/restore", {"version": _number(form)})
    return go(
        request,
        version_home(name, made["version"]),
        f"Version {made['version']} is what version {made['restored']} was.",
    )


@router.post("/corpora/{name}/holds")
async def hold(request: Request, name: Name, form: Form) -> Response:
    """Put a version under a legal hold."""
    version = _number(form)
    await call(request, "PUT", f"/v1/corpora/{segment(name)}/holds/{version}", {"reason": form.get("reason", "")})
    return go(request, version_home(name, version), f"Version {version} is under a legal hold.")


@router.post("/corpora/{name}/holds/{version}/release")
async def release(request: Request, name: Name, version: int, _form: Form) -> Response:
    """End a legal hold."""
    await call(request, "DELETE", f"/v1/corpora/{segment(name)}/holds/{version}")
    return go(
        request, version_home(name, version), f"The legal hold of version {version} is ended; it stays on record."
    )


async def _if_match(
    request: Request, plane: Plane, who: Principal, name: str, tag: str, version: str
) -> dict[str, str]:
    """What moving a tag needs. Raises IllegalState where it is not on the version any more that the page has shown."""
    found = await call(request, "GET", f"/v1/corpora/{segment(name)}/tags/{segment(tag)}")
    if str(found["version"]) != version:
        raise IllegalState(
            f"the tag {tag} was on version {version} when this page was made, and is on version {found['version']} "
            "now; load the page again"
        )
    thing = await run_in_threadpool(tag_thing, plane, who, name, tag)
    return {"If-Match": etag(thing, len(found["history"]))}


def _number(form: Mapping[str, str]) -> int:
    """The version that a form is about. Raises Invalid."""
    number = whole_number(form.get("version", ""))
    if number is None:
        raise Invalid(f"found {form.get('version', '')!r}, expected the number of a version")
    return number
