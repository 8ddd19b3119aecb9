"""Runs tasks in this process, one after the other: for debugging, and for corpora that need no more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from curation.errors import TransientError
from curation.runner.retry import Retry
from curation.runner.runner import Item, Result


class LocalRunner:
    """A Runner that calls the task itself, so a debugger or a profiler sees it; `sleep` is what it waits with."""

    def __init__(self, retry: Retry | None = None, sleep: Callable[[float], None] = time.sleep) -> None:
        self._retry = retry or Retry()
        self._sleep = sleep

    def map(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        results: list[Result] = []
        for index, item in enumerate(items):
            result = self._perform(task, item)
            if on_result is not None:
                on_result(index, result)
            results.append(result)
        return results

    def close(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _perform(self, task: Callable[[Item], Result], item: Item) -> Result:
        tries = 1
        while True:
            try:
                return task(item)
            except TransientError:
                if tries >= self._retry.max_tries:
                    raise
            self._sleep(self._retry.wait_s(tries))
            tries += 1
