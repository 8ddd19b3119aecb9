"""Whose address it is that a request comes from, behind proxies."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send

from services.serve.api import config
from services.settings import Settings
from tests.services.conftest import make_settings


def client_of(settings: Settings, peer: str) -> str:
    """Who a request is said to be from that `peer` brings, for 203.0.113.7."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["client"][0])

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None: ...

    proxied = config(app, settings)
    proxied.load()
    headers = [(b"x-forwarded-for", b"198.51.100.1, 203.0.113.7")]
    scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}
    asyncio.run(proxied.loaded_app(scope, receive, send))
    return seen[0]


def test_only_proxies_that_are_trusted_say_who_the_client_is(tmp_path: Path) -> None:
    trusting = make_settings(tmp_path, trusted_proxies=("10.0.0.0/8",))
    assert client_of(trusting, "10.1.2.3") == "203.0.113.7"
    assert client_of(trusting, "192.0.2.1") == "192.0.2.1"
    assert client_of(make_settings(tmp_path), "10.1.2.3") == "10.1.2.3"


@pytest.mark.parametrize("proxies", [("*",), ("proxy.example",), ("10.0.0.1/8",)])
def test_proxies_are_named_by_address(tmp_path: Path, proxies: tuple[str, ...]) -> None:
    with pytest.raises(ValidationError):
        make_settings(tmp_path, trusted_proxies=proxies)
