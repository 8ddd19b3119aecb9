"""Stored recipes over REST."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict

from services.client.errors import ProblemError
from services.client.transport import Transport, listed, shaped
from services.jobs.job import Submission
from services.recipes.recipe import RecipeDiff, RecipeRevision, RecipeSummary, StageDescription, StoredRecipe

if TYPE_CHECKING:
    from curation.whatif import Preview

IF_NONE = {"If-None-Match": "*"}


class FieldMessage(BaseModel):
    """One thing that is wrong with a recipe: `path` is dotted."""

    model_config = ConfigDict(frozen=True)

    path: str
    message: str


class Validation(BaseModel):
    """Whether a recipe can be run in this project."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    is_valid: bool
    problems: tuple[FieldMessage, ...] = ()
    recipe: dict[str, Any] | None = None
    """With every default and absolute addresses; None where it is not valid."""
    fingerprint: str | None = None


class Recipes:
    """The stored recipes of one project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[RecipeSummary]:
        """Each with its newest revision's number."""
        return self._transport.pages("/v1/recipes", RecipeSummary)

    def get(self, name: str, revision: int | None = None) -> StoredRecipe:
        """A recipe; default its newest revision."""
        return self._transport.get(_recipe(name), StoredRecipe, revision=revision)

    def validate(self, recipe: Mapping[str, Any]) -> Validation:
        """Everything that is wrong with a recipe, or what it means. Nothing is stored."""
        return self._transport.post("/v1/recipes/validate", Validation, recipe)

    def revisions(self, name: str) -> Iterator[RecipeRevision]:
        """Newest first."""
        return self._transport.pages(f"{_recipe(name)}/revisions", RecipeRevision)

    def put(
        self, name: str, recipe: Mapping[str, Any], *, note: str = "", if_revision: int | None = None
    ) -> StoredRecipe:
        """Store a recipe, or a new revision of it. With `if_revision` only while that is the newest (0: while there is
        none); without it, whatever is there."""
        if if_revision is not None:
            return self._put(name, recipe, note, {"If-Match": f'"{name}-{if_revision}"'} if if_revision else IF_NONE)
        try:
            return self._put(name, recipe, note, {"If-Match": "*"})
        except ProblemError as error:
            if error.status != 412:
                raise
        return self._put(name, recipe, note, IF_NONE)

    def _put(self, name: str, recipe: Mapping[str, Any], note: str, condition: Mapping[str, str]) -> StoredRecipe:
        query = {"note": note or None}
        return shaped(
            StoredRecipe, self._transport.send("PUT", _recipe(name), body=recipe, query=query, headers=condition)
        )

    def set(
        self, name: str, settings: Sequence[str], *, note: str = "", if_revision: int | None = None
    ) -> StoredRecipe:
        """The next revision of a recipe, with options set, each `path=value`; by default whatever its newest is."""
        condition = {"If-Match": "*" if if_revision is None else f'"{name}-{if_revision}"'}
        body = {"settings": list(settings), "note": note}
        return shaped(
            StoredRecipe, self._transport.send("POST", f"{_recipe(name)}/settings", body=body, headers=condition)
        )

    def preview(
        self, submission: Submission, *, sample: int | None = None, seed: int | None = None, examples: int | None = None
    ) -> Preview:
        """What a recipe would do, judged by a sample of its input."""
        from curation.whatif import Preview

        asked = {"sample": sample, "seed": seed, "examples": examples}
        options = {name: value for name, value in asked.items() if value is not None}
        body = {"submission": submission.model_dump(mode="json", exclude_defaults=True), **options}
        return self._transport.post("/v1/recipes/preview", Preview, body)

    def diff(self, name: str, before: int, after: int | None = None) -> RecipeDiff:
        """How one revision became another; default the newest."""
        return self._transport.get(f"{_recipe(name)}/diff", RecipeDiff, **{"from": before, "to": after})

    def delete(self, name: str) -> None:
        """Forget a recipe, whatever its revision. Its jobs keep theirs."""
        self._transport.send("DELETE", _recipe(name), headers={"If-Match": "*"})

    def stages(self) -> Sequence[StageDescription]:
        """Every kind of stage, with the JSON Schema of its options."""
        return listed(StageDescription, self._transport.send("GET", "/v1/stages"))


def _recipe(name: str) -> str:
    return f"/v1/recipes/{quote(name, safe='')}"
