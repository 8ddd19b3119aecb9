from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
import ray

from curation.errors import CurationError, TransientError
from curation.runner import open_runner
from curation.runner.ray import RayRunner
from curation.runner.runner import OpenRunner
from tests.contracts.runner import QUICKLY, RunnerContract, busy_for, double, note_try, tries, wait_for


@pytest.mark.usefixtures("ray_cluster")
class TestRayRunner(RunnerContract):
    def open_runner(self, workers: int) -> OpenRunner:
        return RayRunner(workers, retry=QUICKLY)

    def most_taken_ahead(self, workers: int) -> int:
        return workers

    def test_tries_again_after_a_worker_was_killed(self, tmp_path: Path) -> None:
        with self.open_runner(2) as runner:
            assert runner.map(partial(killed_for, 1, tmp_path), range(3)) == [0, 1, 2]
        assert [tries(tmp_path, item) for item in range(3)] == [2, 2, 2]

    def test_gives_up_on_a_task_that_kills_its_workers(self, tmp_path: Path) -> None:
        with self.open_runner(2) as runner, pytest.raises(TransientError, match="item 0: its worker died"):
            runner.map(partial(killed_for, 99, tmp_path), [5])
        assert tries(tmp_path, 5) == QUICKLY.max_tries

    def test_tries_again_while_others_run(self, tmp_path: Path) -> None:
        with self.open_runner(2) as runner:
            assert runner.map(partial(busy_for, 1, tmp_path), range(30)) == list(range(30))

    def test_names_an_error_that_cannot_be_pickled(self) -> None:
        with self.open_runner(1) as runner, pytest.raises(Exception, match="Unpicklable"):
            runner.map(raise_unpicklable, [0])

    def test_names_an_error_that_cannot_be_read_back(self) -> None:
        with self.open_runner(1) as runner, pytest.raises(Exception, match="TwoWords"):
            runner.map(raise_two_words, [0])

    def test_tells_where_an_error_that_cannot_be_read_back_came_from(self) -> None:
        with self.open_runner(1) as runner, pytest.raises(CurationError, match="in raise_two_words") as caught:
            runner.map(raise_two_words, [0])
        assert "\x1b" not in str(caught.value)

    def test_tells_where_in_the_worker_an_error_came_from(self) -> None:
        with self.open_runner(1) as runner, pytest.raises(ZeroDivisionError) as caught:
            runner.map(divide, [0])
        assert "in divide" in "".join(caught.value.__notes__)

    def test_a_worker_computes_in_one_thread(self) -> None:
        with self.open_runner(1) as runner:
            assert runner.map(threads, [0]) == [(1, "1")]

    def test_many_workers_may_die_at_once(self, tmp_path: Path) -> None:
        with self.open_runner(4) as runner:
            assert runner.map(partial(killed_for, 1, tmp_path), range(6)) == list(range(6))


def killed_for(times: int, folder: Path, item: int) -> int:
    if note_try(folder, item) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


class UnpicklableError(Exception):
    def __init__(self) -> None:
        super().__init__("holds a lock")
        self.lock = threading.Lock()


class TwoWordsError(Exception):
    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def raise_unpicklable(item: int) -> int:
    raise UnpicklableError


def raise_two_words(item: int) -> int:
    raise TwoWordsError("one", "two")


def divide(item: int) -> float:
    return 1 / item


def threads(item: int) -> tuple[int, str | None]:
    return pa.cpu_count(), os.environ.get("OMP_NUM_THREADS")


def test_joins_a_cluster_by_its_address_and_leaves_it_running(ray_cluster: str) -> None:
    program = run_program(
        f"""
        from curation.runner import open_runner
        with open_runner("ray", workers=2, address={ray_cluster!r}) as runner:
            print(runner.map(double, range(5)))
        """
    )
    out, error = program.communicate(timeout=120)
    assert (out, program.returncode) == ("[0, 2, 4, 6, 8]\n", 0), error
    with open_runner("ray", 1) as runner:
        assert runner.map(double, [21]) == [42]


def test_says_so_when_this_process_is_connected_already(ray_cluster: str) -> None:
    with pytest.raises(CurationError, match="twice"):
        open_runner("ray", address=ray_cluster)


def test_starts_its_own_cluster_with_a_window_that_keeps_every_cpu_busy_and_shuts_it_down() -> None:
    """Whatever cluster the environment names; and it says nothing."""
    program = run_program(
        """
        from curation.runner import open_runner
        items, ahead = Watched(60), []
        with open_runner("ray", workers=2) as runner:
            runner.map(double, items, lambda index, result: ahead.append(items.taken - len(ahead)))
        print(max(ahead))
        """,
        RAY_ADDRESS="127.0.0.1:1",
    )
    out, error = program.communicate(timeout=120)
    assert (out, error, program.returncode) == ("6\n", "", 0)
    assert wait_for(lambda: not processes_of_session(program.pid), timeout_s=20), processes_of_session(program.pid)


