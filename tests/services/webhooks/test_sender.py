"""Sending: signed, tried again until it arrives or is given up, once for each try however many senders there are."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from services.database import Database, new_id
from services.database.tables import deliveries, webhooks
from services.database.types import clock, later
from services.settings import Settings
from services.webhooks.sender import BACKOFF_S, DEAD_IN_A_ROW, MAX_RETRY_AFTER_S, MAX_TRIES, Sender
from services.webhooks.store import WebhookStore
from services.webhooks.webhook import Delivery, DeliveryState, NewWebhook, Webhook, WebhookWithSecret
from tests.services.conftest import make_settings
from tests.services.webhooks.receivers import Message, Receiver, certify, make_project, receiving

SECRET = b"a secret of a test, which is long enough"


class Bench:
    """A project with one webhook, which a receiver on loopback listens to."""

    def __init__(self, database: Database, settings: Settings, receiver: Receiver) -> None:
        self.database, self.settings, self.receiver = database, settings, receiver
        self.store = WebhookStore(database, SECRET, settings)
        self.project = make_project(database, "web")
        self.webhook: WebhookWithSecret = self.store.create(
            self.project, NewWebhook(name="hook", url=receiver.url), "key:1"
        )

    def sender(self) -> Sender:
        return Sender(self.settings, self.database, self.store)

    def ping(self) -> str:
        return self.store.ping(self.project, self.webhook.id).id

    def delivery(self, delivery_id: str) -> Delivery:
        return self.store.delivery(self.project, self.webhook.id, delivery_id)

    def now(self) -> Webhook:
        return self.store.get(self.project, self.webhook.id)

    def change_hook(self, webhook_id: str, **values: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(update(webhooks).where(webhooks.c.id == webhook_id).values(**values))

    def change(self, **values: object) -> None:
        with self.database.transaction() as connection:
            connection.execute(update(deliveries).values(**values))


@pytest.fixture
def bench(database: Database, database_url: str, tmp_path: Path) -> Iterator[Bench]:
    with receiving() as receiver:
        yield Bench(database, make_settings(tmp_path, database_url, webhook_hosts=(receiver.host,)), receiver)


def test_a_message_arrives_signed(bench: Bench) -> None:
    delivery_id = bench.ping()
    assert bench.sender().tick() == 1
    [message] = bench.receiver.messages
    payload = Verifier(bench.webhook.secret).verify(message.body, message.headers)
    assert payload["type"] == "webhook.test"
    assert payload["data"]["webhook_id"] == bench.webhook.id
    assert message.headers["webhook-id"] == delivery_id
    assert message.headers["host"] == bench.receiver.host
    assert message.headers["content-type"] == "application/json"
    assert message.path == "/hook?tenant=1"
    arrived = bench.delivery(delivery_id)
    assert (arrived.state, arrived.tries, arrived.last_status) == (DeliveryState.DELIVERED, 1, 204)
    assert arrived.delivered is not None
    assert bench.sender().tick() == 0


def test_both_secrets_sign_for_a_day_after_a_rotation(bench: Bench) -> None:
    rotated = bench.store.rotate(bench.project, bench.webhook.id)
    bench.ping()
    sender = bench.sender()
    sender.tick()
    for secret in (bench.webhook.secret, rotated.secret):
        Verifier(secret).verify(bench.receiver.messages[0].body, bench.receiver.messages[0].headers)
    with bench.database.transaction() as connection:
        connection.execute(update(webhooks).values(rotated=later(-86_401)))
    bench.ping()
    sender.tick()
    Verifier(rotated.secret).verify(bench.receiver.messages[1].body, bench.receiver.messages[1].headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(bench.webhook.secret).verify(bench.receiver.messages[1].body, bench.receiver.messages[1].headers)


def test_a_failure_is_tried_again_later_with_the_same_id_and_at_last_given_up(bench: Bench) -> None:
    bench.receiver.answer = lambda message: (500, {}, b"no")
    delivery_id = bench.ping()
    sender = bench.sender()
    for number in range(1, MAX_TRIES + 1):
        assert sender.tick() == 1
        failed = bench.delivery(delivery_id)
        assert (failed.tries, failed.last_status, failed.last_error) == (number, 500, "answered 500")
        if number < MAX_TRIES:
            assert failed.next_at is not None
            wait = (failed.next_at - bench.database.now()).total_seconds()
            assert BACKOFF_S[number - 1] * 0.9 - 5 < wait <= BACKOFF_S[number - 1] * 1.1
            assert sender.tick() == 0
            bench.change(next_at=clock())
    assert bench.delivery(delivery_id).state is DeliveryState.DEAD
    assert sender.tick() == 0
    assert {message.headers["webhook-id"] for message in bench.receiver.messages} == {delivery_id}
    bench.receiver.answer = lambda message: (200, {}, b"ok")
    bench.store.replay(bench.project, bench.webhook.id, delivery_id)
    sender.tick()
    assert bench.delivery(delivery_id).state is DeliveryState.DELIVERED


def test_the_tries_take_about_a_day() -> None:
    assert 22 * 3600 < sum(BACKOFF_S) < 25 * 3600
    assert list(BACKOFF_S) == sorted(BACKOFF_S)


@pytest.mark.parametrize(
    ("header", "least_s", "most_s"),
    [
        ("120", 110, 121),
        ("1", 0, 6),
        ("in an hour", 3500, 3601),
        ("999999999999999999999", MAX_RETRY_AFTER_S - 10, MAX_RETRY_AFTER_S + 1),
        ("soon", 0, 6),
        ("-5", 0, 6),
        ("٣", 0, 6),
    ],
)
def test_retry_after_is_honoured_within_limits(bench: Bench, header: str, least_s: float, most_s: float) -> None:
    if header == "in an hour":
        header = format_datetime(bench.database.now() + timedelta(hours=1), usegmt=True)
    encoded = header.encode().decode("latin-1")
    bench.receiver.answer = lambda message: (503, {"Retry-After": encoded}, b"")
    delivery_id = bench.ping()
    bench.sender().tick()
    next_at = bench.delivery(delivery_id).next_at
    assert next_at is not None
    assert least_s <= (next_at - bench.database.now()).total_seconds() <= most_s


def test_a_redirect_is_not_followed(bench: Bench) -> None:
    bench.receiver.answer = lambda message: (302, {"Location": f"http://{bench.receiver.host}/elsewhere"}, b"")
    delivery_id = bench.ping()
    bench.sender().tick()
    assert [message.path for message in bench.receiver.messages] == ["/hook?tenant=1"]
    assert bench.delivery(delivery_id).last_status == 302


def test_410_pauses_the_webhook(bench: Bench) -> None:
    bench.receiver.answer = lambda message: (410, {}, b"")
    delivery_id = bench.ping()
    bench.sender().tick()
    assert bench.delivery(delivery_id).state is DeliveryState.DEAD
    assert bench.now().paused is not None
    assert "410" in bench.now().pause_reason


def test_a_webhook_that_nothing_comes_through_to_is_paused(bench: Bench) -> None:
    values = {"webhook_id": bench.webhook.id, "project_id": bench.project, "event": "job.queued", "payload": {}}
    dead = [{**values, "id": new_id("msg"), "state": "DEAD", "tries": MAX_TRIES} for _ in range(DEAD_IN_A_ROW - 1)]
    with bench.database.transaction() as connection:
        connection.execute(insert(deliveries).values(created=clock()), dead)
    bench.receiver.answer = lambda message: (500, {}, b"")
    bench.ping()
    sender = bench.sender()
    with bench.database.transaction() as connection:
        is_pending = deliveries.c.state == "PENDING"
        connection.execute(update(deliveries).where(is_pending).values(tries=MAX_TRIES - 2))
    sender.tick()
    assert bench.now().paused is None
    with bench.database.transaction() as connection:
        connection.execute(update(deliveries).where(is_pending).values(next_at=clock()))
    sender.tick()
    assert str(DEAD_IN_A_ROW) in bench.now().pause_reason


def test_what_waits_for_a_paused_webhook_is_sent_when_it_goes_on(bench: Bench) -> None:
    delivery_id = bench.ping()
    bench.store.pause(bench.project, bench.webhook.id, "key:1")
    sender = bench.sender()
    assert sender.tick() == 0
    bench.store.resume(bench.project, bench.webhook.id)
    assert sender.tick() == 1
    assert bench.delivery(delivery_id).state is DeliveryState.DELIVERED


def test_many_senders_make_each_try_once(bench: Bench) -> None:
    sent = [bench.ping() for _ in range(40)]
    senders = [bench.sender() for _ in range(4)]

    def work(sender: Sender) -> None:
        while sender.tick():
            pass

    threads = [threading.Thread(target=work, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while senders[0].tick():
        pass
    assert sorted(message.headers["webhook-id"] for message in bench.receiver.messages) == sorted(sent)


def test_a_try_whose_sender_died_is_made_again_when_its_lease_is_over(bench: Bench) -> None:
    delivery_id = bench.ping()
    bench.change(tries=1, lease_until=later(60))
    sender = bench.sender()
    assert sender.tick() == 0
    bench.change(lease_until=later(-1))
    assert sender.tick() == 1
    assert bench.delivery(delivery_id).tries == 2


def test_a_sender_that_lost_its_lease_settles_nothing(bench: Bench) -> None:
    delivery_id = bench.ping()

    def take_over(message: Message) -> tuple[int, dict[str, str], bytes]:
        bench.change(tries=2, lease_until=later(60))
        return 500, {}, b""

    bench.receiver.answer = take_over
    bench.sender().tick()
    pending = bench.delivery(delivery_id)
    assert (pending.tries, pending.last_status) == (2, None)


def test_senders_that_die_on_a_delivery_give_it_up_in_the_end(bench: Bench) -> None:
    delivery_id = bench.ping()
    bench.change(tries=MAX_TRIES + 1)
    bench.sender().tick()
    assert bench.delivery(delivery_id).state is DeliveryState.DEAD
    assert bench.receiver.messages == []


def test_one_receiver_does_not_keep_the_others_waiting(bench: Bench) -> None:
    for _ in range(30):
        bench.ping()
    other = bench.store.create(bench.project, NewWebhook(name="other", url=bench.receiver.url), "key:1")
    late = bench.store.ping(bench.project, other.id)
    bench.sender().tick()
    assert bench.store.delivery(bench.project, other.id, late.id).state is DeliveryState.DELIVERED


def test_an_address_is_checked_at_each_send(bench: Bench) -> None:
    """The name led to a public address when the webhook was made, and leads to loopback now."""
    strict = bench.settings.model_copy(update={"webhook_hosts": ()})
    store = WebhookStore(bench.database, SECRET, strict, resolver=lambda host, port: ["93.184.215.14"])
    url = f"https://hooks.example.com:{bench.receiver.port}/"
    rebinding = store.create(bench.project, NewWebhook(name="rebinding", url=url), "key:1")
    delivery = store.ping(bench.project, rebinding.id)
    sender = Sender(strict, bench.database, store, resolver=lambda host, port: ["127.0.0.1"])
    sender.tick()
    failed = store.delivery(bench.project, rebinding.id, delivery.id)
    assert (failed.state, failed.last_status) == (DeliveryState.PENDING, None)
    assert "only public" in failed.last_error
    assert bench.receiver.messages == []


def test_no_receiver_is_a_failure_that_says_no_address(bench: Bench) -> None:
    with bench.database.transaction() as connection:
        connection.execute(update(webhooks).values(url="http://127.0.0.1:9/"))
    closed = bench.settings.model_copy(update={"webhook_hosts": ("127.0.0.1:9",)})
    delivery_id = bench.ping()
    sender = Sender(closed, bench.database, bench.store)
    sender.tick()
    assert bench.delivery(delivery_id).last_error == "no answer: ConnectError"


def test_a_huge_answer_is_cut_off(bench: Bench) -> None:
    bench.receiver.answer = lambda message: (200, {}, b"x" * 20_000_000)
    delivery_id = bench.ping()
    started = time.monotonic()
    bench.sender().tick()
    assert time.monotonic() - started < 20
    assert bench.delivery(delivery_id).state is DeliveryState.DELIVERED


def test_an_answer_that_trickles_is_given_up(bench: Bench) -> None:
    """One byte of a header now and then keeps every single read within its time-out."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"

        def trickle() -> None:
            connection, _address = server.accept()
            with connection:
                try:
                    for _ in range(100):
                        connection.sendall(b"H")
                        time.sleep(0.05)
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        settings = bench.settings.model_copy(update={"webhook_hosts": (host,)})
        store = WebhookStore(bench.database, SECRET, settings)
        slow = store.create(bench.project, NewWebhook(name="slow", url=f"http://{host}/"), "key:1")
        delivery = store.ping(bench.project, slow.id)
        Sender(settings, bench.database, store, deadline_s=0.3).tick()
        thread.join()
    assert store.delivery(bench.project, slow.id, delivery.id).last_error == "no whole answer within 0.3 s"


