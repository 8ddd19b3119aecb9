"""Whatever is sent, the API answers as its OpenAPI document says, and never with a server error.

25 requests of each operation; more with `pytest --hypothesis-profile=search tests/services/control_plane/test_fuzz.py`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from curation.pipeline import curate
from curation.recipe import validate_recipe
from curation.runner.local import LocalRunner
from services.control_plane.app import app_over
from services.control_plane.plane import open_plane
from services.database import open_database
from services.database.migrate import upgrade
from services.jobs.job import NewTakedown, Submission
from services.webhooks.store import WebhookStore
from tests.conftest import REPOSITORY
from tests.services.conftest import make_settings
from tests.services.postgres import PostgresServer

EXAMPLES = {"sqlite": 18, "postgresql": 7}
SEARCHED = 150
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
RECIPE = {"name": "web", "output": "web", "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}]}

DOCUMENT = json.loads((REPOSITORY / "docs" / "openapi.json").read_text())
OPERATIONS = sorted(
    (path, method, operation["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
)


class Fuzzed:
    """An API with a job, a recipe and a corpus with one version in it, whose webhooks resolve no name."""

    def __init__(self, folder: Path, url: str | None) -> None:
        settings = make_settings(folder, url, requests_per_minute=10**9, failed_logins_per_minute=10**9)
        database = open_database(settings)
        upgrade(database)
        database.close()
        plane = open_plane(settings)
        webhooks = WebhookStore(
            plane.database, settings.secret_key(), settings, resolver=lambda _host, _port: ["127.0.0.1"]
        )
        self.plane = dataclasses.replace(plane, webhooks=webhooks)
        self.app: FastAPI = app_over(self.plane)
        project = plane.projects.ensure_default()
        made = plane.keys.first(project.id)
        assert made is not None
        self.headers = {"Authorization": f"Bearer {made[1]}"}
        (folder / "raw").mkdir()
        (folder / "raw" / "a.jsonl").write_text('{"text": "a document"}\n')
        plane.recipes.create(project.id, "web", RECIPE, "test")
        new = plane.intake.prepare(project.id, Submission(recipe_name="web"), by="test")
        job, _ = plane.jobs.submit(project.id, new, "test")
        ended, _ = plane.jobs.submit(project.id, new, "test")
        plane.jobs.cancel(project.id, ended.id, "test")
        curate(validate_recipe(new.recipe), LocalRunner())
        asked = plane.upkeep.takedown(project.id, new.corpus, NewTakedown(sources=("crawl",)))
        self.takedown = plane.jobs.submit(project.id, asked, "test")[0].id
        self.known = {"job_id": job.id, "name": "web", "kind": "exact_dedup", "tag": "production", "version": "1"}
        self.ended = ended.id
        self.corpus = project.id, new.corpus_url
        self.schema = schemathesis.openapi.from_asgi("/openapi.json", self.app)


@pytest.fixture(
    scope="module", params=[pytest.param(kind, marks=pytest.mark.xdist_group(f"fuzz-{kind}")) for kind in EXAMPLES]
)
def fuzzed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzed]:
    folder = tmp_path_factory.mktemp("fuzzed")
    if request.param == "sqlite":
        made = Fuzzed(folder, None)
        yield made
        made.plane.close()
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    url = server.new_database()
    made = Fuzzed(folder, url)
    yield made
    made.plane.close()
    server.drop(url)


@pytest.mark.parametrize(
    ("path", "method"), [operation[:2] for operation in OPERATIONS], ids=[o[2] for o in OPERATIONS]
)
def test_every_answer_is_documented(fuzzed: Fuzzed, path: str, method: str) -> None:
    is_search = hypothesis.settings.get_current_profile_name() == "search"

    @hypothesis.settings(
        max_examples=SEARCHED if is_search else EXAMPLES[fuzzed.plane.database.engine.dialect.name],
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=fuzzed.schema[path][method].as_strategy(), is_known=st.booleans())
    def answers(case: Any, is_known: bool) -> None:
        if is_known and case.path_parameters:
            fuzzed.plane.catalogue.register(*fuzzed.corpus)  # an earlier request may have forgotten it
            case.path_parameters |= {k: v for k, v in fuzzed.known.items() if k in case.path_parameters}
            if path.endswith("/events"):  # the stream of a job that goes on has no end
                case.path_parameters["job_id"] = fuzzed.ended
            elif path.endswith("/takedown"):
                case.path_parameters["job_id"] = fuzzed.takedown
        response = case.call(headers=fuzzed.headers)
        case.validate_response(response, checks=CHECKS)

    answers()


def test_nothing_is_asked_of_a_server_without_a_key(fuzzed: Fuzzed) -> None:
    """The document needs none."""
    from fastapi.testclient import TestClient

    assert TestClient(fuzzed.app).get("/openapi.json").status_code == 200
