"""The store of recipes, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.database import Database
from services.errors import AlreadyExists, Invalid, NotFound, PreconditionFailed, ServiceError
from services.recipes.store import RecipeStore
from tests.services.jobs.conftest import OTHER, PROJECT, make_projects


@pytest.fixture
def recipes(database: Database) -> RecipeStore:
    make_projects(database)
    return RecipeStore(database)


def body(name: str = "web", **fields: Any) -> dict[str, Any]:
    return {"name": name, "output": "corpus", "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}], **fields}


def test_every_revision_stays_as_it_was_written(recipes: RecipeStore) -> None:
    first = recipes.create(PROJECT, "web", body(), "ada", note="begin")
    second = recipes.overwrite(PROJECT, "web", body(seed=7), "eve", revision=1)
    assert (first.revision, first.recipe, first.note, first.created_by) == (1, body(), "begin", "ada")
    assert recipes.get(PROJECT, "web") == second
    assert recipes.get(PROJECT, "web", 1) == first
    assert [revision.revision for revision in recipes.revisions(PROJECT, "web")] == [2, 1]
    assert [revision.revision for revision in recipes.revisions(PROJECT, "web", before=2)] == [1]


def test_a_name_is_taken_once_and_its_revisions_go_on(recipes: RecipeStore) -> None:
    recipes.create(PROJECT, "web", body(), "ada")
    with pytest.raises(AlreadyExists):
        recipes.create(PROJECT, "web", body(), "ada")
    recipes.delete(PROJECT, "web", revision=1)
    with pytest.raises(NotFound):
        recipes.get(PROJECT, "web")
    assert recipes.list(PROJECT) == []
    assert recipes.create(PROJECT, "web", body(seed=1), "ada").revision == 2
    with pytest.raises(PreconditionFailed):
        recipes.overwrite(PROJECT, "web", body(), "ada", revision=1)
    with pytest.raises(PreconditionFailed):
        recipes.delete(PROJECT, "web", revision=1)


def test_projects_do_not_see_one_another(recipes: RecipeStore) -> None:
    recipes.create(PROJECT, "web", body(), "ada")
    for ask in (
        lambda: recipes.get(OTHER, "web"),
        lambda: recipes.newest(OTHER, "web"),
        lambda: recipes.revisions(OTHER, "web"),
        lambda: recipes.delete(OTHER, "web", revision=1),
        lambda: recipes.overwrite(OTHER, "web", body(), "eve", revision=1),
    ):
        with pytest.raises(NotFound):
            ask()
    assert recipes.create(OTHER, "web", body(), "eve").revision == 1


def test_lists_are_paged_by_name(recipes: RecipeStore) -> None:
    for name in ("b", "c", "a"):
        recipes.create(PROJECT, name, body(name), "ada")
    assert [recipe.name for recipe in recipes.list(PROJECT, limit=2)] == ["a", "b"]
    assert [recipe.name for recipe in recipes.list(PROJECT, after="b")] == ["c"]


def test_what_cannot_be_run_is_not_stored(recipes: RecipeStore) -> None:
    for wrong, path in ((body("other"), "name"), (body(seed=-1), "seed"), (body(output="s3://b/\0"), "output")):
        with pytest.raises(Invalid) as raised:
            recipes.create(PROJECT, "web", wrong, "ada")
        assert [problem.path for problem in raised.value.problems] == [path]
    assert recipes.list(PROJECT) == []


def test_of_many_writers_one_wins(recipes: RecipeStore) -> None:
    def write(seed: int) -> str:
        try:
            recipes.create(PROJECT, "web", body(seed=seed), "ada")
            return "made"
        except ServiceError as error:
            return error.slug

    def change(seed: int) -> str:
        try:
            recipes.overwrite(PROJECT, "web", body(seed=seed), "ada", revision=1)
            return "changed"
        except ServiceError as error:
            return error.slug

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == ["already-exists"] * 7 + ["made"]
        assert sorted(pool.map(change, range(8))) == ["changed"] + ["precondition-failed"] * 7
    assert len(recipes.revisions(PROJECT, "web")) == 2
