"""From a recipe's text, or file, to the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curation.errors import MissingError, Problem, RecipeError
from curation.recipe.reading import read_mapping
from curation.recipe.recipe import Recipe
from curation.recipe.setting import apply_setting
from curation.recipe.validation import validate_recipe


def load_recipe(path: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML or JSON file, with `path=value` settings applied (`stages.gopher_quality.min_words=80`)."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingError(f"{path}: no such recipe") from None
    except OSError as error:
        raise RecipeError([Problem(str(path), error.strerror or str(error))]) from None
    except UnicodeDecodeError:
        raise RecipeError([Problem(str(path), "found no UTF-8 text, expected YAML or JSON")]) from None
    try:
        data = read_mapping(text)
    except RecipeError as error:
        raise RecipeError([Problem(str(path), problem.message) for problem in error.problems]) from None
    return _parsed(data, settings)


def parse_recipe(text: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML or JSON text. Raises RecipeError with every problem in it, each by its path."""
    return _parsed(read_mapping(text), settings)


def _parsed(data: dict[str, Any], settings: Sequence[str]) -> Recipe:
    for setting in settings:
        apply_setting(data, setting)
    return validate_recipe(data)
