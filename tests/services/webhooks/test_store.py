"""Webhooks as clients see them: their own project's, by revision, with secrets that are shown once."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from services.database import Database
from services.database.tables import deliveries, webhooks
from services.errors import Conflict, Invalid, NotFound, PreconditionFailed
from services.settings import Settings
from services.webhooks.outbox import enqueue
from services.webhooks.store import MAX_WEBHOOKS, WebhookStore
from services.webhooks.webhook import DeliveryState, EventName, NewWebhook, WebhookPatch
from tests.services.webhooks.receivers import make_project

SECRET = b"a secret of a test, which is long enough"
NEW = NewWebhook(name="hook", url="https://hooks.example.com/x")


@pytest.fixture
def store(database: Database, settings: Settings) -> WebhookStore:
    return WebhookStore(database, SECRET, settings, resolver=lambda host, port: ["93.184.215.14"])


@pytest.fixture
def project(database: Database) -> str:
    return make_project(database, "web")


def test_a_webhook_is_made_read_changed_and_deleted(store: WebhookStore, project: str) -> None:
    made = store.create(project, NEW, "key:1")
    assert (made.revision, made.events, made.created_by) == (1, (), "key:1")
    assert store.get(project, made.id).model_dump() == made.model_dump(exclude={"secret"})
    patch = WebhookPatch(events=(EventName.JOB_FAILED,))
    changed = store.update(project, made.id, patch, revision=1)
    assert (changed.revision, changed.events, changed.url) == (2, (EventName.JOB_FAILED,), NEW.url)
    with pytest.raises(PreconditionFailed):
        store.update(project, made.id, patch, revision=1)
    with pytest.raises(PreconditionFailed):
        store.delete(project, made.id, revision=1)
    store.delete(project, made.id, revision=2)
    with pytest.raises(NotFound):
        store.get(project, made.id)
    assert store.list(project) == []


def test_another_project_sees_nothing(store: WebhookStore, project: str, database: Database) -> None:
    made = store.create(project, NEW, "key:1")
    ping = store.ping(project, made.id)
    other = make_project(database, "other")
    assert store.list(other) == []
    for ask in (
        lambda: store.get(other, made.id),
        lambda: store.update(other, made.id, WebhookPatch(name="mine"), revision=1),
        lambda: store.delete(other, made.id, revision=1),
        lambda: store.pause(other, made.id, "x"),
        lambda: store.resume(other, made.id),
        lambda: store.rotate(other, made.id),
        lambda: store.ping(other, made.id),
        lambda: store.deliveries(other, made.id),
        lambda: store.delivery(other, made.id, ping.id),
        lambda: store.replay(other, made.id, ping.id),
        lambda: store.replay_dead(other, made.id),
    ):
        with pytest.raises(NotFound):
            ask()


def test_a_secret_derives_from_the_installation_s_and_is_not_stored(
    store: WebhookStore, project: str, database: Database, settings: Settings
) -> None:
    made = store.create(project, NEW, "key:1")
    rotated = store.rotate(project, made.id)
    assert made.secret.startswith("whsec_")
    assert rotated.secret != made.secret
    assert rotated.rotated is not None
    elsewhere = WebhookStore(database, SECRET[::-1], settings)
    assert elsewhere.secrets.secret(made.id, 1) != made.secret == store.secrets.secret(made.id, 1)
    with database.reading() as connection:
        stored = str(list(connection.execute(select(webhooks))))
    assert made.secret not in stored
    assert rotated.secret not in stored


@pytest.mark.parametrize(
    "url", ["http://hooks.example.com/", "https://127.0.0.1/", "https://10.0.0.1/", "https://localhost/"]
)
def test_an_address_that_may_not_be_called_is_refused_when_made_and_when_changed(
    store: WebhookStore, project: str, url: str
) -> None:
    with pytest.raises(Invalid):
        store.create(project, NewWebhook(name="bad", url=url), "key:1")
    made = store.create(project, NEW, "key:1")
    with pytest.raises(Invalid):
        store.update(project, made.id, WebhookPatch(url=url), revision=1)


def test_pausing_and_resuming_twice_is_as_once(store: WebhookStore, project: str) -> None:
    made = store.create(project, NEW, "key:1")
    paused = store.pause(project, made.id, "key:2")
    assert paused.paused is not None
    assert "key:2" in paused.pause_reason
    assert store.pause(project, made.id, "key:3") == paused
    with pytest.raises(Conflict):
        store.ping(project, made.id)
    resumed = store.resume(project, made.id)
    assert (resumed.paused, resumed.pause_reason) == (None, "")
    assert store.resume(project, made.id) == resumed


def test_lists_are_newest_first_and_go_on(store: WebhookStore, project: str) -> None:
    made = [store.create(project, NEW, "key:1").id for _ in range(5)]
    first = store.list(project, limit=2)
    rest = store.list(project, after=first[-1].id)
    assert [webhook.id for webhook in [*first, *rest]] == sorted(made, reverse=True)


def test_a_project_has_so_many_webhooks_and_no_more(store: WebhookStore, project: str, database: Database) -> None:
    for _ in range(MAX_WEBHOOKS):
        store.create(project, NEW, "key:1")
    with pytest.raises(Conflict):
        store.create(project, NEW, "key:1")
    assert store.create(make_project(database, "other"), NEW, "key:1").revision == 1


def test_the_dead_are_replayed_one_by_one_or_all(store: WebhookStore, project: str, database: Database) -> None:
    made = store.create(project, NEW, "key:1")
    with database.transaction() as connection:
        assert enqueue(connection, project, "job.failed", {"type": "job.failed"}) == 1
        assert enqueue(connection, project, "job.queued", {"type": "job.queued"}) == 1
        dead = {"state": "DEAD", "next_at": None, "tries": 8, "last_error": "answered 500"}
        connection.execute(update(deliveries).values(**dead))
    found = store.deliveries(project, made.id, state=DeliveryState.DEAD)
    assert {delivery.event for delivery in found} == {"job.queued", "job.failed"}
    again = store.replay(project, made.id, found[0].id)
    assert (again.id, again.state, again.tries) == (found[0].id, DeliveryState.PENDING, 0)
    assert store.replay_dead(project, made.id) == 1
    assert store.replay_dead(project, made.id) == 0
    assert len(store.deliveries(project, made.id, state=DeliveryState.PENDING)) == 2
    with pytest.raises(NotFound):
        store.replay(project, made.id, "msg_none")


def test_deleting_gives_up_what_waits(store: WebhookStore, project: str, database: Database) -> None:
    made = store.create(project, NEW, "key:1")
    store.ping(project, made.id)
    store.delete(project, made.id, revision=1)
    with database.reading() as connection:
        assert list(connection.execute(select(deliveries.c.state)).scalars()) == ["DEAD"]
