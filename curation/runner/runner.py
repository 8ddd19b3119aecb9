"""What a runner is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Runner(Protocol):
    """Maps a task over items.

    `task` is a module-level function (or a partial of one) and items and results pickle; they are small: keys, not
    documents. Results come in the order of the items. A task that raises TransientError, or whose worker dies, is tried
    again, a few times; every other error stops the map and is raised. Nothing runs on after a map has returned, nor
    after the runner was closed.
    """

    def map(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        """One result an item. `on_result(index, result)` is called as each comes, in any order."""
        ...

    def close(self) -> None:
        """Release the workers."""
        ...


class OpenRunner(Runner, Protocol):
    """A runner that closes at the end of a `with`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
