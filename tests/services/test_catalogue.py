"""One entry an address, one address a name, however many ask at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from services.catalogue import Catalogue
from services.database import Database
from services.errors import AlreadyExists, NotFound
from services.identity.projects import Projects
from services.settings import Settings


@pytest.fixture
def project(database: Database, settings: Settings) -> str:
    return Projects(database, settings).ensure_default().id


@pytest.fixture
def catalogue(database: Database) -> Catalogue:
    return Catalogue(database)


def test_an_address_has_one_entry(catalogue: Catalogue, project: str) -> None:
    first = catalogue.register(project, "/data/corpora/web")
    assert (first.name, first.url) == ("web", "/data/corpora/web")
    assert catalogue.register(project, "/data/corpora/web") == first
    assert catalogue.register(project, "/data/corpora/web", "web") == first
    assert catalogue.get(project, "web") == first
    with pytest.raises(AlreadyExists, match="in the catalogue already, as 'web'"):
        catalogue.register(project, "/data/corpora/web", "other")


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("s3://bucket/a/b c", "b-c"),
        ("s3://bucket", "bucket"),
        ("/", "corpus"),
        ("/data/_hidden", "hidden"),
        ("/data/日本", "corpus"),
        ("/data/" + "x" * 200, "x" * 80),
    ],
)
def test_a_name_is_made_of_the_address(catalogue: Catalogue, project: str, url: str, name: str) -> None:
    assert catalogue.register(project, url).name == name


def test_equal_names_get_numbers_and_at_last_a_hash(catalogue: Catalogue, project: str) -> None:
    names = [catalogue.register(project, f"/data/{n}/web").name for n in range(21)]
    assert names[:3] == ["web", "web-2", "web-3"]
    assert len(set(names)) == 21
    assert len(names[-1]) == len("web-") + 16


def test_a_name_that_is_given_is_not_changed(catalogue: Catalogue, project: str) -> None:
    catalogue.register(project, "/data/a", "mine")
    with pytest.raises(AlreadyExists, match="the name mine is taken"):
        catalogue.register(project, "/data/b", "mine")


def test_many_at_once_make_one(catalogue: Catalogue, project: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        same = list(threads.map(lambda _: catalogue.register(project, "/data/web"), range(8)))
        others = list(threads.map(lambda n: catalogue.register(project, f"/other/{n}/web"), range(8)))
    assert len({entry.id for entry in same}) == 1
    assert len({entry.name for entry in others}) == 8
    assert len(catalogue.list(project)) == 9


def test_lists_go_on_behind_the_last_name(catalogue: Catalogue, project: str) -> None:
    for name in ("c", "a", "b"):
        catalogue.register(project, f"/data/{name}")
    assert [entry.name for entry in catalogue.list(project, limit=2)] == ["a", "b"]
    assert [entry.name for entry in catalogue.list(project, after="b", limit=2)] == ["c"]


def test_projects_do_not_see_one_another(catalogue: Catalogue, project: str, database: Database) -> None:
    catalogue.register(project, "/data/web")
    for ask in (catalogue.get, catalogue.forget):
        with pytest.raises(NotFound, match="knows no corpus 'web'"):
            ask("prj_other", "web")
    assert catalogue.list("prj_other") == []


def test_what_is_forgotten_can_be_registered_again(catalogue: Catalogue, project: str) -> None:
    first = catalogue.register(project, "/data/web")
    catalogue.forget(project, "web")
    with pytest.raises(NotFound):
        catalogue.get(project, "web")
    assert catalogue.register(project, "/data/web").id != first.id
