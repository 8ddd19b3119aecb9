"""The API over a real database, and clients of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.control_plane.app import create_app
from services.control_plane.plane import Plane
from services.database import open_database
from services.database.migrate import upgrade
from services.identity.keys import NewKey
from services.identity.principal import Role
from services.settings import Settings
from tests.services.conftest import make_settings


def migrated_app(settings: Settings) -> FastAPI:
    """The API over the settings' empty database."""
    database = open_database(settings)
    upgrade(database)
    database.close()
    return create_app(settings)


def key_of(plane: Plane, project_id: str, role: Role = Role.ADMIN) -> str:
    """A new key's text."""
    return plane.keys.create(project_id, NewKey(name=f"a-{role}", role=role), "test")[1]


def client_of(app: FastAPI, role: Role = Role.ADMIN, project: str | None = None) -> TestClient:
    """A client with a key of this role, in a project of its own or in the default one."""
    plane: Plane = app.state.plane
    default = plane.projects.ensure_default()
    found = default if project is None else plane.projects.by_name(project)
    return TestClient(app, headers={"Authorization": f"Bearer {key_of(plane, found.id, role)}"})


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    """The API, once over each database; it is not started."""
    app = migrated_app(settings)
    yield app
    app.state.plane.close()


@pytest.fixture
def one_app(tmp_path: Path) -> Iterator[FastAPI]:
    """The API over SQLite, for what does not depend on the database."""
    app = migrated_app(make_settings(tmp_path))
    yield app
    app.state.plane.close()
