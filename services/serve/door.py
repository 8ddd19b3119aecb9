"""Where the API listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from services.errors import SettingsError
from services.settings import Settings

BACKLOG = 1024


@contextmanager
def listen(settings: Settings) -> Iterator[socket.socket]:
    """The socket of the API, bound before anything is started. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Of the protocol by name: asyncio sends small answers at once (TCP_NODELAY) only for sockets that say so.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(BACKLOG)
        except OSError as error:
            where = f"{settings.host} port {settings.port}"
            raise SettingsError(f"cannot listen on {where}: {error.strerror}; give another --host or --port") from None
        yield listening
