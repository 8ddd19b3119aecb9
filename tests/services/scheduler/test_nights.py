"""A corpus that is refreshed every night: a schedule's occurrences become jobs, which a runner does."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.database import Database
from services.jobs.states import State
from services.runner.forks import Forks
from services.schedules.schedule import OccurrenceState
from services.settings import Settings
from tests.services.schedules.world import BY, World
from tests.services.workplace import Workplace
from tests.texts import essay, write_jsonl


class Nights:
    """A schedule over `in/*.jsonl`; the clock goes from night to night."""

    def __init__(self, settings: Settings, database: Database, forks: Forks, folder: Path) -> None:
        quick = settings.model_copy(update={"poll_s": 0.05, "heartbeat_s": 0.2, "runner_name": "here"})
        self.world = World(quick, database, folder)
        self.place = Workplace(quick, database, forks, folder / "in", str(folder / "corpora/nightly"))
        self.world.recipes.create(self.world.project, "nightly", self._recipe(), BY)
        self.world.schedule(name="nightly", recipe_name="nightly", cron="0 12 * * *")

    def file(self, name: str, *numbers: int) -> None:
        """A new file of input."""
        records = [{"id": f"essay-{number}", "text": essay(number)} for number in numbers]
        write_jsonl(self.place.inputs / f"{name}.jsonl", records)

    def pass_one(self) -> tuple[State | None, str | None]:
        """One night; how its job ended, and what it says."""
        assert self.world.tick(days=1) == 1
        job_id = self.world.occurrences("nightly")[-1].job_id
        assert job_id is not None
        self.place.wait(job_id)
        self.world.tick()
        latest = self.world.occurrences("nightly")[-1]
        assert latest.state is OccurrenceState.STARTED
        return latest.job_state, latest.job_message

    def versions(self) -> list[list[str]]:
        """The ids that each version keeps."""
        corpus = self.place.corpus
        return [sorted(corpus.documents(version.version).to_table()["id"].to_pylist()) for version in corpus.versions()]

    def _recipe(self) -> dict[str, object]:
        sources = [{"name": "web", "uri": str(self.place.inputs / "*.jsonl")}]
        return {"name": "nightly", "output": self.place.output, "sources": sources, "stages": [{"kind": "exact_dedup"}]}


@pytest.fixture
def nights(settings: Settings, database: Database, forks: Forks, tmp_path: Path) -> Nights:
    return Nights(settings, database, forks, tmp_path)


def test_every_night_publishes_what_is_new_and_a_night_without_is_no_failure(nights: Nights) -> None:
    nights.file("first", 1, 2)
    with nights.place.runner():
        first = nights.pass_one()
        nights.file("second", 2, 3)
        second = nights.pass_one()
        third = nights.pass_one()
    assert first == (State.SUCCEEDED, "version 1: 2 of 2 documents are kept")
    made = "1 new, 0 changed, 0 vanished files; 1 of 2 documents that were read are kept, 3 in all"
    assert second == (State.SUCCEEDED, f"version 2: {made}")
    assert third == (State.SUCCEEDED, "nothing is new since version 2: looked at 2 files")
    assert nights.versions() == [["essay-1", "essay-2"], ["essay-1", "essay-2", "essay-3"]]
    jobs = nights.world.all_jobs()
    assert sorted((job.mode, job.version, job.published) for job in jobs) == [
        ("refresh", 1, True),
        ("refresh", 2, False),
        ("refresh", 2, True),
    ]
