"""What a schedule is: as it is asked for, as it is changed, as it is shown, and what it does at each occurrence."""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from services.jobs.job import Labels, Mode, Model, Name, Shown
from services.jobs.states import State
from services.moment import Moment

MONTH_S = 31 * 86_400


JobMode = Literal[Mode.RUN, Mode.REFRESH]
CronText = Annotated[str, Field(min_length=9, max_length=120, pattern=r"^[0-9A-Za-z*/,#\- ]+$")]
ZoneName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+\-/]+$")]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Revision = Annotated[int, Field(ge=1, le=2**31 - 1)]
Priority = Annotated[int, Field(ge=-100, le=100)]
Failures = Annotated[int, Field(ge=1, le=1000)]
CatchUp = Annotated[int, Field(ge=1, le=1000)]
Window = Annotated[int, Field(ge=0, le=MONTH_S)]
SkipDates = Annotated[tuple[date, ...], Field(max_length=366)]


class Overlap(StrEnum):
    """What happens to an occurrence while an earlier job of the schedule is not final."""

    SKIP = "skip"
    """It is skipped."""
    QUEUE_ONE = "queue_one"
    """It waits; of those that wait only the latest is run."""
    QUEUE_ALL = "queue_all"
    """It waits; all are run, one after the other."""
    CANCEL_OTHER = "cancel_other"
    """The earlier job is cancelled; the occurrence starts when that is final."""
    ALLOW = "allow"
    """It starts at once."""


class Misfire(StrEnum):
    """What happens to occurrences that no scheduler was there for."""

    SKIP = "skip"
    """They are not made up for."""
    RUN_LATEST = "run_latest"
    """The latest is run, unless a punctual one comes with it."""
    RUN_ALL = "run_all"
    """All are run, at most `max_catch_up`, the latest."""


class NewSchedule(Model):
    """A recipe that is to be run again and again."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"name": "nightly", "recipe_name": "docs", "cron": "30 2 * * *", "timezone": "Europe/London"},
                {
                    "name": "hourly",
                    "recipe_name": "news",
                    "cron": "0 * * * *",
                    "timezone": "UTC",
                    "jitter_s": 300,
                    "overlap": "skip",
                    "pause_after_failures": 5,
                },
            ]
        }
    )

    name: Name
    recipe_name: Name
    """A recipe of `/v1/recipes`."""
    recipe_revision: Revision | None = None
    """Which revision of it; default the newest at each occurrence."""
    mode: JobMode = Mode.REFRESH
    """What its jobs do: `refresh` reads only what is new or has changed since the corpus's newest version, `run` all of
    the input."""
    cron: CronText
    """Five fields: minute, hour, day of the month, month, day of the week. `docs/schedules.md` says what they may hold,
    and what happens where the clocks change."""
    timezone: ZoneName
    """An IANA time zone: `Europe/London`, `UTC`."""
    jitter_s: Seconds = 0
    """Each run is due up to this many seconds after its occurrence, always the same for the same occurrence."""
    overlap: Overlap = Overlap.QUEUE_ONE
    misfire: Misfire = Misfire.RUN_LATEST
    max_catch_up: CatchUp = 100
    """With the misfire policy `run_all`: how many at most."""
    catch_up_window_s: Window = 86_400
    """Missed occurrences older than this are never made up for."""
    start: Moment | None = None
    """No occurrence is before this."""
    end: Moment | None = None
    """No occurrence is after this."""
    skip_dates: SkipDates = ()
    """Local dates without occurrences."""
    hold: bool = False
    """Whether its jobs wait for approval before they publish."""
    labels: Labels = Field(default={})
    """Of its jobs."""
    priority: Priority = 0
    """Of its jobs."""
    pause_after_failures: Failures | None = None
    """Pause when so many of its jobs failed in a row."""

    @model_validator(mode="after")
    def _is_in_order(self) -> NewSchedule:
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise ValueError("end must be after start")
        return self


def _absent() -> Any:
    """The value of a field that the client did not send; nobody reads it."""
    return None


class SchedulePatch(Model):
    """What to change; what is left out stays. A new cron expression or time zone counts from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"cron": "0 4 * * *"}, {"pause_after_failures": None}]})

    name: Name = Field(default_factory=_absent)
    recipe_name: Name = Field(default_factory=_absent)
    recipe_revision: Revision | None = None
    mode: JobMode = Field(default_factory=_absent)
    cron: CronText = Field(default_factory=_absent)
    timezone: ZoneName = Field(default_factory=_absent)
    jitter_s: Seconds = Field(default_factory=_absent)
    overlap: Overlap = Field(default_factory=_absent)
    misfire: Misfire = Field(default_factory=_absent)
    max_catch_up: CatchUp = Field(default_factory=_absent)
    catch_up_window_s: Window = Field(default_factory=_absent)
    start: Moment | None = None
    end: Moment | None = None
    skip_dates: SkipDates = Field(default_factory=_absent)
    hold: bool = Field(default_factory=_absent)
    labels: Labels = Field(default_factory=_absent)
    priority: Priority = Field(default_factory=_absent)
    pause_after_failures: Failures | None = None

    def changes(self) -> dict[str, Any]:
        """What was sent."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Schedule(NewSchedule):
    """A schedule as it is."""

    model_config = ConfigDict(extra="ignore")

    id: str
    next: datetime | None
    """The next occurrence in UTC, without jitter; null while paused, and behind the end."""
    next_local: datetime | None
    """The same on the schedule's clock."""
    failures: int
    """How many of its jobs failed in a row."""
    paused: datetime | None
    """Since when."""
    pause_reason: str
    revision: int
    created: datetime
    created_by: str
    updated: datetime

    def definition(self) -> NewSchedule:
        """What was asked for."""
        return NewSchedule(**{name: getattr(self, name) for name in NewSchedule.model_fields})