def test_a_deleted_webhook_is_sent_nothing(bench: Bench) -> None:
    bench.ping()
    bench.store.delete(bench.project, bench.webhook.id, revision=1)
    assert bench.sender().tick() == 0
    with bench.database.reading() as connection:
        assert list(connection.execute(select(deliveries.c.state)).scalars()) == ["DEAD"]


def test_it_runs_until_it_is_told_to_stop(bench: Bench) -> None:
    stop = threading.Event()
    arrived = threading.Event()

    def answer(message: Message) -> tuple[int, dict[str, str], bytes]:
        arrived.set()
        return 204, {}, b""

    bench.receiver.answer = answer
    sender = Sender(bench.settings, bench.database, bench.store)
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    bench.ping()
    assert arrived.wait(10)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def test_what_nobody_foresaw_is_one_deliverys_failure(bench: Bench) -> None:
    broken = bench.store.create(bench.project, NewWebhook(name="broken", url=bench.receiver.url), "key:1")
    bench.change_hook(broken.id, url="http://broken.example/")
    first = bench.store.ping(bench.project, broken.id).id
    second = bench.ping()

    def resolver(host: str, port: int) -> list[str]:
        raise RuntimeError(host)

    hosts = (bench.receiver.host, "broken.example")
    settings = bench.settings.model_copy(update={"webhook_hosts": hosts})
    assert Sender(settings, bench.database, bench.store, resolver=resolver).tick() == 2
    failed = bench.store.delivery(bench.project, broken.id, first)
    assert (failed.state, failed.last_error) == (DeliveryState.PENDING, "could not be sent: RuntimeError")
    assert bench.delivery(second).state is DeliveryState.DELIVERED


