"""Sends what is due, until it has arrived or is given up. Several senders may work on one database.

A sender takes a delivery by a lease on the database's clock, and counts the try as it takes it: the count is the token
by which it may settle the delivery. So each try is made once, unless its sender dies; then the next one is made when
the lease runs out. Order is not promised; `webhook-id` is the same over all tries.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import ssl
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any

import httpx2
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from services.database import Database
from services.database.tables import deliveries, webhooks
from services.database.types import clock, later
from services.errors import Invalid
from services.failpoints import reach
from services.settings import Settings
from services.webhooks.guard import Endpoint, Resolver, look_up, read_endpoint
from services.webhooks.resolving import resolved
from services.webhooks.signing import signed_headers
from services.webhooks.store import OLD_SECRET_FOR, WebhookStore
from services.webhooks.webhook import DeliveryState

_log = logging.getLogger(__name__)

BACKOFF_S = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 21_600.0, 36_000.0)
"""What follows each failed try: about a day in all, then the delivery is DEAD."""
MAX_RETRY_AFTER_S = 36_000.0
MAX_TRIES = len(BACKOFF_S) + 1
TIMEOUT_S = 10.0
DEADLINE_S = 30.0
"""For a whole try, however slowly an answer trickles."""
GRACE_S = 10.0
"""What a stop leaves of it: less than `curation serve` gives its parts."""
STOP_POLL_S = 0.1
LEASE_S = 120.0
MAX_ANSWER_BYTES = 65_536
AT_ONCE = 16
AT_ONCE_OF_ONE = 4
"""So that a receiver that hangs does not keep the others waiting."""
DEAD_IN_A_ROW = 100
"""After so many a webhook is paused."""
MAX_ERROR_CHARS = 500


@dataclass(frozen=True)
class _Try:
    """A delivery that this sender has taken."""

    delivery_id: str
    webhook_id: str
    number: int
    """1 for the first one; the token by which it is settled."""
    url: str
    body: str
    secrets: tuple[str, ...]
    at: datetime


@dataclass(frozen=True)
class _Outcome:
    status: int | None
    error: str = ""
    """Empty: it arrived."""
    retry_after_s: float = 0.0


class Sender:
    def __init__(
        self,
        settings: Settings,
        database: Database,
        store: WebhookStore,
        *,
        resolver: Resolver = look_up,
        tls: ssl.SSLContext | None = None,
        deadline_s: float = DEADLINE_S,
        grace_s: float = GRACE_S,
    ) -> None:
        self._settings = settings
        self._database = database
        self._secrets = store.secrets
        self._resolver = resolver
        self._tls = tls or ssl.create_default_context()
        self._deadline_s = deadline_s
        self._grace_s = grace_s

    def run(self, stop: threading.Event) -> None:
        """Send until told to stop; tries that go on then are given `grace_s`. What goes wrong is logged, and tried
        again."""
        while not stop.is_set():
            sent = 0
            try:
                sent = self.tick(stop)
            except SQLAlchemyError as error:
                _log.warning("the database is away; webhooks wait", extra={"fields": {"error": type(error).__name__}})
            except Exception:  # noqa: BLE001, the loop of the thread
                _log.exception("sending went wrong and will be tried again")
            if not sent:
                stop.wait(self._settings.poll_s)

    def tick(self, stop: threading.Event | None = None) -> int:
        """Make the tries that are due, some at once, each settled when it is done; how many. Raises what settling
        raises, once all are done."""
        taken = self._take()
        reach("sender.after_take")
        if taken:
            asyncio.run(self._deliver_all(taken, stop or threading.Event()))
        return len(taken)

    # ---------------------------------------------------------------------- taking

    def _take(self) -> Sequence[_Try]:
        with self._database.reading() as connection:
            if connection.execute(_due().limit(1)).first() is None:
                return ()
        with self._database.transaction() as connection:
            due = connection.execute(_due().with_for_update(skip_locked=True, of=deliveries)).all()
            now = connection.execute(select(clock())).scalar_one()
            taken = [self._taken(connection, row, now) for row in due]
            return [attempt for attempt in taken if attempt is not None]

    def _taken(self, connection: Connection, row: Any, now: datetime) -> _Try | None:
        is_it = deliveries.c.id == row.id
        if row.tries > MAX_TRIES:  # whoever took it before died, again and again
            ended = {"state": DeliveryState.DEAD, "next_at": None, "last_error": "senders died while sending it"}
            connection.execute(update(deliveries).where(is_it).values(**ended))
            return None
        connection.execute(update(deliveries).where(is_it).values(tries=row.tries + 1, lease_until=later(LEASE_S)))
        generations = [row.generation]
        if row.rotated is not None and now - row.rotated < OLD_SECRET_FOR:
            generations.append(row.generation - 1)
        return _Try(
            delivery_id=row.id,
            webhook_id=row.webhook_id,
            number=row.tries + 1,
            url=row.url,
            body=json.dumps(row.payload, ensure_ascii=False, separators=(",", ":")),
            secrets=tuple(self._secrets.secret(row.webhook_id, generation) for generation in generations),
            at=now,
        )

    # --------------------------------------------------------------------- sending

    async def _deliver_all(self, taken: Sequence[_Try], stop: threading.Event) -> None:
        async with httpx2.AsyncClient(
            trust_env=False,
            follow_redirects=False,
            timeout=TIMEOUT_S,
            verify=self._tls,
            headers={"user-agent": f"curation/{version('curation')}", "content-type": "application/json"},
        ) as client:
            tries = [asyncio.create_task(self._deliver(client, attempt)) for attempt in taken]
            pending = set(tries)
            while pending and not stop.is_set():
                _, pending = await asyncio.wait(pending, timeout=STOP_POLL_S)
            if pending:
                _, pending = await asyncio.wait(pending, timeout=self._grace_s)
            for late in pending:
                late.cancel()
            await asyncio.wait(tries)
        for done in tries:
            if not done.cancelled():
                done.result()

    async def _deliver(self, client: httpx2.AsyncClient, attempt: _Try) -> None:
        try:
            outcome = await self._send(client, attempt)
        except asyncio.CancelledError:
            await asyncio.to_thread(self._give_back, attempt)
            return
        reach("sender.before_settle")
        await asyncio.to_thread(self._settle, attempt, outcome)

    async def _send(self, client: httpx2.AsyncClient, attempt: _Try) -> _Outcome:
        try:
            async with asyncio.timeout(self._deadline_s):
                endpoint = read_endpoint(attempt.url, self._settings.webhook_hosts)
                addresses = await resolved(endpoint, self._resolver)
                address = addresses[(attempt.number - 1) % len(addresses)]
                return await self._post(client, attempt, endpoint, address)
        except TimeoutError:
            return _Outcome(None, f"no whole answer within {self._deadline_s:g} s")
        except Invalid as error:
            return _Outcome(None, error.detail)
        except OSError:
            return _Outcome(None, "the host has no address now")
        except httpx2.HTTPError as error:
            return _Outcome(None, f"no answer: {type(error).__name__}")
        except Exception as error:  # noqa: BLE001, whatever it is, it is this delivery's
            _log.exception("a delivery went wrong", extra={"fields": {"delivery": attempt.delivery_id}})
            return _Outcome(None, f"could not be sent: {type(error).__name__}")

    async def _post(self, client: httpx2.AsyncClient, attempt: _Try, endpoint: Endpoint, address: str) -> _Outcome:
        """POST to the address that was checked; name and certificate are the host's."""
        headers = signed_headers(attempt.secrets, attempt.delivery_id, attempt.at, attempt.body)
        async with client.stream(
            "POST",
            endpoint.at(address),
            content=attempt.body.encode(),
            headers={**headers, "host": endpoint.authority, "connection": "close"},
            extensions={"sni_hostname": endpoint.host},
        ) as response:
            await _read_a_little(response)
            if response.is_success:
                return _Outcome(response.status_code)
            retry_after_s = _retry_after(response.headers.get("retry-after"))
            return _Outcome(response.status_code, f"answered {response.status_code}", retry_after_s)

    # -------------------------------------------------------------------- settling

    def _give_back(self, attempt: _Try) -> None:
        """A try that was broken off counts for nothing, and is made again by whoever comes next."""
        given_back = {"lease_until": None, "tries": attempt.number - 1}
        with self._database.transaction() as connection:
            connection.execute(update(deliveries).where(*_is_mine(attempt)).values(**given_back))

    def _settle(self, attempt: _Try, outcome: _Outcome) -> None:
        values = {"lease_until": None, "last_status": outcome.status, "last_error": outcome.error[:MAX_ERROR_CHARS]}
        with self._database.transaction() as connection:
            settled = connection.execute(
                update(deliveries).where(*_is_mine(attempt)).values(**values, **_next(attempt, outcome))
            )
            if settled.rowcount and outcome.error:
                _pause_if_hopeless(connection, attempt.webhook_id, outcome)
        if outcome.error:
            about = {"webhook": attempt.webhook_id, "delivery": attempt.delivery_id, "try": attempt.number}
            _log.info("a webhook failed: %s", outcome.error, extra={"fields": about})


