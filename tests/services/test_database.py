"""The clock and the columns of both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy

from services.database import Database, new_id
from services.database.tables import projects
from services.database.types import later


def test_the_clock_is_now(database: Database) -> None:
    assert abs(database.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_instants_come_back_as_they_went(database: Database) -> None:
    moment = datetime(2026, 11, 22, 1, 2, 3, 456_789, tzinfo=UTC)
    row = {"id": new_id("prj"), "name": "one", "roots": [], "created": moment, "created_by": "test"}
    with database.transaction() as connection:
        connection.execute(projects.insert().values(**row))
    with database.reading() as connection:
        assert connection.execute(sqlalchemy.select(projects.c.created)).scalar_one() == moment


def test_later_is_later(database: Database) -> None:
    with database.reading() as connection:
        value = connection.execute(sqlalchemy.select(later(60))).scalar_one()
    assert timedelta(seconds=55) < value - datetime.now(UTC) < timedelta(seconds=65)


def test_ids_sort_by_time() -> None:
    ids = [new_id("job") for _ in range(3)]
    assert len(set(ids)) == 3
    assert all(len(i) == len("job_") + 26 for i in ids)
    assert new_id("job")[:11] >= ids[0][:11]
