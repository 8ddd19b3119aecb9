"""Which processes are there."""

from __future__ import annotations

from services.database import Database
from services.database.presence import Presence, present


def test_a_process_is_there_from_its_first_beat_until_it_leaves(database: Database) -> None:
    api, runner = Presence(database, "api", "one"), Presence(database, "runner", "two")
    assert present(database, 60) == []
    api.beat()
    runner.beat({"running": 1})
    runner.beat({"running": 2})
    assert [(process.role, process.name, process.detail) for process in present(database, 60)] == [
        ("api", "one", {}),
        ("runner", "two", {"running": 2}),
    ]
    assert all(process.started <= process.seen for process in present(database, 60))
    assert present(database, -60) == []
    api.leave()
    api.leave()
    assert [process.id for process in present(database, 60)] == [runner.id]
