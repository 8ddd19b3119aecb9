"""What is asked and answered about the upkeep of corpora."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field

from services.jobs.job import Model, Shown

LAST_VERSION = 999_999_999
VersionNumber = Annotated[int, Field(ge=1, le=LAST_VERSION)]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
]


class CorpusTag(Shown):
    """A name of a version, which people move. A vacuum leaves what has one."""

    name: str
    version: int
    previous: int | None = None
    """The version that had it before."""
    at: datetime
    """Since when."""
    by: str
    """Who put it there; empty where nobody said."""


class TagRecord(Shown):
    """Where a tag was put, or that it was taken away."""

    version: int | None
    """Null: there was no such tag from then on."""
    previous: int | None = None
    """The version that had it before."""
    at: datetime
    by: str
    """Who did it."""


class TagHistory(CorpusTag):
    """A tag, and everything that happened to it."""

    history: tuple[TagRecord, ...]
    """Oldest first."""


class NewTag(Model):
    """Where a tag is put."""

    version: VersionNumber
    """The version that gets it."""


class RestoreRequest(Model):
    """What to bring back."""

    version: VersionNumber
    """The version whose content the new one has."""


class Restored(Shown):
    """The newest version, whose content is that of an older one."""

    version: int
    """The newest version's number."""
    restored: int
    """The version that it has brought back."""
    published: bool
    """False where that was so before."""


class LegalHold(Shown):
    """A version that must stay as it is: neither a vacuum nor an erasure touches it."""

    version: int
    reason: str
    """Why, in the words of whoever held it."""
    at: datetime
    """Since when."""
    by: str
    """Who held it."""


class NewHold(Model):
    """Why a version is held."""

    reason: Annotated[
        str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")
    ]
    """For whoever asks later: a case number, say."""


class VacuumOptions(Model):
    """What to remove."""

    dry_run: bool = True
    """Only say what would be removed."""
    keep: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """So many of the newest versions stay; default: as the newest version's recipe says, `retention.versions`."""
    grace_days: Annotated[float, Field(ge=0, le=36_500)] | None = None
    """What was superseded less than so many days ago stays, and so do younger files; default: as the recipe says."""


class Staying(Shown):
    """A version that stays."""

    version: int
    reasons: tuple[str, ...]
    """Why."""


class VacuumReport(Shown):
    """What a vacuum removed, or would."""

    dry_run: bool
    """Whether this is only what would be removed."""
    versions: tuple[int, ...]
    """The versions that go: their documents, not their manifests and reports."""
    files: int
    """How many files go."""
    bytes: int
    """How large these are together."""
    spared: int
    """Files that no version needs and that stay for now: too young, or a run in progress may want them."""
    stays: tuple[Staying, ...]
    """The versions that stay."""
