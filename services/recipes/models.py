"""Whether the models that a recipe names are there, and are what its stages need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from curation.errors import ModelError, Problem, RecipeError, StorageError, TransientError
from curation.recipe import Recipe


def model_problems(recipe: Recipe, written: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the stages' models, by path. `written` is the recipe as its author wrote it: models are called
    as there, not by where they are on this machine. Reads each model that this process has not read yet."""
    problems: list[Problem] = []
    for index, stage in enumerate(recipe.stages):
        try:
            stage.models()
        except TransientError:
            raise
        except RecipeError as error:
            problems += [Problem(f"stages.{index}.{found.path}", found.message) for found in error.problems]
        except (ModelError, StorageError) as error:
            resolved = str(getattr(stage, "model", ""))
            called = written["stages"][index].get("model", resolved)
            message = str(error).replace(resolved, str(called)) if resolved else str(error)
            problems.append(Problem(f"stages.{index}.model", message))
    return problems
