"""The runner: claims jobs, starts a driver for each, and sees to it that none is forgotten."""

from __future__ import annotations

import logging
import threading
import time

from sqlalchemy.exc import SQLAlchemyError

from services.database import Database
from services.database.presence import Presence
from services.errors import IllegalState, LostLease
from services.failpoints import reach
from services.jobs.job import Claim, Ending, Lease
from services.jobs.states import State
from services.jobs.store import JobStore
from services.runner.child import Child, wait_for
from services.runner.forks import Forks
from services.runner.standing import Standing, standings
from services.settings import Settings

log = logging.getLogger("services.runner")

REAP_S = 5.0
"""How often it looks for leases that have run out, as schedulers do; one of all of them is enough."""
BEAT_S = 5.0
DRAIN_S = 20.0
"""How long drivers may take to hand their jobs back when the runner stops."""


class Runner:
    """Executes up to `max_running_jobs` jobs at once, each in a process of its own."""

    def __init__(self, settings: Settings, database: Database, forks: Forks | None = None) -> None:
        """Takes its drivers from `forks`, else from its own."""
        self._forks = forks or Forks(settings.environment())
        self._owns_forks = forks is None
        self._settings = settings
        self._database = database
        self._store = JobStore(database, settings)
        self._presence = Presence(database, "runner", settings.runner_name)
        self._children: list[Child] = []
        self._next_reap = self._next_beat = 0.0

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; then hand the jobs back. A database that is away is waited for."""
        log.info("runner %s begins", self._settings.runner_name)
        try:
            self._forks.warm()
            while not stop.is_set():
                try:
                    self._turn()
                except SQLAlchemyError as error:
                    log.warning("the database is away, or refuses: %s", type(error).__name__)
                stop.wait(self._settings.poll_s)
        finally:
            self._drain()
            if self._owns_forks:
                self._forks.close()
        log.info("runner %s ends", self._settings.runner_name)

    @property
    def pids(self) -> list[int]:
        """The processes of its drivers."""
        return [child.pid for child in self._children]

    def _turn(self) -> None:
        now = time.monotonic()
        if now >= self._next_beat:
            self._next_beat = now + BEAT_S
            self._presence.beat({"running": len(self._children), "at_most": self._settings.max_running_jobs})
        if now >= self._next_reap:
            self._next_reap = now + REAP_S
            self._store.reap()
        self._look_after_children()
        while len(self._children) < self._settings.max_running_jobs:
            reach("runner.before_claim")
            claim = self._store.claim(self._settings.runner_name)
            if claim is None:
                return
            reach("runner.after_claim")
            self._start(claim)

    def _start(self, claim: Claim) -> None:
        try:
            child = Child(claim, self._settings, self._forks)
        except OSError as error:
            log.error("no driver could be started: %s", error)
            self._lose(claim.lease, f"no driver could be started: {error}")
            return
        self._children.append(child)
        log.info("job %s, attempt %d: driver %d", claim.lease.job_id, claim.attempt, child.pid)
        reach("runner.after_spawn")

    # --------------------------------------------------------------------- children

    def _look_after_children(self) -> None:
        if not self._children:
            return
        exited = [child for child in self._children if child.has_exited()]  # asked first: a driver finishes, then exits
        found = standings(self._database, [child.claim.lease for child in self._children])
        for child in list(self._children):
            standing = found[child.claim.lease.job_id]
            if child in exited:
                self._settle(child, standing)
            elif standing.must_die or self._lost_long_ago(child, standing):
                log.warning("driver %d of job %s is killed", child.pid, child.claim.lease.job_id)
                child.kill()

    def _lost_long_ago(self, child: Child, standing: Standing) -> bool:
        """Whether a driver goes on though its lease is gone: it should have seen that by itself."""
        if standing.is_held:
            child.lost_since = None
            return False
        if child.lost_since is None:
            child.lost_since = time.monotonic()
        return time.monotonic() - child.lost_since > self._settings.cancel_grace_s

    def _settle(self, child: Child, standing: Standing) -> None:
        """A driver is gone. It has said how its job ended, or it is lost."""
        words = child.last_words()
        if standing.is_held:
            log.warning("job %s: %s", child.claim.lease.job_id, words)
            reach("runner.before_lost")
            self._lose(child.claim.lease, words)
        self._children.remove(child)

    def _lose(self, lease: Lease, message: str) -> None:
        try:
            self._store.lost(lease, message)
        except (LostLease, IllegalState) as error:
            log.info("%s", error.detail)

    # ---------------------------------------------------------------------- the end

    def _drain(self) -> None:
        """Have every driver hand its job back; kill those that do not, and hand back theirs."""
        for child in self._children:
            child.drain()
        wait_for(self._children, DRAIN_S)
        for child in self._children:
            child.kill()
        wait_for(self._children, 2.0)
        try:
            found = standings(self._database, [child.claim.lease for child in self._children])
            for child in self._children:
                if child.has_exited() and found[child.claim.lease.job_id].is_held:
                    self._hand_back(child.claim.lease)
            self._presence.leave()
        except SQLAlchemyError as error:
            log.warning("the database is away, leases will run out: %s", type(error).__name__)

    def _hand_back(self, lease: Lease) -> None:
        try:
            self._store.finish(lease, Ending(state=State.QUEUED, reason="drained", message="its runner was stopped"))
        except (LostLease, IllegalState) as error:
            log.info("%s", error.detail)
