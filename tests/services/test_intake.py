"""From a submission to a job: what is let through, and what is said of the rest."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.catalogue import Catalogue
from services.database import Database, open_database
from services.database.tables import metadata
from services.errors import Invalid
from services.identity.projects import Projects
from services.intake import Intake
from services.jobs.job import Mode, Submission
from services.recipes.store import RecipeStore
from services.settings import Settings
from tests.services.conftest import make_settings


class Door:
    """An intake over a database, with the default project."""

    def __init__(self, database: Database, settings: Settings) -> None:
        projects = Projects(database, settings)
        self.project_id = projects.ensure_default().id
        self.recipes = RecipeStore(database)
        self.catalogue = Catalogue(database)
        self.intake = Intake(projects, self.recipes, self.catalogue)

    def wrong(self, **submission: Any) -> list[str]:
        with pytest.raises(Invalid) as raised:
            self.intake.prepare(self.project_id, Submission(**submission), by="test")
        return sorted(problem.path for problem in raised.value.problems)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    settings = make_settings(tmp_path)
    database = open_database(settings)
    metadata.create_all(database.engine)
    yield Door(database, settings)
    database.close()


def body(**fields: Any) -> dict[str, Any]:
    return {"name": "web", "output": "corpus", "sources": [{"name": "crawl", "uri": "raw/*.jsonl"}], **fields}


def test_a_recipe_that_comes_along(door: Door, tmp_path: Path) -> None:
    submission = Submission(
        mode=Mode.REFRESH, redo=True, recipe=body(), labels={"team": "x"}, priority=3, hold=True, workers=2
    )
    job = door.intake.prepare(door.project_id, submission, by="test", traceparent="00-a")
    assert job.recipe == body(
        output=str(tmp_path / "corpus"), sources=[{"name": "crawl", "uri": str(tmp_path / "raw/*.jsonl")}]
    )
    assert (job.recipe_name, job.recipe_revision) == ("web", None)
    assert (job.mode, job.redo) == (Mode.REFRESH, True)
    assert (job.corpus, job.corpus_url) == ("corpus", str(tmp_path / "corpus"))
    assert (job.labels, job.priority, job.hold, job.workers, job.traceparent) == ({"team": "x"}, 3, True, 2, "00-a")
    assert door.catalogue.get(door.project_id, "corpus").url == str(tmp_path / "corpus")


def test_a_recipe_that_is_stored(door: Door) -> None:
    door.recipes.create(door.project_id, "web", body(), "test")
    door.recipes.overwrite(door.project_id, "web", body(seed=5), "test", revision=1)
    newest = door.intake.prepare(door.project_id, Submission(recipe_name="web"), by="test")
    assert (newest.recipe["seed"], newest.recipe_revision) == (5, 2)
    first = door.intake.prepare(door.project_id, Submission(recipe_name="web", recipe_revision=1), by="test")
    assert ("seed" in first.recipe, first.recipe_revision) == (False, 1)


def test_an_occurrence_is_filled_in(door: Door, tmp_path: Path) -> None:
    daily = body(sources=[{"name": "crawl", "uri": "raw/${occurrence}/*.jsonl"}])
    at = datetime(2026, 11, 22, 3, tzinfo=UTC)
    job = door.intake.prepare(door.project_id, Submission(recipe=daily, occurrence=at), by="test", schedule_id="sch_1")
    assert job.recipe["sources"][0]["uri"] == str(tmp_path / "raw/2026-11-22/*.jsonl")
    assert (job.occurrence, job.schedule_id) == (at, "sch_1")
    assert door.wrong(recipe=daily) == ["recipe.sources.0.uri"]


@pytest.mark.parametrize(
    ("submission", "paths"),
    [
        ({}, ["recipe"]),
        ({"recipe": body(), "recipe_name": "web"}, ["recipe"]),
        ({"recipe_name": "nothing"}, ["recipe_name"]),
        ({"recipe": body(), "recipe_revision": 1}, ["recipe_revision"]),
        ({"recipe": body(), "redo": True}, ["redo"]),
        ({"recipe": body(sed=1, seed=-1)}, ["recipe.sed", "recipe.seed"]),
        ({"recipe": body(output="/etc/corpus")}, ["recipe.output"]),
        (
            {"recipe": body(output="../x", sources=[{"name": "a", "uri": "/etc/passwd"}])},
            ["recipe.output", "recipe.sources.0.uri"],
        ),
        ({"recipe": body(sources=[{"name": "a", "uri": "http://127.0.0.1/x"}])}, ["recipe.sources.0.uri"]),
    ],
)
def test_what_is_wrong_is_told_by_its_path(door: Door, submission: dict[str, Any], paths: list[str]) -> None:
    assert door.wrong(**submission) == paths
    assert door.catalogue.list(door.project_id) == []


def test_a_revision_that_is_not_there(door: Door) -> None:
    door.recipes.create(door.project_id, "web", body(), "test")
    assert door.wrong(recipe_name="web", recipe_revision=9) == ["recipe_revision"]


def test_a_stored_recipe_is_confined_when_it_is_run(door: Door) -> None:
    door.recipes.create(door.project_id, "web", body(output="/elsewhere"), "test")
    assert door.wrong(recipe_name="web") == ["recipe.output"]


def test_a_recipe_to_be_stored_is_checked_with_its_addresses(door: Door) -> None:
    with pytest.raises(Invalid) as raised:
        door.intake.check(door.project_id, body(output="/etc/x", seed=-1))
    assert sorted(problem.path for problem in raised.value.problems) == ["output", "seed"]
    daily = body(sources=[{"name": "crawl", "uri": "raw/${occurrence}/*.jsonl"}])
    assert door.intake.check(door.project_id, daily).recipe.name == "web"


def test_a_registry_of_several_files_is_read_through_the_door(door: Door, tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    question = "which of the seven lighthouses on the northern coast was built first"
    item = '{"benchmark": "coast", "id": %d, "question": "' + question + ' %d"}'
    for number in (1, 2):
        (tmp_path / f"sets/{number}.jsonl").write_text(item % (number, number))
    digests = set()
    for registry in ("sets", "sets/", "sets/*.jsonl", "./sets/[123].jsonl"):
        stages = [{"kind": "contamination", "registry": registry}]
        found = door.intake.check(door.project_id, body(stages=stages))
        (pinned,) = found.recipe.pinned().model_dump()["stages"]
        digests.add(pinned["registry_sha256"])
        (tmp_path / "sets/3.jsonl").write_text("[]")
        with pytest.raises(Invalid) as raised:
            door.intake.check(door.project_id, body(stages=stages))
        (tmp_path / "sets/3.jsonl").unlink()
        (problem,) = raised.value.problems
        assert problem.path == "stages.0.registry"
        assert str(tmp_path) not in problem.message
        assert problem.message.endswith("3.jsonl, line 1: found list, expected an object")
    assert len(digests) == 1
