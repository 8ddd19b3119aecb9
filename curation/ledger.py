"""A ledger: numbered records in a folder, of which the highest is in force. Nothing in it is ever changed.

`<folder>/<number>.json`, from 1. A record is put if absent, so of two writers at once one wins, and the other is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel

from curation.errors import ConflictError
from curation.storage import Storage

Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True)
class Ledger(Generic[Record]):
    """The ledger in `folder` (without a slash at its end)."""

    storage: Storage
    folder: str
    model: type[Record]

    def numbers(self) -> list[int]:
        """The numbers of its records, ascending; empty where there is no ledger."""
        return _numbers(entry.key for entry in self.storage.list(f"{self.folder}/", deep=False))

    def read(self, number: int) -> Record:
        """One record. Raises MissingError."""
        return self.model.model_validate_json(self.storage.read(self._key(number)))

    def last(self) -> tuple[int, Record | None]:
        """The number of the record in force, and the record; 0 and None before the first."""
        numbers = self.numbers()
        return (numbers[-1], self.read(numbers[-1])) if numbers else (0, None)

    def history(self) -> list[Record]:
        """Every record, oldest first."""
        return [self.read(number) for number in self.numbers()]

    def append(self, record: Record, after: int) -> int:
        """Put a record in force behind number `after`, which was; its number. Raises ConflictError where another record
        has come since."""
        try:
            self.storage.create(self._key(after + 1), record.model_dump_json(indent=1).encode())
        except ConflictError:
            raise ConflictError(
                f"{self.storage.url}/{self.folder}: somebody else wrote record {after + 1} first; look again"
            ) from None
        return after + 1

    def _key(self, number: int) -> str:
        return f"{self.folder}/{number:08}.json"


def ledgers(storage: Storage, folder: str) -> list[str]:
    """The names of the ledgers one folder below this one, in order, by one listing."""
    keys = [entry.key.removeprefix(f"{folder}/") for entry in storage.list(f"{folder}/")]
    return sorted({key.partition("/")[0] for key in keys if key.count("/") == 1 and _numbers([key])})


def _numbers(keys: Iterable[str]) -> list[int]:
    stems = (key.rpartition("/")[2].removesuffix(".json") for key in keys if key.endswith(".json"))
    return sorted(int(stem) for stem in stems if stem.isdigit())
