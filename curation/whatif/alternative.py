"""From settings to another recipe whose decisions can be replayed, or to the reason why they cannot."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from curation.dedup import DedupStage
from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.recipe import Recipe, validate_recipe
from curation.recipe.setting import apply_setting
from curation.stage import RowStage, Stage
from curation.whatif.model import Setting

LARGEST = 2**53
"""Numbers beyond it are no thresholds: not all of them are floats."""
GROUPED = ("by_language", "by_source")
"""Options of a stage that hold other values of its options, for some documents."""


@dataclass(frozen=True)
class Alternative:
    """A recipe with other thresholds, and which they are."""

    recipe: Recipe
    settings: tuple[Setting, ...] = ()


def recipe_of(manifest: Manifest) -> Recipe:
    """The recipe that a version was made by. Raises RecipeError where this version of the program cannot read it."""
    try:
        return validate_recipe(copy.deepcopy(manifest.recipe))
    except RecipeError as error:
        what = f"the recipe of version {manifest.version} is not valid any more"
        raise RecipeError([Problem(found.path, f"{what}: {found.message}") for found in error.problems]) from None


def alternative(manifest: Manifest, settings: Sequence[str]) -> Alternative:
    """A version's recipe with `path=value` settings applied.

    Raises RecipeError for what is no option of it, for one that changes more than which documents are dropped, and for
    a value that the model or table of its stage does not know; ModelError where that is not there any more.
    """
    before, data = recipe_of(manifest), copy.deepcopy(manifest.recipe)
    for setting in settings:
        stage_at(before, setting.partition("=")[0])
        apply_setting(data, setting)
    after = validate_recipe(data)
    pairs = list(zip(before.stages, after.stages, strict=True))
    if problems := [problem for one, other in pairs for problem in _beyond_thresholds(one, other)]:
        raise RecipeError(problems)
    for number, (one, other) in enumerate(pairs):
        if one != other:
            _check_models(number, other)
    return Alternative(after, tuple(found for one, other in pairs for found in _changed(one, other)))


def stage_at(recipe: Recipe, path: str) -> Stage:
    """The stage that the path of a setting names. Raises RecipeError where it names none, or something else."""
    head, *rest = path.split(".")
    if head != "stages" or len(rest) < 2:
        what = "only options of stages can be replayed, as in stages.gopher_quality.min_words=80"
        raise RecipeError([Problem(path, what)])
    names = [stage.name for stage in recipe.stages]
    if rest[0].isdecimal() and int(rest[0]) < len(names):
        return recipe.stages[int(rest[0])]
    if rest[0] not in names:
        what = f"the version's recipe has no such stage; there are {', '.join(names) or 'none'}"
        raise RecipeError([Problem(f"stages.{rest[0]}", what)])
    return recipe.stages[names.index(rest[0])]


def _check_models(number: int, stage: Stage) -> None:
    """Raises where options name what the stage's model or table does not have."""
    try:
        stage.models()
    except RecipeError as error:
        problems = [Problem(f"stages.{number}.{problem.path}", problem.message) for problem in error.problems]
        raise RecipeError(problems) from None


def _beyond_thresholds(before: Stage, after: Stage) -> Iterator[Problem]:
    """What differs between the two but for thresholds."""
    if (before.kind, before.name) != (after.kind, after.name):
        yield Problem(f"stages.{before.name}", "it would be another stage, of which nothing is measured")
        return
    if isinstance(before, RowStage) and isinstance(after, RowStage) and before.is_surveyed != after.is_surveyed:
        what = "it would decide by a survey of the corpus where it did not, or the other way round"
        yield Problem(f"stages.{before.name}", f"{what}: run the recipe into another output, or preview it")
        return
    allowed = before.thresholds() & after.thresholds()
    for setting in _changed(before, after):
        if option_named(setting.path.removeprefix(f"stages.{before.name}.")) not in allowed:
            yield Problem(setting.path, _why_not(after, allowed))
        elif isinstance(setting.after, int | float) and not -LARGEST <= setting.after <= LARGEST:
            yield Problem(setting.path, f"found a number beyond ±{LARGEST:,}, which no threshold is")


def _why_not(stage: Stage, allowed: frozenset[str]) -> str:
    if isinstance(stage, DedupStage):
        why = f"{stage.name} compares documents with each other, which cannot be told from what is recorded"
    else:
        why = f"it changes what {stage.name} measures or writes, which cannot be told without the texts"
    can = f"; of this stage {', '.join(sorted(allowed))} can be replayed" if allowed else ""
    return f"{why}{can}. To see what it would do, preview the recipe or run it into another output"


def _changed(before: Stage, after: Stage) -> list[Setting]:
    """The options that differ."""
    one, other = options_of(before), options_of(after)
    names = [*one, *(name for name in other if name not in one)]
    return [
        Setting(path=f"stages.{before.name}.{name}", before=one.get(name), after=other.get(name))
        for name in names
        if one.get(name) != other.get(name) or (name in one) != (name in other)
    ]


def options_of(stage: Stage) -> dict[str, JsonValue]:
    """A stage's options by name, those inside others by path (`by_language.fr.min_words`, `max_counts.email`)."""
    options: dict[str, JsonValue] = {}
    for name, value in stage.model_dump(mode="json").items():
        if name in GROUPED:
            options |= {f"{name}.{group}.{each}": v for group, own in value.items() for each, v in own.items()}
        elif isinstance(value, dict):
            options |= {f"{name}.{each}": v for each, v in value.items()}
        else:
            options[name] = value
    return options


def option_named(path: str) -> str:
    """The option that a path in a stage is about: `min_words` of `by_language.fr.min_words`."""
    first, _, rest = path.partition(".")
    return rest.rpartition(".")[2] if first in GROUPED else first
