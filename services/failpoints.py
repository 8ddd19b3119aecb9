"""Named points at which a test may kill or stop this process, to see that nothing is lost. Off by default."""

from __future__ import annotations

import os
import re
import signal
import threading
from contextlib import nullcontext
from dataclasses import dataclass, field

from services.errors import SettingsError

_SETTING = re.compile(r"(?:(kill|stop)@)?([a-z][a-z_.-]*)(?::([1-9][0-9]*))?(?:#(.+))?")
_armed: list[_Failpoint] = []

midway = threading.Lock()
"""Held by a thread that must not be stopped midway, in a transaction."""


@dataclass
class _Failpoint:
    name: str
    times: int
    signal: signal.Signals
    marker: str | None
    seen: int = field(default=0)


def arm(setting: str) -> None:
    """Act when this process reaches a point; "" disarms.

    `name`: kill it; `stop@name`: stop it, until somebody sends it SIGCONT; `name:3`: when it is there for the third
    time; `name#/a/file`: only if the file is not there yet, which is made then, so that of all processes with this
    setting one is killed. Raises SettingsError.
    """
    _armed.clear()
    if not setting:
        return
    found = _SETTING.fullmatch(setting)
    if found is None:
        raise SettingsError(f"failpoint: found {setting!r}, expected [stop@]name[:times][#file]")
    what, name, times, marker = found.groups()
    _armed.append(_Failpoint(name, int(times or 1), signal.SIGSTOP if what == "stop" else signal.SIGKILL, marker))


def reach(name: str) -> None:
    """Say that this point is reached."""
    for point in _armed:
        if point.name == name:
            point.seen += 1
            if point.seen == point.times and _is_first(point.marker):
                with midway if point.signal is signal.SIGSTOP else nullcontext():
                    os.kill(os.getpid(), point.signal)


def _is_first(marker: str | None) -> bool:
    if marker is None:
        return True
    try:
        os.close(os.open(marker, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return False
    return True
