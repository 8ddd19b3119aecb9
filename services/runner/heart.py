"""A driver's two watchers: one keeps its lease and learns what to do, one sees to it that the work stops."""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time

from services.errors import LostLease
from services.failpoints import midway, reach
from services.jobs.job import Lease, Orders
from services.jobs.states import State
from services.jobs.store import JobStore
from services.runner.patience import AWAY
from services.runner.progress import Meter
from services.runner.stopper import Stopper, Why
from services.settings import Settings

GOOD_SHARE = 0.8
"""The share of a lease, since its last renewal was asked for, after which it is not relied on any more."""
LOOK_S = 0.25
"""How often it is looked whether the runner is there, and whether the work stops."""
REMIND_S = 1.0
GIVE_UP_S = 45.0
"""How long work that must stop may go on, before the process kills itself; its job is then found by its lease."""


class Heart(threading.Thread):
    """Renews the lease, tells progress, and stops the work where it is asked to or the lease is lost."""

    def __init__(self, store: JobStore, lease: Lease, settings: Settings, meter: Meter, stopper: Stopper) -> None:
        super().__init__(name="heart", daemon=True)
        self._store = store
        self._lease = lease
        self._settings = settings
        self._meter = meter
        self._stopper = stopper
        self._renewed = time.monotonic()
        self._closing = threading.Event()

    def good_until(self) -> float:
        """How long, on the monotonic clock, this driver may rely on its lease."""
        return self._renewed + GOOD_SHARE * self._settings.lease_s

    def beat(self) -> Orders:
        """Renew the lease and tell progress. Raises LostLease."""
        asked = time.monotonic()
        orders = self._store.heartbeat(self._lease, self._meter.steps() or None)
        self._renewed = asked
        return orders

    def run(self) -> None:
        while not self._closing.wait(self._settings.heartbeat_s):
            reach("driver.heartbeat")
            try:
                with midway:
                    orders = self.beat()
                self._obey(orders)
            except LostLease:
                self._stopper.stop(Why.LOST)
            except AWAY as error:
                print(f"no heartbeat: {type(error).__name__}", file=sys.stderr)

    def close(self) -> None:
        """Stop beating."""
        self._closing.set()

    def _obey(self, orders: Orders) -> None:
        if orders.kill:
            print("killed: its time to stop by itself, or to make progress, is over", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if orders.state in (State.PAUSING, State.CANCELLING):
            self._stopper.stop(Why.ASKED)


class Sentry(threading.Thread):
    """Sees the runner go (the end of standard input) and the lease run out while the database is away; reminds work
    that goes on after it was stopped, and in the end kills this process."""

    def __init__(self, heart: Heart, stopper: Stopper) -> None:
        super().__init__(name="sentry", daemon=True)
        self._heart = heart
        self._stopper = stopper

    def run(self) -> None:
        reminded = time.monotonic()
        has_runner = True
        while True:
            if has_runner:
                has_runner = self._runner_is_there()
            else:
                time.sleep(LOOK_S)
            now = time.monotonic()
            if now > self._heart.good_until():
                self._stopper.stop(Why.CUT_OFF)
            if self._stopper.why is not None and now - reminded >= REMIND_S:
                reminded = now
                self._stopper.remind()
            if self._stopper.ignored_s() > GIVE_UP_S:
                print("killed: its work would not stop", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)

    def _runner_is_there(self) -> bool:
        ready, _, _ = select.select([0], [], [], LOOK_S)
        if ready and not os.read(0, 4096):
            self._stopper.stop(Why.DRAINED)
            return False
        return True
