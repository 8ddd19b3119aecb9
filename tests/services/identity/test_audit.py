"""The audit log: a chain that shows every change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy

from services.database import Database
from services.database.tables import audit, audit_head
from services.identity.audit import Audit, BrokenChain, Entry


@pytest.fixture
def log(database: Database) -> Audit:
    return Audit(database)


def entry(number: int = 0, project_id: str | None = "prj_1") -> Entry:
    detail: dict[str, str | int | bool | None] = {
        "method": "POST",
        "status": 201,
        "project": None,
        "who": "Zoë \U0001f511",
    }
    return Entry(
        principal="test", action="create", target=f"/{number}", project_id=project_id, detail=detail, request_id="r"
    )


def test_many_at_once_make_one_chain(log: Audit) -> None:
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: log.append(entry(n)), range(40)))
    assert sorted(numbers) == list(range(1, 41))
    verified = log.verify()
    assert verified.rows == 40
    newest = log.list(None, limit=1)[0]
    assert (newest.sequence, newest.hash) == (40, verified.head)


def test_an_empty_log_is_whole(log: Audit) -> None:
    assert log.verify().rows == 0


def test_lists_are_a_projects(log: Audit) -> None:
    for number in range(6):
        log.append(entry(number, project_id=f"prj_{number % 2}"))
    assert [row.sequence for row in log.list(None)] == [6, 5, 4, 3, 2, 1]
    assert [row.sequence for row in log.list("prj_0")] == [5, 3, 1]
    assert [row.sequence for row in log.list("prj_0", after=5, limit=1)] == [3]
    assert [row.sequence for row in log.list("prj_2")] == []


CHANGES: list[tuple[Any, str]] = [
    (audit.update().where(audit.c.sequence == 3).values(principal="nobody"), "row 3 .* not as it was written"),
    (audit.update().where(audit.c.sequence == 3).values(detail={}), "row 3 .* not as it was written"),
    (audit.update().where(audit.c.sequence == 3).values(project_id=None), "row 3 .* not as it was written"),
    (audit.update().where(audit.c.sequence == 1).values(previous="1" * 64), "row 1 .* not as it was written"),
    (audit.delete().where(audit.c.sequence == 2), "row 2 .* missing"),
    (audit.delete().where(audit.c.sequence == 5), "ends at row 4, but 5 were written"),
    (audit.delete(), "ends at row 0, but 5 were written"),
    (audit_head.update().values(hash="1" * 64), "ends at row 5"),
]


@pytest.mark.parametrize(("change", "message"), CHANGES)
def test_every_change_is_seen(log: Audit, database: Database, change: Any, message: str) -> None:
    for number in range(5):
        log.append(entry(number))
    with database.transaction() as connection:
        connection.execute(change)
    with pytest.raises(BrokenChain, match=message):
        log.verify()


def test_a_row_that_is_sealed_anew_breaks_the_next(log: Audit, database: Database) -> None:
    for number in range(3):
        log.append(entry(number))
    with database.transaction() as connection:
        third = connection.execute(sqlalchemy.select(audit.c.hash).where(audit.c.sequence == 3)).scalar_one()
        connection.execute(audit.update().where(audit.c.sequence == 2).values(hash=third))
    with pytest.raises(BrokenChain, match="row 2"):
        log.verify()


def test_longer_logs_than_a_page_are_read_to_the_end(
    log: Audit, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.identity.audit.PAGE", 3)
    for number in range(8):
        log.append(entry(number))
    assert log.verify().rows == 8
    with database.transaction() as connection:
        connection.execute(audit.update().where(audit.c.sequence == 7).values(action="other"))
    with pytest.raises(BrokenChain, match="row 7"):
        log.verify()
