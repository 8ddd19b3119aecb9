"""A project with a recipe, the stores over it, and a clock that the test turns."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from services.catalogue import Catalogue
from services.database import Database
from services.identity.projects import Projects
from services.intake import Intake
from services.jobs.job import Ending, Job, JobFilter
from services.jobs.states import State
from services.jobs.store import JobStore
from services.recipes.store import RecipeStore
from services.scheduler.scheduler import Scheduler
from services.schedules.schedule import NewSchedule, Occurrence, OccurrenceState, Schedule
from services.schedules.store import ScheduleStore
from services.settings import Settings

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY = "key:test"


def recipe(folder: Path, name: str = "docs") -> dict[str, Any]:
    """A small recipe that may be stored."""
    return {
        "name": name,
        "output": str(folder / f"corpora/{name}"),
        "sources": [{"name": "input", "uri": str(folder / "input/*.txt")}],
        "stages": [{"kind": "gopher_quality"}],
    }


class World:
    def __init__(self, settings: Settings, database: Database, folder: Path) -> None:
        self.now = NOON
        self.database = database
        self.settings = settings
        projects = Projects(database, settings)
        self.project = projects.ensure_default().id
        self.recipes = RecipeStore(database)
        self.recipes.create(self.project, "docs", recipe(folder), BY)
        self.jobs = JobStore(database, settings)
        self.intake = Intake(projects, self.recipes, Catalogue(database))
        self.schedules = ScheduleStore(database, clock=lambda: self.now)
        self.scheduler = self.new_scheduler()

    def new_scheduler(self) -> Scheduler:
        """One more of them."""
        return Scheduler(self.settings, self.database, self.jobs, self.intake, self.schedules)

    def schedule(self, **changes: Any) -> Schedule:
        """Every hour, unless it is said otherwise."""
        values = {"name": "hourly", "recipe_name": "docs", "cron": "0 * * * *", "timezone": "UTC", **changes}
        return self.schedules.create(self.project, NewSchedule.model_validate(values), BY)

    def tick(self, **later: float) -> int:
        """Turn the clock and let the scheduler look; how many jobs it started."""
        self.now += timedelta(**later)
        return self.scheduler.tick(self.now)

    def each_hour(self, hours: int) -> list[int]:
        """Look a second after every hour."""
        self.now = self.now.replace(second=1)
        return [self.tick(hours=1) for _ in range(hours)]

    def occurrences(self, which: str = "hourly") -> list[Occurrence]:
        """Oldest first."""
        return list(reversed(self.schedules.occurrences(self.project, which, limit=5000)))

    def hours(self, state: OccurrenceState, which: str = "hourly") -> list[int]:
        """The hours of the occurrences in a state, counted from noon."""
        return [
            int((found.occurrence - NOON) / timedelta(hours=1))
            for found in self.occurrences(which)
            if found.state is state
        ]

    def all_jobs(self) -> Sequence[Job]:
        """Newest first."""
        return self.jobs.list(self.project, JobFilter(), limit=5000)

    def end(self, state: State = State.SUCCEEDED) -> Job:
        """Work on the next job, until it ends so."""
        claim = self.jobs.claim("runner")
        assert claim is not None
        self.jobs.begin(claim.lease)
        return self.jobs.finish(claim.lease, Ending(state=state, reason="test"))
