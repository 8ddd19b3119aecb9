"""Moments: the calls of this process that change what is on disk. Before one of them it dies, or somebody else acts."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import deltalake
import pytest


class Killed(BaseException):
    """This process is dead: from here on, whatever it would change on disk raises this again."""


class Moments:
    """Counts moments; before the chosen one, from 1, `act` is called once."""

    def __init__(self, chosen: int, act: Callable[[], None]) -> None:
        self.chosen, self.act = chosen, act
        self.count = 0
        self.is_dead = False
        self._is_acting = False

    def come(self) -> None:
        if self.is_dead:
            raise Killed
        if self._is_acting:
            return
        self.count += 1
        if self.count == self.chosen:
            self._is_acting = True
            try:
                self.act()
            except Killed:
                self.is_dead = True
                raise
            finally:
                self._is_acting = False


def die() -> None:
    raise Killed


@contextmanager
def at_moment(chosen: int = 0, act: Callable[[], None] = die) -> Iterator[Moments]:
    """Within, moments are counted, and this happens before the chosen one (0: never)."""
    moments = Moments(chosen, act)

    def watched(call: Callable[..., Any], after: bool = False) -> Callable[..., Any]:
        def counted(*arguments: Any, **named: Any) -> Any:
            moments.come()
            result = call(*arguments, **named)
            if after:
                moments.come()
            return result

        return counted

    with pytest.MonkeyPatch.context() as patch:
        for place, name in ((os, "replace"), (os, "link"), (os, "rmdir"), (pathlib.Path, "unlink")):
            patch.setattr(place, name, watched(getattr(place, name)))
        for name in ("create", "create_write_transaction"):
            patch.setattr(deltalake.DeltaTable, name, watched(getattr(deltalake.DeltaTable, name), after=True))
        yield moments
