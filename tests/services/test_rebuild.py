"""A lost database: what is true of corpora is found again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from curation.pipeline import curate
from curation.runner.local import LocalRunner
from curation.storage import open_storage
from services.catalogue import Catalogue
from services.database import Database, open_database
from services.database.tables import metadata
from services.identity.projects import Projects
from services.insights.insights import Insights
from services.jobs.job import JobFilter
from services.jobs.states import State
from services.jobs.store import JobStore
from services.rebuild import _below_prefix, rebuild
from services.settings import Settings
from tests.pipeline.inputs import recipe, write_inputs
from tests.services.conftest import make_settings
from tests.services.corpora import JOB, make_corpora
from tests.services.webhooks.receivers import make_project


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rebuild")
    make_corpora(folder)
    shutil.copytree(folder / "corpora/small", folder / "other/deep/small")
    for manifest in (folder / "other/deep/small/_manifests").glob("1-*"):
        manifest.unlink()
    (folder / "link").symlink_to(folder / "corpora")
    return folder


def test_corpora_and_their_history_come_back(made: Path, database: Database, settings: Settings) -> None:
    project = Projects(database, settings).ensure_default().id
    found = rebuild(database, project, [str(made)])
    assert [entry.url for entry in found.corpora] == [f"{made}/corpora/small", f"{made}/other/deep/small"]
    assert [entry.name for entry in found.corpora] == ["small", "small-2"]
    assert found.jobs == 3
    assert len(found.problems) == 1
    assert "version 1" in found.problems[0]

    store = JobStore(database, settings)
    jobs = store.list(project, JobFilter())
    assert {job.state for job in jobs} == {State.SUCCEEDED}
    assert sorted((job.corpus, job.version) for job in jobs) == [("small", 1), ("small", 2), ("small-2", 2)]
    own = store.get(project, f"{JOB[:-1]}1")
    insights = Insights(Catalogue(database))
    funnel = insights.funnel(project, "small", 1)
    assert (own.version, own.documents_read) == (1, funnel.steps[0].documents_in)
    assert insights.job_report(project, own).steps == funnel.steps
    assert store.recipe(project, own.id) == insights.manifest(project, "small", 1).recipe

    again = rebuild(database, project, [str(made), str(made)])
    assert (again.corpora, again.jobs) == (found.corpora, 0)
    assert store.list(project, JobFilter()) == jobs


def test_one_id_is_one_version_of_one_project(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    for number in (1, 2):  # two generations of one job
        curate(recipe(tmp_path, tmp_path / "twice", seed=number), LocalRunner(), f"{JOB}-{number}")
    settings = make_settings(tmp_path)
    database = open_database(settings)
    metadata.create_all(database.engine)
    projects = Projects(database, settings)
    project = projects.ensure_default().id
    found = rebuild(database, project, [str(tmp_path)])
    assert found.jobs == 2
    (problem,) = found.problems
    assert f"version 2: job {JOB}, which made it, is that of version 1" in problem
    store = JobStore(database, settings)
    insights = Insights(Catalogue(database))
    assert sorted(job.version or 0 for job in store.list(project, JobFilter())) == [1, 2]
    assert {insights.job_report(project, job).version for job in store.list(project, JobFilter())} == {1, 2}
    assert rebuild(database, project, [str(tmp_path)]).jobs == 0

    other = make_project(database, "other")
    said = rebuild(database, other, [str(tmp_path)])
    assert said.jobs == 0
    assert f"another project has the job {JOB}" in said.problems[0]
    database.close()


def test_a_prefix_is_searched_by_its_keys(made: Path) -> None:
    root = str(made)
    assert list(_below_prefix(f"{root}/other")) == [f"{root}/other/deep/small"]
    assert list(_below_prefix(f"{root}/corpora/small")) == [f"{root}/corpora/small"]
    assert open_storage(root).list("corpora/")
