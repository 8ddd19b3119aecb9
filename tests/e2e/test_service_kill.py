"""Killed at any named point, no acknowledged job is lost or published twice: each ends, with the same bytes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import pytest

from curation.pipeline.certificate import certificates, checked_certificate
from curation.storage import open_storage
from services.client import UnreachableError
from services.jobs.job import Mode, Submission, Takedown, WantedDocument
from services.jobs.states import State
from services.runner.forks import Forks
from tests.e2e import night
from tests.e2e.installation import Installation
from tests.services.postgres import PostgresServer
from tests.storage.servers import S3Server

DRIVER = [
    "driver.started",
    "driver.before_begin",
    "store.begin.changed",
    "store.begin.committed",
    "driver.after_begin",
    "driver.loaded",
    "driver.opened",
    "driver.listed",
    "driver.filtering",
    "driver.filtered_shard",
    "driver.filtered_shard:3",
    "driver.filtered",
    "driver.deduplicating",
    "driver.deduplicated",
    "driver.finishing",
    "driver.finished_part",
    "driver.finished_part:2",
    "driver.finished",
    "driver.indexed",
    "driver.drafted",
    "driver.before_permit",
    "store.permit.changed",
    "store.permit.committed",
    "driver.after_permit",
    "driver.publishing",
    "driver.published",
    "driver.swept",
    "driver.before_finish",
    "store.finish.changed",
    "store.finish.committed",
    "driver.after_finish",
    "driver.heartbeat",
    "store.heartbeat.changed",
]
"""Where a driver is killed; another goes on."""

RUNNER = [
    "runner.before_claim",
    "store.claim.changed",
    "store.claim.committed",
    "runner.after_claim",
    "runner.after_spawn",
]
"""Where a runner is killed, and its drivers with it; another one takes over."""

SCHEDULER = [
    "scheduler.before_tick",
    "scheduler.after_decision",
    "scheduler.after_occurrence",
    "store.submit.changed",
    "scheduler.before_commit",
    "scheduler.after_commit",
]
"""Where a scheduler is killed over a due occurrence."""

EVERYTHING = ["driver.filtered_shard:2", "driver.before_permit", "driver.after_permit"]
"""Where a driver stands while everything is killed."""

REFRESH = [
    "driver.listed",
    "driver.filtered",
    "driver.finished",
    "driver.drafted",
    "driver.after_permit",
    "driver.published",
    "driver.before_finish",
]
"""Where a driver is killed that reads what is new."""

ERASURE = [
    "driver.looked",
    "driver.drafted",
    "driver.after_permit",
    "driver.published",
    "driver.erasing",
    "driver.erased_task:2",
    "driver.erased",
    "driver.before_finish",
]
"""Where a driver is killed that takes a document down and erases it."""

ELSEWHERE = {
    "driver.filtered_shard",
    "driver.after_permit",
    "driver.published",
    "driver.erased_task:2",
    "runner.after_claim",
    "scheduler.before_commit",
    "scheduler.after_commit",
}
"""Points that matter to PostgreSQL and S3 beside those of the job store; at the others one kind is like another."""

AT_ONCE = 4
"""Most of the time is waiting: for a lost job's next attempt, or for a lease to run out."""

Kind = Literal["sqlite+files", "postgresql+s3"]


@dataclass
class Place:
    """Where installations of one kind are made."""

    kind: Kind
    folder: Path
    inputs: Path
    root: str
    postgres: PostgresServer | None
    forks: Forks

    def points(self, every: Sequence[str]) -> list[str]:
        """Those at which something is killed here."""
        return [point for point in every if self.postgres is None or point.startswith("store.") or point in ELSEWHERE]

    @contextmanager
    def installation(self, name: str) -> Iterator[Installation]:
        """A new one."""
        folder = self.folder / name.replace(":", "-")
        url = self.postgres.new_database() if self.postgres else f"sqlite:///{folder / 'control-plane.db'}"
        made = Installation(folder, url, self.root, self.inputs, self.forks)
        try:
            yield made
        finally:
            made.close()
            if self.postgres:
                self.postgres.drop(url)


