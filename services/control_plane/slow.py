"""Operations that read much, or wait for others: few at once, so that the rest of the API has threads left."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from fastapi import Depends, Request

from services.errors import TooManyRequests, Unavailable
from services.identity.principal import Principal
from services.settings import Settings

WAIT_S = 10.0
"""How long one may wait for its turn."""


class SlowWork:
    """The places for slow operations of one process, of which nobody has more than a few."""

    def __init__(self, settings: Settings) -> None:
        self._of_each = settings.slow_requests_per_key
        self._places = anyio.CapacityLimiter(settings.slow_requests)
        self._held: Counter[str] = Counter()

    @asynccontextmanager
    async def place(self, principal: str) -> AsyncIterator[None]:
        """Hold one of this principal's places. Raises TooManyRequests where it has none left, and Unavailable where
        others have all there are."""
        if self._held[principal] >= self._of_each:
            detail = f"found {self._of_each} slow requests of this key that are not answered yet, which is the limit"
            raise TooManyRequests(detail, retry_after_s=1)
        self._held[principal] += 1
        try:
            turn = object()
            with anyio.move_on_after(WAIT_S) as waiting:
                await self._places.acquire_on_behalf_of(turn)
            if waiting.cancelled_caught:
                raise Unavailable("too many slow requests are being answered", retry_after_s=WAIT_S)
            try:
                yield
            finally:
                self._places.release_on_behalf_of(turn)
        finally:
            self._held[principal] -= 1
            if not self._held[principal]:
                del self._held[principal]


async def _slow(request: Request) -> AsyncIterator[None]:
    work: SlowWork = request.app.state.slow
    who: Principal = request.state.principal  # the guard has set it before anything is routed
    async with work.place(who.name):
        yield


SLOW = Depends(_slow, scope="function")
"""What a slow route has among its `dependencies`; its place is free again before the answer is sent."""
