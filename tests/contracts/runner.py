"""What every runner does, whatever it runs on. Subclass `RunnerContract` and give `open_runner`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import overload

import pytest

from curation.errors import CorruptError, InputError, Problem, RecipeError, TransientError
from curation.runner.retry import Retry
from curation.runner.runner import OpenRunner

QUICKLY = Retry(max_tries=3, first_wait_s=0.01, longest_wait_s=0.02)


class RunnerContract:
    """The suite; a runner for some number of workers is opened and closed around each test."""

    workers = 2

    def open_runner(self, workers: int) -> OpenRunner:
        """A runner that tries as QUICKLY says."""
        raise NotImplementedError

    def most_taken_ahead(self, workers: int) -> int:
        """How many items may have been started whose results have not come."""
        raise NotImplementedError

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_gives_a_result_an_item_in_the_order_of_the_items(self, workers: int) -> None:
        with self.open_runner(workers) as runner:
            assert runner.map(later_items_end_sooner, range(10)) == [2 * item for item in range(10)]

    def test_no_items_give_no_results(self) -> None:
        with self.open_runner(self.workers) as runner:
            assert runner.map(refuse, []) == []

    def test_tells_each_result_once(self) -> None:
        told: list[tuple[int, int]] = []
        with self.open_runner(self.workers) as runner:
            runner.map(double, range(20), lambda index, result: told.append((index, result)))
        assert sorted(told) == [(item, 2 * item) for item in range(20)]

    @pytest.mark.parametrize("workers", [1, 2])
    def test_takes_few_items_ahead(self, workers: int) -> None:
        items = Watched(60)
        ahead: list[int] = []
        with self.open_runner(workers) as runner:
            runner.map(double, items, lambda index, result: ahead.append(items.taken - len(ahead)))
        assert len(ahead) == 60
        assert max(ahead) <= self.most_taken_ahead(workers)

    def test_maps_again_and_again(self) -> None:
        with self.open_runner(self.workers) as runner:
            assert [runner.map(double, [item]) for item in range(3)] == [[0], [2], [4]]

    def test_passes_on_what_is_bound_to_the_task(self) -> None:
        with self.open_runner(self.workers) as runner:
            assert runner.map(partial(add, 10), [1, 2]) == [11, 12]

    def test_tries_again_after_a_transient_error(self, tmp_path: Path) -> None:
        with self.open_runner(self.workers) as runner:
            assert runner.map(partial(busy_for, 2, tmp_path), range(4)) == [0, 1, 2, 3]
        assert [tries(tmp_path, item) for item in range(4)] == [3, 3, 3, 3]

    def test_gives_up_after_the_last_try_with_the_transient_error(self, tmp_path: Path) -> None:
        with self.open_runner(self.workers) as runner, pytest.raises(TransientError) as caught:
            runner.map(partial(busy_for, 99, tmp_path), [7])
        assert str(caught.value) == "item 7: the store is busy"
        assert tries(tmp_path, 7) == QUICKLY.max_tries

    @pytest.mark.parametrize(
        "error",
        [
            ValueError("a defect"),
            InputError("nothing matches"),
            CorruptError("size is 3, expected 4"),
            RecipeError([Problem("stages.0.kind", "unknown"), Problem("name", "missing")]),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_raises_every_other_error_as_it_was_after_one_try(self, tmp_path: Path, error: Exception) -> None:
        with self.open_runner(self.workers) as runner, pytest.raises(type(error)) as caught:
            runner.map(partial(fail, error, tmp_path), [1])
        assert type(caught.value) is type(error)
        assert str(caught.value) == str(error)
        assert tries(tmp_path, 1) == 1

    def test_an_error_leaves_nothing_running(self, tmp_path: Path) -> None:
        with self.open_runner(self.workers) as runner:
            with pytest.raises(InputError):
                runner.map(partial(first_fails_others_beat, tmp_path, beats=50), range(8))
            beats = heartbeats(tmp_path)
            time.sleep(0.4)
            assert heartbeats(tmp_path) == beats
            assert runner.map(double, [1, 2]) == [2, 4]

    def test_an_error_of_the_callback_stops_the_map(self) -> None:
        items = Watched(60)
        with self.open_runner(self.workers) as runner, pytest.raises(InputError, match="enough"):
            runner.map(double, items, stop_at_once)
        assert items.taken <= self.most_taken_ahead(self.workers)

    def test_closes_twice(self) -> None:
        runner = self.open_runner(self.workers)
        runner.close()
        runner.close()


class Watched(Sequence[int]):
    """The numbers below `size`; `taken` is how many were asked for."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0

    def __len__(self) -> int:
        return self.size

    @overload
    def __getitem__(self, index: int) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[int]: ...
    def __getitem__(self, index: int | slice) -> int | Sequence[int]:
        if isinstance(index, slice):
            return range(self.size)[index]
        if not 0 <= index < self.size:
            raise IndexError(index)
        self.taken = max(self.taken, index + 1)
        return index


def double(item: int) -> int:
    return 2 * item


def add(some: int, item: int) -> int:
    return some + item


def later_items_end_sooner(item: int) -> int:
    time.sleep(0.02 * max(0, 4 - item))
    return 2 * item


def refuse(item: int) -> int:
    raise AssertionError(f"called with {item}")


def stop_at_once(index: int, result: int) -> None:
    raise InputError("enough")


def busy_for(times: int, folder: Path, item: int) -> int:
    if note_try(folder, item) <= times:
        raise TransientError(f"item {item}: the store is busy")
    return item


def fail(error: Exception, folder: Path, item: int) -> int:
    note_try(folder, item)
    raise error


def first_fails_others_beat(folder: Path, item: int, beats: int = 1500) -> int:
    """Item 0 fails once another one beats, or after a while if it runs alone; the others beat 50 times a second."""
    if item == 0:
        wait_for(lambda: bool(heartbeats(folder)), timeout_s=1.0)
        raise InputError("item 0 cannot be read")
    for beat in range(beats):
        (folder / f"beat-{item}").write_text(str(beat))
        time.sleep(0.02)
    return item


def heartbeats(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("beat-*")}


def wait_for(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def note_try(folder: Path, item: int) -> int:
    """Leave a mark for this try; which one it is, from 1. Marks outlive a killed worker."""
    number = tries(folder, item) + 1
    (folder / f"try-{item}-{number}-{os.getpid()}").touch()
    return number


def tries(folder: Path, item: int) -> int:
    return len(list(folder.glob(f"try-{item}-*")))
