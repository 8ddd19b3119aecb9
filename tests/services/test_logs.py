"""Logs: one JSON object a line, without secrets and without what a terminal would obey."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.logs import HIDDEN, clean, set_up_logging
from tests.services.conftest import make_settings


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[io.StringIO]:
    """Where the root logger writes during the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    set_up_logging(make_settings(tmp_path), "api", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_of_json(stream: io.StringIO) -> None:
    logging.getLogger("services.x").info(
        "took %s", "two\nlines", extra={"fields": {"job": "job_1", "n": 3, "at": Path("/x")}}
    )
    [line] = lines(stream)
    assert line["message"] == "took two\nlines"
    assert (line["level"], line["role"], line["logger"]) == ("INFO", "api", "services.x")
    assert line["fields"] == {"job": "job_1", "n": 3, "at": "/x"}
    assert line["ts"].endswith("+00:00")


def test_a_traceback_is_in_the_line_without_its_secrets(stream: io.StringIO) -> None:
    try:
        raise ValueError("postgresql+psycopg://curation:hunter2@db/curation")
    except ValueError:
        logging.getLogger("services").exception("failed")
    [line] = lines(stream)
    assert "ValueError" in line["error"]
    assert "hunter2" not in stream.getvalue()


def test_libraries_speak_from_warning_on(stream: io.StringIO) -> None:
    logging.getLogger("botocore").info("chatter")
    logging.getLogger("botocore").warning("trouble")
    assert [line["message"] for line in lines(stream)] == ["trouble"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key cur_01m82vam928zbqmzqknvt3r8ge_abcDEF123-_x was refused", "abcDEF123"),
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=", "MfKQ9r8"),
        ("Authorization: Bearer abcdefgh.ijkl", "abcdefgh"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "eyJzdWI"),
        ("postgresql+psycopg://curation:hunter2@db/curation", "hunter2"),
        ("postgresql://curation:p:w@db/curation", "p:w"),
        ("password=hunter2 host=db", "hunter2"),
        ('{"aws_secret_access_key": "wJalrXUtnFEMI/K7"}', "wJalr"),
        ("https://x.example/?X-Amz-Signature=abcdef0123", "abcdef0123"),
    ],
)
def test_secrets_are_hidden(text: str, secret: str) -> None:
    assert secret not in clean(text)
    assert HIDDEN in clean(text)


@pytest.mark.parametrize(
    "text", ["a job of 3 tokens", "https://hooks.example.com/x", "user@example.com", "cur_rent state"]
)
def test_the_rest_stays(text: str) -> None:
    assert clean(text) == text


def test_control_characters_are_shown_by_number(stream: io.StringIO) -> None:
    logging.getLogger("services").warning(
        "\x1b[31mred\x07 \u202eesrever\x9b2J", extra={"fields": {"\x1b": "\x1b]0;title"}}
    )
    [line] = lines(stream)
    assert line["message"] == r"\x1b[31mred\x07 \x202eesrever\x9b2J"
    assert line["fields"] == {r"\x1b": r"\x1b]0;title"}


def test_a_line_has_an_end() -> None:
    for part in ("x", "a:", "://a:", "eyJaaaaaaaa-", "password", "bearer "):
        assert len(clean(part * 100_000)) < 50_000
