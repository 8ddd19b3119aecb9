"""From a recipe's text, or file, to the recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

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
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([Problem("", f"{path}: {error}")]) from None
    return parse_recipe(text, settings)


def parse_recipe(text: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML or JSON text. Raises RecipeError with every problem in it, each by its path."""
    data = read_mapping(text)
    for setting in settings:
        apply_setting(data, setting)
    return validate_recipe(data)