def _is_mine(attempt: _Try) -> tuple[ColumnElement[bool], ...]:
    return (
        deliveries.c.id == attempt.delivery_id,
        deliveries.c.tries == attempt.number,
        deliveries.c.state == DeliveryState.PENDING,
    )


def _due() -> Select[Any]:
    """Deliveries to take now: of every webhook the first few, the longest due first."""
    is_due = (
        deliveries.c.state == DeliveryState.PENDING,
        deliveries.c.next_at <= clock(),
        or_(deliveries.c.lease_until.is_(None), deliveries.c.lease_until < clock()),
        webhooks.c.paused.is_(None),
        webhooks.c.deleted.is_(None),
    )
    rank = func.row_number().over(partition_by=deliveries.c.webhook_id, order_by=deliveries.c.next_at)
    ranked = select(deliveries.c.id, rank.label("rank")).join_from(deliveries, webhooks).where(*is_due).subquery()
    first = select(ranked.c.id).where(ranked.c.rank <= AT_ONCE_OF_ONE)
    shown = (deliveries.c.id, deliveries.c.webhook_id, deliveries.c.payload, deliveries.c.tries)
    return (
        select(*shown, webhooks.c.url, webhooks.c.generation, webhooks.c.rotated)
        .join_from(deliveries, webhooks)
        .where(deliveries.c.id.in_(first), *is_due)
        .order_by(deliveries.c.next_at)
        .limit(AT_ONCE)
    )


