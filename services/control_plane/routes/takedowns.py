"""`/v1/corpora/{name}/takedowns` and `certificates`: documents that go, and what proves it."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Body, Path, Request, Response

from curation.pipeline.certificate import Certificate
from services.control_plane.conventions import Page, PageSize, PageToken, problems
from services.control_plane.plane import ThePlane
from services.control_plane.routes.corpora import Governor, Name
from services.control_plane.routes.jobs import IdempotencyKey, JobId
from services.control_plane.security import note
from services.control_plane.slow import SLOW
from services.jobs.job import Job, NewTakedown, Takedown
from services.telemetry import current_traceparent

router = APIRouter(prefix="/v1", tags=["corpora"])

CertificateNumber = Annotated[int, Path(ge=1, le=99_999_999, description="The certificate's number, from 1.")]
TAKEDOWNS = {
    "site": {
        "summary": "Everything of a site, to be looked at before it is published",
        "value": {"urls": ["https://example.org/blog"], "reason": "the owner asked for it", "hold": True},
    },
    "ids": {
        "summary": "Two documents, of which no byte may remain",
        "value": {"ids": [{"id": "a-17"}, {"id": "a-18", "source": "web"}], "reason": "case 17", "erase": True},
    },
}


@router.post(
    "/corpora/{name}/takedowns",
    operation_id="take_down",
    summary="Take documents down",
    responses={
        200: {"model": Job, "description": "The job that this key made before."},
        201: {"model": Job, "description": "The job, in the queue."},
        **problems(404, 409),
    },
    dependencies=[SLOW],
)
def take_down(
    request: Request,
    plane: ThePlane,
    who: Governor,
    name: Name,
    new: Annotated[NewTakedown, Body(openapi_examples=TAKEDOWNS)],
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Job:
    """Queue a job that publishes a version without these documents and sees to it that they do not come back: no later
    version reads them again, under whatever id. With `erase` it also removes their texts from every version that held
    them, at once, and reads everything again to prove it. With `hold` its report says what would go before it is
    published. Again is the same as once. A body has room for some 20,000 ids.
    """
    note(request, erase=new.erase, ids=len(new.ids), reason=new.reason)
    body = hashlib.sha256(f"{name} {new.model_dump_json(exclude_defaults=True)}".encode()).hexdigest()
    job = plane.jobs.replayed(who.project_id, idempotency_key, body) if idempotency_key else None
    is_new = False
    if job is None:
        made = plane.upkeep.takedown(who.project_id, name, new, current_traceparent())
        job, is_new = plane.jobs.submit(
            who.project_id, made, who.name, idempotency_key=idempotency_key, body_sha256=body
        )
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/jobs/{job.id}"
    return job


@router.get(
    "/jobs/{job_id}/takedown", operation_id="get_job_takedown", summary="Get a job's takedown", responses=problems(404)
)
def get_job_takedown(plane: ThePlane, who: Governor, job_id: JobId) -> Takedown:
    """What a job of the mode `takedown` removes, and why."""
    return plane.jobs.takedown(who.project_id, job_id)


@router.get(
    "/corpora/{name}/certificates",
    operation_id="list_certificates",
    summary="List certificates",
    responses=problems(404),
    dependencies=[SLOW],
)
def list_certificates(
    plane: ThePlane, who: Governor, name: Name, page: PageToken = None, page_size: PageSize = 50
) -> Page[Certificate]:
    """What has been taken down, and what proves it, oldest first. They are not checked here."""
    question = ["corpora", who.project_id, name, "certificates"]
    after = int(plane.pages.read(page, question) or 0)
    found = plane.upkeep.certificates(who.project_id, name, after=after, limit=page_size + 1)
    return plane.pages.page(found, page_size, question, lambda certificate: certificate.number)


@router.get(
    "/corpora/{name}/certificates/{number}",
    operation_id="get_certificate",
    summary="Get a certificate",
    responses=problems(404),
    dependencies=[SLOW],
)
def get_certificate(plane: ThePlane, who: Governor, name: Name, number: CertificateNumber) -> Certificate:
    """What was asked, what was done, in which versions the documents were, and what was searched afterwards. It is
    checked first, with all before it: digests, chain, lists and manifests; 503 says that something is not what was
    written."""
    return plane.upkeep.certificate(who.project_id, name, number)
