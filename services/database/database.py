"""One database, opened: short write transactions and reads."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.engine import make_url

from services.database.types import clock
from services.errors import SettingsError
from services.settings import Settings

BUSY_TIMEOUT_MS = 15_000
POSTGRESQL = {
    "connect_timeout": "10",
    "tcp_user_timeout": "15000",
    "options": "-c statement_timeout=30000 -c lock_timeout=15000",
}
"""What a connection is opened with, unless the database's URL says otherwise: no call waits for ever."""


class Database:
    """An engine, and how its transactions are taken. On SQLite a write transaction takes the lock at its beginning, so
    it never fails halfway because another one writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that writes; committed at the end, rolled back by an exception."""
        with self.engine.connect().execution_options(begin="IMMEDIATE") as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    def now(self) -> datetime:
        """The database's clock."""
        with self.reading() as connection:
            return connection.execute(select(clock())).scalar_one()

    def close(self) -> None:
        self.engine.dispose()


def open_database(settings: Settings, *, pool_size: int = 10) -> Database:
    """The database of the settings; nothing is reached yet. Its schema is `services.database.migrate`'s business."""
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        _make_private(Path(str(url.database)))
        engine = sqlalchemy.create_engine(url, pool_size=pool_size, max_overflow=20)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    else:
        given = {name: value for name, value in POSTGRESQL.items() if name not in url.query}
        engine = sqlalchemy.create_engine(
            url, pool_size=pool_size, max_overflow=20, pool_pre_ping=True, connect_args=given
        )
    return Database(engine)


def _make_private(path: Path) -> None:
    """Make the file, and its folder, for this user only; SQLite's files beside it follow it. One that is there is not
    even opened, for closing it would give up the locks that SQLite holds on it. Raises SettingsError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another CURATION_DATA") from None


def _prepare(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late
    for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _use_wal(connection)


def _use_wal(connection: Any) -> None:
    """Switch a new file to a write-ahead log. While somebody else does, SQLite fails at once, whatever its timeout."""
    give_up = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)


def _begin(connection: Connection) -> None:
    kind = connection.get_execution_options().get("begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")
