"""Text of documents, and numbers, as people see them: nothing of a document can act, and nothing of it hides."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from markupsafe import Markup, escape
from pydantic import JsonValue

HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BREAKS = frozenset("\n\t")
UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
NOTHING = "–"
UNKNOWN = "unknown"
"""The language or source of documents that nothing told it of; so the address calls it, too."""


def visible(text: object) -> Markup:
    """The text as it stands, with every control, format, bidirectional and unassigned character as its number."""
    return Markup("").join(_shown(character) for character in str(text))


def one_line(text: object) -> Markup:
    """The same on one line."""
    return visible(" ".join(str(text).split()))


def _shown(character: str) -> Markup:
    if character in BREAKS or unicodedata.category(character) not in HIDDEN:
        return escape(character)
    return Markup('<span class="hidden-character">U+{:04X}</span>').format(ord(character))


def count(value: float | None) -> str:
    """1,234,567."""
    return NOTHING if value is None else f"{value:,.0f}"


def change(value: float | None) -> str:
    """+1,234, or −56; 0 without a sign."""
    return NOTHING if value is None else f"{value:+,.0f}".replace("-", "−") if round(value) else "0"


def size(value: float | None) -> str:
    """Bytes in decimal units, three digits at least: 12.3 MB."""
    if value is None:
        return NOTHING
    power = min(len(UNITS) - 1, int(math.log10(max(1, abs(value))) / 3))
    scaled = value / 1000**power
    return f"{scaled:,.0f} {UNITS[power]}" if power == 0 or abs(scaled) >= 100 else f"{scaled:.3g} {UNITS[power]}"


def share(value: float | None) -> str:
    """Of 1 as per cent: 12.34 %; what is more than nothing is never shown as nothing."""
    if value is None:
        return NOTHING
    if 0 < abs(value) < 0.0001:
        return "< 0.01 %"
    return f"{value:.2%}".replace("%", " %")


def number(value: float | str | None) -> str:
    """A measured value: whole numbers whole, others with four digits that count; what is no number as it is."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if abs(value) < 1e15 and value == int(value) else f"{value:.4g}"


def in_words(value: JsonValue) -> str:
    """A value of a recipe's option."""
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {in_words(each)}" for name, each in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(in_words, value)) or "none"
    return number(value)


def duration(seconds: float | None) -> str:
    """0.25 s, 3 s, 2 min 5 s, 1 h 2 min, 3 d 4 h."""
    if seconds is None:
        return NOTHING
    if 0 < seconds < 9.95 and seconds != int(seconds):
        return f"{seconds:.2g} s" if seconds >= 0.01 else "< 0.01 s"
    whole = max(0, round(seconds))
    days, hours, minutes, rest = whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (amount, _) in enumerate(parts) if amount), 3)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first : first + 2] if amount) or "0 s"


def time_of(value: datetime | None) -> str:
    """2026-11-23 03:00 UTC."""
    return NOTHING if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def moment_of(value: datetime | None) -> str:
    """2026-11-23 03:00:12 UTC."""
    return NOTHING if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def ago(value: datetime | None, now: datetime | None = None) -> str:
    """How long since, or until."""
    if value is None:
        return NOTHING
    seconds = round(((now or datetime.now(UTC)) - value).total_seconds())
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"
