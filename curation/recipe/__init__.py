"""Recipes: what to curate, how, and into which corpus, as data."""

from __future__ import annotations

from curation.recipe.loading import load_recipe, parse_recipe
from curation.recipe.recipe import Recipe
from curation.recipe.validation import validate_recipe

__all__ = ["Recipe", "load_recipe", "parse_recipe", "validate_recipe"]
