"""Another mixture is tried on what a version keeps, which is counted once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curation.corpus import Corpus
from curation.errors import RecipeError
from curation.mixture import Mixture, mixture_report
from curation.pipeline import curate
from curation.runner.local import LocalRunner
from services.catalogue import Catalogue
from services.database import open_database
from services.database.tables import metadata
from services.errors import Invalid, NotFound
from services.identity.projects import Projects
from services.insights import mixtures
from services.insights.insights import Insights
from services.insights.mixtures import Mixtures
from tests.pipeline.inputs import COUNTED, recipe, write_inputs
from tests.services.conftest import make_settings

EVEN = {"scheme": "fixed", "weights": {"web": 1, "notes": 1}}
OTHERS: list[dict[str, Any]] = [
    {},
    {**EVEN, "weights": {"web": 3, "notes": 1}, "max_epochs": 1, "tokens": 100_000},
    {"scheme": "temperature", "temperature": 3.3, "by": "language"},
    {"scheme": "unimax", "max_epochs": 2},
    {"scheme": "rehydrate"},
    {"scheme": "rehydrate", "cluster_weights": {"1": 1, "2": 4}},
    {"by": "bucket", "bucket": "language.label"},
    {"scheme": "quality_bucketed", "bucket": "language.label", "weights": {"en": 2}},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`corpora/mixed` with two versions."""
    folder = tmp_path_factory.mktemp("mixtures")
    write_inputs(folder)
    for seed in (0, 1):
        made = recipe(folder, folder / "corpora/mixed", stages=COUNTED, mixture=EVEN, seed=seed)
        curate(made, LocalRunner())
    return folder


@pytest.fixture(scope="module")
def insights(folder: Path) -> Iterator[tuple[Insights, str]]:
    """With the project's id."""
    opened = open_database(make_settings(folder))
    metadata.create_all(opened.engine)
    project = Projects(opened, make_settings(folder)).ensure_default().id
    catalogue = Catalogue(opened)
    for name in ("mixed", "emptied"):
        catalogue.register(project, str(folder / "corpora" / name))
    yield Insights(catalogue), project
    opened.close()


@pytest.mark.parametrize("options", OTHERS)
def test_a_trial_is_what_the_library_says(
    insights: tuple[Insights, str], folder: Path, options: dict[str, Any]
) -> None:
    asked, project = insights
    corpus, mixture = Corpus(str(folder / "corpora/mixed")), Mixture.model_validate(options)
    found = Mixtures(asked).mixture_of((project, "mixed", 1), mixture)
    assert found == mixture_report(corpus.storage, corpus.manifest(1), mixture)


def test_a_versions_own_mixture_is_the_one_that_is_shown(insights: tuple[Insights, str]) -> None:
    asked, project = insights
    found = Mixtures(asked).mixture_of((project, "mixed", 2), Mixture.model_validate(EVEN))
    assert found == asked.mixture(project, "mixed", 2).plan


def test_only_other_groups_are_counted_again(insights: tuple[Insights, str], folder: Path) -> None:
    asked, project = insights
    shutil.copytree(folder / "corpora/mixed", folder / "corpora/emptied")
    tried = Mixtures(asked)
    place = (project, "emptied", 1)
    tried.mixture_of(place, Mixture())
    shutil.rmtree(folder / "corpora/emptied/_decisions")
    assert tried.mixture_of(place, Mixture.model_validate(EVEN)).parts[0].target == 0.5
    with pytest.raises(NotFound):
        tried.mixture_of(place, Mixture(by="language"))


def test_what_does_not_fit_is_said_by_its_path(insights: tuple[Insights, str]) -> None:
    asked, project = insights
    for options, path in (
        ({"scheme": "fixed", "weights": {"web": 1}}, "mixture.weights"),
        ({**EVEN, "weights": {**EVEN["weights"], "other": 1}}, "mixture.weights.other"),  # type: ignore[dict-item]
        ({"max_epochs_of": {"other": 1}}, "mixture.max_epochs_of.other"),
        ({"by": "bucket", "bucket": "a.b"}, "mixture.bucket"),
    ):
        with pytest.raises(RecipeError) as caught:
            Mixtures(asked).mixture_of((project, "mixed", 1), Mixture.model_validate(options))
        assert [problem.path for problem in caught.value.problems] == [path]


def test_there_is_a_limit_to_the_parts(insights: tuple[Insights, str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked, project = insights
    monkeypatch.setattr(mixtures, "MAX_PARTS", 1)
    with pytest.raises(Invalid, match="found 2 parts, expected 1 at most"):
        Mixtures(asked).mixture_of((project, "mixed", 1), Mixture())


@pytest.mark.parametrize(
    "options",
    [
        {"tokens": 10**19},
        {"tokens": 10**400},
        {"scheme": "quality_bucketed", "bucket": "language.label", "weights": {"en": 1e308}},
    ],
)
def test_there_is_a_limit_to_the_budget(insights: tuple[Insights, str], options: dict[str, Any]) -> None:
    asked, project = insights
    with pytest.raises(Invalid, match="found a budget"):
        Mixtures(asked).mixture_of((project, "mixed", 1), Mixture.model_validate(options))


def test_the_history_is_what_the_reports_say(insights: tuple[Insights, str], folder: Path) -> None:
    asked, project = insights
    tried, corpus = Mixtures(asked), Corpus(str(folder / "corpora/mixed"))
    history = tried.history(project, "mixed", 2)
    assert [version.version for version in history] == [1, 2]
    for version in history:
        kept = corpus.report(version.version)
        assert (version.documents, version.tokens) == (kept.documents("kept"), kept.tokens("kept"))
        by_source = {source.name: source.documents for source in version.sources}
        assert by_source == {name: counts["kept"] for name, counts in kept.by("source").items()}
        assert sum(source.tokens or 0 for source in version.sources) == version.tokens
    assert tried.history(project, "mixed", 1) == history[:1]
    assert tried.history(project, "mixed", 2, limit=1) == history[1:]
