from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from curation.errors import TransientError
from curation.runner.local import LocalRunner
from curation.runner.retry import Retry
from curation.runner.runner import OpenRunner
from tests.contracts.runner import QUICKLY, RunnerContract, busy_for, tries


class TestLocalRunner(RunnerContract):
    def open_runner(self, workers: int) -> OpenRunner:
        return LocalRunner(QUICKLY)

    def most_taken_ahead(self, workers: int) -> int:
        return 1


def interrupt(folder: Path, item: int) -> int:
    (folder / f"try-{item}-1").touch()
    raise KeyboardInterrupt


def test_ctrl_c_passes(tmp_path: Path) -> None:
    with LocalRunner(QUICKLY) as runner, pytest.raises(KeyboardInterrupt):
        runner.map(partial(interrupt, tmp_path), [0, 1])
    assert (tries(tmp_path, 0), tries(tmp_path, 1)) == (1, 0)


def test_waits_twice_as_long_after_each_try(tmp_path: Path) -> None:
    waits: list[float] = []
    retry = Retry(max_tries=6, first_wait_s=1.0, longest_wait_s=5.0)
    with LocalRunner(retry, waits.append) as runner, pytest.raises(TransientError):
        runner.map(partial(busy_for, 99, tmp_path), [0])
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
