"""Lists of jobs: each is one query that an index answers in the order that it is shown in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, exists, select, union_all

from services.database.ids import first_id
from services.database.tables import job_labels, jobs
from services.jobs.job import JobFilter
from services.jobs.rows import shown


def listing(project_id: str, which: JobFilter, after: str | None, limit: int) -> Select[Any]:
    """Newest first; `after` is the id of the last one seen."""
    conditions = _conditions(project_id, which, after)
    if which.labels:
        return _by_label(which, conditions, after, limit)
    if len(which.states) > 1:
        return _by_states(which, conditions, limit)
    conditions += [jobs.c.state == state.value for state in which.states]
    return shown().where(*conditions).order_by(jobs.c.id.desc()).limit(limit)


def _conditions(project_id: str, which: JobFilter, after: str | None) -> list[ColumnElement[bool]]:
    """Everything but labels and states. Times bound ids too, which are made of them, so that an index finds them."""
    conditions = [jobs.c.project_id == project_id]
    if after is not None:
        conditions.append(jobs.c.id < after)
    if which.mode is not None:
        conditions.append(jobs.c.mode == which.mode.value)
    if which.recipe is not None:
        conditions.append(jobs.c.recipe_name == which.recipe)
    if which.corpus is not None:
        conditions.append(jobs.c.corpus == which.corpus)
    if which.schedule_id is not None:
        conditions.append(jobs.c.schedule_id == which.schedule_id)
    if which.created_after is not None:
        conditions += [jobs.c.id >= first_id("job", which.created_after), jobs.c.created >= which.created_after]
    if which.created_before is not None:
        conditions += [jobs.c.id <= first_id("job", which.created_before, last=True)]
        conditions += [jobs.c.created < which.created_before]
    if which.finished_after is not None:
        conditions += [jobs.c.finished >= which.finished_after]
    if which.finished_before is not None:  # what ended before was made before
        conditions += [jobs.c.id <= first_id("job", which.finished_before, last=True)]
        conditions += [jobs.c.finished < which.finished_before]
    return conditions


def _by_states(which: JobFilter, conditions: list[ColumnElement[bool]], limit: int) -> Select[Any]:
    """The newest of each state, then the newest of those: no state is read further than the page."""
    newest = [
        select(jobs.c.id)
        .where(*conditions, jobs.c.deleted.is_(None), jobs.c.state == state.value)
        .order_by(jobs.c.id.desc())
        .limit(limit)
        for state in dict.fromkeys(which.states)
    ]
    ids = union_all(*(select(each.subquery().c.id) for each in newest)).subquery()
    return shown().where(jobs.c.id.in_(select(ids.c.id))).order_by(jobs.c.id.desc()).limit(limit)


def _by_label(which: JobFilter, conditions: list[ColumnElement[bool]], after: str | None, limit: int) -> Select[Any]:
    """The jobs of one label from its index, newest first; the other labels are looked up."""
    (key, value), *others = sorted(which.labels.items())
    labelled = job_labels.alias("labelled")
    asked = shown().join(labelled, labelled.c.job_id == jobs.c.id)
    asked = asked.where(labelled.c.key == key, labelled.c.value == value, *conditions)
    if after is not None:
        asked = asked.where(labelled.c.job_id < after)
    if which.states:
        asked = asked.where(jobs.c.state.in_([state.value for state in which.states]))
    for other, wanted in others:
        label = (job_labels.c.job_id == jobs.c.id, job_labels.c.key == other, job_labels.c.value == wanted)
        asked = asked.where(exists().where(*label))
    return asked.order_by(labelled.c.job_id.desc()).limit(limit)
