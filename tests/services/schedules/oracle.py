"""When an expression fires, by walking over every minute: slow, and written without a look at the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
BEFORE = timedelta(hours=30)
"""Long enough to have seen every time that a clock may show again."""
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def walk(expression: str, timezone: str, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every minute in (after, until] at which the expression fires; both whole minutes in UTC."""
    fields = expression.split()
    sets = [_values(field, *bounds) for field, bounds in zip(fields, BOUNDS, strict=True)]
    is_elapsed = fields[0][0] == "*" or fields[1][0] == "*"
    either_day = fields[2][0] != "*" and fields[4][0] != "*"

    def matches(shown: datetime) -> bool:
        day, weekday = shown.day in sets[2], not {shown.isoweekday() % 7, shown.isoweekday()}.isdisjoint(sets[4])
        is_day = (day or weekday) if either_day else (day and weekday)
        return shown.minute in sets[0] and shown.hour in sets[1] and shown.month in sets[3] and is_day

    minutes = _clock(timezone, after - BEFORE, until)
    newest = minutes[0][1] - MINUTE
    for minute, shown in minutes:
        if is_elapsed:
            fires = matches(shown)
        else:  # every time that the clock now shows or has gone past, if it never did before
            fires = any(matches(newest + n * MINUTE) for n in range(1, (shown - newest) // MINUTE + 1))
        newest = max(newest, shown)
        if fires and minute > after:
            yield minute


@lru_cache(maxsize=4)
def _clock(timezone: str, begin: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Every minute from `begin` to `until`, and what the clock of the zone shows then."""
    zone = ZoneInfo(timezone)
    minutes = [begin + n * MINUTE for n in range((until - begin) // MINUTE + 1)]
    return [(minute, minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes]


def _values(field: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for term in field.split(","):
        span, _, step = term.partition("/")
        first, _, last = span.partition("-")
        start = low if first == "*" else int(first)
        stop = high if first == "*" or (step and not last) else int(last or first)
        found.update(range(start, stop + 1, int(step or 1)))
    return frozenset(found)


def transitions(timezone: str, year: int) -> list[datetime]:
    """The whole hours in UTC behind which the clocks of a zone change in a year."""
    zone = ZoneInfo(timezone)
    first = datetime(year, 1, 1, tzinfo=UTC)
    hours = [first + timedelta(hours=n) for n in range(366 * 24)]
    offsets = [hour.astimezone(zone).utcoffset() for hour in hours]
    return [hours[n - 1] for n in range(1, len(hours)) if offsets[n] != offsets[n - 1]]
