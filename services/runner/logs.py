"""Sends a driver's log lines to the job store, in batches."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, cast

from services.jobs.job import NewLogLine
from services.jobs.store import JobStore
from services.logs import clean
from services.runner.patience import AWAY

EVERY_S = 1.0
WAITING_LINES = 5_000
"""How many lines wait at most, while the database is away; the oldest are dropped."""
LENGTH = 10_000

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


class JobLog(logging.Handler):
    """A handler that writes to one job's log, cleaned as the services' own; more comes as `extra={"fields": {…}}`."""

    def __init__(self, store: JobStore, job_id: str) -> None:
        super().__init__()
        self._store = store
        self._job_id = job_id
        self._waiting: deque[NewLogLine] = deque(maxlen=WAITING_LINES)
        self._sending = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._send_now_and_then, name="job-log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line until the next batch."""
        try:
            self._waiting.append(_line(record))
        except Exception:  # noqa: BLE001, a line that cannot be written ends no job
            self.handleError(record)

    def flush(self) -> None:
        """Send what waits; it goes on waiting while the database is away. Lines that it refuses are dropped."""
        with self._sending:
            lines = []
            while self._waiting:
                lines.append(self._waiting.popleft())
            if not lines:
                return
            try:
                self._store.log(self._job_id, lines)
            except AWAY as error:
                print(f"{len(lines)} log lines wait: {type(error).__name__}", file=sys.stderr)
                self._waiting.extendleft(reversed(lines[-(WAITING_LINES - len(self._waiting)) :]))
            except Exception as error:  # noqa: BLE001, nor do lines that are not kept
                print(f"{len(lines)} log lines are dropped: {type(error).__name__}", file=sys.stderr)

    def close(self) -> None:
        """Send what waits, and end."""
        self._closing.set()
        self._thread.join()
        self.flush()
        super().close()

    def _send_now_and_then(self) -> None:
        while not self._closing.wait(EVERY_S):
            self.flush()


def _line(record: logging.LogRecord) -> NewLogLine:
    given = getattr(record, "fields", None)
    fields: dict[str, str | int | float | bool | None] = {}
    if isinstance(given, Mapping):
        fields = {str(name): _jsonable(value) for name, value in given.items()}
    if record.exc_info:
        fields["traceback"] = clean(logging.Formatter().formatException(record.exc_info)[-LENGTH:])
    return NewLogLine(
        at=datetime.fromtimestamp(record.created, UTC),
        level=_level(record.levelno),
        logger=record.name[:120],
        message=clean(record.getMessage()[:LENGTH]),
        fields=fields,
    )


def _level(number: int) -> Level:
    known = min(logging.ERROR, max(logging.DEBUG, number // 10 * 10))
    return cast(Level, logging.getLevelName(known))


def _jsonable(value: object) -> str | int | float | bool | None:
    return value if isinstance(value, int | float | bool | None) else clean(str(value)[:LENGTH])