@pytest.fixture(
    scope="module",
    params=[pytest.param(kind, marks=pytest.mark.xdist_group(f"kill-{kind}")) for kind in get_args(Kind)],
)
def place(
    request: pytest.FixtureRequest, inputs: Path, forks: Forks, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("installations")
    if request.param == "sqlite+files":
        yield Place(request.param, folder, inputs, str(folder / "corpora"), None, forks)
        return
    server: S3Server = request.getfixturevalue("moto")
    with server.used():
        bucket = server.make_bucket(f"kill-{os.getpid()}")
        yield Place(request.param, folder, inputs, bucket, request.getfixturevalue("postgres"), forks)


def check(installation: Installation, job_id: str, digest: str) -> None:
    """The job succeeded, and published one version, which is what it must be; its events tell of it without a gap."""
    job = installation.job(job_id)
    assert job.state is State.SUCCEEDED, job
    (version,) = installation.corpus.versions()
    assert (job.version, job.published) == (version.version, True)
    assert version.run.startswith(job_id)
    assert installation.corpus.manifest().digest == digest
    events = installation.store.events(installation.project, job_id)
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].data["state"] == State.SUCCEEDED


def at_each(points: list[str], work: Callable[[str], None]) -> None:
    """Do the work for every point, some at a time; all that went wrong is raised together."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = {point: pool.submit(work, point) for point in points}
    wrong = {point: str(error) for point, future in running.items() if (error := future.exception())}
    assert not wrong, "\n".join(f"{point}: {error}" for point, error in wrong.items())


@pytest.mark.timeout(900)
def test_a_driver_killed_anywhere(place: Place, digest: str) -> None:
    def kill(point: str) -> None:
        with place.installation(point) as installation:
            job_id = installation.submit()
            with installation.runner(failpoint=installation.failing(point)):
                installation.wait(job_id)
            assert installation.marker.exists(), "nobody was killed"
            check(installation, job_id, digest)

    at_each(place.points(DRIVER), kill)


@pytest.mark.timeout(600)
def test_a_refresh_killed_anywhere(place: Place, folder: Path, evening: Path) -> None:
    def kill(point: str) -> None:
        with replace(place, inputs=folder).installation(f"refresh-{point}") as installation:
            copy(evening, installation.output)
            kept = killed_once(installation, point, folder, mode=Mode.REFRESH)
            assert kept == night.AFTER

    at_each(place.points(REFRESH), kill)


@pytest.mark.timeout(600)
def test_an_erasure_killed_anywhere(place: Place, folder: Path, evening: Path) -> None:
    """It is over when it is certified, and what it has published is what it erases."""
    asked = Takedown(ids=(WantedDocument(id="c1"),), erase=True)

    def kill(point: str) -> None:
        with replace(place, inputs=folder).installation(f"erasure-{point}") as installation:
            copy(evening, installation.output)
            kept = killed_once(installation, point, folder, mode=Mode.TAKEDOWN, takedown=asked)
            assert kept == night.BEFORE - {"c1"}
            (certificate,) = certificates(installation.corpus.storage).history()
            assert checked_certificate(installation.corpus).erasure is not None
            assert [held.version for held in certificate.versions] == [2, 3], "those that had it"

    at_each(place.points(ERASURE), kill)


def copy(corpus: Path, output: str) -> None:
    """Put a corpus where another one is to be."""
    source, target = open_storage(str(corpus)), open_storage(output)
    for entry in source.list():
        target.write(entry.key, source.read(entry.key))


def killed_once(installation: Installation, point: str, folder: Path, **job: Any) -> set[str]:
    """Do a job over a night's corpus whose driver is killed at a point; what its version keeps."""
    wanted = night.recipe(folder, installation.output).model_dump(mode="json")
    job_id = installation.submit(wanted, **job)
    with installation.runner(failpoint=installation.failing(point)):
        done = installation.wait(job_id)
    assert installation.marker.exists(), "nobody was killed"
    assert (done.state, done.version, done.published) == (State.SUCCEEDED, night.NIGHTS + 1, True), done
    assert len(installation.corpus.versions()) == night.NIGHTS + 1
    return night.kept(installation.corpus)


