"""When a schedule fires: a cron expression on the clock of a time zone, and a jitter that every replica agrees on.

cronsim parses the expression and finds the matching times of a plain calendar. What summer time does to them is
decided here, after Debian's cron: an expression of fixed times fires once at the first instant after a gap, and once in
a repeated hour; one whose minutes or hours begin with `*` follows elapsed time.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from curation.errors import Problem
from services.database.types import micros
from services.errors import Invalid

REFERENCE = datetime(2000, 1, 1)  # a local time; no expression names a year
NOT_ZONES = frozenset({"localtime", "Factory", "posixrules"})
SECOND = timedelta(seconds=1)


class Cron:
    """A cron expression of five fields in an IANA time zone. Raises Invalid for what is wrong with either."""

    def __init__(self, expression: str, timezone: str) -> None:
        self.expression = _checked(expression)
        self.zone = _zone(timezone)
        minutes, hours = expression.split()[:2]
        self.is_elapsed = minutes.startswith("*") or hours.startswith("*")
        """Whether it follows elapsed time where the clocks change; otherwise it means fixed times."""

    def after(self, moment: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """The occurrences later than `moment`, up to and with `until`, in UTC and in order; `moment` must be aware."""
        last = moment
        for instant in self._elapsed(moment) if self.is_elapsed else self._fixed(moment):
            if until is not None and instant > until:
                return
            if instant > last:
                last = instant
                yield instant

    def local(self, instant: datetime) -> datetime:
        """The same instant on the zone's clock."""
        return instant.astimezone(self.zone)

    def next_day(self, instant: datetime) -> datetime:
        """The first instant of the local date behind this one's."""
        day = self.local(instant).date() + timedelta(days=1)
        return _first_instant(datetime.combine(day, time()), self.zone)

    def _fixed(self, moment: datetime) -> Iterator[datetime]:
        for shown in CronSim(self.expression, self.local(moment).replace(tzinfo=None)):
            yield _first_instant(shown, self.zone)

    def _elapsed(self, moment: datetime) -> Iterator[datetime]:
        """Every instant at which the local clock shows a matching time: none in a gap, both in a repeated hour."""
        again: list[datetime] = []  # second passes of repeated times that are still to come
        for shown in CronSim(self.expression, _repeated_from(self.local(moment))):
            first, second = _instant(shown, self.zone, fold=0), _instant(shown, self.zone, fold=1)
            if first > second:  # in a gap
                continue
            while again and again[0] < first:
                yield heapq.heappop(again)
            yield first
            if second > first:
                heapq.heappush(again, second)


def jitter(schedule_id: str, occurrence: datetime, jitter_s: int) -> timedelta:
    """How much later than its occurrence a run is due: less than `jitter_s` seconds, the same on every replica."""
    if jitter_s == 0:
        return timedelta(0)
    digest = hashlib.sha256(f"{schedule_id}:{micros(occurrence)}".encode()).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % jitter_s)


@lru_cache(maxsize=4096)
def _checked(expression: str) -> str:
    fields = len(expression.split())
    if fields != 5:
        raise _invalid("cron", f"found {fields} fields in {expression!r}, expected five: minute hour day month weekday")
    try:
        fires = next(iter(CronSim(expression, REFERENCE)), None)
    except CronSimError as error:
        raise _invalid("cron", f"{str(error)[:1].lower()}{str(error)[1:]} in {expression!r}") from None
    if fires is None:
        raise _invalid("cron", f"{expression!r} never fires")
    return expression


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NOT_ZONES)


def _zone(name: str) -> ZoneInfo:
    if name not in _zones():
        raise _invalid("timezone", f"found {name!r}, expected an IANA time zone such as Europe/London")
    return ZoneInfo(name)


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(f"{path}: {message}", problems=[Problem(path, message)])


def _instant(shown: datetime, zone: ZoneInfo, *, fold: int) -> datetime:
    return shown.replace(tzinfo=zone, fold=fold).astimezone(UTC)


def _first_instant(shown: datetime, zone: ZoneInfo) -> datetime:
    """The first instant at which a clock of the zone shows this time, or has gone past it without showing it."""
    before, behind = _instant(shown, zone, fold=0), _instant(shown, zone, fold=1)
    if before <= behind:
        return before
    # In a gap. The clocks change in (behind, before]: look for the first second of the later offset.
    offset = shown.replace(tzinfo=zone, fold=1).utcoffset()
    low, high = behind, before
    while high - low > SECOND:
        middle = low + (high - low) // (2 * SECOND) * SECOND
        if middle.astimezone(zone).utcoffset() == offset:
            high = middle
        else:
            low = middle
    return high


def _repeated_from(local: datetime) -> datetime:
    """Where the calendar must be read from so that no second pass of a repeated hour is left out."""
    shown = local.replace(tzinfo=None, fold=0)
    first, second = (local.replace(fold=fold).utcoffset() or timedelta(0) for fold in (0, 1))
    return shown - (first - second) if local.fold == 0 and first > second else shown
