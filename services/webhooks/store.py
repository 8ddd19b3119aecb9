"""The store of webhooks and of what is sent to them: for clients, who name a project and see only its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, func, insert, literal, select, update

from services.database import Database, new_id
from services.database.tables import deliveries, webhooks
from services.database.types import clock
from services.errors import Conflict, NotFound, PreconditionFailed
from services.settings import Settings
from services.webhooks.guard import Resolver, look_up, read_endpoint, resolve
from services.webhooks.signing import SigningSecrets
from services.webhooks.webhook import (
    Delivery,
    DeliveryState,
    EventName,
    NewWebhook,
    Webhook,
    WebhookPatch,
    WebhookWithSecret,
)

MAX_WEBHOOKS = 50
"""Of one project."""
OLD_SECRET_FOR = timedelta(hours=24)
"""How long the secret before a rotation signs too."""

_SHOWN = [column for column in webhooks.c if column.name not in {"project_id", "generation", "deleted"}]
_DELIVERY = [column for column in deliveries.c if column.name in Delivery.model_fields]


class WebhookStore:
    def __init__(self, database: Database, secret: bytes, settings: Settings, *, resolver: Resolver = look_up) -> None:
        self._database = database
        self._allowed_hosts = settings.webhook_hosts
        self._resolver = resolver
        self.secrets = SigningSecrets(secret)

    def create(self, project_id: str, new: NewWebhook, by: str) -> WebhookWithSecret:
        """With its secret, which is not shown again. Raises Invalid for an address that may not be called."""
        self.check_url(new.url)
        webhook_id = new_id("whk")
        with self._database.transaction() as connection:
            live = select(func.count()).where(webhooks.c.project_id == project_id, webhooks.c.deleted.is_(None))
            if connection.execute(live).scalar_one() >= MAX_WEBHOOKS:
                raise Conflict(f"the project has {MAX_WEBHOOKS} webhooks already; delete one")
            values = {**_columns(new), "id": webhook_id, "project_id": project_id, "created_by": by}
            connection.execute(insert(webhooks).values(**values, created=clock()))
            return self._with_secret(connection, project_id, webhook_id)

    def list(self, project_id: str, *, after: str | None = None, limit: int = 50) -> Sequence[Webhook]:
        """Newest first; `after` is the id of the last one seen."""
        query = select(*_SHOWN).where(webhooks.c.project_id == project_id, webhooks.c.deleted.is_(None))
        if after is not None:
            query = query.where(webhooks.c.id < after)
        with self._database.reading() as connection:
            rows = connection.execute(query.order_by(webhooks.c.id.desc()).limit(limit))
            return [_webhook(row._mapping) for row in rows]

    def get(self, project_id: str, webhook_id: str) -> Webhook:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return _get(connection, project_id, webhook_id)

    def update(self, project_id: str, webhook_id: str, patch: WebhookPatch, *, revision: int) -> Webhook:
        """Change what the patch names. Raises PreconditionFailed where the webhook is not at this revision any more."""
        if patch.url is not None:
            self.check_url(patch.url)
        with self._database.transaction() as connection:
            _change(connection, project_id, webhook_id, revision, **_columns(patch))
            return _get(connection, project_id, webhook_id)

    def pause(self, project_id: str, webhook_id: str, by: str) -> Webhook:
        """Send nothing; messages wait. Again is the same as once."""
        with self._database.transaction() as connection:
            if _get(connection, project_id, webhook_id).paused is None:
                _change(connection, project_id, webhook_id, paused=clock(), pause_reason=f"paused by {by}")
            return _get(connection, project_id, webhook_id)

    def resume(self, project_id: str, webhook_id: str) -> Webhook:
        """Send again, and what has waited too."""
        with self._database.transaction() as connection:
            if _get(connection, project_id, webhook_id).paused is not None:
                _change(connection, project_id, webhook_id, paused=None, pause_reason="")
            return _get(connection, project_id, webhook_id)

    def rotate(self, project_id: str, webhook_id: str) -> WebhookWithSecret:
        """A new secret; the one before signs too for a day."""
        with self._database.transaction() as connection:
            generation = webhooks.c.generation + 1
            _change(connection, project_id, webhook_id, generation=generation, rotated=clock())
            return self._with_secret(connection, project_id, webhook_id)

    def delete(self, project_id: str, webhook_id: str, *, revision: int) -> None:
        """Forget it; what has not arrived is given up."""
        with self._database.transaction() as connection:
            _change(connection, project_id, webhook_id, revision, deleted=clock())
            waiting = (deliveries.c.webhook_id == webhook_id, deliveries.c.state == DeliveryState.PENDING)
            ended = {"state": DeliveryState.DEAD, "next_at": None, "last_error": "the webhook was deleted"}
            connection.execute(update(deliveries).where(*waiting).values(**ended))

    # ------------------------------------------------------------------ deliveries

    def ping(self, project_id: str, webhook_id: str) -> Delivery:
        """Send a `webhook.test` to this one. Raises Conflict while it is paused."""
        with self._database.transaction() as connection:
            webhook = _get(connection, project_id, webhook_id)
            if webhook.paused is not None:
                raise Conflict(f"the webhook is paused ({webhook.pause_reason}); resume it first")
            delivery_id = new_id("msg")
            now = connection.execute(select(clock())).scalar_one()
            payload = {
                "type": EventName.WEBHOOK_TEST,
                "timestamp": now.isoformat(),
                "data": {"webhook_id": webhook_id, "name": webhook.name},
            }
            owner = {"id": delivery_id, "webhook_id": webhook_id, "project_id": project_id}
            content = {"event": EventName.WEBHOOK_TEST, "payload": payload, "state": DeliveryState.PENDING}
            connection.execute(insert(deliveries).values(**owner, **content, next_at=now, created=now))
            return _get_delivery(connection, project_id, webhook_id, delivery_id)

    def deliveries(
        self,
        project_id: str,
        webhook_id: str,
        *,
        state: DeliveryState | None = None,
        after: str | None = None,
        limit: int = 50,
    ) -> Sequence[Delivery]:
        """Newest first; `after` is the id of the last one seen."""
        with self._database.reading() as connection:
            _get(connection, project_id, webhook_id)
            query = select(*_DELIVERY).where(deliveries.c.webhook_id == webhook_id)
            if state is not None:
                query = query.where(deliveries.c.state == state)
            if after is not None:
                query = query.where(deliveries.c.id < after)
            rows = connection.execute(query.order_by(deliveries.c.id.desc()).limit(limit))
            return [Delivery(**row._mapping) for row in rows]

    def delivery(self, project_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Raises NotFound."""
        with self._database.reading() as connection:
            return _get_delivery(connection, project_id, webhook_id, delivery_id)

    def replay(self, project_id: str, webhook_id: str, delivery_id: str) -> Delivery:
        """Send it again now, with the same `webhook-id`, whether it arrived or not. Raises Conflict while it is being
        sent."""
        with self._database.transaction() as connection:
            _get_delivery(connection, project_id, webhook_id, delivery_id)
            if not _send_again(connection, deliveries.c.id == delivery_id, _is_free()):
                raise Conflict("the delivery is being sent at this moment; look at it in a minute")
            return _get_delivery(connection, project_id, webhook_id, delivery_id)

    def replay_dead(self, project_id: str, webhook_id: str) -> int:
        """Send again all that was given up; how many that is."""
        with self._database.transaction() as connection:
            _get(connection, project_id, webhook_id)
            is_dead = (deliveries.c.webhook_id == webhook_id, deliveries.c.state == DeliveryState.DEAD)
            return _send_again(connection, *is_dead)

    # ------------------------------------------------------------------------ both

    def check_url(self, url: str) -> None:
        """Raises Invalid for a URL that may not be called. A name without an address now passes: every send checks."""
        endpoint = read_endpoint(url, self._allowed_hosts)
        try:
            resolve(endpoint, self._resolver)
        except OSError:
            return

    def _with_secret(self, connection: Connection, project_id: str, webhook_id: str) -> WebhookWithSecret:
        webhook = _get(connection, project_id, webhook_id)
        generation = connection.execute(select(webhooks.c.generation).where(webhooks.c.id == webhook_id)).scalar_one()
        return WebhookWithSecret(**webhook.model_dump(), secret=self.secrets.secret(webhook_id, generation))


