"""What a database that is away for a while raises, and how a worker asks again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

Result = TypeVar("Result")

AWAY = (OperationalError, InterfaceError, PoolTimeoutError)
"""The database cannot be reached, is locked, or shuts down; the same call may go through later."""

WAIT_S = 0.5


def patiently(call: Callable[[], Result], until: Callable[[], float]) -> Result:
    """The call's result; again and again while the database is away, as long as `until()` (on the monotonic clock) is
    to come."""
    while True:
        try:
            return call()
        except AWAY:
            if time.monotonic() + WAIT_S >= until():
                raise
        time.sleep(WAIT_S)
