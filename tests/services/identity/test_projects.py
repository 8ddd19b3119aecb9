"""Projects: names, revisions, and roots that never overlap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.database import Database
from services.errors import AlreadyExists, Conflict, Invalid, NotFound, PreconditionFailed
from services.identity.projects import Projects, absolute_root, contains, overlap
from services.settings import Settings
from tests.services.conftest import make_settings


@pytest.fixture
def projects(database: Database, settings: Settings) -> Projects:
    return Projects(database, settings)


def test_the_default_project_is_made_once(projects: Projects, tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: projects.ensure_default(), range(8)))
    assert {project.id for project in made} == {projects.by_name("default").id}
    assert made[0].roots == (str(tmp_path),)
    assert [project.name for project in projects.list()] == ["default"]


def test_the_default_projects_roots_follow_the_settings(database: Database, settings: Settings, tmp_path: Path) -> None:
    project = Projects(database, settings).ensure_default()
    moved = settings.model_copy(update={"roots": (str(tmp_path / "new"), "s3://text")})
    assert Projects(database, moved).roots(project.id) == (str(tmp_path / "new"), "s3://text")


def test_roots_that_the_installation_gives_up_are_lost(database: Database, settings: Settings, tmp_path: Path) -> None:
    wide = settings.model_copy(update={"roots": ("s3://text", str(tmp_path))})
    projects = Projects(database, wide)
    default = projects.ensure_default()
    projects.update(default.id, (str(tmp_path), "s3://text/all"), default.revision)
    narrow = settings.model_copy(update={"roots": (str(tmp_path),)})
    assert Projects(database, narrow).roots(default.id) == (str(tmp_path),)


def test_roots_of_two_projects_never_overlap(projects: Projects, tmp_path: Path) -> None:
    default = projects.ensure_default()
    with pytest.raises(Conflict, match="narrow the roots of 'default' first"):
        projects.create("web", (str(tmp_path / "web"),), "test")
    projects.update(default.id, (str(tmp_path / "default"),), default.revision)
    web = projects.create("web", (str(tmp_path / "web"),), "test")
    assert projects.roots(web.id) == (str(tmp_path / "web"),)
    for root in (tmp_path / "web", tmp_path / "web" / "below", tmp_path):
        with pytest.raises(Conflict):
            projects.create("other", (str(root),), "test")
    assert projects.create("website", (str(tmp_path / "website"),), "test").roots == (str(tmp_path / "website"),)


def test_a_link_does_not_hide_that_roots_overlap(projects: Projects, tmp_path: Path) -> None:
    default = projects.ensure_default()
    projects.update(default.id, (), default.revision)
    (tmp_path / "web").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "web")
    projects.create("web", (str(tmp_path / "web"),), "test")
    with pytest.raises(Conflict):
        projects.create("other", (str(tmp_path / "link"),), "test")


@pytest.mark.parametrize(
    "root", ["/", "/etc", "{}/../other", "s3://bucket", "gs://bucket", "s3://", "", "a\0b", "s3://a//b", "s3://a/../b"]
)
def test_roots_outside_of_the_installations_are_invalid(projects: Projects, tmp_path: Path, root: str) -> None:
    with pytest.raises(Invalid) as caught:
        projects.create("web", (root.format(tmp_path),), "test")
    assert [problem.path for problem in caught.value.problems] == ["roots.0"]
    with pytest.raises(NotFound):
        projects.by_name("web")


def test_one_projects_roots_do_not_overlap(projects: Projects, tmp_path: Path) -> None:
    with pytest.raises(Invalid):
        projects.create("web", (str(tmp_path / "web"), str(tmp_path / "web" / "below")), "test")


def test_many_at_once_share_no_root(projects: Projects, tmp_path: Path) -> None:
    default = projects.ensure_default()
    projects.update(default.id, (), default.revision)

    def create(number: int) -> bool:
        try:
            projects.create(f"p{number}", (str(tmp_path / "web"),), "test")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 1


def test_names_are_taken_once(projects: Projects) -> None:
    projects.create("web", (), "test")
    with pytest.raises(AlreadyExists):
        projects.create("web", (), "test")


def test_an_old_revision_changes_nothing(projects: Projects, tmp_path: Path) -> None:
    default = projects.ensure_default()
    changed = projects.update(default.id, (str(tmp_path / "one"),), default.revision)
    assert changed.revision == default.revision + 1
    with pytest.raises(PreconditionFailed):
        projects.update(default.id, (str(tmp_path / "two"),), default.revision)
    assert projects.get(default.id) == changed


def test_lists_go_on_behind_the_last_one_seen(projects: Projects) -> None:
    for number in range(5):
        projects.create(f"p{number}", (), "test")
    first = projects.list(limit=4)
    rest = projects.list(after=first[-1].id, limit=4)
    assert {p.name for p in [*first, *rest]} == {"default", *(f"p{n}" for n in range(5))}
    assert len(first) + len(rest) == 6


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("s3://a/b", "s3://a/b/c", True),
        ("s3://a/b", "s3://a/bc", False),
        ("s3://a", "s3://ab", False),
        ("/", "/x", True),
        ("/x", "/x/y", True),
        ("/x", "/xy", False),
        ("/s3:/a", "s3://a", False),
    ],
)
def test_what_contains_what(one: str, other: str, expected: bool) -> None:
    assert contains(one, other) is expected
    assert overlap(other, one) is expected


def test_roots_have_one_spelling(tmp_path: Path) -> None:
    assert absolute_root(f"file://{tmp_path}/x/../y/") == str(tmp_path / "y")
    assert absolute_root("s3://bucket/prefix/") == "s3://bucket/prefix"
    assert make_settings(tmp_path).roots == (str(tmp_path),)
