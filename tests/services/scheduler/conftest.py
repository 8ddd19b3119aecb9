"""A world on each database."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.database import Database
from services.settings import Settings
from tests.services.schedules.world import World


@pytest.fixture
def world(settings: Settings, database: Database, tmp_path: Path) -> World:
    return World(settings, database, tmp_path)
