"""`/v1/webhooks`: where messages about what happened go, and how they fared."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from services.control_plane.conventions import (
    IfMatch,
    Page,
    PageSize,
    PageToken,
    etag,
    expect,
    problems,
)
from services.control_plane.plane import ThePlane
from services.control_plane.security import allow
from services.control_plane.slow import SLOW
from services.identity.principal import Permission, Principal
from services.webhooks.webhook import (
    Delivery,
    DeliveryState,
    NewWebhook,
    Replayed,
    Webhook,
    WebhookPatch,
    WebhookWithSecret,
)

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", description="The webhook's `id`.")]
DeliveryId = Annotated[str, Path(pattern=r"^[a-z0-9_]{1,40}$", description="The delivery's `id`.")]
Reader = Annotated[Principal, allow(Permission.WEBHOOKS_READ)]
Writer = Annotated[Principal, allow(Permission.WEBHOOKS_WRITE)]
State = Annotated[DeliveryState | None, Query(description="Only those in this state.")]


@router.post(
    "",
    status_code=201,
    operation_id="create_webhook",
    summary="Make a webhook",
    responses=problems(409),
    dependencies=[SLOW],
)
def create_webhook(plane: ThePlane, who: Writer, new: NewWebhook, response: Response) -> WebhookWithSecret:
    """Tell a URL about what happens in this project. The answer holds the secret that signs the messages, which is not
    shown again. The URL must be https and lead to a public address, unless the installation's settings name its host.
    """
    webhook = plane.webhooks.create(who.project_id, new, who.name)
    response.headers["Location"] = f"/v1/webhooks/{webhook.id}"
    response.headers["ETag"] = etag(webhook.id, webhook.revision)
    return webhook


@router.get("", operation_id="list_webhooks", summary="List webhooks", responses=problems())
def list_webhooks(plane: ThePlane, who: Reader, page: PageToken = None, page_size: PageSize = 50) -> Page[Webhook]:
    """The project's webhooks, newest first."""
    question = ["webhooks", who.project_id]
    found = plane.webhooks.list(who.project_id, after=plane.pages.read(page, question), limit=page_size + 1)
    more = plane.pages.write(found[page_size - 1].id, question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.get("/{webhook_id}", operation_id="get_webhook", summary="Get a webhook", responses=problems(404))
def get_webhook(plane: ThePlane, who: Reader, webhook_id: WebhookId, response: Response) -> Webhook:
    """One webhook, without its secret. Its ETag is what changing it needs."""
    return _tagged(response, plane.webhooks.get(who.project_id, webhook_id))


@router.patch(
    "/{webhook_id}",
    operation_id="update_webhook",
    summary="Change a webhook",
    responses=problems(404, 412, 428),
    dependencies=[SLOW],
)
def update_webhook(
    plane: ThePlane,
    who: Writer,
    webhook_id: WebhookId,
    patch: WebhookPatch,
    response: Response,
    if_match: IfMatch = None,
) -> Webhook:
    """Change its name, its URL or its events; what is left out stays."""
    revision = plane.webhooks.get(who.project_id, webhook_id).revision
    expect(if_match, webhook_id, revision)
    return _tagged(response, plane.webhooks.update(who.project_id, webhook_id, patch, revision=revision))


@router.delete(
    "/{webhook_id}",
    status_code=204,
    operation_id="delete_webhook",
    summary="Delete a webhook",
    responses=problems(404, 412, 428),
)
def delete_webhook(plane: ThePlane, who: Writer, webhook_id: WebhookId, if_match: IfMatch = None) -> None:
    """Forget a webhook. What has not arrived yet is given up."""
    revision = plane.webhooks.get(who.project_id, webhook_id).revision
    expect(if_match, webhook_id, revision)
    plane.webhooks.delete(who.project_id, webhook_id, revision=revision)


@router.post("/{webhook_id}/pause", operation_id="pause_webhook", summary="Pause a webhook", responses=problems(404))
def pause_webhook(plane: ThePlane, who: Writer, webhook_id: WebhookId, response: Response) -> Webhook:
    """Send nothing until it is resumed; messages wait meanwhile."""
    return _tagged(response, plane.webhooks.pause(who.project_id, webhook_id, who.name))


@router.post("/{webhook_id}/resume", operation_id="resume_webhook", summary="Resume a webhook", responses=problems(404))
def resume_webhook(plane: ThePlane, who: Writer, webhook_id: WebhookId, response: Response) -> Webhook:
    """Send again, beginning with what has waited."""
    return _tagged(response, plane.webhooks.resume(who.project_id, webhook_id))


@router.post(
    "/{webhook_id}/rotate", operation_id="rotate_webhook_secret", summary="Change the secret", responses=problems(404)
)
def rotate_webhook_secret(plane: ThePlane, who: Writer, webhook_id: WebhookId, response: Response) -> WebhookWithSecret:
    """Make a new secret, shown this once. For a day messages carry two signatures, by the new and by the old one."""
    webhook = plane.webhooks.rotate(who.project_id, webhook_id)
    response.headers["ETag"] = etag(webhook.id, webhook.revision)
    return webhook


@router.post(
    "/{webhook_id}/test",
    status_code=202,
    operation_id="test_webhook",
    summary="Send a test message",
    responses=problems(404, 409),
)
def test_webhook(plane: ThePlane, who: Writer, webhook_id: WebhookId) -> Delivery:
    """Send a `webhook.test` to this webhook. The answer is the delivery as it waits; get it to see how it fared."""
    return plane.webhooks.ping(who.project_id, webhook_id)


@router.get(
    "/{webhook_id}/deliveries",
    operation_id="list_deliveries",
    summary="List a webhook's deliveries",
    responses=problems(404),
)
def list_deliveries(
    plane: ThePlane,
    who: Reader,
    webhook_id: WebhookId,
    state: State = None,
    page: PageToken = None,
    page_size: PageSize = 50,
) -> Page[Delivery]:
    """What was sent, is to be sent, or was given up; newest first."""
    question = ["deliveries", who.project_id, webhook_id, state]
    after = plane.pages.read(page, question)
    found = plane.webhooks.deliveries(who.project_id, webhook_id, state=state, after=after, limit=page_size + 1)
    more = plane.pages.write(found[page_size - 1].id, question) if len(found) > page_size else None
    return Page(items=tuple(found[:page_size]), next_page=more)


@router.get(
    "/{webhook_id}/deliveries/{delivery_id}",
    operation_id="get_delivery",
    summary="Get a delivery",
    responses=problems(404),
)
def get_delivery(plane: ThePlane, who: Reader, webhook_id: WebhookId, delivery_id: DeliveryId) -> Delivery:
    """One message, and how sending it went."""
    return plane.webhooks.delivery(who.project_id, webhook_id, delivery_id)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    operation_id="replay_delivery",
    summary="Send a delivery again",
    responses=problems(404, 409),
)
def replay_delivery(plane: ThePlane, who: Writer, webhook_id: WebhookId, delivery_id: DeliveryId) -> Delivery:
    """Send it again with the same `webhook-id`, whether it arrived or was given up."""
    return plane.webhooks.replay(who.project_id, webhook_id, delivery_id)


@router.post(
    "/{webhook_id}/replay",
    operation_id="replay_dead_deliveries",
    summary="Send all dead deliveries again",
    responses=problems(404),
)
def replay_dead_deliveries(plane: ThePlane, who: Writer, webhook_id: WebhookId) -> Replayed:
    """Send again everything that was given up."""
    return Replayed(count=plane.webhooks.replay_dead(who.project_id, webhook_id))


def _tagged(response: Response, webhook: Webhook) -> Webhook:
    response.headers["ETag"] = etag(webhook.id, webhook.revision)
    return webhook
