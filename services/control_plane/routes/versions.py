"""`/v1/corpora/{name}/versions`: what is in a corpus's versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version as package_version
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import BaseModel, StringConstraints

from curation.difference import SAMPLES
from curation.manifest import Manifest
from curation.report import EXAMPLES
from services.control_plane.conventions import Page, PageSize, PageToken, problems
from services.control_plane.plane import Plane, ThePlane
from services.control_plane.routes.corpora import Name, Reader
from services.control_plane.slow import SLOW
from services.identity.principal import Principal
from services.insights.insights import BINS
from services.insights.models import (
    CorpusVersion,
    Funnel,
    Histogram,
    Mixture,
    Reasons,
    Samples,
    Statistics,
    VersionChange,
    VersionSummary,
)

NEWEST = "newest"
TAG = r"[A-Za-z][A-Za-z0-9_.-]*|[0-9]+[A-Za-z_.-][A-Za-z0-9_.-]*"
VERSION_PATTERN = rf"^([1-9][0-9]{{0,8}}|{TAG})$"
PLAIN = r"^[^\x00-\x1f\x7f]+$"

Called = Annotated[str, StringConstraints(pattern=VERSION_PATTERN, max_length=80)]
HOW_CALLED = "A version's number, a tag, or `newest`."

VersionNumber = Annotated[str, Path(pattern=VERSION_PATTERN, max_length=80, description=HOW_CALLED)]
ReasonName = Annotated[
    str, Path(max_length=120, pattern=PLAIN, description="A reason, as `reasons` lists them: `c4.too_few_sentences`.")
]
IfNoneMatch = Annotated[
    str | None, Header(max_length=1000, description="The ETag that you have; 304 where nothing is different.")
]
DIFFERENCE = {"application/json": {"schema": {"$ref": "#/components/schemas/Difference"}}}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is what you have."}}

router = APIRouter(prefix="/v1/corpora/{name}", tags=["corpora"])
version_router = APIRouter(prefix="/versions/{version}", responses=problems(404) | UNCHANGED, dependencies=[SLOW])


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

    def answer(self, make: Callable[[], BaseModel], *, may_be_wrong: bool = False) -> Any:
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
    found = plane.insights.version(who.project_id, name, number_of(plane, who, name, version))
    what = f"{found.version} {found.run} {found.published.isoformat()} {found.gone}"
    identity = f"{package_version('curation')} {what}"
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


def number_of(plane: Plane, who: Principal, name: str, version: str) -> int | None:
    """The number of a version that is called so; None for the newest, which needs no look."""
    if version == NEWEST:
        return None
    return int(version) if version.isdigit() else plane.upkeep.number(who.project_id, name, version)


TheVersion = Annotated[VersionAsked, Depends(_version_asked)]


@router.get(
    "/versions",
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
    "/diff",
    operation_id="diff_versions",
    summary="Compare two versions",
    response_class=Response,
    responses={200: {"description": "What differs.", "content": DIFFERENCE}, **problems(404)},
    dependencies=[SLOW],
)
def diff_versions(
    plane: ThePlane,
    who: Reader,
    name: Name,
    before: Annotated[Called | None, Query(alias="from", description="Default: the version before `to`.")] = None,
    after: Annotated[Called, Query(alias="to", description=HOW_CALLED)] = NEWEST,
    samples: Annotated[int, Query(ge=0, le=50, description="How many documents of each kind are shown.")] = SAMPLES,
    seed: Annotated[int, Query(ge=0, le=2**31 - 1, description="Another one shows other documents.")] = 0,
) -> Response:
    """What one version has against another, which may be newer: documents and bytes that were added, removed and
    changed, by source and language and with why; what each rule dropped; how far each distribution has moved; and
    samples. It reads what differs, and the measured columns of all decisions."""
    a = None if before is None else number_of(plane, who, name, before)
    b = number_of(plane, who, name, after)
    found = plane.insights.diff(who.project_id, name, a, b, samples=samples, seed=seed)
    return Response(found.model_dump_json(), media_type="application/json")


@version_router.get(
    "",
    operation_id="get_corpus_version",
    summary="Get a version",
    response_model=CorpusVersion,
)
def get_corpus_version(asked: TheVersion) -> Any:
    """One version, with what it was made from."""
    return asked.answer(lambda: asked.plane.insights.version(*asked.place))


@version_router.get(
    "/change",
    operation_id="get_change",
    summary="Get a version's change",
    response_model=VersionChange,
)
def get_change(asked: TheVersion) -> Any:
    """How the version came of the one before it: which input files were looked at, what was read of them, what was
    removed, promoted and stranded, and which gates were breached when somebody approved it."""
    return asked.answer(lambda: asked.plane.insights.change(*asked.place))


@version_router.get(
    "/statistics",
    operation_id="get_statistics",
    summary="Get a version's statistics",
    response_model=Statistics,
)
def get_statistics(asked: TheVersion) -> Any:
    """Documents, bytes and tokens, by source and by language, and how lengths and the stages' values are
    distributed. The first answer reads every decision of the version."""
    return asked.answer(lambda: asked.plane.insights.statistics(*asked.place))


@version_router.get(
    "/funnel",
    operation_id="get_funnel",
    summary="Get a version's funnel",
    response_model=Funnel,
)
def get_funnel(asked: TheVersion) -> Any:
    """Where the documents went, stage by stage: in = kept + dropped + failed."""
    return asked.answer(lambda: asked.plane.insights.funnel(*asked.place))


@version_router.get(
    "/reasons",
    operation_id="list_reasons",
    summary="List drop reasons",
    response_model=Reasons,
)
def list_reasons(asked: TheVersion) -> Any:
    """Every reason for which documents were dropped or could not be read, most documents first."""
    return asked.answer(lambda: asked.plane.insights.reasons(*asked.place))


@version_router.get(
    "/reasons/{reason}/samples",
    operation_id="list_samples",
    summary="List samples of a reason",
    response_model=Samples,
)
def list_samples(
    asked: TheVersion,
    reason: ReasonName,
    limit: Annotated[int, Query(ge=1, le=EXAMPLES, description="How many at most.")] = 10,
) -> Any:
    """Documents that were dropped for one reason: a uniform choice by the recipe's seed."""
    return asked.answer(lambda: asked.plane.insights.samples(*asked.place, reason, limit=limit), may_be_wrong=True)


@version_router.get(
    "/manifest",
    operation_id="get_manifest",
    summary="Get a version's manifest",
    response_model=Manifest,
)
def get_manifest(asked: TheVersion) -> Any:
    """What the version was made from, and every file that it is, with sizes and SHA-256: for trainers, and for whoever
    checks."""
    return asked.answer(lambda: asked.plane.insights.manifest(*asked.place))


@version_router.get(
    "/mixture",
    operation_id="get_mixture",
    summary="Get a version's mixture",
    response_model=Mixture,
)
def get_mixture(asked: TheVersion) -> Any:
    """The sources' shares of the version, as they came out, and what its recipe's mixture makes of them: target and
    realised shares, epochs against the caps, what a cap costs."""
    return asked.answer(lambda: asked.plane.insights.mixture(*asked.place))


@version_router.get(
    "/histogram",
    operation_id="get_histogram",
    summary="Get a histogram of a measured value",
    response_model=Histogram,
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


router.include_router(version_router)
