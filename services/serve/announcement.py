"""What is served, and what a person who has started it needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Role(StrEnum):
    """A part that can be a process of its own."""

    API = "api"
    SCHEDULER = "scheduler"
    """Also sends the webhooks."""
    RUNNER = "runner"


@dataclass
class Announcement:
    """What a person who has started the service needs to know."""

    roles: Sequence[Role]
    data: Path | None
    """None where the database is a server's."""
    roots: Sequence[str]
    url: str | None = None
    key: str | None = None
    """The first API key, when it was made just now."""
    key_file: Path | None = None
    """Where it was written instead."""
    warnings: Sequence[str] = ()