def _next(attempt: _Try, outcome: _Outcome) -> dict[str, Any]:
    """What becomes of the delivery."""
    if not outcome.error:
        return {"state": DeliveryState.DELIVERED, "delivered": clock(), "next_at": None}
    if outcome.status == 410 or attempt.number >= MAX_TRIES:
        return {"state": DeliveryState.DEAD, "next_at": None}
    wait_s = BACKOFF_S[attempt.number - 1] * random.uniform(1.0, 1.1)
    return {"next_at": later(max(wait_s, min(outcome.retry_after_s, MAX_RETRY_AFTER_S)))}


def _pause_if_hopeless(connection: Connection, webhook_id: str, outcome: _Outcome) -> None:
    """Pause a webhook whose receiver says that it is gone, or to which nothing has come through for long."""
    if outcome.status == 410:
        reason = "its receiver answered 410 Gone"
    elif _dead_in_a_row(connection, webhook_id) >= DEAD_IN_A_ROW:
        reason = f"{DEAD_IN_A_ROW} deliveries in a row were given up"
    else:
        return
    changed = {"paused": clock(), "pause_reason": reason, "revision": webhooks.c.revision + 1}
    is_it = (webhooks.c.id == webhook_id, webhooks.c.paused.is_(None))
    connection.execute(update(webhooks).where(*is_it).values(**changed))


def _dead_in_a_row(connection: Connection, webhook_id: str) -> int:
    ended = (deliveries.c.webhook_id == webhook_id, deliveries.c.state != DeliveryState.PENDING)
    newest = select(deliveries.c.state).where(*ended).order_by(deliveries.c.id.desc()).limit(DEAD_IN_A_ROW)
    count = 0
    for state in connection.execute(newest).scalars():
        if state != DeliveryState.DEAD:
            break
        count += 1
    return count


async def _read_a_little(response: httpx2.Response) -> None:
    """Take in the answer, within bounds, so that the receiver is not cut off in the middle of a short one."""
    read = 0
    async for chunk in response.aiter_raw():
        read += len(chunk)
        if read >= MAX_ANSWER_BYTES:
            return


def _retry_after(header: str | None) -> float:
    """Seconds, or an HTTP date; 0 for what is neither."""
    if header is None:
        return 0.0
    if header.strip().isascii() and header.strip().isdigit():
        return float(header[:12])
    try:
        return max(0.0, (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
