"""A driver process, as its runner sees it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext, suppress
from pathlib import Path

import services
from services.jobs.job import Claim
from services.logs import clean
from services.settings import Settings

TAIL_BYTES = 4096
"""How much of what a driver wrote at last is kept."""
TELL_S = 1.0
"""How long its runner waits until a driver has been told its claim; what fits into a pipe is told at once."""
SAID_LINES = 5
"""How many lines of it a message shows."""


class Child:
    """One running driver. It leads a session of its own, so that signals to its runner's terminal pass it by."""

    def __init__(self, claim: Claim, settings: Settings) -> None:
        self.claim = claim
        self.lost_since: float | None = None
        """When it was first seen to have lost its lease, on the monotonic clock."""
        environment = settings.environment()
        place = str(Path(services.__file__).parents[1])
        path = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = place if not path else f"{place}{os.pathsep}{path}"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "services.runner.driver"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
        self.pid = self._process.pid
        self._tail = b""
        self._reader = threading.Thread(target=self._read, name=f"tail-{self.pid}", daemon=True)
        self._reader.start()
        self._told = threading.Event()
        self._draining = threading.Event()
        threading.Thread(target=self._tell, args=(claim,), name=f"tell-{self.pid}", daemon=True).start()
        self._told.wait(TELL_S)

    def has_exited(self) -> bool:
        """Whether the driver itself is gone; what it left running is killed then."""
        if self._process.returncode is None:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return False
            self._kill_group()  # not yet reaped, so the group's id is still its own
            self._process.wait()
        return True

    def drain(self) -> None:
        """Ask it to hand its job back."""
        self._draining.set()

    def kill(self) -> None:
        """Kill it, with all that it started."""
        if self._process.returncode is None:
            self._kill_group()

    def last_words(self) -> str:
        """How it ended, and what it wrote at last."""
        self._reader.join(1.0)
        self.drain()
        code = self._process.returncode
        how = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        said = clean(self._tail.decode(errors="replace")).strip().splitlines()[-SAID_LINES:]
        return f"its driver ended with {how}" + (f": {' / '.join(said)}" if said else "")

    def _tell(self, claim: Claim) -> None:
        """Tell it the claim; a driver that does not listen keeps this thread waiting, not the runner. Then hold its
        standard input open until it is to stop."""
        with suppress(BrokenPipeError), self._process.stdin or nullcontext() as stdin:  # its exit will say if it died
            if stdin is not None:
                stdin.write(claim.model_dump_json().encode() + b"\n")
                stdin.flush()
                self._told.set()
                self._draining.wait()

    def _read(self) -> None:
        output = self._process.stdout
        while output is not None and (piece := os.read(output.fileno(), 65_536)):
            self._tail = (self._tail + piece)[-TAIL_BYTES:]
        if output is not None:
            output.close()

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


def wait_for(children: list[Child], seconds: float) -> None:
    """Wait until all of them have exited, at most so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not all(child.has_exited() for child in children):
        time.sleep(0.05)
