"""Settings, handed to a child by its environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.errors import SettingsError
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


def test_what_kubernetes_says_of_its_services_is_passed_over() -> None:
    links = {
        "CURATION_CURATION_SERVICE_HOST": "10.0.0.7",
        "CURATION_CURATION_SERVICE_PORT": "80",
        "CURATION_CURATION_SERVICE_PORT_HTTP": "80",
        "CURATION_CURATION_PORT": "tcp://10.0.0.7:80",
        "CURATION_CURATION_PORT_80_TCP": "tcp://10.0.0.7:80",
        "CURATION_CURATION_PORT_80_TCP_PROTO": "tcp",
        "CURATION_CURATION_PORT_80_TCP_PORT": "80",
        "CURATION_CURATION_PORT_80_TCP_ADDR": "10.0.0.7",
        "CURATION_HEAD_SVC_PORT_6379_TCP": "tcp://[fd00::7]:6379",
    }
    load_settings(links)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CURATION_PROT", "80"),
        ("CURATION_API_PORT", "8321"),
        ("CURATION_SERVICE_HOST", "0.0.0.0 "),
        ("CURATION_LINK", "tcp://10.0.0.7:80"),
    ],
)
def test_a_name_that_nobody_reads_is_an_error(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"{name}: there is no such setting"):
        load_settings({name: value})
