"""`/v1/corpora`: which corpora there are."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from curation.errors import Problem
from services.catalogue import NAME_PATTERN, CorpusEntry
from services.control_plane.conventions import Page, PageSize, PageToken, problems
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow, note
from services.control_plane.slow import SLOW
from services.errors import Invalid
from services.identity.principal import Permission, Principal
from services.insights.models import Corpus
from services.jobs.job import Model

router = APIRouter(prefix="/v1/corpora", tags=["corpora"])

Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Writer = Annotated[Principal, allow(Permission.CORPORA_WRITE)]
Governor = Annotated[Principal, allow(Permission.CORPORA_GOVERN)]
Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=80, description="The corpus's name.")]


class NewCorpus(Model):
    """A corpus that is there already, made known to the project."""

    url: Annotated[str, Field(min_length=1, max_length=4096, examples=["corpora/web", "s3://bucket/corpora/web"])]
    """Where it is: a folder, or `s3://bucket/prefix`, within the project's roots."""
    name: Annotated[str, Field(pattern=NAME_PATTERN, max_length=80, examples=["web"])] | None = None
    """What it is called; default: the last part of its address."""


@router.get("", operation_id="list_corpora", summary="List corpora", responses=problems())
def list_corpora(plane: ThePlane, who: Reader, page: PageToken = None, page_size: PageSize = 50) -> Page[CorpusEntry]:
    """The corpora that this project knows, by name."""
    question = ["corpora", who.project_id]
    found = plane.catalogue.list(who.project_id, after=plane.pages.read(page, question), limit=page_size + 1)
    more = plane.pages.write(found[page_size - 1].name, question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.post(
    "",
    status_code=201,
    operation_id="register_corpus",
    summary="Make a corpus known",
    responses=problems(409),
    dependencies=[SLOW],
)
def register_corpus(request: Request, plane: ThePlane, who: Writer, new: NewCorpus, response: Response) -> CorpusEntry:
    """Take a corpus that is there already into the catalogue; jobs do so by themselves for what they write. Again is
    the same as once."""
    note(request, url=new.url)
    url = plane.intake.confinement(who.project_id).corpus(new.url)
    if not plane.insights.holds_corpus(url):
        raise Invalid("there is no corpus", problems=[Problem("url", f"found no corpus at {url}")])
    entry = plane.catalogue.register(who.project_id, url, new.name)
    response.headers["Location"] = f"/v1/corpora/{entry.name}"
    return entry


@router.get("/{name}", operation_id="get_corpus", summary="Get a corpus", responses=problems(404), dependencies=[SLOW])
def get_corpus(plane: ThePlane, who: Reader, name: Name) -> Corpus:
    """A corpus, and what its newest version holds."""
    return plane.insights.corpus(who.project_id, name)


@router.delete(
    "/{name}", status_code=204, operation_id="forget_corpus", summary="Forget a corpus", responses=problems(404)
)
def forget_corpus(plane: ThePlane, who: Writer, name: Name) -> None:
    """Take a corpus out of the catalogue. The corpus itself is not touched."""
    plane.catalogue.forget(who.project_id, name)
