"""What runs side by side in one process: one that dies stops all."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from curation.errors import CurationError

log = logging.getLogger("services.serve")

Run = Callable[[threading.Event], None]


class ServeError(CurationError):
    """A part of the service died, or did not stop."""

    exit_code = 1


@dataclass
class Parts:
    """The threads of a process, and what ended before its time."""

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


@contextmanager
def stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set `stop`, however often they come."""

    def ask(*_: object) -> None:
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
