"""Resolving beside an event loop, in a way that nobody has to wait for: a resolver cannot be told to stop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

from services.webhooks.guard import Endpoint, Resolver, resolve


async def resolved(endpoint: Endpoint, resolver: Resolver) -> Sequence[str]:
    """As `resolve`, in a thread that ends by itself, and not with the loop."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Sequence[str]] = loop.create_future()

    def tell(found: Sequence[str] | Exception) -> None:
        if answer.done():  # given up meanwhile
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def work() -> None:
        found: Sequence[str] | Exception
        try:
            found = resolve(endpoint, resolver)
        except Exception as error:  # noqa: BLE001, raised where it is awaited
            found = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, found)

    threading.Thread(target=work, name="resolver", daemon=True).start()
    return await answer
