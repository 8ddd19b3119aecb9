"""The OpenAPI document, and what the manual shows of the code."""

from __future__ import annotations

import json

from jsonschema_rs import validate

from services.control_plane.examples import ANSWERS
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


def test_every_field_and_parameter_is_described() -> None:
    document = json.loads(COMMITTED.read_text())
    fields = [
        f"{model}.{name}"
        for model, schema in document["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if not field.get("description")
    ]
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    parameters = [
        f"{operation['operationId']}: {parameter['name']}"
        for operation in operations
        for parameter in operation.get("parameters", ())
        if not parameter.get("description")
    ]
    assert fields + parameters == []


def test_every_body_has_an_example_that_would_be_taken() -> None:
    document = json.loads(COMMITTED.read_text())
    resolver = {"components": document["components"]}
    for methods in document["paths"].values():
        for operation in methods.values():
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                for example in content["examples"].values():
                    validate({**content["schema"], **resolver}, example["value"])
    for model, example in ANSWERS.items():
        validate({**document["components"]["schemas"][model], **resolver}, example)
        assert set(example) <= set(document["components"]["schemas"][model]["properties"])


def test_answers_may_have_new_fields() -> None:
    document = json.loads(COMMITTED.read_text())
    for model in ("Job", "Page_Job_", "Corpus", "Schedule", "Webhook", "Key", "Problem"):
        assert "additionalProperties" not in document["components"]["schemas"][model], model
    for model in ("Submission", "NewKey", "NewSchedule", "NewWebhook"):
        assert document["components"]["schemas"][model]["additionalProperties"] is False, model


def test_the_manual_shows_the_states_as_they_are() -> None:
    """`.venv/bin/python -m services.control_plane.states` prints the diagram."""
    assert states_text() in (REPOSITORY / "docs" / "api.md").read_text()
