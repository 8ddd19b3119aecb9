"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict


class Progress(BaseModel):
    """How far a step is. `documents` and `bytes` count what the step has read so far, where it reads documents."""

    model_config = ConfigDict(frozen=True)

    step: str
    """`filter`, `deduplicate`, `finish` or `publish`."""
    done: int
    total: int
    documents: int = 0
    bytes: int = 0


Watch = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Nobody watches."""
