"""The scheduler: every schedule in its turn, and what else must happen now and then. Any number may run at once."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from services.database import Database
from services.database.presence import Presence
from services.failpoints import reach
from services.intake import Intake
from services.jobs.store import JobStore
from services.scheduler.trimming import trim
from services.scheduler.turn import Turns
from services.schedules.store import ScheduleStore
from services.settings import Settings

REAP_S = 5.0
BEAT_S = 5.0
TRIM_S = 3600.0

log = logging.getLogger(__name__)


class Scheduler:
    """Starts the occurrences of schedules as jobs, each once, however many schedulers there are; ends leases that have
    run out; forgets what is old."""

    def __init__(
        self, settings: Settings, database: Database, jobs: JobStore, intake: Intake, schedules: ScheduleStore
    ) -> None:
        self._settings = settings
        self._database = database
        self._jobs = jobs
        self._turns = Turns(database, jobs, intake)
        self._schedules = schedules

    def tick(self, now: datetime | None = None) -> int:
        """Look at every schedule that there is something to do for; how many jobs were started. One that goes wrong
        does not hold up the others: raises ExceptionGroup at the end. `now` is the database's unless given."""
        reach("scheduler.before_tick")
        moment = now or self._database.now()
        started, errors = 0, []
        for schedule_id in self._schedules.pressing(moment):
            try:
                started += self._turns.take(schedule_id, moment)
            except Exception as error:  # noqa: BLE001, raised below, behind the others' turns
                error.add_note(f"schedule {schedule_id}")
                errors.append(error)
        if errors:
            raise ExceptionGroup(f"{len(errors)} schedules went wrong", errors)
        return started

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop. What goes wrong is logged, and tried again."""
        presence = Presence(self._database, "scheduler", self._settings.runner_name)
        chores = [
            _Chore(self._settings.poll_s, self.tick),
            _Chore(REAP_S, self._jobs.reap),
            _Chore(BEAT_S, presence.beat),
            _Chore(TRIM_S, self.trim),
        ]
        while not stop.is_set():
            for chore in chores:
                chore.do()
            stop.wait(self._settings.poll_s)
        _attempt(presence.leave)

    def trim(self) -> int:
        """Forget what is older than the settings keep; how many rows."""
        return trim(self._database, self._jobs, self._settings)


class _Chore:
    """Something to do every so many seconds."""

    def __init__(self, every_s: float, work: Callable[[], object]) -> None:
        self._every_s = every_s
        self._work = work
        self._next = time.monotonic()

    def do(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every_s
            _attempt(self._work)


def _attempt(work: Callable[[], object]) -> None:
    """The outermost loop's: the scheduler outlives every error."""
    try:
        work()
    except SQLAlchemyError as error:
        log.warning("the database cannot be reached, or refuses: %s", type(error).__name__)
    except Exception:
        log.exception("this went wrong and will be tried again")
