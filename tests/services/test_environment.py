"""Settings, handed to a child by its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.settings import Settings, load_settings


def test_a_child_has_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CURATION_POLL_S", "7")
    monkeypatch.setenv("ELSEWHERE", "kept")
    settings = Settings(
        data=Path("somewhere"),
        database_url="postgresql+psycopg://someone:a%20secret@127.0.0.1/db",
        roots=("/data", "s3://bucket/prefix"),
        oidc_algorithms=(),
        metrics_public=True,
        poll_s=0.5,
        workers=3,
        failpoint="stop@driver.listed#/tmp/marker",
    )
    environment = settings.environment()
    assert environment["ELSEWHERE"] == "kept"
    for name in ("CURATION_POLL_S", "ELSEWHERE"):
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert load_settings() == settings
