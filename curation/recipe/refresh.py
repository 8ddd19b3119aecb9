"""What a recipe says about the nights after the first: what a refresh does, and for how long versions stay."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Refresh(BaseModel):
    """How a new version comes of the one before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    vanished: Literal["keep", "retire"] = "keep"
    """What becomes of the documents of an input file that is not there any more."""
    better_copies: Literal["stay", "replace"] = "stay"
    """What a new copy does that the deduplicating stages' `keep` prefers: nothing, so that what is kept stays kept, or
    take the kept one's place, which is recorded."""
    repeats: Literal["redo", "among_new"] = "redo"
    """What a refresh does where stages cut repeated parts, which compare the documents of one run only: everything
    anew, which has to be allowed as for a recipe that has changed, or compare the documents that it reads with each
    other and not with those that are kept, so that what an earlier version says stays once more."""
    promote: bool = True
    """Whether the duplicates of a document that is removed are decided anew, so that one of them may be kept."""


class Retention(BaseModel):
    """Which versions `vacuum` leaves."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    versions: Annotated[int, Field(ge=1)] = 30
    """The newest so many stay; tagged ones and those under a legal hold stay too."""
    grace_days: Annotated[float, Field(ge=0)] = 7
    """A version that was superseded less than so many days ago stays, and so does every file that is younger: somebody
    may be reading it, or a run writing it."""
