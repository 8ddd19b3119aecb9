"""The outbox: a delivery is written in the transaction of what it tells, so neither is without the other."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select

from services.database import new_id
from services.database.tables import deliveries, webhooks
from services.database.types import clock


def enqueue(connection: Connection, project_id: str, event: str, payload: Mapping[str, object]) -> int:
    """Write a PENDING delivery for every webhook of the project that wants the event; how many. A webhook that is
    paused gets its deliveries too: they wait until it goes on."""
    hooks = connection.execute(
        select(webhooks.c.id, webhooks.c.events).where(
            webhooks.c.project_id == project_id, webhooks.c.deleted.is_(None)
        )
    ).all()
    wanting = [hook.id for hook in hooks if not hook.events or event in hook.events]
    for webhook_id in wanting:
        connection.execute(
            insert(deliveries).values(
                id=new_id("msg"),
                webhook_id=webhook_id,
                project_id=project_id,
                event=event,
                payload=dict(payload),
                state="PENDING",
                next_at=clock(),
                created=clock(),
            )
        )
    return len(wanting)
