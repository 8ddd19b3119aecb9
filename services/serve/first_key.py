"""The first API key of an installation: made once, shown once."""

from __future__ import annotations

import os
from pathlib import Path

from services.control_plane.plane import Plane
from services.errors import SettingsError
from services.serve.announcement import Announcement


def hand_over_first_key(plane: Plane, told: Announcement, path: Path | None) -> None:
    """Make the installation's first key, if it has none, and show it once: in a file for this user only, or on the
    screen. The file is tried first, so that the key is not lost where it cannot be written. Raises SettingsError.

    Where the database is a server's, the screen may be a log, and this one of many machines: there `curation admin
    first-key` makes it."""
    project = plane.projects.ensure_default()
    if path is None and told.data is None:
        return
    draft = None if path is None else path.with_name(f".{path.name}.{os.getpid()}")
    try:
        if draft is not None:
            os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        made = plane.keys.first(project.id)
        if made is None:
            return
        if draft is None or path is None:
            told.key = made[1]
            return
        draft.write_text(f"{made[1]}\n")
        draft.replace(path)
        told.key_file = path
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}; give another --key-file") from None
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