def _columns(model: NewWebhook | WebhookPatch) -> dict[str, Any]:
    given = model.model_dump(exclude_none=True)
    return given | ({"events": list(given["events"])} if "events" in given else {})


def _is_live(project_id: str, webhook_id: str) -> tuple[Any, ...]:
    is_it = (webhooks.c.id == webhook_id, webhooks.c.project_id == project_id)
    return (*is_it, webhooks.c.deleted.is_(None))


def _get(connection: Connection, project_id: str, webhook_id: str) -> Webhook:
    row = connection.execute(select(*_SHOWN).where(*_is_live(project_id, webhook_id))).one_or_none()
    if row is None:
        raise NotFound(f"found no webhook {webhook_id} in this project")
    return _webhook(row._mapping)


def _webhook(row: Mapping[Any, Any]) -> Webhook:
    return Webhook(**row)


def _change(
    connection: Connection, project_id: str, webhook_id: str, revision: int | None = None, **values: Any
) -> None:
    statement = update(webhooks).where(*_is_live(project_id, webhook_id))
    if revision is not None:
        statement = statement.where(webhooks.c.revision == revision)
    changed = connection.execute(statement.values(**values, revision=webhooks.c.revision + 1))
    if changed.rowcount == 0:
        now = _get(connection, project_id, webhook_id).revision
        raise PreconditionFailed(f"found revision {revision}, but it is {now} now; read it again")


def _get_delivery(connection: Connection, project_id: str, webhook_id: str, delivery_id: str) -> Delivery:
    _get(connection, project_id, webhook_id)
    is_it = (deliveries.c.id == delivery_id, deliveries.c.webhook_id == webhook_id)
    row = connection.execute(select(*_DELIVERY).where(*is_it)).one_or_none()
    if row is None:
        raise NotFound(f"found no delivery {delivery_id} of this webhook")
    return Delivery(**row._mapping)


def _is_free() -> Any:
    return deliveries.c.lease_until.is_(None) | (deliveries.c.lease_until < clock())


def _send_again(connection: Connection, *which: Any) -> int:
    fresh = {"state": DeliveryState.PENDING, "tries": literal(0), "next_at": clock(), "lease_until": None}
    return connection.execute(update(deliveries).where(*which).values(**fresh, delivered=None)).rowcount
