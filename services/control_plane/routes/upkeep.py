"""`/v1/corpora/{name}/tags`, `holds`, `restore`, `vacuum`: what is done to a corpus's versions beside jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from curation.retention import Hold
from curation.tags import Tag
from services.control_plane.conventions import IfMatch, Page, PageSize, PageToken, etag, expect, problems
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Governor, Name, Reader, Writer
from services.control_plane.routes.versions import TAG
from services.control_plane.security import note
from services.control_plane.slow import SLOW
from services.errors import NotFound, PreconditionFailed
from services.identity.principal import Principal
from services.upkeep.models import (
    LAST_VERSION,
    CorpusTag,
    LegalHold,
    NewHold,
    NewTag,
    Restored,
    RestoreRequest,
    Staying,
    TagHistory,
    TagRecord,
    VacuumOptions,
    VacuumReport,
)

router = APIRouter(prefix="/v1/corpora/{name}", tags=["corpora"], dependencies=[SLOW])

TagName = Annotated[str, Path(pattern=rf"^({TAG})$", max_length=80, description="The tag, such as `production`.")]
Number = Annotated[int, Path(ge=1, le=LAST_VERSION, description="The version's number.")]


LOOK = VacuumOptions()


# ------------------------------------------------------------------------------ tags


@router.get("/tags", operation_id="list_tags", summary="List tags", responses=problems(404))
def list_tags(
    plane: ThePlane, who: Reader, name: Name, page: PageToken = None, page_size: PageSize = 50
) -> Page[CorpusTag]:
    """The tags of a corpus, by name."""
    question = ["corpora", who.project_id, name, "tags"]
    after = plane.pages.read(page, question) or ""
    found = [_tag(tag) for tag in plane.upkeep.tags(who.project_id, name) if tag.name > after]
    return plane.pages.page(found[: page_size + 1], page_size, question, lambda tag: tag.name)


@router.get("/tags/{tag}", operation_id="get_tag", summary="Get a tag", responses=problems(404))
def get_tag(plane: ThePlane, who: Reader, name: Name, tag: TagName, response: Response) -> TagHistory:
    """Which version has a tag, and which had it before. The ETag is what moving it needs."""
    history = plane.upkeep.tag_history(who.project_id, name, tag)
    if not _is_there(history):
        raise NotFound(f"corpus {name!r} has no tag {tag!r}")
    response.headers["ETag"] = etag(tag_thing(plane, who, name, tag), len(history))
    records = (TagRecord(version=t.version, previous=t.previous, at=t.when, by=t.who) for t in history)
    return TagHistory(**_tag(history[-1]).model_dump(), history=tuple(records))


@router.put(
    "/tags/{tag}",
    operation_id="put_tag",
    summary="Tag a version",
    responses={201: {"model": CorpusTag, "description": "It is new."}, **problems(404, 409, 412, 428)},
)
def put_tag(
    request: Request,
    plane: ThePlane,
    who: Writer,
    name: Name,
    tag: TagName,
    new: NewTag,
    response: Response,
    if_match: IfMatch = None,
) -> CorpusTag:
    """Give a version a tag. Moving one that another version has needs If-Match."""
    note(request, version=new.version)
    history = plane.upkeep.tag_history(who.project_id, name, tag)
    thing = tag_thing(plane, who, name, tag)
    if _is_there(history):
        expect(if_match, thing, len(history))
    elif if_match is not None:
        raise PreconditionFailed(f"found If-Match {if_match}, but corpus {name!r} has no tag {tag!r}")
    put = plane.upkeep.put_tag(who.project_id, name, tag, new.version, who.name, after=len(history))
    if not _is_there(history):
        response.status_code = 201
        response.headers["Location"] = f"/v1/corpora/{name}/tags/{tag}"
    is_same = _is_there(history) and put == history[-1]
    response.headers["ETag"] = etag(thing, len(history) + (not is_same))
    return _tag(put)


@router.delete(
    "/tags/{tag}",
    status_code=204,
    operation_id="delete_tag",
    summary="Take a tag away",
    responses=problems(404, 412, 428),
)
def delete_tag(plane: ThePlane, who: Writer, name: Name, tag: TagName, if_match: IfMatch = None) -> None:
    """Take a tag away. The version stays until a vacuum finds that nothing else wants it."""
    history = plane.upkeep.tag_history(who.project_id, name, tag)
    if not _is_there(history):
        raise NotFound(f"corpus {name!r} has no tag {tag!r}")
    expect(if_match, tag_thing(plane, who, name, tag), len(history))
    plane.upkeep.delete_tag(who.project_id, name, tag, who.name, after=len(history))


def _is_there(history: Sequence[Tag]) -> bool:
    return bool(history) and history[-1].version is not None


def tag_thing(plane: Plane, who: Principal, name: str, tag: str) -> str:
    """What the tag's ETags are of: of a corpus, not of its name, which another corpus may have later."""
    return f"{plane.catalogue.get(who.project_id, name).id}-{tag}"


