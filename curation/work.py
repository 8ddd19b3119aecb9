"""The work of a run in progress: data first, then the record. A record's existence is the truth.

A step of a run is named; running it twice equals running it once, and a run that died goes on from its records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel

from curation.errors import MissingError
from curation.storage import Storage, open_storage

Record = TypeVar("Record", bound=BaseModel)


@dataclass(frozen=True)
class Work:
    """A folder `prefix` in the storage at `url`, for one run (whose id says what determines its results)."""

    url: str
    prefix: str

    @property
    def storage(self) -> Storage:
        return open_storage(self.url)

    def key(self, name: str) -> str:
        """The key of a piece of data of this run."""
        return f"{self.prefix}/{name}"

    def under(self, name: str) -> Work:
        """The same run's work, one folder down."""
        return Work(self.url, self.key(name))

    def once(self, name: str, record: type[Record], step: Callable[[], Record]) -> Record:
        """The record of a step: read if it is there, else the step is done (writing its data) and then recorded."""
        key = self.key(f"{name}.json")
        try:
            return record.model_validate_json(self.storage.read(key))
        except MissingError:
            pass
        done = step()
        self.storage.write(key, done.model_dump_json().encode())
        return done
