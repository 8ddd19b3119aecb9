"""What runs, over REST."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Process(_Model):
    """A process of the installation."""

    id: str
    role: str
    """api, scheduler or runner."""
    name: str
    version: str
    started: datetime
    seen: datetime
    """When it last said that it is there."""


class Status(_Model):
    """What runs there."""

    version: str
    """Of the process that answered."""
    database: str
    at: datetime
    """The database's clock."""
    processes: tuple[Process, ...]
    """All that were seen in the last minute, oldest first."""
