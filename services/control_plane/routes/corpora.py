"""`/v1/corpora`: which corpora there are, what is in their versions, and why."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import Field

from curation.errors import Problem
from curation.manifest import Manifest
from curation.report import EXAMPLES
from services.catalogue import NAME_PATTERN, CorpusEntry
from services.control_plane.conventions import Page, PageSize, PageToken, problems
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.security import allow, note
from services.control_plane.slow import SLOW
from services.errors import Invalid
from services.identity.principal import Permission, Principal
from services.insights.insights import BINS
from services.insights.models import (
    Corpus,
    CorpusVersion,
    Explanation,
    Funnel,
    Histogram,
    Mixture,
    Reasons,
    Samples,
    Statistics,
    VersionSummary,
)
from services.jobs.job import Model

router = APIRouter(prefix="/v1/corpora", tags=["corpora"])

NEWEST = "newest"
VERSION_PATTERN = r"^(newest|[1-9][0-9]{0,8})$"
PLAIN = r"^[^\x00-\x1f\x7f]+$"

Reader = Annotated[Principal, allow(Permission.CORPORA_READ)]
Writer = Annotated[Principal, allow(Permission.CORPORA_WRITE)]
Name = Annotated[str, Path(pattern=NAME_PATTERN, max_length=80, description="The corpus's name.")]
VersionNumber = Annotated[str, Path(pattern=VERSION_PATTERN, description="A version's number, or `newest`.")]
ReasonName = Annotated[
    str, Path(max_length=120, pattern=PLAIN, description="A reason, as `reasons` lists them: `c4.too_few_sentences`.")
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="The ETag that you have; 304 where nothing is different.")
]
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is what you have."}}


@dataclass(frozen=True)
class VersionAsked:
    """The version that a route is about, and what the client has of it: an answer about it never changes."""

    plane: Plane
    project_id: str
    name: str
    number: int
    tag: str
    is_known: bool
    response: Response

    @property
    def place(self) -> tuple[str, str, int]:
        """What every method of `Insights` begins with."""
        return self.project_id, self.name, self.number

    def answer(self, make: Callable[[], Model | Manifest], *, may_be_wrong: bool = False) -> Any:
        """The answer with its ETag; 304 without one where the client has it. Where the question itself may be wrong, it
        is answered first."""
        if self.is_known and not may_be_wrong:
            return self._unchanged()
        made = make()
        if self.is_known:
            return self._unchanged()
        self.response.headers["ETag"] = self.tag
        return made

    def _unchanged(self) -> Response:
        return Response(status_code=304, headers={"ETag": self.tag})


def _version_asked(
    plane: ThePlane,
    who: Reader,
    name: Name,
    version: VersionNumber,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> VersionAsked:
    number = None if version == NEWEST else int(version)
    found = plane.insights.version(who.project_id, name, number)
    identity = f"{package_version('curation')} {found.version} {found.run} {found.published.isoformat()}"
    tag = f'"{hashlib.sha256(identity.encode()).hexdigest()[:24]}"'
    given = {one.strip().removeprefix("W/") for one in (if_none_match or "").split(",")}
    return VersionAsked(
        plane=plane,
        project_id=who.project_id,
        name=name,
        number=found.version,
        tag=tag,
        is_known=tag in given or "*" in given,
        response=response,
    )


TheVersion = Annotated[VersionAsked, Depends(_version_asked)]


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


@router.get(
    "/{name}/versions",
    operation_id="list_corpus_versions",
    summary="List versions",
    responses=problems(404),
    dependencies=[SLOW],
)
def list_corpus_versions(
    plane: ThePlane, who: Reader, name: Name, page: PageToken = None, page_size: PageSize = 50
) -> Page[VersionSummary]:
    """What has been published, newest first."""
    question = ["corpora", who.project_id, name, "versions"]
    last = plane.pages.read(page, question)
    after = int(last) if last is not None else None
    found = plane.insights.versions(who.project_id, name, after=after, limit=page_size + 1)
    more = plane.pages.write(str(found[page_size - 1].version), question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.get(
    "/{name}/versions/{version}",
    operation_id="get_corpus_version",
    summary="Get a version",
    response_model=CorpusVersion,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_corpus_version(asked: TheVersion) -> Any:
    """One version, with what it was made from."""
    return asked.answer(lambda: asked.plane.insights.version(*asked.place))


@router.get(
    "/{name}/versions/{version}/statistics",
    operation_id="get_statistics",
    summary="Get a version's statistics",
    response_model=Statistics,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_statistics(asked: TheVersion) -> Any:
    """Documents, bytes and about how many tokens, by source and by language, and how lengths and the stages' values are
    distributed. The first answer reads every decision of the version."""
    return asked.answer(lambda: asked.plane.insights.statistics(*asked.place))


@router.get(
    "/{name}/versions/{version}/funnel",
    operation_id="get_funnel",
    summary="Get a version's funnel",
    response_model=Funnel,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_funnel(asked: TheVersion) -> Any:
    """Where the documents went, stage by stage: in = kept + dropped + failed."""
    return asked.answer(lambda: asked.plane.insights.funnel(*asked.place))


@router.get(
    "/{name}/versions/{version}/reasons",
    operation_id="list_reasons",
    summary="List drop reasons",
    response_model=Reasons,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def list_reasons(asked: TheVersion) -> Any:
    """Every reason for which documents were dropped or could not be read, most documents first."""
    return asked.answer(lambda: asked.plane.insights.reasons(*asked.place))


@router.get(
    "/{name}/versions/{version}/reasons/{reason}/samples",
    operation_id="list_samples",
    summary="List samples of a reason",
    response_model=Samples,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def list_samples(
    asked: TheVersion,
    reason: ReasonName,
    limit: Annotated[int, Query(ge=1, le=EXAMPLES, description="How many at most.")] = 10,
) -> Any:
    """Documents that were dropped for one reason: a uniform choice by the recipe's seed."""
    return asked.answer(lambda: asked.plane.insights.samples(*asked.place, reason, limit=limit), may_be_wrong=True)