def _tag(tag: Tag) -> CorpusTag:
    assert tag.version is not None  # noqa: S101, it is in force
    return CorpusTag(name=tag.name, version=tag.version, previous=tag.previous, at=tag.when, by=tag.who)


# ----------------------------------------------------------------------------- holds


@router.get("/holds", operation_id="list_holds", summary="List legal holds", responses=problems(404))
def list_holds(
    plane: ThePlane, who: Reader, name: Name, page: PageToken = None, page_size: PageSize = 50
) -> Page[LegalHold]:
    """The versions that are under a legal hold, by number."""
    question = ["corpora", who.project_id, name, "holds"]
    after = int(plane.pages.read(page, question) or 0)
    found = [_hold(hold) for hold in plane.upkeep.holds(who.project_id, name) if hold.version > after]
    return plane.pages.page(found[: page_size + 1], page_size, question, lambda hold: hold.version)


@router.put("/holds/{version}", operation_id="put_hold", summary="Hold a version", responses=problems(404, 409))
def put_hold(plane: ThePlane, who: Governor, name: Name, version: Number, new: NewHold) -> LegalHold:
    """Put a version under a legal hold: neither a vacuum nor an erasure touches it until it is released. Again for the
    same reason is the same as once; for another reason it must be released first."""
    return _hold(plane.upkeep.put_hold(who.project_id, name, version, new.reason, who.name))


@router.delete(
    "/holds/{version}",
    status_code=204,
    operation_id="release_hold",
    summary="Release a version",
    responses=problems(404, 409),
)
def release_hold(plane: ThePlane, who: Governor, name: Name, version: Number) -> None:
    """End a version's legal hold. It stays on record that there was one."""
    plane.upkeep.release_hold(who.project_id, name, version, who.name)


def _hold(hold: Hold) -> LegalHold:
    return LegalHold(version=hold.version, reason=hold.reason or "", at=hold.when, by=hold.who)


# ----------------------------------------------------------------- restore and vacuum


@router.post("/restore", operation_id="restore_version", summary="Restore a version", responses=problems(404, 409))
def restore_version(request: Request, plane: ThePlane, who: Writer, name: Name, asked: RestoreRequest) -> Restored:
    """Publish a version again as the newest, in one commit: nothing is copied. Again is the same as once. Refused where
    documents were taken down since, for they would come back."""
    note(request, version=asked.version)
    found = plane.upkeep.restore(who.project_id, name, asked.version)
    return Restored(version=found.version, restored=asked.version, published=found.published)


@router.post("/vacuum", operation_id="vacuum_corpus", summary="Vacuum a corpus", responses=problems(404, 409))
def vacuum_corpus(
    request: Request, plane: ThePlane, who: Writer, name: Name, options: VacuumOptions = LOOK
) -> VacuumReport:
    """Remove the files that no version needs which stays: the newest so many stay, and what is tagged, held, or was
    superseded a short while ago. By default nothing is removed: the answer says what would be. Manifests, reports and
    changes of all versions stay. Again is the same as once, and finishes what was cut off."""
    note(request, dry_run=options.dry_run)
    found = plane.upkeep.vacuum(
        who.project_id,
        name,
        who.name,
        keep=options.keep,
        grace_days=options.grace_days,
        dry_run=options.dry_run,
    )
    return VacuumReport(
        dry_run=options.dry_run,
        versions=found.versions,
        files=len(found.files),
        bytes=found.bytes,
        spared=found.spared,
        stays=tuple(Staying(version=number, reasons=why) for number, why in sorted(found.stays.items())),
    )
