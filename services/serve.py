"""`curation serve`: API, scheduler, runner and webhooks' sender in one process, or one of them.

The API has the main thread, the others a thread each. A signal stops all; one that dies stops all, too, and the process
ends with an error: a half service is worse than one that is started again.
"""

from __future__ import annotations

import fcntl
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import uvicorn

from curation.errors import CurationError
from services import failpoints, telemetry
from services.control_plane.app import create_app
from services.control_plane.plane import Plane, open_plane
from services.database import migrate, open_database
from services.errors import SettingsError
from services.logs import set_up_logging
from services.runner.runner import Runner
from services.scheduler.scheduler import Scheduler
from services.settings import Settings
from services.webhooks.sender import Sender

STOP_S = 28.0
"""How long the parts may take to stop, together."""
STREAMS_S = 5.0
"""How long the API's open answers may take of it."""
TICK_S = 0.2
BACKLOG = 1024

log = logging.getLogger("services.serve")

Run = Callable[[threading.Event], None]


class Role(StrEnum):
    """A part that can be a process of its own."""

    API = "api"
    SCHEDULER = "scheduler"
    """Also sends the webhooks."""
    RUNNER = "runner"


class ServeError(CurationError):
    """A part of the service died, or did not stop."""

    exit_code = 1


@dataclass
class Announcement:
    """What a person who has started the service needs to know."""

    roles: Sequence[Role]
    data: Path | None
    """None where the database is a server's."""
    roots: Sequence[str]
    url: str | None = None
    key: str | None = None
    """The first API key, when it was made just now."""
    key_file: Path | None = None
    """Where it was written instead."""
    warnings: Sequence[str] = ()


@dataclass
class _Parts:
    """The threads, and what ended before its time."""

    stop: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def start(self, name: str, run: Run) -> None:
        thread = threading.Thread(target=self._guard, args=(name, run), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def _guard(self, name: str, run: Run) -> None:
        try:
            run(self.stop)
        except Exception as error:  # the outermost loop of the thread
            log.exception("%s died", name)
            self.failed.append(f"{name}: {type(error).__name__}: {error}")
        else:
            if not self.stop.is_set():
                self.failed.append(f"{name} ended by itself")
        self.stop.set()

    def join(self, until: float) -> None:
        """Wait for them to end. Raises ServeError."""
        self.stop.set()
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))
        self.failed += [f"{thread.name} did not stop in time" for thread in self.threads if thread.is_alive()]
        if self.failed:
            raise ServeError("; ".join(self.failed))


class _Server(uvicorn.Server):
    """The API's server; the process's one stop ends it, not signals of its own."""

    def __init__(self, config: uvicorn.Config, stop: threading.Event, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._stop = stop
        self._end_streams = end_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        self.should_exit = self.should_exit or self._stop.is_set()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


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
    parts = _Parts()
    with ExitStack() as stack:
        stack.enter_context(_stopped_by_signals(parts.stop))
        listening = stack.enter_context(_listen(settings)) if Role.API in roles else None
        if settings.is_embedded:
            stack.enter_context(_only_one(settings.data, roles))
        _prepare(settings)
        told = Announcement(roles, settings.data.absolute() if settings.is_embedded else None, settings.roots)
        server = None
        if listening is not None:
            app = create_app(settings)
            told.url = _url(settings, listening)
            told.warnings = _warnings(settings)
            _hand_over_first_key(app.state.plane, told, key_file)
            server = _Server(_config(app, settings), parts.stop, app.state.events.stop)
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


def _start(parts: _Parts, roles: Sequence[Role], settings: Settings, plane: Plane) -> None:
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


# ---------------------------------------------------------------------------- signals


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`, however often they come."""

    def ask(*_: object) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# --------------------------------------------------------------------------- the door


@contextmanager
def _listen(settings: Settings) -> Iterator[socket.socket]:
    """The socket of the API, bound before anything is started. Raises SettingsError."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Of the protocol by name: asyncio sends small answers at once (TCP_NODELAY) only for sockets that say so.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((settings.host, settings.port))
            listening.listen(BACKLOG)
        except OSError as error:
            where = f"{settings.host} port {settings.port}"
            raise SettingsError(f"cannot listen on {where}: {error.strerror}; give another --host or --port") from None
        yield listening


def _config(app: Callable[..., Any], settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        lifespan="on",
        timeout_graceful_shutdown=int(STREAMS_S),
    )


def _url(settings: Settings, listening: socket.socket) -> str:
    """What clients of this machine, or of the network if the settings say how, call the API."""
    host, port = listening.getsockname()[:2]
    return settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"


def _warnings(settings: Settings) -> list[str]:
    is_local = settings.host in ("127.0.0.1", "::1", "localhost")
    if is_local or (settings.public_url or "").startswith("https://"):
        return []
    return [
        f"{settings.host} can be reached from the network, and keys would travel in clear: put a proxy with TLS before "
        "it and say so in CURATION_PUBLIC_URL=https://…"
    ]


# ----------------------------------------------------------------------- the first key


def _hand_over_first_key(plane: Plane, told: Announcement, path: Path | None) -> None:
    """Make the installation's first key, if it has none, and show it once: in a file for this user only, or on the
    screen. The file is tried first, so that the key is not lost where it cannot be written. Raises SettingsError.

    Where the database is a server's, the screen may be a log, and this one of many machines: there `curation admin
    first-key` makes it."""
    project = plane.projects.ensure_default()
    if path is None and told.data is None:
        return
    draft = None if path is None else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if draft is not None:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        made = plane.keys.first(project.id)
        if made is None:
            return
        if draft is None or path is None:
            told.key = made[1]
            return
        draft.write_text(f"{made[1]}\n")
        draft.replace(path)
        told.key_file = path
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another --key-file") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)


# ------------------------------------------------------------------------------ locks


@contextmanager
def _only_one(data: Path, roles: Sequence[Role]) -> Iterator[None]:
    """Hold this data folder for these roles: SQLite's service has one process of each. Raises SettingsError."""
    with ExitStack() as stack:
        for role in roles:
            stack.enter_context(_lock(data, role))
        yield


@contextmanager
def _lock(data: Path, role: Role) -> Iterator[None]:
    path = data / f"{role}.lock"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another --data") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            already = f"{data.absolute()} is served already: process {pid} is its {role}"
            raise SettingsError(f"{already}; stop it, or give another --data") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
