"""`curation admin first-key`: the way in, and the way back in."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner

from curation.cli import open_app
from services.control_plane.plane import open_plane
from services.database import open_database
from services.identity.audit import Audit
from services.identity.keys import Keys
from services.serve import Announcement, Role
from services.serve.first_key import hand_over_first_key
from services.settings import load_settings


def first_key(*arguments: str) -> tuple[int, str]:
    """What the command ends with, and says."""
    result = CliRunner().invoke(open_app(), ["admin", "first-key", *arguments])
    return result.exit_code if result.exception is None else -1, result.output.strip()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nobody's settings, and an installation that has no key."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CURATION_DATA", str(tmp_path / "data"))
    return tmp_path


def test_the_first_key_is_made_once_and_another_only_for_recovery(folder: Path) -> None:
    code, key = first_key()
    assert code == 0
    path = folder / "again.key"
    assert first_key("--key-file", str(path))[0] != 0
    assert not path.exists()
    assert first_key("--key-file", str(path), "--recover")[0] == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    settings = load_settings()
    database = open_database(settings)
    keys = Keys(database, settings.secret_key())
    for text in (key, path.read_text().strip()):
        assert keys.authenticate(text).is_installation_admin
    told = [(row.action, row.principal) for row in Audit(database).list(None)]
    database.close()
    assert told == [("recover_key", "installation"), ("first_key", "installation")]


def test_a_key_file_is_not_overwritten_and_no_key_is_lost(folder: Path) -> None:
    path = folder / "first.key"
    path.write_text("what was there")
    assert first_key("--key-file", str(path))[0] != 0
    assert path.read_text() == "what was there"
    assert first_key()[0] == 0


def test_the_embedded_service_s_files_are_its_user_s_only(folder: Path) -> None:
    assert first_key()[0] == 0
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    for path in (folder / "data").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_one_of_many_apis_shows_no_key_in_its_log(folder: Path) -> None:
    settings = load_settings()
    CliRunner().invoke(open_app(), ["admin", "migrate"])
    plane = open_plane(settings)
    of_many, embedded = (Announcement([Role.API], data, settings.roots) for data in (None, settings.data))
    hand_over_first_key(plane, of_many, None)
    hand_over_first_key(plane, embedded, None)
    plane.close()
    assert of_many.key is None
    assert embedded.key is not None
