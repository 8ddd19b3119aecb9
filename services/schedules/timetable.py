"""The times of one schedule: its cron expression, between its start and its end, without its skipped dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from services.schedules.cron import Cron
from services.schedules.schedule import NewSchedule

MICROSECOND = timedelta(microseconds=1)


class Timetable:
    """Raises Invalid where the expression or the time zone is wrong."""

    def __init__(self, definition: NewSchedule) -> None:
        self.cron = Cron(definition.cron, definition.timezone)
        self._start = definition.start
        self._end = definition.end
        self._skip_dates = frozenset(definition.skip_dates)

    def after(self, moment: datetime, until: datetime | None = None) -> Iterator[datetime]:
        """The occurrences later than `moment`, up to and with `until`; those of skipped dates too."""
        begin = moment if self._start is None else max(moment, self._start - MICROSECOND)
        ends = [end for end in (until, self._end) if end is not None]
        return self.cron.after(begin, min(ends) if ends else None)

    def first(self, moment: datetime) -> datetime | None:
        """The first occurrence after `moment`, even on a skipped date; None behind the end."""
        return next(self.after(moment), None)

    def next(self, moment: datetime) -> datetime | None:
        """The first occurrence after `moment` that is not on a skipped date; None behind the end."""
        while (found := self.first(moment)) is not None:
            if not self.is_skipped(found):
                return found
            moment = self.cron.next_day(found) - MICROSECOND
        return None

    def is_skipped(self, occurrence: datetime) -> bool:
        """Whether it is on a skipped date."""
        return bool(self._skip_dates) and self.cron.local(occurrence).date() in self._skip_dates
