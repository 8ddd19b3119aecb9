"""Webhooks over REST."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

from services.client.transport import Transport
from services.webhooks.webhook import Delivery, DeliveryState, NewWebhook, Replayed, Webhook, WebhookWithSecret


class Webhooks:
    """The webhooks of one project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, new: NewWebhook) -> WebhookWithSecret:
        """Make one. Its secret is in this answer only."""
        return self._transport.post("/v1/webhooks", WebhookWithSecret, new.model_dump(mode="json"))

    def list(self) -> Iterator[Webhook]:
        """Newest first."""
        return self._transport.pages("/v1/webhooks", Webhook)

    def get(self, webhook_id: str) -> Webhook:
        """One of them."""
        return self._transport.get(_webhook(webhook_id), Webhook)

    def delete(self, webhook_id: str) -> None:
        """Forget it; what has not arrived is given up."""
        self._transport.send("DELETE", _webhook(webhook_id), headers={"If-Match": "*"})

    def pause(self, webhook_id: str) -> Webhook:
        """Send nothing until it is resumed."""
        return self._transport.post(f"{_webhook(webhook_id)}/pause", Webhook)

    def resume(self, webhook_id: str) -> Webhook:
        """Send again, beginning with what has waited."""
        return self._transport.post(f"{_webhook(webhook_id)}/resume", Webhook)

    def rotate(self, webhook_id: str) -> WebhookWithSecret:
        """A new secret, in this answer only; the old one signs too for a day."""
        return self._transport.post(f"{_webhook(webhook_id)}/rotate", WebhookWithSecret)

    def test(self, webhook_id: str) -> Delivery:
        """Send it a message that means nothing."""
        return self._transport.post(f"{_webhook(webhook_id)}/test", Delivery)

    def deliveries(self, webhook_id: str, state: DeliveryState | None = None) -> Iterator[Delivery]:
        """Its messages, newest first."""
        return self._transport.pages(f"{_webhook(webhook_id)}/deliveries", Delivery, state=state)

    def replay(self, webhook_id: str) -> Replayed:
        """Send everything again that was given up."""
        return self._transport.post(f"{_webhook(webhook_id)}/replay", Replayed)

    def replay_delivery(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send one message again."""
        path = f"{_webhook(webhook_id)}/deliveries/{quote(delivery_id, safe='')}/replay"
        return self._transport.post(path, Delivery)


def _webhook(webhook_id: str) -> str:
    return f"/v1/webhooks/{quote(webhook_id, safe='')}"