@pytest.mark.parametrize("to_all", [False, True], ids=["to the driver", "as a terminal does"])
def test_ctrl_c_ends_the_map_and_leaves_no_process(tmp_path: Path, to_all: bool) -> None:
    program = run_program(
        f"""
        import sys
        from functools import partial
        from pathlib import Path
        from curation.runner import open_runner
        try:
            with open_runner("ray", workers=2) as runner:
                runner.map(partial(first_fails_others_beat, Path({str(tmp_path)!r})), range(1, 9))
        except KeyboardInterrupt:
            sys.exit(130)
        """
    )
    assert wait_for(lambda: len(list(tmp_path.glob("beat-*"))) == 2, timeout_s=60)
    interrupted = time.monotonic()
    (os.killpg if to_all else os.kill)(program.pid, signal.SIGINT)
    out, error = program.communicate(timeout=60)
    assert (out, program.returncode) == ("", 130), error
    assert time.monotonic() - interrupted < 25, "the tasks would have ended by themselves"
    assert wait_for(lambda: not processes_of_session(program.pid), timeout_s=20), processes_of_session(program.pid)


def test_a_failed_map_leaves_no_process_once_its_runner_is_closed(tmp_path: Path) -> None:
    program = run_program(
        f"""
        import time
        from functools import partial
        from pathlib import Path
        from curation.runner import open_runner
        try:
            with open_runner("ray", workers=2) as runner:
                runner.map(partial(first_fails_others_beat, Path({str(tmp_path)!r})), range(9))
        except InputError as error:
            print(error)
        beats = heartbeats(Path({str(tmp_path)!r}))
        time.sleep(0.4)
        print(0 < len(beats) < 3, heartbeats(Path({str(tmp_path)!r})) == beats)
        """
    )
    out, error = program.communicate(timeout=60)
    assert (out, program.returncode) == ("item 0 cannot be read\nTrue True\n", 0), error
    assert wait_for(lambda: not processes_of_session(program.pid), timeout_s=20), processes_of_session(program.pid)


def test_a_program_keeps_its_own_handler_of_sigterm() -> None:
    program = run_program(
        """
        import signal
        from curation.runner import open_runner
        def end(number, frame):
            raise SystemExit(143)
        signal.signal(signal.SIGTERM, end)
        with open_runner("ray", workers=1) as runner:
            signal.raise_signal(signal.SIGTERM)
        """
    )
    out, error = program.communicate(timeout=120)
    assert (out, error, program.returncode) == ("", "", 143)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_ray_starts_ends_the_command_with_a_sentence(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"{{name: a, output: {tmp_path}/corpus, sources: [{{name: s, uri: {tmp_path}/none.jsonl}}]}}")
    program = run_program(
        f"""
        import sys
        from curation.cli import main
        sys.argv = ["curation", "run", {str(recipe)!r}, "--workers", "1"]
        main()
        """
    )
    assert wait_for(lambda: "gcs_server" in str(processes_of_session(program.pid)), timeout_s=60)
    os.kill(program.pid, number)
    out, error = program.communicate(timeout=60)
    assert (out, program.returncode) == ("", code), error
    assert error.startswith("curation: ")
    assert error.count("\n") == 1
    assert wait_for(lambda: not processes_of_session(program.pid), timeout_s=20), processes_of_session(program.pid)


def test_a_node_that_does_not_come_up_in_time_can_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(**_: object) -> None:
        raise Exception("The current node timed out during startup.")  # Ray's own, as it raises it

    monkeypatch.setattr(ray, "init", slow)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # the tests' own cluster may be up in this process
    with (
        pytest.raises(CurationError, match=r"^Ray could not be started .* timed out") as raised,
        open_runner("ray", workers=1),
    ):
        pass
    assert type(raised.value) is CurationError  # an engine's trouble, which the service tries again


def run_program(text: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process, leader of a session of its own, that has the names of the contract suite, and is interrupted by
    SIGINT even where the tests are not, as in the background of a script."""
    begin = "from tests.contracts.runner import *\nimport signal\n"
    begin += "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
    return subprocess.Popen(
        [sys.executable, "-c", begin + textwrap.dedent(text)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **environment},
    )


def processes_of_session(leader: int) -> dict[int, str]:
    """The command of each living process of this session (Linux: field 6 of /proc/PID/stat), by its id."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")[:100]
        except OSError:
            continue
    return found
