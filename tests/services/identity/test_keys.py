"""API keys: what they may, how they end, and that nothing of them is kept that could be used."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy

from services.database import Database
from services.database.tables import api_keys
from services.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from services.identity.keys import KEY_TEXT, Keys, NewKey
from services.identity.principal import Permission, Principal, Role
from services.identity.projects import Project, Projects
from services.settings import Settings

SECRET = b"a secret of a test, which is long enough"


@pytest.fixture
def project(database: Database, settings: Settings) -> Project:
    return Projects(database, settings).ensure_default()


@pytest.fixture
def keys(database: Database) -> Keys:
    return Keys(database, SECRET)


def admin(project: Project, **changes: object) -> Principal:
    values = {"name": "test", "project_id": project.id, "project": project.name, "role": Role.ADMIN}
    return Principal.model_validate({**values, **changes})


def test_a_key_lets_its_project_in(keys: Keys, project: Project) -> None:
    scopes = frozenset({Permission.JOBS_READ})
    key, text = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR, scopes=scopes), "test")
    assert KEY_TEXT.fullmatch(text)
    assert text.startswith(f"cur_{key.id.removeprefix('key_')}_")
    who = keys.authenticate(text)
    assert (who.name, who.project, who.role, who.scopes) == (f"key:{key.id}", "default", Role.EDITOR, scopes)
    assert who.may(Permission.JOBS_READ)
    assert not who.may(Permission.JOBS_WRITE)


def test_the_text_is_not_kept(keys: Keys, project: Project, database: Database) -> None:
    _, text = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR), "test")
    with database.reading() as connection:
        rows = connection.execute(sqlalchemy.select(api_keys)).all()
    assert text[-43:] not in str(rows)


def test_whoever_is_not_let_in_learns_nothing(keys: Keys, project: Project, database: Database) -> None:
    _, good = keys.create(project.id, NewKey(name="good", role=Role.VIEWER), "test")
    revoked, revoked_text = keys.create(project.id, NewKey(name="revoked", role=Role.VIEWER), "test")
    keys.revoke(admin(project), revoked.id)
    later = database.now() + timedelta(hours=1)
    expired, expired_text = keys.create(project.id, NewKey(name="old", role=Role.VIEWER, expires=later), "test")
    assert keys.authenticate(expired_text).name == f"key:{expired.id}"
    with database.transaction() as connection:
        past = later - timedelta(hours=2)
        connection.execute(api_keys.update().where(api_keys.c.id == expired.id).values(expires=past))
    wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
    unknown = good.replace(good[4:30], "0" * 26)
    garbage = ["", "x", "cur_", "cur_" + "é" * 70, "\0", "\ud800", good + "\n", good[:-1], good.upper(), good + " "]
    answers = set()
    for text in (revoked_text, expired_text, wrong, unknown, *garbage):
        with pytest.raises(Unauthorized) as caught:
            keys.authenticate(text)
        answers.add(caught.value.detail)
    assert len(answers) == 1


def test_another_installations_secret_lets_nobody_in(keys: Keys, project: Project, database: Database) -> None:
    _, text = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR), "test")
    with pytest.raises(Unauthorized):
        Keys(database, b"another secret, long enough as well").authenticate(text)


def test_nobody_makes_a_key_that_may_more_than_theirs(keys: Keys, project: Project) -> None:
    scopes = frozenset({Permission.KEYS_WRITE, Permission.JOBS_READ})
    narrowed = admin(project, scopes=scopes)
    refused = [
        (admin(project, role=Role.EDITOR), NewKey(name="k", role=Role.ADMIN)),
        (admin(project), NewKey(name="k", role=Role.ADMIN, is_installation_admin=True)),
        (narrowed, NewKey(name="k", role=Role.VIEWER)),
        (narrowed, NewKey(name="k", role=Role.ADMIN, scopes=frozenset({Permission.JOBS_WRITE}))),
    ]
    for who, new in refused:
        with pytest.raises(Forbidden):
            keys.grant(who, new)
    assert keys.list(project.id) == []
    key, _ = keys.grant(narrowed, NewKey(name="k", role=Role.ADMIN, scopes=scopes))
    assert key.scopes == tuple(sorted(scopes))


def test_keys_that_make_no_sense_are_invalid(keys: Keys, project: Project, database: Database) -> None:
    past = database.now() - timedelta(seconds=1)
    wrong = [
        (NewKey(name="k", role=Role.VIEWER, scopes=frozenset({Permission.KEYS_WRITE})), "scopes"),
        (NewKey(name="k", role=Role.VIEWER, expires=past), "expires"),
        (NewKey(name="k", role=Role.VIEWER, is_installation_admin=True), "role"),
    ]
    for new, path in wrong:
        with pytest.raises(Invalid) as caught:
            keys.create(project.id, new, "test")
        assert [problem.path for problem in caught.value.problems] == [path]


def test_there_is_one_first_key(keys: Keys, project: Project) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [first for first in pool.map(lambda _: keys.first(project.id), range(8)) if first is not None]
    assert len(made) == 1
    assert keys.authenticate(made[0][1]).is_installation_admin
    assert keys.first(project.id) is None


def test_the_last_admin_of_the_installation_stays(keys: Keys, project: Project) -> None:
    made = keys.first(project.id)
    assert made is not None
    first, who = made[0], admin(project, is_installation_admin=True)
    with pytest.raises(Forbidden):
        keys.revoke(admin(project), first.id)
    with pytest.raises(Conflict):
        keys.revoke(who, first.id)
    second, _ = keys.grant(who, NewKey(name="second", role=Role.ADMIN, is_installation_admin=True))
    with ThreadPoolExecutor(2) as pool:
        ended = [pool.submit(keys.revoke, who, key.id) for key in (first, second)]
    assert sorted(type(e.exception()).__name__ for e in ended) == ["Conflict", "NoneType"]


def test_revoking_twice_is_once(keys: Keys, project: Project) -> None:
    key, _ = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR), "test")
    assert keys.revoke(admin(project), key.id) == keys.revoke(admin(project), key.id)


def test_another_projects_keys_are_not_found(
    keys: Keys, project: Project, database: Database, settings: Settings
) -> None:
    key, _ = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR), "test")
    other = Projects(database, settings).create("other", (), "test")
    with pytest.raises(NotFound):
        keys.revoke(admin(other), key.id)
    with pytest.raises(NotFound):
        keys.get(other.id, key.id)
    assert keys.list(other.id) == []
    assert keys.get(project.id, key.id).revoked is None


def test_last_use_is_written_once_a_minute(keys: Keys, project: Project, database: Database) -> None:
    key, text = keys.create(project.id, NewKey(name="ci", role=Role.EDITOR), "test")
    assert keys.get(project.id, key.id).last_used is None
    keys.authenticate(text)
    used = keys.get(project.id, key.id).last_used
    assert used is not None
    Keys(database, SECRET).authenticate(text)
    assert keys.get(project.id, key.id).last_used == used
    long_ago = used - timedelta(minutes=2)
    with database.transaction() as connection:
        connection.execute(api_keys.update().values(last_used=long_ago))
    keys.authenticate(text)
    assert keys.get(project.id, key.id).last_used == long_ago
    Keys(database, SECRET).authenticate(text)
    assert keys.get(project.id, key.id).last_used != long_ago


def test_lists_go_on_behind_the_last_one_seen(keys: Keys, project: Project) -> None:
    for number in range(5):
        keys.create(project.id, NewKey(name=f"k{number}", role=Role.VIEWER), "test")
    first = keys.list(project.id, limit=3)
    rest = keys.list(project.id, after=first[-1].id, limit=3)
    assert len({key.id for key in [*first, *rest]}) == 5
