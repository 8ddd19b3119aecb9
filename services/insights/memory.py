"""What a process remembers of answers that never change: bounded by bytes, each made once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from pydantic import BaseModel

Value = TypeVar("Value")

OBJECTS = 6
"""How much larger models are in memory than as JSON, measured on manifests of 20 000 files."""


def weight(*models: BaseModel) -> int:
    """About how many bytes models take in memory."""
    return OBJECTS * sum(len(model.model_dump_json()) for model in models)


class Memory(Generic[Value]):
    """The values asked for last, of so many bytes together; each is made once even when many ask at the same time.
    What is larger than all of it is made each time."""

    def __init__(self, max_bytes: int, weigh: Callable[[Value], int]) -> None:
        self._max_bytes = max_bytes
        self._weigh = weigh
        self._bytes = 0
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of the key, made where it is not remembered; an error is not remembered."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key][0]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key][0]
            try:
                value = make()
                self._remember(key, value)
            finally:
                with self._lock:
                    self._making.pop(key, None)
        return value

    def _remember(self, key: Hashable, value: Value) -> None:
        size = self._weigh(value)
        if size > self._max_bytes:
            return
        with self._lock:
            _, before = self._values.pop(key, (value, 0))
            self._values[key] = value, size
            self._bytes += size - before
            while self._bytes > self._max_bytes:
                _, (_, gone) = self._values.popitem(last=False)
                self._bytes -= gone
