"""The API's server, and what its clients call it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from services.control_plane.app import create_app
from services.dashboard.app import add_dashboard
from services.serve.announcement import Announcement
from services.serve.first_key import hand_over_first_key
from services.settings import Settings

STREAMS_S = 5.0
"""How long open answers may take to stop."""


def open_api(
    settings: Settings, listening: socket.socket, stop: threading.Event, told: Announcement, key_file: Path | None
) -> uvicorn.Server:
    """A server for the socket, until `stop` is set; `told` has its URL and the first key then. Raises SettingsError."""
    app = create_app(settings)
    add_dashboard(app)
    told.url = _url(settings, listening)
    told.warnings = _warnings(settings)
    hand_over_first_key(app.state.plane, told, key_file)
    return _Server(config(app, settings), stop, app.state.events.stop)


class _Server(uvicorn.Server):
    """The API's server; the process's one stop ends it, not signals of its own."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._end_streams = end_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._stop.is_set()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def config(app: Callable[..., Any], settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        lifespan="on",
        timeout_graceful_shutdown=int(STREAMS_S),
    )


def _url(settings: Settings, listening: socket.socket) -> str:
    """What clients of this machine, or of the network if the settings say how, call the API."""
    host, port = listening.getsockname()[:2]
    return settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _warnings(settings: Settings) -> list[str]:
    is_local = settings.host in ("127.0.0.1", "::1", "localhost")
    if is_local or (settings.public_url or "").startswith("https://"):
        return []
    return [
        f"{settings.host} can be reached from the network, and keys would travel in clear: put a proxy with TLS before "
        "it and say so in CURATION_PUBLIC_URL=https://…"
    ]
