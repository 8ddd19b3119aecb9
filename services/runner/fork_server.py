"""The process that forks drivers: `python -m services.runner.fork_server`, with its runner's socket as
standard input.

What a driver loads takes seconds, so it is loaded once, here; each driver is a child that has it already. A child of a
process with threads may find a lock held by nobody, so here is none, nor a connection, nor anything of a job: what the
driver is to know comes with the request. It ends when its runner does; drivers outlive it.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from services.runner import driver, execution  # noqa: F401, a driver needs it once it has a job
from services.runner.forks import DESCRIPTORS, EXIT, FORK, PID
from services.settings import replace_environment


@dataclass(frozen=True)
class Forked:
    """A driver that has not been seen to end."""

    pid: int
    process: int
    """The descriptor of the process, readable once it has ended."""
    told: int
    """The pipe to its runner."""


def main() -> int:
    """Fork drivers until the runner is gone; in a driver, be it. The exit code."""
    gc.collect()
    gc.freeze()  # a collection would write to pages that are shared
    with socket.socket(fileno=os.dup(0)) as requests, ForkServer(requests) as server:
        is_driver = server.run()
    return driver.main() if is_driver else 0


class ForkServer:
    """Forks for one runner; the children let go of what it holds."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._forked: dict[int, Forked] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(requests, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._selector.close()
        for child in self._forked.values():
            _let_go(child)

    def run(self) -> bool:
        """True in a driver; False in the server, once the runner is gone."""
        while True:
            for key, _ in self._selector.select():
                if key.fd in self._forked:
                    self._selector.unregister(key.fd)
                    _bury(self._forked.pop(key.fd))
                    continue
                request, descriptors, _, _ = socket.recv_fds(self._requests, len(FORK), DESCRIPTORS)
                if not request:
                    return False
                if self._fork(*descriptors):
                    return True

    def _fork(self, environment: int, standard_input: int, output: int, told: int) -> bool:
        """Whether this is the driver now."""
        try:
            pid = os.fork()
        except OSError as error:
            _tell(told, f"no driver can be forked: {error.strerror}")
            os.close(told)
            pid = -1
        if pid == 0:
            _become(environment, standard_input, output)
            _tell(told, f"{PID} {os.getpid()}")
            os.close(told)
            return True
        for descriptor in (environment, standard_input, output):
            os.close(descriptor)
        if pid > 0:
            child = Forked(pid, os.pidfd_open(pid), told)
            self._forked[child.process] = child
            self._selector.register(child.process, selectors.EVENT_READ)
        return False


def _become(environment: int, standard_input: int, output: int) -> None:
    """Make this child what a driver is that was started by itself."""
    os.setsid()
    with os.fdopen(environment, "rb") as file:
        replace_environment(json.load(file))
    for descriptor, standard in ((standard_input, 0), (output, 1)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.dup2(1, 2)


def _bury(child: Forked) -> None:
    """Kill what a driver that has ended left running, and tell its exit code."""
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # not yet reaped, so the group's id is still its own
    code = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    _tell(child.told, f"{EXIT} {code}")
    _let_go(child)


def _tell(pipe: int, what: str) -> None:
    with suppress(BrokenPipeError):  # its runner does not listen any more
        os.write(pipe, f"{what}\n".encode())


def _let_go(child: Forked) -> None:
    os.close(child.process)
    os.close(child.told)


if __name__ == "__main__":
    sys.exit(main())
