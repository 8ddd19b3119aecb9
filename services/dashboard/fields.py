"""What people write into the fields of a form, as the API takes it, and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

_BETWEEN = re.compile(r"[,\s]+")


def given(form: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The fields with something in them. Numbers stay text: what is none is for the API to say."""
    return {name: value for name in names if (value := form.get(name, "").strip())}


def whole_number(text: str) -> int | None:
    """The number of a revision or a version that a form holds; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def words(text: str) -> list[str]:
    """What is separated by commas, spaces or line feeds."""
    return [word for word in _BETWEEN.split(text) if word]


def labels_of(text: str) -> dict[str, str]:
    """`team=search, night=1`. What has no `=` is a label of that name without a value."""
    pairs = (part.partition("=") for part in re.split(r"[,\n]", text) if part.strip())
    return {key.strip(): value.strip() for key, _, value in pairs}


def labels_text(labels: Mapping[str, str]) -> str:
    """The same the other way round."""
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def moment_of(text: str, timezone: str = "UTC") -> str:
    """What an input of time holds (`2026-11-23T03:00`), on the clock of a time zone; what cannot be read, as it is."""
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(timezone))).isoformat()
    except (ValueError, KeyError, OSError):
        return text


def moment_text(moment: datetime | None, timezone: str = "UTC") -> str:
    """For such an input."""
    zone = UTC if timezone == "UTC" else ZoneInfo(timezone)
    return "" if moment is None else f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}"
