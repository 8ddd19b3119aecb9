"""What the tests of the services share: a database of each kind, settings over it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.database import Database, open_database
from services.database.tables import metadata
from services.settings import Settings
from tests.services.postgres import PostgresServer


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'control-plane.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    yield url
    server.drop(url)


def make_settings(folder: Path, url: str | None = None, **changes: Any) -> Settings:
    """Settings for a test: everything below its folder."""
    values: dict[str, Any] = {"data": folder / "service", "database_url": url, "roots": (str(folder),)}
    secret = folder / "secret.key"
    secret.write_bytes(b"a secret of a test, which is long enough")
    return Settings(**{**values, "engine": "local", "secret_key_file": secret, **changes})


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings over the empty database."""
    return make_settings(tmp_path, database_url)


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The database of the settings, with its tables."""
    opened = open_database(settings)
    metadata.create_all(opened.engine)
    yield opened
    opened.close()