def test_a_stop_breaks_off_what_hangs_and_it_is_sent_later(bench: Bench) -> None:
    is_there, stop, go_on = threading.Event(), threading.Event(), threading.Event()

    def answer(message: Message) -> tuple[int, dict[str, str], bytes]:
        is_there.set()
        go_on.wait(20)
        return 204, {}, b""

    bench.receiver.answer = answer
    delivery_id = bench.ping()
    sender = Sender(bench.settings, bench.database, bench.store, grace_s=0.05)
    thread = threading.Thread(target=sender.run, args=(stop,))
    thread.start()
    try:
        assert is_there.wait(20)
        stop.set()
        thread.join(5)
        assert not thread.is_alive()
    finally:
        go_on.set()
        stop.set()
        thread.join(40)
    waiting = bench.delivery(delivery_id)
    assert (waiting.state, waiting.tries) == (DeliveryState.PENDING, 0)
    assert bench.sender().tick() == 1
    assert bench.delivery(delivery_id).state is DeliveryState.DELIVERED


def test_one_that_hangs_does_not_keep_the_others_unsettled(bench: Bench) -> None:
    slow, quick = bench.ping(), bench.ping()
    settled: list[DeliveryState] = []

    def answer(message: Message) -> tuple[int, dict[str, str], bytes]:
        if message.headers["webhook-id"] == slow:
            until = time.monotonic() + 10
            while bench.delivery(quick).state is DeliveryState.PENDING and time.monotonic() < until:
                time.sleep(0.02)
            settled.append(bench.delivery(quick).state)
        return 204, {}, b""

    bench.receiver.answer = answer
    assert bench.sender().tick() == 2
    assert settled == [DeliveryState.DELIVERED]


