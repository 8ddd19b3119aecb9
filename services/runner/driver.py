"""A driver: the process that executes one job. `python -m services.runner.driver`, with the claim on standard input.

It ends with 0 where the job has an end, or is somebody else's by now; with anything else its runner, or the job's
lease, gives the job to another. Its runner holds the other end of standard input: once that is closed, it stops.
"""

from __future__ import annotations

import logging
import os
import sys

from services import telemetry
from services.database import Database, open_database
from services.errors import IllegalState, LostLease
from services.failpoints import arm, reach
from services.jobs.job import Claim, Ending
from services.jobs.states import State
from services.jobs.store import JobStore
from services.runner.heart import Heart, Sentry
from services.runner.logs import JobLog
from services.runner.patience import AWAY, patiently
from services.runner.progress import Meter
from services.runner.stopper import Stopped, Stopper, Why
from services.settings import Settings, load_settings

log = logging.getLogger("services.runner")

TRY_AGAIN = 75
"""The exit code of a driver that leaves its job to another attempt (EX_TEMPFAIL of sysexits.h)."""


def main() -> int:
    """Execute the claim that standard input holds."""
    claim = Claim.model_validate_json(_first_line())
    settings = load_settings()
    arm(settings.failpoint)
    database = open_database(settings, pool_size=3)
    send_traces = telemetry.set_up(settings, "driver", engine=database.engine)
    try:
        return Driver(claim, settings, database).run()
    except AWAY as error:
        return _try_again(f"the database is away: {type(error).__name__}")
    finally:
        send_traces()
        database.close()


class Driver:
    """Keeps the claim's lease while the job is worked on, and says how it ended."""

    def __init__(self, claim: Claim, settings: Settings, database: Database) -> None:
        reach("driver.started")
        self._claim = claim
        self._settings = settings
        self._database = database
        self._store = JobStore(database, settings)
        self._stopper = Stopper()
        self._meter = Meter(database.now())
        self._heart = Heart(self._store, claim.lease, settings, self._meter, self._stopper)

    def run(self) -> int:
        """The exit code."""
        Sentry(self._heart, self._stopper).start()
        try:
            self._begin()
            return self._execute()
        except LostLease:
            return _nothing_to_say()

    def _begin(self) -> None:
        reach("driver.before_begin")
        until = self._heart.good_until
        try:
            patiently(lambda: self._store.begin(self._claim.lease), until)
        except IllegalState:
            state = patiently(self._heart.beat, until).state
            if state in (State.CANCELLING, State.PAUSING):
                self._stopper.stop(Why.ASKED)
            elif state is not State.RUNNING:  # else it was begun, and the answer was lost
                raise
        self._meter.recall(self._store.get(self._claim.project_id, self._claim.lease.job_id).progress)
        reach("driver.after_begin")

    def _execute(self) -> int:
        job_log = JobLog(self._store, self._claim.lease.job_id)
        logging.basicConfig(handlers=[job_log], level=logging.WARNING, force=True)
        for name in ("services", "curation"):
            logging.getLogger(name).setLevel(self._settings.log_level)
        self._heart.start()
        log.info("attempt %d begins", self._claim.attempt, extra={"fields": {"owner": self._claim.lease.owner}})
        ending = self._ending()
        self._heart.close()
        logging.getLogger().removeHandler(job_log)
        job_log.close()
        if ending is None:
            return 0 if self._stopper.why is Why.LOST else TRY_AGAIN
        return self._finish(ending)

    def _ending(self) -> Ending | None:
        """How the job ended; None where that is not for this driver to say."""
        from services.runner.execution import Execution, TryAgain  # it takes a second, and the job has begun

        parts = (self._settings, self._database, self._store, self._heart, self._meter, self._stopper)
        execution = Execution(self._claim, *parts)
        try:
            with self._stopper.working(), telemetry.span("job", self._claim.traceparent):
                return execution.run()
        except Stopped:
            return self._stopped()
        except LostLease:
            self._stopper.stop(Why.LOST)
            return None
        except Exception as error:  # noqa: BLE001, the outermost loop of the work: the job says what it was
            try:
                return execution.failed(error)
            except TryAgain as again:
                log.warning("left to another attempt: %s", again)
                _try_again(str(again))
                return None

    def _stopped(self) -> Ending | None:
        """Work that was stopped goes back to the queue; the store makes of that what the job was asked to be."""
        why = self._stopper.why
        reach("driver.stopped")
        log.info("stopped: %s", why)
        if why is Why.DRAINED:
            return Ending(state=State.QUEUED, reason="drained", message="its runner was stopped")
        if why is Why.ASKED:
            state = self._heart.beat().state
            reason = "paused" if state is State.PAUSING else "cancelled"
            return Ending(state=State.QUEUED, reason=reason, message="it stopped as it was asked to")
        return None

    def _finish(self, ending: Ending) -> int:
        lease, until = self._claim.lease, self._heart.good_until
        patiently(self._heart.beat, until)
        reach("driver.before_finish")
        patiently(lambda: self._store.finish(lease, ending), until)
        reach("driver.after_finish")
        return 0


def _first_line() -> bytes:
    """The first line of standard input, and no byte more."""
    line = bytearray()
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 65_536)):
            break
        line += piece
    return bytes(line)


def _nothing_to_say() -> int:
    print("the job is somebody else's by now", file=sys.stderr)
    return 0


def _try_again(why: str) -> int:
    print(why, file=sys.stderr, flush=True)
    return TRY_AGAIN


if __name__ == "__main__":
    sys.exit(main())
