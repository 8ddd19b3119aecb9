"""The OpenAPI document: what it says of the whole, and the command that prints it.

`python -m services.control_plane.openapi > docs/openapi.json` renews the committed copy.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from services.control_plane.conventions import PROBLEM_JSON
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


def with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document in which every error is a problem, in its own media type; the framework lists them as plain JSON."""
    problem = {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400" and PROBLEM_JSON in response.get("content", {}):
                    response["content"] = problem
    return document


if __name__ == "__main__":
    print(openapi_text(), end="")
