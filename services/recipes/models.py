"""Whether the models that a recipe names are there, and are what its stages need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from curation.errors import ModelError, Problem, RecipeError, StorageError, TransientError
from curation.recipe import Recipe
from curation.stage import Stage


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
            path, message = f"stages.{index}", str(error)
            for field, resolved, called in _named(stage, written["stages"][index]):
                if resolved in message:
                    path, message = f"stages.{index}.{field}", message.replace(resolved, called)
            problems.append(Problem(path, message))
    return problems


def _named(stage: Stage, written: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """The files that a stage names: where, which they are, and as what its author wrote them."""
    for field in type(stage).files:
        value = getattr(stage, field)
        if isinstance(value, str):
            yield field, value, str(written.get(field, value))
        elif isinstance(value, tuple):
            for number, item in enumerate(value):
                yield f"{field}.{number}.path", item.path, str(written[field][number]["path"])
