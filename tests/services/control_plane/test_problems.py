"""Errors: each is a problem of RFC 9457 with a type that the manual explains."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError

from curation import errors as library
from services.control_plane.conventions import Problem
from services.control_plane.problems import HTTP, LIBRARY, Caught, add_problem_handlers
from services.errors import PROBLEM_TYPE, ServiceError, TooManyRequests
from tests.conftest import REPOSITORY
from tests.services.control_plane.conftest import client_of

MANUAL = (REPOSITORY / "docs" / "api.md").read_text()


def descendants(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from descendants(child)


def test_the_manual_lists_every_type() -> None:
    slugs = {kind.slug for kind in descendants(ServiceError)} - {"lost-lease"}
    slugs |= {kind.slug for kind in (*LIBRARY.values(), *HTTP.values())}
    assert [slug for slug in sorted(slugs) if f"| `{slug}` |" not in MANUAL] == []


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (TooManyRequests("slowly", retry_after_s=1.2), 429, "too-many-requests"),
        (library.RecipeError([library.Problem("seed", "is wrong")]), 422, "invalid"),
        (library.InputError("nothing matches"), 422, "input"),
        (library.MissingError("no version"), 404, "not-found"),
        (library.TransientError("timeout"), 503, "unavailable"),
        (library.StorageError("denied"), 422, "storage"),
        (library.CorruptError("a digest differs"), 503, "corrupt"),
        (library.ConflictError("somebody else"), 409, "conflict"),
        (library.ModelError("no such file"), 422, "model"),
        (library.AccountingError("secret sums"), 500, "internal"),
        (OperationalError("SELECT secret", {}, Exception("gone")), 503, "unavailable"),
        (KeyError("secret"), 500, "internal"),
        (RecursionError("secret"), 500, "internal"),
    ],
)
def test_every_error_becomes_a_problem(error: Exception, status: int, slug: str) -> None:
    app = FastAPI()
    add_problem_handlers(app)
    app.add_middleware(Caught)

    @app.get("/broken")
    def broken() -> None:
        raise error

    answer = TestClient(app).get("/broken")
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    problem = Problem.model_validate(answer.json())
    assert (problem.type, problem.status, problem.instance) == (PROBLEM_TYPE + slug, status, "/broken")
    assert "secret" not in answer.text
    assert problem.retryable == (slug in {"unavailable", "too-many-requests"})
    assert ("Retry-After" in answer.headers) == problem.retryable


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug", "paths"),
    [
        ("GET", "/v1/nothing", None, 404, "not-found", []),
        ("PUT", "/v1/jobs", None, 405, "method-not-allowed", []),
        ("POST", "/v1/jobs", b"{", 400, "bad-request", []),
        ("POST", "/v1/jobs", b"[" * 100_000, 400, "bad-request", []),
        (
            "POST",
            "/v1/jobs",
            b'{"recipe": {}, "prioritty": 1, "priority": "x"}',
            422,
            "invalid",
            ["prioritty", "priority"],
        ),
        ("POST", "/v1/jobs", b'{"labels": {"\\ud800": "x"}}', 422, "invalid", None),
        ("GET", "/v1/jobs?page_size=0", None, 422, "invalid", ["page_size"]),
        ("GET", "/v1/jobs/%00", None, 422, "invalid", ["job_id"]),
        ("GET", "/v1/recipes/%00", None, 422, "invalid", ["name"]),
        ("GET", "/v1/jobs/job_0", None, 404, "not-found", []),
    ],
)
def test_what_is_wrong_with_a_request(
    one_app: FastAPI, method: str, path: str, body: bytes | None, status: int, slug: str, paths: list[str] | None
) -> None:
    answer = client_of(one_app).request(method, path, content=body, headers={"Content-Type": "application/json"})
    problem = Problem.model_validate(answer.json())
    assert (answer.status_code, problem.type) == (status, PROBLEM_TYPE + slug)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem.request_id == answer.headers["X-Request-ID"]
    if paths is not None:
        assert sorted(error.path for error in problem.errors) == paths
