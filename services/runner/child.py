"""A driver process, as its runner sees it."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

from services.jobs.job import Claim
from services.logs import clean
from services.runner.forks import EXIT, Forks
from services.settings import Settings

TAIL_BYTES = 4096
"""How much of what a driver wrote at last is kept."""
TELL_S = 1.0
"""How long its runner waits until a driver has been told its claim; what fits into a pipe is told at once."""
SAID_LINES = 5
"""How many lines of it a message shows."""


class Child:
    """One running driver. It leads a session of its own, so that signals to its runner's terminal pass it by."""

    def __init__(self, claim: Claim, settings: Settings, forks: Forks) -> None:
        """Raises OSError where there is no driver."""
        self.claim = claim
        self.lost_since: float | None = None
        """When it was first seen to have lost its lease, on the monotonic clock."""
        self._process = forks.start(settings.environment())
        self.pid = self._process.pid
        self._exit_code: int | None = None
        self._is_gone = False
        self._tail = b""
        self._reader = threading.Thread(target=self._read, name=f"tail-{self.pid}", daemon=True)
        self._reader.start()
        self._told = threading.Event()
        self._draining = threading.Event()
        threading.Thread(target=self._tell, args=(claim,), name=f"tell-{self.pid}", daemon=True).start()
        self._told.wait(TELL_S)

    def has_exited(self) -> bool:
        """Whether the driver itself is gone, and what it left running is killed."""
        if not self._is_gone:
            try:
                said = os.read(self._process.told, 64)
            except BlockingIOError:
                return False
            if said:
                self._exit_code = int(said.removeprefix(EXIT.encode()))
            else:  # whoever forked it is gone, and nobody else would see how it ends
                self._kill_group()
            self._is_gone = True
            os.close(self._process.told)
        return True

    def drain(self) -> None:
        """Ask it to hand its job back."""
        self._draining.set()

    def kill(self) -> None:
        """Kill it, with all that it started."""
        if not self.has_exited():
            self._kill_group()

    def last_words(self) -> str:
        """How it ended, and what it wrote at last."""
        self._reader.join(1.0)
        self.drain()
        code = self._exit_code
        if code is None:
            how = "the process that forked it"
        else:
            how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        said = clean(self._tail.decode(errors="replace")).strip().splitlines()[-SAID_LINES:]
        return f"its driver ended with {how}" + (f": {' / '.join(said)}" if said else "")

    def _tell(self, claim: Claim) -> None:
        """Tell it the claim; a driver that does not listen keeps this thread waiting, not the runner. Then hold its
        standard input open until it is to stop."""
        with (
            suppress(BrokenPipeError),
            os.fdopen(self._process.standard_input, "wb") as stdin,
        ):  # its exit says if it died
            stdin.write(claim.model_dump_json().encode() + b"\n")
            stdin.flush()
            self._told.set()
            self._draining.wait()

    def _read(self) -> None:
        with os.fdopen(self._process.output, "rb", buffering=0) as output:
            while piece := output.read(65_536):
                self._tail = (self._tail + piece)[-TAIL_BYTES:]

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def wait_for(children: list[Child], seconds: float) -> None:
    """Wait until all of them have exited, at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(child.has_exited() for child in children):
        time.sleep(0.05)
