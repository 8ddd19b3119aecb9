"""A recipe before it is run, on a sample of its input, and running it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from curation.whatif import Preview
from curation.whatif.interval import Share
from services.control_plane.plane import Plane, ThePlane
from services.dashboard.calls import RefusedError, call
from services.dashboard.fields import given, labels_of, moment_of
from services.dashboard.pages import Form, allow, go, new_router, page, segment
from services.dashboard.routes.recipes import RECIPES, Name
from services.dashboard.session import ROOT
from services.dashboard.tables import Chart, Column, Table
from services.dashboard.text import UNKNOWN
from services.errors import Conflict, Invalid
from services.identity.principal import Permission, Principal
from services.recipes.placeholders import has_placeholders

SAMPLE = 300
"""Documents, where nobody says how many."""
SHOWN = 12
"""Languages."""
ASKED = ("recipe_revision", "priority", "workers")
TRIED = ("sample", "seed", "core_hour_price")

router = new_router()
Runner = Annotated[Principal, allow(Permission.JOBS_WRITE)]
Text = Annotated[str, Query(max_length=40)]


@router.get("/recipes/{name}/run")
async def show_run(
    request: Request,
    plane: ThePlane,
    who: Runner,
    name: Name,
    sample: Text = "",
    seed: Text = "",
    core_hour_price: Text = "",
    occurrence: Text = "",
) -> Response:
    """What a job may be told; with a `sample`, what the recipe would do to so many documents."""
    values = {"sample": sample, "seed": seed, "core_hour_price": core_hour_price, "occurrence": occurrence}
    if not sample:
        return await run_in_threadpool(_page, request, plane, who, name, values)
    asked = {"submission": {"recipe_name": name, **_occurrence(values)}, **given(values, TRIED)}
    try:
        found = Preview.model_validate(await call(request, "POST", "/v1/recipes/preview", asked))
    except RefusedError as error:
        return await run_in_threadpool(_page, request, plane, who, name, values, error.problem)
    return await run_in_threadpool(_page, request, plane, who, name, values, None, found)


@router.post("/recipes/{name}/run")
async def run(request: Request, plane: ThePlane, who: Runner, name: Name, form: Form) -> Response:
    """Submit a job; the same form sent twice is one job."""
    submission = {
        "recipe_name": name,
        "mode": form.get("mode", ""),
        "hold": "hold" in form,
        "redo": "redo" in form,
        "labels": labels_of(form.get("labels", "")),
        **given(form, ASKED),
        **_occurrence(form),
    }
    key = hashlib.sha256(form.get("key", "").encode()).hexdigest()
    try:
        job = await call(request, "POST", "/v1/jobs", submission, headers={"Idempotency-Key": f"dashboard-{key}"})
    except RefusedError as error:
        if error.problem["status"] not in (Invalid.status, Conflict.status):
            raise
        return await run_in_threadpool(_page, request, plane, who, name, form, error.problem)
    return go(request, f"{ROOT}/jobs/{segment(job['id'])}", "The job is in the queue.")


def _occurrence(form: Mapping[str, str]) -> dict[str, str]:
    return {name: moment_of(value) for name, value in given(form, ["occurrence"]).items()}


def _page(
    request: Request,
    plane: Plane,
    who: Principal,
    name: str,
    values: Mapping[str, str],
    problem: Mapping[str, Any] | None = None,
    found: Preview | None = None,
) -> Response:
    stored = plane.recipes.get(who.project_id, name)
    return page(
        request,
        "recipe_run.html",
        _tables(found) if found else (),
        title=f"{name}: run",
        section="Recipes",
        status=problem["status"] if problem else 200,
        name=name,
        newest=stored,
        action=f"{RECIPES}/{segment(name)}/run",
        needs_occurrence=has_placeholders(stored.recipe),
        values={"sample": str(SAMPLE), "seed": "0", "core_hour_price": "", "occurrence": "", **values},
        key=secrets.token_urlsafe(16),
        problem=problem,
        preview=found,
    )


# ------------------------------------------------------------------------- the preview


def _tables(found: Preview) -> Sequence[Table]:
    return (_funnel(found), _reasons(found), _read(found), *_groups(found), _examples(found))


def _funnel(found: Preview) -> Table:
    rows = [
        {
            "stage": step.stage,
            "documents_in": step.documents_in,
            "documents_out": step.documents_out,
            **_shares(step.left),
            "documents_a_second": step.documents_a_second,
        }
        for step in found.steps
    ]
    columns = (
        Column("stage", "Stage", "code"),
        Column("documents_in", "In", "count"),
        Column("documents_out", "Out", "count"),
        *_share_columns("Of all documents"),
        Column("documents_a_second", "Documents/s of one core", "count"),
    )
    return Table(
        "funnel",
        f"The funnel of {found.sampled:,} documents",
        columns,
        rows,
        Chart("bar", "stage", ("documents_out",), "documents of the sample"),
        note="Of the whole input the share lies between the bounds, with 95 % confidence.",
    )


def _reasons(found: Preview) -> Table:
    rows = [
        {"stage": step.stage, "reason": rule.reason, "documents": rule.documents, **_shares(rule.share)}
        for step in found.steps
        for rule in step.rules
    ]
    columns = (
        Column("stage", "Stage", "code"),
        Column("reason", "Reason", "code"),
        Column("documents", "Dropped", "count"),
        *_share_columns("Of all documents"),
    )
    total = {
        "reason": "all",
        "documents": sum(rule.documents for step in found.steps for rule in step.rules),
    }
    return Table("reasons", "Why documents are dropped", columns, rows, total=total, empty="Nothing is dropped.")


def _read(found: Preview) -> Table:
    columns = (
        Column("source", "Source"),
        Column("files_read", "Files read", "count"),
        Column("files", "Of", "count"),
        Column("bytes_read", "Read", "bytes"),
        Column("bytes", "Of", "bytes"),
        Column("documents_read", "Documents read", "count"),
        Column("documents", "There are about", "count"),
        Column("sampled", "In the sample", "count"),
    )
    names = ("files_read", "files", "bytes_read", "bytes", "documents_read", "documents", "sampled")
    rows = [source.model_dump() for source in found.sources]
    total = {"source": "all", **{name: sum(row[name] for row in rows) for name in names}}
    return Table("read", "What was read", columns, rows, total=total)


def _groups(found: Preview) -> Iterable[Table]:
    for name, label, groups in (("sources", "Source", found.groups), ("languages", "Language", found.languages)):
        rows = [
            {"name": group.name or UNKNOWN, "sampled": group.sampled, **_shares(group.kept)} for group in groups[:SHOWN]
        ]
        columns = (Column("name", label), Column("sampled", "Sampled", "count"))
        note = f"The {SHOWN} with most documents of {len(groups)}." if len(groups) > SHOWN else ""
        yield Table(name, f"By {label.lower()}", (*columns, *_share_columns("Kept")), rows, note=note)


def _examples(found: Preview) -> Table:
    columns = (
        Column("reason", "Reason", "code"),
        Column("document", "Document", "code"),
        Column("value", "Value", "number"),
        Column("threshold", "Threshold", "number"),
        Column("text", "Text"),
    )
    rows = [
        {
            "reason": example.reason,
            "document": example.id or f"{example.shard}, record {example.row}",
            "value": example.value,
            "threshold": example.threshold,
            "text": " ".join(filter(None, (example.detail, example.excerpt))),
        }
        for example in found.examples
    ]
    return Table("examples", "Some of what is dropped", columns, rows, empty="Nothing is dropped.")


def _shares(share: Share) -> dict[str, float]:
    return {"share": share.value, "low": share.low, "high": share.high}


def _share_columns(label: str) -> tuple[Column, ...]:
    return (
        Column("share", label, "share"),
        Column("low", "At least", "share"),
        Column("high", "At most", "share"),
    )