@router.get(
    "/{name}/versions/{version}/manifest",
    operation_id="get_manifest",
    summary="Get a version's manifest",
    response_model=Manifest,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_manifest(asked: TheVersion) -> Any:
    """What the version was made from, and every file that it is, with sizes and SHA-256: for trainers, and for whoever
    checks."""
    return asked.answer(lambda: asked.plane.insights.manifest(*asked.place))


@router.get(
    "/{name}/versions/{version}/mixture",
    operation_id="get_mixture",
    summary="Get a version's mixture",
    response_model=Mixture,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_mixture(asked: TheVersion) -> Any:
    """The sources' shares of the version, as they came out."""
    return asked.answer(lambda: asked.plane.insights.mixture(*asked.place))


@router.get(
    "/{name}/versions/{version}/histogram",
    operation_id="get_histogram",
    summary="Get a histogram of a measured value",
    response_model=Histogram,
    responses=problems(404) | UNCHANGED,
    dependencies=[SLOW],
)
def get_histogram(
    asked: TheVersion,
    column: Annotated[
        str,
        Query(
            min_length=1,
            max_length=120,
            pattern=PLAIN,
            description="A number of the decisions, `stage.value`, or `bytes`.",
            openapi_examples={"words": {"value": "gopher_quality.words"}},
        ),
    ],
    bins: Annotated[int, Query(ge=1, le=1000, description="How many bins of equal width.")] = BINS,
) -> Any:
    """How a value is distributed among kept and dropped documents: what a threshold would cost."""
    return asked.answer(lambda: asked.plane.insights.histogram(*asked.place, column, bins=bins), may_be_wrong=True)


@router.get(
    "/{name}/explain",
    operation_id="explain_document",
    summary="Explain a document",
    responses=problems(404),
    dependencies=[SLOW],
)
def explain_document(
    plane: ThePlane,
    who: Reader,
    name: Name,
    document_id: Annotated[str, Query(alias="id", min_length=1, max_length=4096, description="The document's id.")],
    version: Annotated[str, Query(pattern=VERSION_PATTERN, description="A version's number, or `newest`.")] = NEWEST,
    source: Annotated[
        str | None, Query(min_length=1, max_length=80, pattern=PLAIN, description="Only of this source.")
    ] = None,
) -> Explanation:
    """Why a document was kept or dropped: the decision, every stage's values, the survivor of a duplicate, and the
    beginning of the text where it was kept."""
    number = None if version == NEWEST else int(version)
    return plane.insights.explain(who.project_id, name, number, document_id, source=source)
