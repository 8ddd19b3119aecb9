"""`curation webhooks …`: messages about what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from curation.cli import SERVICE
from curation.errors import MissingError
from services.cli.login import open_client
from services.cli.options import made
from services.cli.show import JsonOption, say, show_json, show_list

if TYPE_CHECKING:
    from services.client import Client

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook's name or id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Messages to other systems about what happens.")
    group.command("list")(show_webhooks)
    for command in (create, ping, pause, resume, rotate, deliveries, replay, delete):
        group.command()(command)
    app.add_typer(group, name="webhooks", rich_help_panel=SERVICE)


def show_webhooks(as_json: JsonOption = False) -> None:
    """Every webhook."""
    with open_client() as client:
        found = list(client.webhooks.list())
    columns = ("webhook", "name", "url", "events", "paused", "why")
    rows = ((w.id, w.name, w.url, w.events or "all", w.paused, w.pause_reason) for w in found)
    show_list(found, as_json, "No webhooks.", columns, rows)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="https, to a public address.")],
    events: Annotated[
        list[str] | None, typer.Option("--event", metavar="EVENT", help="Such as job.failed, several; default: all.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a webhook. Its secret is shown this once."""
    from services.webhooks.webhook import NewWebhook

    with open_client() as client:
        webhook = client.webhooks.create(made(NewWebhook, name=name, url=url, events=events))
    if as_json:
        show_json(webhook)
    else:
        say(f"{webhook.id} is made. Its secret, shown this once: {webhook.secret}")


def ping(webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a webhook a message that means nothing."""
    with open_client() as client:
        delivery = client.webhooks.test(_id(client, webhook))
    if as_json:
        show_json(delivery)
    else:
        say(f"{delivery.id} is {delivery.state}; how it fares: curation webhooks deliveries {webhook}")


def pause(webhook: WebhookArgument) -> None:
    """Send nothing until it is resumed. Messages wait meanwhile."""
    with open_client() as client:
        client.webhooks.pause(_id(client, webhook))
    say(f"{webhook} is paused.")


def resume(webhook: WebhookArgument) -> None:
    """Go on, beginning with what has waited."""
    with open_client() as client:
        client.webhooks.resume(_id(client, webhook))
    say(f"{webhook} goes on.")


def rotate(webhook: WebhookArgument, as_json: JsonOption = False) -> None:
    """Change its secret. The new one is shown this once; the old one signs too for a day."""
    with open_client() as client:
        found = client.webhooks.rotate(_id(client, webhook))
    if as_json:
        show_json(found)
    else:
        say(f"{webhook} has a new secret, shown this once: {found.secret}")


def deliveries(
    webhook: WebhookArgument,
    state: Annotated[
        Literal["PENDING", "DELIVERED", "DEAD"] | None, typer.Option(case_sensitive=False, help="Only these.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """A webhook's messages, and how they fared."""
    from services.webhooks.webhook import DeliveryState

    wanted = None if state is None else DeliveryState(state)
    with open_client() as client:
        found = list(client.webhooks.deliveries(_id(client, webhook), wanted))
    columns = ("delivery", "event", "state", ">tries", "created", ">status", "why")
    rows = ((d.id, d.event, d.state, d.tries, d.created, d.last_status, d.last_error) for d in found)
    show_list(found, as_json, "No deliveries.", columns, rows)


def replay(
    webhook: WebhookArgument,
    delivery_id: Annotated[
        str | None, typer.Argument(metavar="DELIVERY", help="Default: all that were given up.")
    ] = None,
) -> None:
    """Send again what did not arrive."""
    with open_client() as client:
        if delivery_id is None:
            say(f"{client.webhooks.replay(_id(client, webhook)).count} are sent again.")
        else:
            say(f"{delivery_id} is {client.webhooks.replay_delivery(_id(client, webhook), delivery_id).state}.")


def delete(webhook: WebhookArgument) -> None:
    """Forget a webhook. What has not arrived is given up."""
    with open_client() as client:
        client.webhooks.delete(_id(client, webhook))
    say(f"{webhook} is forgotten.")


def _id(client: Client, webhook: str) -> str:
    """The id of the webhook that is called so. Raises MissingError."""
    found = [one.id for one in client.webhooks.list() if webhook in (one.id, one.name)]
    if len(found) != 1:
        known = "there is no webhook" if not found else f"{len(found)} webhooks are called"
        raise MissingError(f"{known} {webhook!r}: `curation webhooks list` shows their ids")
    return found[0]
