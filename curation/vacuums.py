"""What vacuums have removed: `_vacuums/<number>.json`, written before anything is deleted.

Each record says which versions are gone by then, so a reader needs the newest only, and gets a sentence where otherwise
a file would be missing.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from curation.ledger import Ledger
from curation.storage import Storage

VACUUMS = "_vacuums"
FILES = f"{VACUUMS}/files"
"""Below it the lists of the files that were removed lie, named by their SHA-256."""

Cause = Literal["vacuum", "erasure"]


class Gone(BaseModel):
    """A version of which files have been removed; its manifest, report and change stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int
    when: datetime
    cause: Cause

    @property
    def what(self) -> str:
        """What was done to it, as a word."""
        return "erased" if self.cause == "erasure" else "vacuumed"

    def __str__(self) -> str:
        return f"version {self.version} was {self.what} on {self.when:%Y-%m-%d}: its files are not there any more"


class RemovedFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    bytes: int


class RemovedFiles(BaseModel):
    """The files that one vacuum set out to remove, by path."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: tuple[RemovedFile, ...]


class Vacuum(BaseModel):
    """One vacuum, or one erasure."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: datetime
    who: str = ""
    cause: Cause
    versions: tuple[int, ...]
    """Those that are gone by this one."""
    gone: tuple[Gone, ...]
    """Every version that is gone, by number; those of earlier vacuums included."""
    files: int
    bytes: int
    listing: str
    """Where the list of the files lies, as `RemovedFiles`."""
    corrects: int | None = None
    """The record before this one, of the same vacuum, which then left some of what it had set out to remove."""


def vacuums(storage: Storage) -> Ledger[Vacuum]:
    """The ledger of a corpus's vacuums."""
    return Ledger(storage, VACUUMS, Vacuum)


def gone(storage: Storage) -> dict[int, Gone]:
    """The versions of which files have been removed, by number: one listing, and one read where there are any."""
    _, newest = vacuums(storage).last()
    return {version.version: version for version in newest.gone} if newest else {}
