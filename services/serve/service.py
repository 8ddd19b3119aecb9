"""`curation serve`: API, scheduler, runner and webhooks' sender in one process, or one of them.

The API has the main thread, the others a thread each. A signal stops all; one that dies stops all, too, and the process
ends with an error: a half service is worse than one that is started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from services import failpoints, telemetry
from services.control_plane.plane import Plane, open_plane
from services.database import migrate, open_database
from services.logs import set_up_logging
from services.runner.runner import Runner
from services.scheduler.scheduler import Scheduler
from services.serve.announcement import Announcement, Role
from services.serve.door import listen
from services.serve.locks import only_one
from services.serve.parts import Parts, stopped_by_signals
from services.settings import Settings
from services.webhooks.sender import Sender

if TYPE_CHECKING:
    from uvicorn import Server

STOP_S = 28.0
"""How long the parts may take to stop, together."""
TICK_S = 0.2


def serve(
    settings: Settings,
    only: Sequence[Role] = (),
    *,
    key_file: Path | None = None,
    announce: Callable[[Announcement], None],
) -> None:
    """Serve until a signal comes, or a part dies. `announce` is called once everything listens.

    Raises SettingsError before anything is started, ServeError when a part dies or does not stop.
    """
    roles = [role for role in Role if not only or role in only]
    failpoints.arm(settings.failpoint)
    set_up_logging(settings, "+".join(roles))
    parts = Parts()
    with ExitStack() as stack:
        stack.enter_context(stopped_by_signals(parts.stop))
        listening = stack.enter_context(listen(settings)) if Role.API in roles else None
        if settings.is_embedded:
            stack.enter_context(only_one(settings.data, roles))
        _prepare(settings)
        told = Announcement(roles, settings.data.absolute() if settings.is_embedded else None, settings.roots)
        server: Server | None = None
        if listening is not None:
            from services.serve.api import open_api  # what only the API needs takes a second to load

            server = open_api(settings, listening, parts.stop, told, key_file)
        if set(roles) & {Role.SCHEDULER, Role.RUNNER}:
            plane = open_plane(settings)
            stack.callback(plane.close)
            if server is None:  # else the API has done it
                stack.callback(telemetry.set_up(settings, "+".join(roles), engine=plane.database.engine))
            _start(parts, roles, settings, plane)
        announce(told)
        try:
            if server is not None and listening is not None:
                server.run(sockets=[listening])
                if not parts.stop.is_set():
                    parts.failed.append("the API ended by itself")
            else:
                while not parts.stop.is_set():
                    time.sleep(TICK_S)
        finally:
            parts.join(time.monotonic() + STOP_S)


def _start(parts: Parts, roles: Sequence[Role], settings: Settings, plane: Plane) -> None:
    """The threads of these roles."""
    if Role.SCHEDULER in roles:
        scheduler = Scheduler(settings, plane.database, plane.jobs, plane.intake, plane.schedules)
        parts.start("scheduler", scheduler.run)
        parts.start("sender", Sender(settings, plane.database, plane.webhooks).run)
    if Role.RUNNER in roles:
        parts.start("runner", Runner(settings, plane.database).run)


def _prepare(settings: Settings) -> None:
    """The embedded database is brought up to date; another must be. Raises SettingsError."""
    database = open_database(settings)
    try:
        if settings.is_embedded:
            migrate.upgrade(database)
        else:
            migrate.check(database)
    finally:
        database.close()
