"""How far the steps of some work are: bars on a terminal, elsewhere a line now and then."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

BAR = 30
LINE_EVERY_S = 5.0


class StepsDisplay:
    """Shows steps: bars on a terminal; elsewhere a line when a step begins, as soon as its rate can be told, now and
    then, and when it ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._told: set[tuple[str, str]] = set()
        self._last_line = 0.0

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            columns = (TextColumn("{task.description:<12}"), BarColumn(BAR), MofNCompleteColumn())
            self._bars = Progress(*columns, TextColumn("{task.fields[rate]}"), console=self.console)
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()

    def show(self, step: str, done: int, total: int, rate: str) -> None:
        """Show a step as it is now, however often it is told, if there is work in it. `rate` is empty while it is
        not known."""
        if not total:
            return
        if self._bars:
            if step not in self._tasks:
                self._tasks[step] = self._bars.add_task(step, total=total, rate="")
            self._bars.update(self._tasks[step], completed=done, total=total, rate=rate)
        elif self._is_worth_a_line(step, "ended" if done == total else "rated" if rate else "begun"):
            self._last_line = time.monotonic()
            self.console.print(f"{step:<12} {done}/{total}  {rate}", highlight=False)

    def _is_worth_a_line(self, step: str, phase: str) -> bool:
        if (step, "ended") in self._told:
            return False
        is_news = (step, phase) not in self._told
        self._told.add((step, phase))
        return is_news or time.monotonic() - self._last_line > LINE_EVERY_S


def clock(seconds: float) -> str:
    """Minutes and seconds, as in 12:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
