"""One process of each role on a data folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from services.errors import SettingsError
from services.serve.announcement import Role


@contextmanager
def only_one(data: Path, roles: Sequence[Role]) -> Iterator[None]:
    """Hold this data folder for these roles: SQLite's service has one process of each. Raises SettingsError."""
    with ExitStack() as stack:
        for role in roles:
            stack.enter_context(_lock(data, role))
        yield


@contextmanager
def _lock(data: Path, role: Role) -> Iterator[None]:
    path = data / f"{role}.lock"
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another --data") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            pid = file.read().strip() or "unknown"
            already = f"{data.absolute()} is served already: process {pid} is its {role}"
            raise SettingsError(f"{already}; stop it, or give another --data") from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
