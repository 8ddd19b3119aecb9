"""What is kept and shown of a stored recipe."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_REVISION = 2**31 - 1
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$"

RecipeName = Annotated[str, Field(pattern=NAME_PATTERN)]
Note = Annotated[str, Field(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


class RecipeSummary(_Model):
    """A stored recipe, as lists show it."""

    name: str
    revision: int
    """The newest."""
    created: datetime
    updated: datetime


class RecipeRevision(_Model):
    """One revision of a stored recipe, without its body."""

    revision: int
    note: str = ""
    created: datetime
    created_by: str


class StoredRecipe(RecipeRevision):
    """One revision of a stored recipe."""

    name: str
    recipe: dict[str, Any]
    """As it was written: without defaults, placeholders not filled in."""


class Change(_Model):
    """One difference between two revisions."""

    path: str
    """Dotted; items of lists by their `name` or `kind` where they have one: `stages.gopher_quality.min_words`."""
    op: Literal["added", "removed", "changed", "moved"]
    before: Any = None
    after: Any = None


class RecipeDiff(_Model):
    """How one revision became another."""

    name: str
    before: int
    after: int
    changes: tuple[Change, ...]


class StageDescription(_Model):
    """A kind of stage that recipes may have."""

    kind: str
    summary: str
    reference: str
    """Where its rules and thresholds come from."""
    version: int
    """Raised when its arithmetic changes."""
    json_schema: dict[str, Any]
    """Of its options."""
