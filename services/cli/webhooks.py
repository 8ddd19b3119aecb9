"""`curation webhooks …`: messages about what happens."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.login import open_client
from services.cli.options import made, one_of
from services.cli.show import JsonOption, say, show_json, show_table

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(no_args_is_help=True, help="Messages to other systems about what happens.")
    group.command("list")(show_webhooks)
    for command in (create, ping, deliveries, replay, delete):
        group.command()(command)
    app.add_typer(group, name="webhooks")


def show_webhooks(as_json: JsonOption = False) -> None:
    """Every webhook."""
    with open_client() as client:
        found = list(client.webhooks.list())
    if as_json:
        show_json(found)
    elif not found:
        say("No webhooks.")
    else:
        columns = ("webhook", "name", "url", "events", "paused", "why")
        show_table("", columns, ((w.id, w.name, w.url, w.events or "all", w.paused, w.pause_reason) for w in found))


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")],
    url: Annotated[str, typer.Argument(metavar="URL", help="https, to a public address.")],
    events: Annotated[
        list[str] | None, typer.Option("--event", help="Such as job.failed, several; default: all.")
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


def ping(webhook_id: WebhookArgument, as_json: JsonOption = False) -> None:
    """Send a webhook a message that means nothing."""
    with open_client() as client:
        delivery = client.webhooks.test(webhook_id)
    if as_json:
        show_json(delivery)
    else:
        say(f"{delivery.id} is {delivery.state}; how it fares: curation webhooks deliveries {webhook_id}")


def deliveries(
    webhook_id: WebhookArgument,
    state: Annotated[str | None, typer.Option(help="Only these: PENDING, DELIVERED or DEAD.")] = None,
    as_json: JsonOption = False,
) -> None:
    """A webhook's messages, and how they fared."""
    from services.webhooks.webhook import DeliveryState

    wanted = None if state is None else one_of(DeliveryState, "--state", state.upper())
    with open_client() as client:
        found = list(client.webhooks.deliveries(webhook_id, wanted))
    if as_json:
        show_json(found)
    elif not found:
        say("No deliveries.")
    else:
        columns = ("delivery", "event", "state", ">tries", "created", ">status", "why")
        rows = ((d.id, d.event, d.state, d.tries, d.created, d.last_status, d.last_error) for d in found)
        show_table("", columns, rows)


def replay(
    webhook_id: WebhookArgument,
    delivery_id: Annotated[
        str | None, typer.Argument(metavar="[DELIVERY]", help="Default: all that were given up.")
    ] = None,
) -> None:
    """Send again what did not arrive."""
    with open_client() as client:
        if delivery_id is None:
            say(f"{client.webhooks.replay(webhook_id).count} are sent again.")
        else:
            say(f"{delivery_id} is {client.webhooks.replay_delivery(webhook_id, delivery_id).state}.")


def delete(webhook_id: WebhookArgument) -> None:
    """Forget a webhook."""
    with open_client() as client:
        client.webhooks.delete(webhook_id)
    say(f"{webhook_id} is forgotten.")
