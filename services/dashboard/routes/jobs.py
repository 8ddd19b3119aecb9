"""Jobs: the list, with its filters in the address."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Query, Request
from pydantic import BeforeValidator
from starlette.responses import Response

from services.control_plane.conventions import PageToken
from services.control_plane.plane import ThePlane
from services.control_plane.routes.jobs import labels_of
from services.dashboard.pages import allow, new_router, page, with_query
from services.dashboard.runs import RUN_COLUMNS, run_rows
from services.dashboard.tables import Column, Table
from services.errors import Invalid
from services.identity.principal import Permission, Principal
from services.jobs.job import JobFilter, Mode
from services.jobs.states import State
from services.moment import FIRST, LAST

PAGE = 50
DAY = timedelta(days=1)
LABELS = 10
"""How many labels can be asked for at once."""

router = new_router()
Reader = Annotated[Principal, allow(Permission.JOBS_READ)]
Text = Annotated[str, Query(max_length=80)]
ANY = BeforeValidator(lambda given: given or None)
"""A choice that is left open in a form."""
Given = Annotated[list[Annotated[str, Query(max_length=320)]], Query(max_length=LABELS)]


@router.get("/jobs")
def list_jobs(
    request: Request,
    plane: ThePlane,
    who: Reader,
    state: Annotated[State | None, ANY] = None,
    mode: Annotated[Mode | None, ANY] = None,
    recipe: Text = "",
    corpus: Text = "",
    label: Given = [],  # noqa: B006, FastAPI copies it
    since: Text = "",
    until: Text = "",
    after: PageToken = None,
) -> Response:
    """The project's jobs, newest first."""
    labels = [text.strip() for text in label if text.strip()]
    which = JobFilter(
        states=(state,) if state else (),
        mode=mode,
        recipe=recipe.strip() or None,
        corpus=corpus.strip() or None,
        labels=labels_of(labels),
        created_after=_day("since", since),
        created_before=_day("until", until, DAY),
    )
    question = ["ui jobs", who.project_id, which.model_dump(mode="json")]
    found = plane.jobs.list(who.project_id, which, after=plane.pages.read(after, question), limit=PAGE + 1)
    more = plane.pages.write(found[PAGE - 1].id, question) if len(found) > PAGE else None
    rows = run_rows(found[:PAGE], datetime.now(UTC))
    columns = [*RUN_COLUMNS[:-1], *([Column("labels", "Labels")] if any(row["labels"] for row in rows) else [])]
    table = Table(
        "jobs",
        "Jobs",
        [*columns, RUN_COLUMNS[-1]],
        rows,
        empty="No job is like this.",
        more=with_query(request, after=more) if more else None,
        classes="runs",
    )
    asked = {"state": state, "mode": mode, "recipe": recipe, "corpus": corpus, "since": since, "until": until}
    return page(
        request,
        "jobs.html",
        [table],
        title="Jobs",
        section="Jobs",
        asked=asked,
        labels=labels,
        states=list(State),
        modes=list(Mode),
    )


def _day(name: str, text: str, later: timedelta = timedelta()) -> datetime | None:
    """The beginning of a day in UTC; None where none is given. Raises Invalid."""
    if not text:
        return None
    try:
        given = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
    except ValueError:
        raise Invalid(f"{name}: found {text!r}, expected a day such as 2026-11-23") from None
    if not FIRST <= given < LAST:
        raise Invalid(f"{name}: found {text}, expected a day from {FIRST:%Y} to {LAST.year - 1}")
    return given + later
