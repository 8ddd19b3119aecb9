"""What a webhook and its deliveries are: as they are asked for, and as they are shown."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field


class EventName(StrEnum):
    """What webhooks can be told about."""

    JOB_QUEUED = "job.queued"
    JOB_RUNNING = "job.running"
    JOB_HELD = "job.held"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_FAILED = "job.failed"
    JOB_CRASHED = "job.crashed"
    JOB_CANCELLED = "job.cancelled"
    JOB_PAUSED = "job.paused"
    SCHEDULE_PAUSED = "schedule.paused"
    WEBHOOK_TEST = "webhook.test"
    """Sent to one webhook when somebody asks for a test; always, whatever it listens to."""


class DeliveryState(StrEnum):
    """Where a delivery is."""

    PENDING = "PENDING"
    """Not arrived yet; it is tried again at `next_at`."""
    DELIVERED = "DELIVERED"
    DEAD = "DEAD"
    """Given up; replay sends it again."""


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
Url = Annotated[str, Field(max_length=2000, pattern=r"^https?://[!-~]+$")]
Events = Annotated[tuple[EventName, ...], Field(max_length=len(EventName))]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class _Shown(_Model):
    model_config = ConfigDict(extra="ignore")


class NewWebhook(_Model):
    """Where messages go, and which."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly",
                    "url": "https://hooks.example.com/curation",
                    "events": ["job.failed", "job.succeeded"],
                }
            ]
        }
    )

    name: Name
    url: Url
    """https, to a public address."""
    events: Events = ()
    """Which messages; empty: all."""


class WebhookPatch(_Model):
    """What changes about a webhook; what is left out stays."""

    name: Name | None = None
    url: Url | None = None
    events: Events | None = None


class Webhook(_Shown):
    """Where messages go. Its secret is shown when it is made or rotated, and never again."""

    id: str
    name: str
    url: str
    events: tuple[EventName, ...]
    """Which messages; empty: all."""
    rotated: datetime | None = None
    """When the secret was changed; the one before signs too for a day."""
    paused: datetime | None = None
    """Since when nothing is sent; messages wait meanwhile."""
    pause_reason: str = ""
    created: datetime
    created_by: str
    revision: int
    """Also its ETag."""


class WebhookWithSecret(Webhook):
    """A webhook with its secret, which is shown this once."""

    secret: str
    """`whsec_…`: give it to the receiver, which verifies signatures as https://www.standardwebhooks.com says."""


class Delivery(_Shown):
    """One message to one webhook."""

    id: str
    """The header `webhook-id` of every try, so that a receiver can leave out what it has seen."""
    webhook_id: str
    event: str
    payload: dict[str, Any]
    """The message's body: `type`, `timestamp` and `data`."""
    state: DeliveryState
    tries: int
    next_at: datetime | None = None
    """When it is tried next."""
    last_status: int | None = None
    """What the receiver answered last."""
    last_error: str = ""
    """Why the last try failed."""
    created: datetime
    delivered: datetime | None = None


class Replayed(_Shown):
    """How many deliveries are sent again."""

    count: int