class OccurrenceState(StrEnum):
    """What became of an occurrence."""

    WAITING = "WAITING"
    """It will be started: its jitter is not over, or an earlier job is not."""
    STARTED = "STARTED"
    """It has its job."""
    SKIPPED = "SKIPPED"
    """Left out by the overlap policy, a skipped date or a pause."""
    MISSED = "MISSED"
    """No scheduler was there, and the misfire policy does not make up for it."""
    FAILED = "FAILED"
    """No job could be made: the recipe is gone, or wrong."""


Kind = Literal["schedule", "manual", "backfill"]


class Occurrence(Shown):
    """One time that a schedule fired, or was asked to."""

    occurrence: datetime
    """In UTC, without jitter."""
    local: datetime
    """The same on the schedule's clock."""
    kind: Kind
    run: str | None
    """The id of the trigger or of the backfill."""
    state: OccurrenceState
    due: datetime
    """With jitter."""
    reason: str
    job_id: str | None
    job_state: State | None
    job_message: str | None = None
    """What its job says: `version 8: 3 new, …`, or that nothing was new."""


class Preview(Shown):
    """One of the times to come."""

    utc: datetime
    local: datetime
    """The same instant on the schedule's clock."""
    due: datetime | None
    """When it starts, jitter included; null for a schedule with jitter that is not stored yet."""
    skipped_because: str | None = None
    """Why nothing will be run then."""


class Reprocess(StrEnum):
    """Which occurrences a backfill runs although they were run before. Those that are not final are left alone."""

    NONE = "none"
    """Only those without a job."""
    FAILED = "failed"
    """Also those whose last job did not succeed."""
    COMPLETED = "completed"
    """Also those whose last job succeeded."""


class BackfillRequest(Model):
    """Run the occurrences of a time that is over. Both ends are included."""

    model_config = ConfigDict(
        validate_by_name=True,
        json_schema_extra={
            "examples": [{"from": "2026-01-01T00:00:00Z", "to": "2026-01-31T23:59:59Z", "dry_run": True}]
        },
    )

    from_: Moment = Field(alias="from")
    to: Moment
    reprocess: Reprocess = Reprocess.NONE
    max_parallel: Annotated[int, Field(ge=1, le=100)] = 1
    """How many of its jobs may be in the queue or running at once."""
    order: Literal["oldest", "newest"] = "oldest"
    """Which occurrence goes first."""
    dry_run: bool = False
    """Only say what would be run."""

    @model_validator(mode="after")
    def _is_in_order(self) -> BackfillRequest:
        if self.to < self.from_:
            raise ValueError("to must not be before from")
        return self


class BackfillEntry(Shown):
    """One occurrence of the backfill's time."""

    occurrence: datetime
    local: datetime
    will_run: bool
    reason: str = ""
    """Why it will not."""


class BackfillPlan(Shown):
    """What a backfill runs, in its order."""

    id: str | None
    """Null for a dry run."""
    will_run: int
    """How many."""
    entries: tuple[BackfillEntry, ...]


class BackfillCancelled(Shown):
    """What was left of a backfill."""

    id: str
    skipped: int
    """How many of its occurrences waited, and will not be run."""
