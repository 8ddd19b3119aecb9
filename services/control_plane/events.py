"""Live events of jobs as server-sent events: one poll of the database serves every stream of this process.

A stream holds no thread and no connection of the database. One task asks, while somebody watches, for the number of the
newest event of each job that is watched; where it has grown it reads the new ones once, and wakes that job's streams. A
stream that is further behind reads for itself, a page at a time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from fastapi.concurrency import run_in_threadpool
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from starlette.types import Message, Receive, Scope, Send

from services.errors import Gone, NotFound, TooManyRequests, Unavailable
from services.identity.keys import KEY, Keys
from services.identity.principal import Principal
from services.jobs.job import Event, Job
from services.jobs.states import FINAL, State
from services.jobs.store import JobStore
from services.settings import Settings

logger = logging.getLogger(__name__)

POLL_S = 0.5
KEEP_ALIVE_S = 15.0
LONGEST_S = 3600.0
"""How long one stream may last; whoever comes again is authenticated again."""
RETRY_MS = 2000
PAGE = 500
CACHED = 200
LATER_S = 30.0
KEYS_S = 5.0
"""How often it is asked whether the keys of the streams are still valid."""
WRITE_S = 60.0
"""How long a client may take to read what it is sent."""


@dataclass(eq=False)
class _Feed:
    """What the streams of one job share: the newest events, without gaps, up to `newest`."""

    project_id: str
    job_id: str
    streams: int = 0
    newest: int | None = None
    cached: deque[Event] = field(default_factory=lambda: deque(maxlen=CACHED))
    is_gone: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def behind(self, after: int) -> list[Event] | None:
        """The events behind this one; None where the cache does not reach back so far."""
        if self.newest is None or after >= self.newest:
            return []
        if not self.cached or self.cached[0].sequence > after + 1:
            return None
        return [event for event in self.cached if event.sequence > after]

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class EventStreams:
    """The event streams of one process, and the task that feeds them."""

    def __init__(self, jobs: JobStore, keys: Keys, settings: Settings) -> None:
        self._jobs = jobs
        self._keys = keys
        self._limit = settings.max_event_streams
        self._limit_of_each = settings.max_event_streams_per_key
        self._feeds: dict[str, _Feed] = {}
        self._watchers: Counter[str] = Counter()
        self._ended: set[str] = set()
        """Those among the watchers whose keys are no longer valid."""
        self._is_stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._somebody = asyncio.Event()
        self.count = 0
        """How many streams there are now."""

    def open(self, job: Job, who: Principal, after: int, page: Sequence[Event]) -> EventStream:
        """The answer that streams a job's events behind `after`, of which `page` are the first. On the server's loop.

        Raises Unavailable where there are too many, TooManyRequests where `who` has.
        """
        if self._is_stopped:
            raise Unavailable("no events are sent now; try another server", retry_after_s=RETRY_MS / 1000)
        if self.count >= self._limit:
            raise Unavailable(f"there are {self.count} event streams here, which is the limit", retry_after_s=LATER_S)
        if self._watchers[who.name] >= self._limit_of_each:
            detail = f"found {self._limit_of_each} event streams of this key, which is the limit"
            raise TooManyRequests(detail, retry_after_s=LATER_S)
        feed = self._feeds.setdefault(job.id, _Feed(who.project_id, job.id))
        feed.streams += 1
        self.count += 1
        self._watchers[who.name] += 1
        self._somebody.set()
        return EventStream(self, feed, who.name, self._events(feed, who, after, page, is_ended=job.state in FINAL))

    def release(self, feed: _Feed, watcher: str) -> None:
        """A stream of this feed has ended."""
        self.count -= 1
        self._watchers[watcher] -= 1
        if not self._watchers[watcher]:
            del self._watchers[watcher]
            self._ended.discard(watcher)
        feed.streams -= 1
        if not feed.streams:
            self._feeds.pop(feed.job_id, None)

    def stop(self) -> None:
        """End every stream at once, and take no more: for a server that is asked to stop. From any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    async def run(self) -> None:
        """Feed the streams until `stop`; where this ends otherwise, the streams end with it. It may run again then."""
        self._loop, self._somebody, self._is_stopped = asyncio.get_running_loop(), asyncio.Event(), False
        checked = self._loop.time()
        try:
            while not self._is_stopped:
                await self._somebody.wait()
                if not self._feeds:
                    self._somebody.clear()
                    continue
                await self._poll()
                if self._loop.time() - checked >= KEYS_S:
                    checked = self._loop.time()
                    await self._check_keys()
                await asyncio.sleep(POLL_S)
        finally:
            self._stop()

    async def _events(
        self, feed: _Feed, who: Principal, after: int, page: Sequence[Event], *, is_ended: bool
    ) -> AsyncIterator[bytes]:
        """The stream itself: `page`, and what follows, up to the job's end, or that of the right to see it."""
        loop = asyncio.get_running_loop()
        longest = LONGEST_S if who.expires is None else min(LONGEST_S, who.expires - time.time())
        until = loop.time() + longest
        yield format_sse_event(retry=RETRY_MS, comment="events of this job follow")
        while not self._is_stopped:
            for event in page:
                yield _line(event)
                after = event.sequence
                is_ended = is_end(event) if event.kind == "state" else is_ended
            changed = feed.changed
            fresh = feed.behind(after)
            if feed.is_gone or who.name in self._ended or loop.time() >= until:
                return
            if fresh is None or len(page) == PAGE:
                page = await self._read(feed, after)
            elif fresh:
                page = fresh
            elif is_ended:
                return
            else:
                page = []
                if not await _happens(changed, min(KEEP_ALIVE_S, until - loop.time())):
                    yield KEEPALIVE_COMMENT

    async def _read(self, feed: _Feed, after: int) -> Sequence[Event]:
        try:
            return await run_in_threadpool(self._jobs.events, feed.project_id, feed.job_id, after=after, limit=PAGE)
        except (NotFound, Gone):
            feed.is_gone = True
            return []

    async def _poll(self) -> None:
        feeds = list(self._feeds.values())
        try:
            newest = await run_in_threadpool(self._jobs.last_events, [feed.job_id for feed in feeds])
            grown = [feed for feed in feeds if feed.job_id not in newest or newest[feed.job_id] != feed.newest]
            fresh = await run_in_threadpool(self._fresh, [(feed, feed.newest) for feed in grown])
        except SQLAlchemyError:
            logger.exception("the events' tailer cannot ask the database; it goes on trying")
            return
        for feed in grown:
            feed.is_gone = feed.is_gone or feed.job_id not in newest
            feed.cached.extend(fresh.get(feed.job_id, ()))
            feed.newest = feed.cached[-1].sequence if feed.cached else newest.get(feed.job_id)
            feed.wake()

    async def _check_keys(self) -> None:
        """End the streams whose keys were revoked, or have expired."""
        names = [name for name in self._watchers if name.startswith(KEY) and name not in self._ended]
        if not names:
            return
        try:
            ended = set(names) - await run_in_threadpool(self._keys.still_valid, names)
        except SQLAlchemyError:
            logger.exception("the events' tailer cannot ask whether keys are valid; it goes on trying")
            return
        self._ended |= ended & set(self._watchers)
        if ended:
            for feed in self._feeds.values():
                feed.wake()

    def _fresh(self, feeds: Sequence[tuple[_Feed, int | None]]) -> dict[str, Sequence[Event]]:
        """The new events of each feed, read once for all its streams; of a new feed none, for its streams read them."""
        found: dict[str, Sequence[Event]] = {}
        for feed, after in feeds:
            if after is not None:
                try:
                    found[feed.job_id] = self._jobs.events(feed.project_id, feed.job_id, after=after, limit=PAGE)
                except (NotFound, Gone):
                    feed.is_gone = True
        return found

    def _stop(self) -> None:
        self._is_stopped = True
        self._somebody.set()
        for feed in self._feeds.values():
            feed.wake()


class EventStream(EventSourceResponse):
    """One stream. Its place is given back however it ends, also where the client is gone before it begins."""

    def __init__(self, streams: EventStreams, feed: _Feed, watcher: str, content: AsyncIterator[bytes]) -> None:
        super().__init__(content, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        self._streams = streams
        self._feed = feed
        self._watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def timed(message: Message) -> None:
            async with asyncio.timeout(WRITE_S):
                await send(message)

        try:
            await super().__call__(scope, receive, timed)
        except* TimeoutError:
            logger.warning("an event stream was ended: its client did not read for %.0f s", WRITE_S)
        finally:
            self._streams.release(self._feed, self._watcher)


def is_end(event: Event) -> bool:
    """Whether an event of a state says that the job is in a final one."""
    return State(str(event.data["state"])) in FINAL


def _line(event: Event) -> bytes:
    return format_sse_event(data_str=event.model_dump_json(), event=event.kind, id=str(event.sequence))


async def _happens(event: asyncio.Event, within_s: float) -> bool:
    try:
        async with asyncio.timeout(within_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
