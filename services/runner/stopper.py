"""Stops a driver's work: from any thread, by a signal, and again where compiled code swallowed it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from types import FrameType

from curation.runner.interruption import may_interrupt


class Why(StrEnum):
    """Why a driver stops before its job is done."""

    DRAINED = "drained"
    """Its runner leaves, or is gone: the job goes back to the queue."""
    ASKED = "asked"
    """Somebody paused or cancelled the job."""
    LOST = "lost"
    """Somebody else works on the job now."""
    CUT_OFF = "cut_off"
    """The database has not answered for as long as the lease is good."""


class Stopped(BaseException):
    """Raised in the main thread's work; not an Exception, so that no handler on the way takes it for its own."""


class Stopper:
    """Holds why the work is to stop, and interrupts it. Made, and `working` used, in the main thread."""

    def __init__(self) -> None:
        self.why: Why | None = None
        self._since = 0.0
        self._working = False
        self._is_shielded = False
        signal.signal(signal.SIGUSR1, self._interrupt)
        signal.signal(signal.SIGTERM, self._terminate)

    def stop(self, why: Why) -> None:
        """Stop the work; the first reason stays."""
        if self.why is None:
            self.why, self._since = why, time.monotonic()
        self.remind()

    def remind(self) -> None:
        """Interrupt the work again, where it goes on nevertheless."""
        if self.why is not None and self._working and not self._is_shielded:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)

    def ignored_s(self) -> float:
        """How long the work has gone on since it was stopped; 0 where it need not stop."""
        is_ignored = self.why is not None and self._working and not self._is_shielded
        return time.monotonic() - self._since if is_ignored else 0.0

    def shield(self) -> None:
        """From now on the work is not interrupted any more: it publishes. Raises Stopped where it is to stop."""
        self._is_shielded = True
        if self.why is not None:
            self._is_shielded = False
            raise Stopped

    @contextmanager
    def working(self) -> Iterator[None]:
        """Within, `stop` raises Stopped; what compiled code made of that leaves it as Stopped too."""
        try:
            self._working = True
            if self.why is not None:
                raise Stopped
            yield
        except BaseException:
            if self.why is not None and not self._is_shielded:
                raise Stopped from None
            raise
        finally:
            self._working = False

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        is_tidying_up = sys.exception() is not None
        if self._working and not self._is_shielded and not is_tidying_up and may_interrupt(frame):
            raise Stopped

    def _terminate(self, _number: int, frame: FrameType | None) -> None:
        if self.why is None:
            self.why, self._since = Why.DRAINED, time.monotonic()
        self._interrupt(_number, frame)
