"""Whether a recipe may be stored: everything that is wrong with it, by path."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from curation.errors import Problem, RecipeError
from curation.recipe import Recipe, validate_recipe
from services.errors import Invalid
from services.recipes.placeholders import fill_placeholders, has_placeholders, placeholder_problems

EXAMPLE_OCCURRENCE = datetime(2000, 1, 1, tzinfo=UTC)
"""What placeholders are filled with to see whether a recipe would be valid."""
MAX_DEPTH = 32
LARGEST = 2**63
MOST = {"sources": 1000, "stages": 200}
"""How many a recipe may have."""


def checked(body: dict[str, Any]) -> Recipe:
    """The recipe, its placeholders (if any) filled with an example. Raises Invalid with every problem by its path."""
    recipe, problems = _read(body)
    if recipe is None:
        raise invalid_recipe(problems)
    return recipe


def recipe_problems(body: dict[str, Any]) -> list[Problem]:
    """Everything that is wrong with a recipe, by path, whatever its project's roots."""
    return _read(body)[1]


def invalid_recipe(problems: Sequence[Problem], below: str = "") -> Invalid:
    """The error that lists a recipe's problems; `below` is where the recipe stands in the request."""
    placed = [Problem(".".join(part for part in (below, p.path) if part), p.message) for p in problems]
    count = f"{len(placed)} problems" if len(placed) > 1 else "a problem"
    return Invalid(f"the recipe has {count}: {placed[0]}"[:500], problems=placed)


def _read(body: dict[str, Any]) -> tuple[Recipe | None, list[Problem]]:
    problems = [*_unwritable(body)] or [*_too_many(body)] or placeholder_problems(body)
    if problems:
        return None, problems
    try:
        return validate_recipe(fill_placeholders(body, EXAMPLE_OCCURRENCE) if has_placeholders(body) else body), []
    except RecipeError as error:
        return None, [*error.problems]


def _too_many(body: dict[str, Any]) -> list[Problem]:
    return [
        Problem(name, f"has {len(items)} items, expected at most {most}")
        for name, most in MOST.items()
        if isinstance(items := body.get(name), list) and len(items) > most
    ]


def _unwritable(body: dict[str, Any]) -> list[Problem]:
    """What JSON, or a database, cannot hold."""
    found: list[Problem] = []
    waiting: list[tuple[tuple[str, ...], Any]] = [((), body)]
    while waiting and len(found) < 100:
        path, value = waiting.pop()
        if len(path) > MAX_DEPTH:
            return [Problem(".".join(path), f"nested deeper than {MAX_DEPTH}")]
        wrong = _wrong(value)
        if wrong:
            found.append(Problem(".".join(path), wrong))
        elif isinstance(value, dict):
            found += [Problem(".".join(path), f"a key {wrong}") for key in value if (wrong := _wrong(key))]
            waiting += [((*path, str(key)), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, str(index)), item) for index, item in enumerate(value)]
    return found


def _wrong(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not a number in JSON"
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return "has more than 64 bits"
    if isinstance(value, str):
        if "\0" in value:
            return "has a NUL character in it"
        if any("\ud800" <= character <= "\udfff" for character in value):
            return "has a lone surrogate in it, which is no character"
    return ""