def test_tls_names_the_host_and_checks_its_certificate(bench: Bench, tmp_path: Path) -> None:
    """The connection goes to the address that was checked; the certificate must be the name's."""
    names: list[str | None] = []
    for name, is_good in (("hooks.example.com", True), ("other.example.com", False)):
        certificate = certify(name, tmp_path)
        serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        serving.load_cert_chain(certificate)
        serving.sni_callback = lambda _socket, asked, _context: names.append(asked)
        trusting = ssl.create_default_context(cafile=certificate)
        outcome = _send_by_tls(bench, serving, trusting)
        assert outcome.state is (DeliveryState.DELIVERED if is_good else DeliveryState.PENDING)
    assert names == ["hooks.example.com", "hooks.example.com"]


def _send_by_tls(bench: Bench, serving: ssl.SSLContext, trusting: ssl.SSLContext) -> Delivery:
    with receiving(serving) as receiver:
        host = f"hooks.example.com:{receiver.port}"
        settings = bench.settings.model_copy(update={"webhook_hosts": (host,)})
        store = WebhookStore(bench.database, SECRET, settings, resolver=lambda name, port: ["127.0.0.1"])
        webhook = store.create(bench.project, NewWebhook(name="tls", url=f"https://{host}/"), "key:1")
        delivery = store.ping(bench.project, webhook.id)
        sender = Sender(settings, bench.database, store, resolver=lambda name, port: ["127.0.0.1"], tls=trusting)
        sender.tick()
        return store.delivery(bench.project, webhook.id, delivery.id)
