"""From settings to another recipe whose decisions can be replayed, or to the reason why they cannot."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from pydantic import JsonValue

from curation.dedup import DedupStage
from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.recipe import Recipe, validate_recipe
from curation.recipe.reading import read_value
from curation.recipe.setting import apply_setting
from curation.stage import RowStage, Stage
from curation.whatif.model import Setting

MAX_POINTS = 100
"""How many values a sweep has at most."""
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

    Raises RecipeError for what is no option of it, and for one that changes more than which documents are dropped.
    """
    before, data = recipe_of(manifest), copy.deepcopy(manifest.recipe)
    for setting in settings:
        stage_at(before, setting.partition("=")[0])
        apply_setting(data, setting)
    after = validate_recipe(data)
    pairs = list(zip(before.stages, after.stages, strict=True))
    if problems := [problem for one, other in pairs for problem in _beyond_thresholds(one, other)]:
        raise RecipeError(problems)
    after.pinned()  # raises where a setting names what a model or a table does not have
    return Alternative(after, tuple(found for one, other in pairs for found in _changed(one, other)))


def sweep_values(spec: str) -> tuple[str, list[JsonValue]]:
    """The path and the values of `path=first:last:step`, the last included, or of `path=a,b,c`.

    Raises RecipeError for anything else, and for more than MAX_POINTS values.
    """
    path, _, text = spec.partition("=")
    values = _range(text.split(":")) if ":" in text else [read_value(path, part) for part in text.split(",")]
    if not path or not text or not values or not all(value is None or type(value) in (int, float) for value in values):
        example = "stages.gopher_quality.min_words=20:200:10, or =20,50,null"
        raise RecipeError([Problem("--sweep", f"found {spec!r}, expected numbers as in {example}")])
    if len(values) > MAX_POINTS:
        what = f"more than {MAX_POINTS} values, which is the most that is asked at once; take a larger step"
        raise RecipeError([Problem("--sweep", what)])
    return path, list(dict.fromkeys(values))


def value_at(recipe: Recipe, path: str) -> JsonValue:
    """What holds at `stages.<name, kind or number>.<option>`, or `….by_language.fr.<option>`; None where nothing does.

    Raises RecipeError where there is no such stage.
    """
    options, option = _options(stage_at(recipe, path)), path.split(".", 2)[2]
    return options.get(option, options.get(option.rpartition(".")[2]))


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


def _range(parts: Sequence[str]) -> list[JsonValue]:
    """The numbers from the first to the last by a step, in decimal arithmetic; empty for what is none."""
    try:
        first, last, step = map(Decimal, parts)
        count = int((last - first) / step) + 1
    except (ValueError, ArithmeticError):
        return []
    is_whole = first == int(first) and step == int(step)
    numbers = (first + step * index for index in range(max(0, min(count, MAX_POINTS + 1))))
    return [int(number) if is_whole else float(number) for number in numbers]


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
        option = setting.path.removeprefix(f"stages.{before.name}.")
        is_grouped = option.startswith(tuple(f"{group}." for group in GROUPED))
        if (option.rpartition(".")[2] if is_grouped else option) not in allowed:
            yield Problem(setting.path, _why_not(after, allowed))


def _why_not(stage: Stage, allowed: frozenset[str]) -> str:
    if isinstance(stage, DedupStage):
        why = f"{stage.name} compares documents with each other, which cannot be told from what is recorded"
    else:
        why = f"it changes what {stage.name} measures or writes, which cannot be told without the texts"
    can = f"; of this stage {', '.join(sorted(allowed))} can be replayed" if allowed else ""
    return f"{why}{can}. To see what it would do, preview the recipe or run it into another output"


def _changed(before: Stage, after: Stage) -> list[Setting]:
    """The options that differ."""
    one, other = _options(before), _options(after)
    names = [*one, *(name for name in other if name not in one)]
    return [
        Setting(path=f"stages.{before.name}.{name}", before=one.get(name), after=other.get(name))
        for name in names
        if one.get(name) != other.get(name) or (name in one) != (name in other)
    ]


def _options(stage: Stage) -> dict[str, JsonValue]:
    """A stage's options by name, those for a group of documents by path (`by_language.fr.min_words`)."""
    options: dict[str, JsonValue] = {}
    for name, value in stage.model_dump(mode="json").items():
        if name in GROUPED:
            options |= {f"{name}.{group}.{each}": v for group, own in value.items() for each, v in own.items()}
        else:
            options[name] = value
    return options
