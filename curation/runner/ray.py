"""Runs tasks on Ray, on this machine or on a cluster. The only module that imports ray.

Ray places tasks and notices dead workers; everything else is decided here: how many tasks are in flight, what is tried
again and how often, and that nothing runs on after a map has ended. Ray's own retries are off.
"""

from __future__ import annotations

import heapq
import logging
import re
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Generic, NoReturn, Self

import pyarrow as pa
import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    UnserializableException,
    WorkerCrashedError,
)

from curation.errors import CurationError, TransientError
from curation.runner.retry import Retry
from curation.runner.runner import Item, Result

OBJECT_STORE_BYTES = 128 << 20
"""Tasks pass keys, so the object store stays small; Ray takes at least 75 MiB."""

ASK_AGAIN_S = 2.0
"""How long an answer about the cluster's size is believed."""

JOIN_TIMEOUT_S = 10.0
"""How long a cluster's address may take to answer a connection."""

COLOUR = re.compile(r"\x1b\[\d+m")

LOST = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError, TaskCancelledError)
"""What Ray says when a worker, or its node, died under a task. Nothing is known of what the task did until then."""


class RayRunner:
    """A Runner on Ray, one CPU a task.

    Starts a cluster of `workers` CPUs on this machine, which `close` shuts down. With an address it joins that cluster,
    which `close` leaves; in a process that is connected to a cluster already it uses that one, and `close` does
    nothing. In both of these `workers` bounds the tasks in flight. What a failed map has left running ends with
    `close`; on another's connection the map waits for it.

    A cluster that asks for a token is given the one of Ray's own settings (`RAY_AUTH_MODE=token` and `RAY_AUTH_TOKEN`,
    or the file that `RAY_AUTH_TOKEN_PATH` names). Raises CurationError where no cluster can be started or joined.
    """

    def __init__(self, workers: int | None = None, address: str | None = None, retry: Retry | None = None) -> None:
        self._retry = retry or Retry()
        self._connected = False
        self._limit = workers
        self._asked, self._cpus = float("-inf"), 0
        if address is not None:
            _join(address)
            self._connected = True
        elif not ray.is_initialized():
            _start(workers)
            self._connected = True
            self._limit = None

    def map(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        running = _Map(task, items, self._retry)
        results: dict[int, Result] = {}
        try:
            while len(results) < len(items):
                running.fill(self._window())
                for index, result in running.collect():
                    results[index] = result
                    if on_result is not None:
                        on_result(index, result)
        except BaseException:
            # Closing ends the tasks with the connection; on another's they are waited for. Never `ray.cancel`: Ray
            # breaks the whole process off if a task ends while it is cancelled (ray-project/ray pull 54798).
            if not self._connected:
                running.wait()
            raise
        return [results[index] for index in range(len(items))]

    def close(self) -> None:
        """Shut down the cluster that this runner started, or leave the one that it joined."""
        if self._connected:
            self._connected = False
            ray.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _window(self) -> int:
        """How many tasks may be in flight: every CPU finds its next one waiting. Asked anew now and then, since
        clusters grow; the question costs over a millisecond."""
        if self._limit is not None:
            return self._limit
        now = time.monotonic()
        if now - self._asked > ASK_AGAIN_S:
            self._asked, self._cpus = now, int(ray.cluster_resources().get("CPU", 0))
        return 2 * self._cpus + 2


class _Map(Generic[Item, Result]):
    """One map under way: which items run, which wait to be tried again, and how often each was tried."""

    def __init__(self, task: Callable[[Item], Result], items: Sequence[Item], retry: Retry) -> None:
        self._task = task
        self._items = items
        self._retry = retry
        self._next = 0
        self._running: dict[ray.ObjectRef[Any], int] = {}
        self._again: list[tuple[float, int]] = []  # a heap of (time to start, index)
        self._tries: Counter[int] = Counter()
        self._window = 1

    def fill(self, window: int) -> None:
        """Start what is due, then what is next, up to the window."""
        self._window = window
        while self._has_room() and self._again and self._again[0][0] <= time.monotonic():
            self._start(heapq.heappop(self._again)[1])
        while self._has_room() and self._next < len(self._items):
            self._start(self._next)
            self._next += 1

    def collect(self) -> list[tuple[int, Result]]:
        """Wait until a task ends or another can start; the index and result of the one that ended well, if any."""
        if not self._running:
            time.sleep(max(0.0, self._again[0][0] - time.monotonic()))
            return []
        ended, _ = ray.wait(list(self._running), num_returns=1, timeout=self._next_due_s())
        return [result for reference in ended for result in self._take(reference)]

    def wait(self) -> None:
        """Wait until nothing is running."""
        if self._running:
            ray.wait(list(self._running), num_returns=len(self._running))
        self._running.clear()

    def _has_room(self) -> bool:
        return len(self._running) < self._window

    def _next_due_s(self) -> float | None:
        """The seconds until an item is to be tried again; None if none waits, or none could start."""
        if self._again and self._has_room():
            return max(0.0, self._again[0][0] - time.monotonic())
        return None

    def _start(self, index: int) -> None:
        self._running[_attempt.remote(self._task, self._items[index])] = index

    def _take(self, reference: ray.ObjectRef[Any]) -> list[tuple[int, Result]]:
        index = self._running.pop(reference)
        try:
            return [(index, ray.get(reference))]
        except RayTaskError as error:
            if not isinstance(error.cause, TransientError):
                _raise_cause(error)
            self._try_again(index, error.cause)
        except LOST as error:
            self._try_again(index, TransientError(f"item {index}: its worker died: {_first_line(error)}"))
        except UnserializableException as error:
            raise CurationError(f"item {index}: its error cannot be read back: {_plain(error)}") from None
        except RayError as error:
            raise CurationError(f"item {index}: Ray could not run its task: {error}") from error
        return []

    def _try_again(self, index: int, error: TransientError) -> None:
        self._tries[index] += 1
        if self._tries[index] >= self._retry.max_tries:
            raise error
        heapq.heappush(self._again, (time.monotonic() + self._retry.wait_s(self._tries[index]), index))


@ray.remote(num_cpus=1, max_retries=0)
def _attempt(task: Callable[[Any], Any], item: Any) -> Any:
    """The task's result, in a worker. Arrow computes in one thread, as OpenMP does under Ray: each CPU has a task."""
    pa.set_cpu_count(1)
    return task(item)


def _first_line(error: RayError) -> str:
    return str(error).strip().partition("\n")[0]


def _raise_cause(error: RayTaskError) -> NoReturn:
    """Raise what the task raised, as it raised it, with the worker's traceback as a note."""
    cause = error.cause
    cause.add_note(_plain(error))
    raise cause


def _plain(error: RayError) -> str:
    """What Ray tells of an error, the worker's traceback with it, without colours."""
    return COLOUR.sub("", str(error))


def _start(workers: int | None) -> None:
    """Start a cluster on this machine; `local` keeps Ray from joining one that the environment or a dead run names."""
    try:
        with _own_sigterm():
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=OBJECT_STORE_BYTES,
            )
    except Exception as error:  # a bare one, where the node was not there after half a minute
        raise CurationError(f"Ray could not be started on this machine: {error}") from error


def _join(address: str) -> None:
    try:
        _knock(address)
        with _own_sigterm():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (OSError, RuntimeError, ValueError, RayError) as error:
        raise CurationError(
            f"the Ray cluster at {address} could not be joined: {error}; if it asks for a token, "
            "set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
        ) from error


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Give the program its own handler of SIGTERM back, if it has one: Ray's writes a crash dump and exits with 15."""
    handler = signal.getsignal(signal.SIGTERM)
    has_own = callable(handler) and threading.current_thread() is threading.main_thread()
    try:
        yield
    except SystemExit:  # what Ray's made of a SIGTERM meanwhile
        if has_own:
            signal.signal(signal.SIGTERM, handler)
            signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        if has_own:
            signal.signal(signal.SIGTERM, handler)


def _knock(address: str) -> None:
    """Raise OSError if nothing listens at `[ray://]host:port`: Ray itself would try for minutes."""
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), JOIN_TIMEOUT_S).close()
