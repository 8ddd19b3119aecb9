"""The OpenAPI document, and what the manual shows of the code."""

from __future__ import annotations

import json

from services.control_plane.openapi import TAGS, openapi_text
from services.control_plane.states import states_text
from tests.conftest import REPOSITORY

COMMITTED = REPOSITORY / "docs" / "openapi.json"


def test_the_committed_copy_is_current() -> None:
    """`.venv/bin/python -m services.control_plane.openapi > docs/openapi.json` renews it."""
    assert COMMITTED.read_text() == openapi_text()


def test_every_operation_is_described() -> None:
    document = json.loads(COMMITTED.read_text())
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    ids = [operation["operationId"] for operation in operations]
    assert len(ids) == len(set(ids))
    known = {tag["name"] for tag in TAGS}
    for operation in operations:
        assert operation["summary"], operation["operationId"]
        assert operation["description"], operation["operationId"]
        assert set(operation["tags"]) <= known
    for path, methods in document["paths"].items():
        for operation in methods.values():
            assert operation.get("security") or not path.startswith("/v1"), operation["operationId"]
            for status, response in operation["responses"].items():
                if status >= "400" and path.startswith("/v1"):
                    assert list(response["content"]) == ["application/problem+json"], operation["operationId"]


def test_the_manual_shows_the_states_as_they_are() -> None:
    """`.venv/bin/python -m services.control_plane.states` prints the diagram."""
    assert states_text() in (REPOSITORY / "docs" / "api.md").read_text()
