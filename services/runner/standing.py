"""What has become of the jobs that a runner's drivers hold: one short question for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import and_, func, select

from services.database import Database
from services.database.tables import jobs
from services.database.types import clock
from services.jobs.job import Lease
from services.jobs.states import LEASED, State


@dataclass(frozen=True)
class Standing:
    """One job, as it is seen from a lease."""

    is_held: bool
    """The lease is still the job's."""
    must_die: bool
    """Its time to stop by itself is over."""


GONE = Standing(is_held=False, must_die=False)


def standings(database: Database, leases: Iterable[Lease]) -> dict[str, Standing]:
    """By the id of the lease's job."""
    held = {lease.job_id: lease for lease in leases}
    overdue = func.coalesce(and_(jobs.c.kill_after.is_not(None), jobs.c.kill_after <= clock()), False)
    asked = select(jobs.c.id, jobs.c.state, jobs.c.lease_epoch, overdue.label("overdue")).where(jobs.c.id.in_(held))
    with database.reading() as connection:
        rows = connection.execute(asked).all()
    found = dict.fromkeys(held, GONE)
    for row in rows:
        is_held = row.lease_epoch == held[row.id].epoch and State(row.state) in LEASED
        found[row.id] = Standing(is_held=is_held, must_die=is_held and bool(row.overdue))
    return found
