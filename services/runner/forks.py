"""Starts drivers quickly: as children of a process that has loaded what they need (`services.runner.fork_server`)."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import services

FORK = b"f"
"""A request. With it come the descriptors of the driver's environment (a file of JSON), standard input and output, and
of the pipe that is told what becomes of it, a line each: its process id or why there is none, later its exit code."""
PID, EXIT = "pid", "exit"
"""What those lines begin with that hold a number: no exit code may be taken for a process."""
DESCRIPTORS = 4
THREADLESS = {
    "OPENBLAS_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "_RJEM_MALLOC_CONF": "background_thread:false",
}
"""What keeps NumPy, Arrow and deltalake from starting threads as they are loaded: what has threads must not fork."""
START_S = 60.0
"""How long a driver may take to be there, with all that must be loaded if it is the first one."""
CLOSE_S = 5.0


@dataclass(frozen=True)
class Started:
    """A driver process, and the ends of pipes that its runner holds of it, as descriptors."""

    pid: int
    standard_input: int
    output: int
    told: int
    """Says `exit CODE` on a line, once it has ended and nothing of its process group is left; ends without it where the
    process that forked it is gone. It does not block."""


class Forks:
    """Forks drivers. Threads may share it; close it at the end, which leaves the drivers alone."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` is that of the process which forks."""
        self._environment = _with_our_code(environment)
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._requests: socket.socket | None = None

    def warm(self) -> None:
        """Have the process loaded, beside what happens meanwhile. Raises OSError where it cannot be started."""
        with self._lock:
            self._ready()

    def start(self, environment: Mapping[str, str]) -> Started:
        """A new driver, which waits for its claim. Raises OSError where there is none."""
        with ExitStack() as theirs, ExitStack() as ours:
            standard_input, our_input = _pipe(theirs, ours)
            our_output, output = _pipe(ours, theirs)
            our_told, told = _pipe(ours, theirs)
            written = theirs.enter_context(os.fdopen(os.memfd_create("environment"), "w+"))
            json.dump(_with_our_code(environment), written)
            written.seek(0)
            with self._lock:
                descriptors = [written.fileno(), standard_input, output, told]
                socket.send_fds(self._ready(), [FORK], descriptors)
            theirs.close()
            pid = _pid(our_told)
            ours.pop_all()
        os.set_blocking(our_told, False)
        return Started(pid, our_input, our_output, our_told)

    def close(self) -> None:
        """End the process that forks, if there is one."""
        with self._lock:
            if self._requests is not None:
                self._requests.close()
            if self._server is not None:
                with suppress(subprocess.TimeoutExpired):
                    self._server.wait(CLOSE_S)
                self._server.kill()
                self._server.wait()
            self._server = self._requests = None

    def _ready(self) -> socket.socket:
        """Where requests go: to the process that there is, or a new one."""
        if self._server is not None and self._server.poll() is None and self._requests is not None:
            return self._requests
        if self._requests is not None:
            self._requests.close()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-m", "services.runner.fork_server"],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                env=self._environment | THREADLESS,
            )
        self._requests = ours
        return ours


def _with_our_code(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, in which Python finds this very package."""
    place, path = str(Path(services.__file__).parents[1]), environment.get("PYTHONPATH")
    return {**environment, "PYTHONPATH": place if not path else f"{place}{os.pathsep}{path}"}


def _pipe(reader: ExitStack, writer: ExitStack) -> tuple[int, int]:
    """A pipe's ends, each closed by the stack of whom it is for."""
    reading, writing = os.pipe()
    reader.callback(os.close, reading)
    writer.callback(os.close, writing)
    return reading, writing


def _pid(told: int) -> int:
    ready, _, _ = select.select([told], [], [], START_S)
    if not ready:
        raise OSError(f"it was not there within {START_S:g} s")
    said = b""
    while not said.endswith(b"\n"):
        if not (byte := os.read(told, 1)):
            raise OSError("the process that forks drivers has ended; its standard error says why")
        said += byte
    kind, _, number = said.decode().strip().partition(" ")
    if kind == EXIT:
        raise OSError(f"the driver ended with {number} before it began; the standard error of its runner says why")
    if kind != PID:
        raise OSError(said.decode().strip())
    return int(number)
