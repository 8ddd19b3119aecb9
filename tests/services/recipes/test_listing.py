"""The list of recipes, with who changed each and its last job."""

from __future__ import annotations

from pathlib import Path

from services.database import Database
from services.jobs.job import Submission
from services.recipes.listing import list_recipes
from services.settings import Settings
from tests.services.schedules.world import BY, World, recipe


def test_each_recipe_with_its_last_job(settings: Settings, database: Database, tmp_path: Path) -> None:
    world = World(settings, database, tmp_path)  # which has the recipe `docs`
    world.recipes.overwrite(world.project, "docs", recipe(tmp_path), "key:other", revision=1, note="again")
    world.recipes.create(world.project, "news", recipe(tmp_path, "news"), BY)
    world.recipes.create(world.project, "old", recipe(tmp_path, "old"), BY)
    world.recipes.delete(world.project, "old", revision=1)
    for _ in range(2):
        new = world.intake.prepare(world.project, Submission(recipe_name="docs"), by=BY)
        last, _ = world.jobs.submit(world.project, new, BY)
    docs, news = list_recipes(database, world.project, limit=10)
    assert (docs.name, docs.revision, docs.changed_by, docs.note) == ("docs", 2, "key:other", "again")
    assert (docs.job_id, docs.job_state, docs.corpus) == (last.id, "QUEUED", "docs")
    assert (news.name, news.revision, news.job_id, news.corpus) == ("news", 1, None, None)
    assert [one.name for one in list_recipes(database, world.project, after="docs", limit=10)] == ["news"]
    assert [one.name for one in list_recipes(database, world.project, limit=1)] == ["docs"]
    assert list_recipes(database, "prj_other", limit=10) == []
