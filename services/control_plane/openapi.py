"""The OpenAPI document: what it says of the whole, and the command that prints it.

`python -m services.control_plane.openapi > docs/openapi.json` renews the committed copy.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from curation.difference import Difference
from curation.whatif import Curve, Preview, Sweep, Thresholds, WhatIf
from services.control_plane.conventions import PROBLEM_JSON
from services.control_plane.examples import ANSWERS, REQUESTS
from services.control_plane.glossary import FIELDS
from services.control_plane.problems import HTTP, INTERNAL, Kind
from services.errors import (
    PROBLEM_TYPE,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    PreconditionFailed,
    PreconditionRequired,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from services.settings import Settings

TITLE = "Curation"
DESCRIPTION = (
    "Curate corpora: submit recipes as jobs, follow them, schedule them, and ask what the corpora hold. "
    "Errors are problems of RFC 9457; `docs/api.md` lists their types."
)
TAGS = [
    {"name": "jobs", "description": "Recipes in the queue, being executed, or done."},
    {"name": "recipes", "description": "Recipes that are stored by name, with every revision; what stages there are."},
    {"name": "corpora", "description": "What has been published: versions, funnels, reasons, explanations."},
    {"name": "schedules", "description": "Recipes that are run again and again."},
    {"name": "webhooks", "description": "Where messages about what happened go."},
    {"name": "identity", "description": "Who asks, and what they may."},
    {"name": "projects", "description": "Who works together; projects cannot see one another."},
    {"name": "keys", "description": "What lets programs and people in."},
    {"name": "audit", "description": "Who did what."},
    {"name": "operations", "description": "Health, readiness and metrics."},
]


HEADERS: Mapping[str, Any] = {
    name: {"description": description, "schema": {"type": "string"}}
    for name, description in {
        "X-Request-ID": "The request's id: the client's own, where it gave a plain one.",
        "Retry-After": "Seconds to wait before the next try.",
        "WWW-Authenticate": "`Bearer`.",
        "Location": "The path of what was made.",
        "ETag": "Of this state: what `If-Match` and `If-None-Match` take.",
    }.items()
}
KINDS = (
    *HTTP.values(),
    *(
        Kind(error.slug, error.title, error.status, error.retryable)
        for error in (Unauthorized, Forbidden, Conflict, Gone, PreconditionFailed, TooLarge, Invalid)
    ),
    *(
        Kind(error.slug, error.title, error.status, error.retryable)
        for error in (PreconditionRequired, TooManyRequests, Unavailable)
    ),
    INTERNAL,
)
"""The commonest problem of each status."""


def openapi_text() -> str:
    """The document of an installation with default settings, as it is committed: the same on every machine."""
    from services.control_plane.app import app_over
    from services.control_plane.plane import open_plane

    with tempfile.TemporaryDirectory() as folder:
        plane = open_plane(Settings(data=Path(folder)))
        try:
            document = app_over(plane).openapi()
        finally:
            plane.close()
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def completed(document: dict[str, Any]) -> dict[str, Any]:
    """The document with what the framework leaves out: errors as problems in their own media type, what a field means
    whose name says the same everywhere, the headers of answers, and examples."""
    for operations in document["paths"].values():
        for operation in operations.values():
            if (example := REQUESTS.get(operation["operationId"])) is not None:
                operation["requestBody"]["content"]["application/json"]["examples"] = {"example": {"value": example}}
            for status, response in operation["responses"].items():
                if status >= "400" and PROBLEM_JSON in response.get("content", {}):
                    response["content"] = {PROBLEM_JSON: _problem(status)}
                response["headers"] = {name: HEADERS[name] for name in _header_names(operation, status)}
    document["components"]["schemas"] |= _schemas("Difference", Difference)
    document["components"]["schemas"] |= _schemas("WhatIf", WhatIf, Sweep, Curve, Thresholds, Preview)
    for model, schema in document["components"]["schemas"].items():
        if model in ANSWERS:
            schema["examples"] = [ANSWERS[model]]
        for name, field in schema.get("properties", {}).items():
            if name in FIELDS:
                field.setdefault("description", FIELDS[name])
    return document


def _schemas(prefix: str, *models: type[BaseModel]) -> dict[str, Any]:
    """The schemas of answers of the library: their parts have names that other answers' parts have, too. The model that
    is called as the prefix keeps its name."""
    _, found = models_json_schema([(model, "serialization") for model in models], ref_template="{model}")
    names = {name: name if name == prefix else f"{prefix}{name}" for name in found["$defs"]}
    return {names[name]: _renamed(schema, names) for name, schema in found["$defs"].items()}


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    """A schema whose references lead to the document's components of these names."""
    if isinstance(schema, list):
        return [_renamed(each, names) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {**schema, "$ref": f"#/components/schemas/{names[schema['$ref']]}"}
    return {key: _renamed(value, names) for key, value in schema.items()}


def _problem(status: str) -> dict[str, Any]:
    kind = next(kind for kind in KINDS if str(kind.status) == status)
    example = {
        "type": PROBLEM_TYPE + kind.slug,
        "title": kind.title,
        "status": kind.status,
        "detail": "What was found, what was expected, and where.",
        "instance": "/v1/jobs",
        "request_id": "3f1c0b6e5d2a4c7f9e8d7c6b5a493827",
        "retryable": kind.retryable,
        "errors": [],
    }
    return {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}


def _header_names(operation: dict[str, Any], status: str) -> list[str]:
    asked = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    described = {
        "X-Request-ID": True,
        "Retry-After": status in {"429", "503"},
        "WWW-Authenticate": status == "401",
        "Location": status == "201" or (operation["operationId"] == "submit_job" and status == "200"),
        "ETag": status in {"200", "201", "304"} and bool(asked & {"if-match", "if-none-match"}),
    }
    return [name for name, is_there in described.items() if is_there]


if __name__ == "__main__":
    print(openapi_text(), end="")
