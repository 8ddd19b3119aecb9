"""`curation serve`: how it starts, what it refuses, how it stops."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.jobs.job import Submission
from services.jobs.states import State
from services.serve import ServeError
from services.serve.parts import Parts
from tests.services.postgres import PostgresServer
from tests.services.served import CURATION, announced, environment, serving, start, write_recipe

SLOW = "[{kind: language, keep: [en]}, {kind: gopher_repetition}, {kind: gopher_quality}, {kind: exact_dedup}]"


def refused(folder: Path, *arguments: str, **changes: str) -> str:
    """What a service says that does not start."""
    command = [*CURATION, "serve", "--data", "data", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environment(folder, **changes), capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended
    return ended.stderr


def test_the_first_key_is_made_once_and_for_its_user_only(tmp_path: Path) -> None:
    with serving(tmp_path) as served, served.client() as client:
        first = served.key
        assert client.me().role == "admin"
        assert stat.S_IMODE((tmp_path / "first.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "data" / "secret.key").stat().st_mode) == 0o600
    assert first not in (tmp_path / "serve.log").read_text()
    with serving(tmp_path) as again, again.client() as client:
        assert again.key == first
        assert client.me().role == "admin"


def test_a_folder_is_served_once(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        said = refused(tmp_path, "--port", "0")
        assert f"data is served already: process {served.process.pid} is its api" in said
        said = refused(tmp_path, "--only", "runner")
        assert f"process {served.process.pid} is its runner" in said


def test_parts_may_be_processes_of_their_own(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--only", "api") as api,
        serving(tmp_path, "--only", "scheduler", "--only", "runner") as rest,
    ):
        assert rest.url == ""
        write_recipe(tmp_path)
        with api.client() as client:
            job = client.jobs.submit(Submission(recipe=body("small")))
            assert client.jobs.wait(job.id, timeout_s=60).state is State.SUCCEEDED


def test_a_port_that_is_taken_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(tmp_path, "--port", str(taken.getsockname()[1]))
    assert "Address already in use; give another --host or --port" in said
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"CURATION_PROT": "8000"}, "CURATION_PROT: there is no such setting; did you mean CURATION_PORT?"),
        ({"CURATION_MAX_ATTEMPTS": "0"}, "CURATION_MAX_ATTEMPTS"),
        ({"CURATION_HOST": "256.1.1.1"}, "cannot listen on 256.1.1.1"),
        ({"CURATION_SECRET_KEY_FILE": "nowhere.key"}, "nowhere.key: No such file"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    assert message in refused(tmp_path, **{"CURATION_PORT": "0", **changes})


def test_a_key_file_that_cannot_be_written_loses_no_key(tmp_path: Path) -> None:
    assert "give another --key-file" in refused(tmp_path, "--port", "0", "--key-file", "nowhere/first.key")
    with serving(tmp_path) as served, served.client() as client:
        assert client.me().is_installation_admin


def test_a_postgresql_that_is_not_migrated_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    url = postgres.new_database()
    (tmp_path / "secret").write_bytes(b"a secret of a test, which is long enough")
    changes = {"CURATION_DATABASE_URL": url, "CURATION_SECRET_KEY_FILE": "secret"}
    try:
        assert "curation admin migrate" in refused(tmp_path, "--port", "0", **changes)
        admin = [*CURATION, "admin", "migrate"]
        subprocess.run(admin, cwd=tmp_path, env=environment(tmp_path, **changes), check=True, capture_output=True)
        with serving(tmp_path, **changes) as served, served.client() as client:
            assert client.me().is_installation_admin
        assert not (tmp_path / "data" / "control-plane.db").exists()
    finally:
        postgres.drop(url)


def test_sigterm_stops_it_and_the_next_start_finishes_the_job(tmp_path: Path) -> None:
    write_recipe(tmp_path, "slow", 20_000, SLOW)
    with serving(tmp_path) as served, served.client() as client:
        job = client.jobs.submit(Submission(recipe=body("slow", SLOW)))
        until(lambda: bool(client.jobs.get(job.id).progress))
        watched = client.jobs.events(job.id, give_up_s=1)
        next(watched)  # an open stream does not hold it up
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        out, _ = served.process.communicate(timeout=60)
        assert (served.process.returncode, out) == (0, "Stopped.\n"), (tmp_path / "serve.log").read_text()
        assert time.monotonic() - began < 30
        del watched
    with serving(tmp_path) as served, served.client() as client:
        done = client.jobs.wait(job.id, timeout_s=120)
        assert (done.state, done.documents_read) == (State.SUCCEEDED, 20_000)
        assert len(list(client.corpora.versions("slow"))) == 1


@pytest.mark.parametrize(
    ("dies", "said"), [(True, "second: RuntimeError: it is broken"), (False, "second ended by itself")]
)
def test_a_part_that_dies_ends_the_others_and_is_an_error(dies: bool, said: str) -> None:
    parts = Parts()
    stopped = threading.Event()

    def first(stop: threading.Event) -> None:
        stop.wait(20)
        stopped.set()

    def second(stop: threading.Event) -> None:
        if dies:
            raise RuntimeError("it is broken")

    parts.start("first", first)
    parts.start("second", second)
    assert parts.stop.wait(20)
    assert stopped.wait(20)
    with pytest.raises(ServeError, match=said):
        parts.join(time.monotonic() + 20)


def test_an_address_of_the_network_is_warned_of_and_ctrl_c_stops_it(tmp_path: Path) -> None:
    process = start(tmp_path, "--host", "0.0.0.0")
    try:
        announced(process)
        assert "keys would travel in clear" in (tmp_path / "serve.log").read_text()
    finally:
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert (out, process.returncode) == ("Stopped.\n", 0)


def body(name: str, stages: str = "[{kind: exact_dedup}]") -> dict[str, object]:
    from curation.recipe.reading import read_value

    sources = [{"name": "s", "uri": f"{name}-in/*.jsonl"}]
    return {"name": name, "output": f"corpora/{name}", "sources": sources, "stages": read_value("stages", stages)}


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    give_up = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
