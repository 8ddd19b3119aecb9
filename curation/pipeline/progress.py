"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel, ConfigDict

from curation.runner.runner import Item, Result, Runner


class Progress(BaseModel):
    """How far a step is. `documents` and `bytes` count what the step has read so far, where it reads documents."""

    model_config = ConfigDict(frozen=True)

    step: str
    """`look`, `filter`, `survey`, `cut`, `deduplicate`, `spans`, `finish`, `index`, `publish` or `erase`."""
    done: int
    total: int
    """Of `survey`, `deduplicate`, `spans` and `index`: the tasks that are known so far; they become more on its way."""
    documents: int = 0
    bytes: int = 0


Watch = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Nobody watches."""


class CountedRunner:
    """A Runner that tells, as the progress of one step, how many tasks of all its maps are done; `end` is the last."""

    def __init__(self, runner: Runner, step: str, watch: Watch) -> None:
        self._runner = runner
        self._step = step
        self._watch = watch
        self._done, self._total = 0, 1
        self._tell()

    def map(
        self,
        task: Callable[[Item], Result],
        items: Sequence[Item],
        on_result: Callable[[int, Result], None] | None = None,
    ) -> list[Result]:
        """As the runner's own."""
        self._total += len(items)
        self._tell()

        def counted(index: int, result: Result) -> None:
            self._done += 1
            self._tell()
            if on_result is not None:
                on_result(index, result)

        return self._runner.map(task, items, counted)

    def end(self) -> None:
        """The step is done."""
        self._done += 1
        self._tell()

    def close(self) -> None:
        """It is somebody else's to close."""

    def _tell(self) -> None:
        self._watch(Progress(step=self._step, done=self._done, total=self._total))
