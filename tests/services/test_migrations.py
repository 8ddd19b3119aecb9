"""The schema's revisions, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, MetaData, String, Table, column, inspect, select, table, update

from services.database import Database, open_database
from services.database.migrate import check, downgrade, offline_sql, upgrade
from services.database.tables import metadata, projects
from services.database.types import clock
from services.errors import SettingsError
from services.settings import Settings

PG_INDEXES = table("pg_indexes", column("indexdef"), column("schemaname"))
VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32)))


@pytest.fixture
def empty(settings: Settings) -> Iterator[Database]:
    """A database without tables."""
    opened = open_database(settings)
    yield opened
    opened.close()


def _insert_project(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(
            projects.insert().values(id="prj_1", name="web", roots=[], created=clock(), created_by="test")
        )


def test_the_revisions_make_exactly_the_tables(empty: Database) -> None:
    upgrade(empty)
    with empty.engine.connect() as connection:
        options = {"compare_server_default": not empty.is_sqlite, "include_object": _is_comparable(empty.is_sqlite)}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
    assert set(inspect(empty.engine).get_table_names()) == {*metadata.tables, "alembic_version"}


def _is_comparable(is_sqlite: bool) -> Callable[..., bool]:
    """All; but Alembic cannot read a descending column of SQLite's indexes, and `test_every_index_…` does."""
    return lambda _object, name, kind, _reflected, _other: (
        not (is_sqlite and kind == "index" and name == "ix_jobs_state_priority_queued_id")
    )


def test_every_index_is_made_as_the_tables_have_it(empty: Database) -> None:
    metadata.create_all(empty.engine)
    wanted = _indexes(empty)
    metadata.drop_all(empty.engine)
    upgrade(empty)
    assert _indexes(empty) == wanted


def _indexes(database: Database) -> set[str]:
    """The statement of every index, as the database keeps it."""
    kept = table("sqlite_master", column("sql"), column("type")) if database.is_sqlite else None
    asked = (
        select(kept.c.sql).where(kept.c.type == "index")
        if kept is not None
        else select(PG_INDEXES.c.indexdef).where(PG_INDEXES.c.schemaname == "public")
    )
    with database.reading() as connection:
        found = {sql for sql in connection.execute(asked).scalars() if sql is not None}
    return {sql for sql in found if "alembic_version" not in sql}


def test_down_and_up_again_with_data(empty: Database) -> None:
    upgrade(empty)
    _insert_project(empty)
    downgrade(empty, "base")
    assert inspect(empty.engine).get_table_names() == ["alembic_version"]
    upgrade(empty)
    _insert_project(empty)
    check(empty)


def test_upgrading_again_keeps_what_is_there(empty: Database) -> None:
    upgrade(empty)
    _insert_project(empty)
    upgrade(empty)
    with empty.reading() as connection:
        assert connection.execute(select(projects.c.name)).scalar_one() == "web"


def test_many_may_upgrade_at_once(settings: Settings) -> None:
    databases = [open_database(settings) for _ in range(4)]
    with ThreadPoolExecutor(len(databases)) as threads:
        list(threads.map(upgrade, databases))
    for database in databases:
        check(database)
        database.close()


def test_an_empty_database_is_refused(empty: Database) -> None:
    with pytest.raises(SettingsError, match="no schema yet; run `curation admin migrate`"):
        check(empty)


def test_a_newer_schema_is_refused(empty: Database) -> None:
    upgrade(empty)
    with empty.transaction() as connection:
        connection.execute(update(VERSION).values(version_num="9999"))
    for refuses in (check, upgrade):
        with pytest.raises(SettingsError, match="9999, which is newer than this program"):
            refuses(empty)


def test_an_upgrade_that_fails_leaves_nothing(empty: Database) -> None:
    with empty.transaction() as connection:
        metadata.tables["processes"].create(connection)
    with pytest.raises(sqlalchemy.exc.DBAPIError):
        upgrade(empty)
    assert inspect(empty.engine).get_table_names() == ["processes"]


def test_sqlite_stays_in_wal_mode(empty: Database) -> None:
    upgrade(empty)
    if empty.is_sqlite:
        with empty.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


@pytest.mark.parametrize("url", ["sqlite:///nowhere.db", "postgresql+psycopg://nobody@localhost/nothing"])
def test_the_statements_can_be_written_out(url: str) -> None:
    sql = offline_sql(url)
    assert "CREATE TABLE jobs" in sql
    assert "uq_jobs_corpus_url_leased" in sql