@pytest.mark.timeout(600)
def test_a_runner_killed_anywhere(place: Place, digest: str) -> None:
    def kill(point: str) -> None:
        with place.installation(point) as installation:
            job_id = installation.submit()
            first = installation.start("runner", installation.failing(point))
            assert first.wait(60) == -signal.SIGKILL
            with installation.runner():
                installation.wait(job_id)
            check(installation, job_id, digest)

    at_each(place.points(RUNNER), kill)


def test_a_killed_runner_takes_its_driver_with_it(place: Place) -> None:
    """The driver sees that nobody looks after it, and hands its job back at once, if it has not done it."""
    with place.installation("alone") as installation:
        job_id = installation.submit()
        runner = installation.start("runner", "runner.after_spawn")
        assert runner.wait(60) == -signal.SIGKILL
        job = installation.wait(job_id, State.QUEUED, State.SUCCEEDED)
        assert job.reason in ("drained", "")
        assert job.attempt == 1


@pytest.mark.timeout(600)
def test_a_scheduler_killed_anywhere(place: Place, digest: str) -> None:
    """An occurrence that is due becomes one job, whoever dies over it."""

    def kill(point: str) -> None:
        with place.installation(point) as installation:
            schedule_id = installation.schedule()
            first = installation.start("scheduler", installation.failing(point))
            assert first.wait(60) == -signal.SIGKILL
            installation.start("scheduler")
            jobs = installation.until(lambda: installation.jobs_of(schedule_id), bool)
            with installation.runner():
                installation.wait(jobs[0].id)
            check(installation, jobs[0].id, digest)
            assert len(installation.jobs_of(schedule_id)) == 1

    at_each(place.points(SCHEDULER), kill)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("point", ["store.submit.changed", "store.submit.committed"])
def test_the_api_killed_while_it_takes_a_job(place: Place, point: str) -> None:
    """A client that had no answer asks again with the same key: one job."""
    with place.installation(f"api-{point}") as installation:
        wanted = Submission(recipe=installation.recipe())
        first, client = installation.start_api(installation.failing(point))
        with pytest.raises(UnreachableError):
            client.jobs.submit(wanted, idempotency_key="once")
        assert first.wait(60) == -signal.SIGKILL
        _, client = installation.start_api()
        jobs = [client.jobs.submit(wanted, idempotency_key="once") for _ in range(2)]
        assert [job.id for job in client.jobs.list()] == [jobs[0].id] == [jobs[1].id]


@pytest.mark.timeout(600)
def test_everything_killed_at_once(place: Place, digest: str) -> None:
    """API, scheduler, runner and driver: the whole service, while its driver stands at a point."""

    def kill(point: str) -> None:
        with place.installation(f"all-{point}") as installation:
            job_id = installation.submit()
            service = installation.start("all", f"stop@{installation.failing(point)}")
            installation.until(installation.marker.exists, bool)
            os.killpg(service.pid, signal.SIGKILL)
            service.wait()
            kill_drivers(installation)
            installation.start("all")
            installation.wait(job_id)
            check(installation, job_id, digest)

    at_each(EVERYTHING, kill)


def kill_drivers(installation: Installation) -> None:
    """Kill the drivers of this installation, and what forks them: they lead sessions of their own."""
    wanted = f"CURATION_DATA={installation.settings.data}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if b"services.runner.fork_server" in command and wanted in environment.split(b"\0"):
            os.kill(int(process.name), signal.SIGKILL)
