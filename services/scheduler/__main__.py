"""`python -m services.scheduler`: one scheduler, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

from services import failpoints
from services.catalogue import Catalogue
from services.database import Database, migrate, open_database
from services.errors import SettingsError
from services.identity.projects import Projects
from services.intake import Intake
from services.jobs.store import JobStore
from services.logs import set_up_logging
from services.recipes.store import RecipeStore
from services.scheduler.scheduler import Scheduler
from services.schedules.store import ScheduleStore
from services.settings import Settings, load_settings


def main() -> int:
    """Run a scheduler with the settings of the environment; the exit code."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        failpoints.arm(settings.failpoint)
        set_up_logging(settings, "scheduler")
        database = open_database(settings)
        migrate.check(database)
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    try:
        open_scheduler(settings, database).run(stop)
    finally:
        database.close()
    return 0


def open_scheduler(settings: Settings, database: Database) -> Scheduler:
    """A scheduler over a database."""
    intake = Intake(Projects(database, settings), RecipeStore(database), Catalogue(database))
    return Scheduler(settings, database, JobStore(database, settings), intake, ScheduleStore(database))


if __name__ == "__main__":
    sys.exit(main())
