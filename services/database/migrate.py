"""The schema's revisions: bring a database to the newest, and say whether it is there."""

from __future__ import annotations

import io
import threading
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, func, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from services.database.database import Database
from services.errors import SettingsError

SCRIPTS = Path(__file__).parent / "migrations"
LOCK = 0x63_75_72_61_74_69_6F_6E
"""The advisory lock under which one process at a time changes a PostgreSQL schema: "curation"."""

_ALEMBIC = threading.Lock()
"""Its context is the process's: one thread at a time, also where they migrate different databases."""


class NewerSchemaError(SettingsError):
    """The database was migrated by a later release: a process that runs already goes on, none starts."""


def upgrade(database: Database) -> None:
    """Bring the schema to the newest revision, in one transaction; any number of processes may do it at once. Raises
    SettingsError for a schema of a newer program."""
    with _ALEMBIC, database.transaction() as connection:
        _take_turn(connection)
        _refuse_newer(connection)
        command.upgrade(_config(connection), "head")


def downgrade(database: Database, revision: str) -> None:
    """Go back to an older revision (`base`: no tables). What only newer ones can keep is lost."""
    with _ALEMBIC, database.transaction() as connection:
        _take_turn(connection)
        command.downgrade(_config(connection), revision)


def check(database: Database) -> None:
    """Raises SettingsError, with what to do, unless the schema is at the newest revision."""
    try:
        with database.reading() as connection:
            _refuse_newer(connection)
            found = _current(connection)
    except OperationalError as error:
        raise SettingsError(f"the database cannot be reached: {error.orig}") from None
    if found != _newest():
        state = "has no schema yet" if found is None else f"has the schema {found}, this program needs {_newest()}"
        raise SettingsError(f"the database {state}; run `curation admin migrate`")


def offline_sql(database_url: str) -> str:
    """The statements that an empty database of this kind needs, for whoever must run them by hand."""
    written = io.StringIO()
    config = _config(None, written)
    config.attributes["dialect"] = make_url(database_url).get_backend_name()
    with _ALEMBIC:
        command.upgrade(config, "head", sql=True)
    return written.getvalue()


def _config(connection: Connection | None, output: io.StringIO | None = None) -> Config:
    config = Config(output_buffer=output) if output is not None else Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _take_turn(connection: Connection) -> None:
    """Wait, for as long as it takes, for others who change the schema; on SQLite the transaction itself is the turn."""
    if connection.dialect.name == "postgresql":
        for limit in ("statement_timeout", "lock_timeout"):
            connection.execute(select(func.set_config(limit, "0", True)))
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(SCRIPTS)


def _newest() -> str | None:
    return _scripts().get_current_head()


def _refuse_newer(connection: Connection) -> None:
    found = _current(connection)
    known = {script.revision for script in _scripts().walk_revisions()}
    if found is not None and found not in known:
        raise NewerSchemaError(f"the database has the schema {found}, which is newer than this program; update it")
