"""Which values of an option are asked for, and what holds now."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

import pyarrow as pa
from pydantic import JsonValue

from curation.document import SOURCE
from curation.errors import Problem, RecipeError
from curation.recipe import Recipe
from curation.recipe.reading import read_value
from curation.stage import RuleStage, Stage
from curation.whatif.alternative import GROUPED, LARGEST, option_named, stage_at

MAX_POINTS = 100
"""How many values a sweep has at most."""


def sweep_values(spec: str, most: int = MAX_POINTS) -> tuple[str, list[JsonValue]]:
    """The path and the values of `path=first:last:step`, the last included, or of `path=a,b,c`.

    Raises RecipeError for anything else, and for more than `most` values.
    """
    path, _, text = spec.partition("=")
    values = _range(text.split(":"), most) if ":" in text else [read_value(path, part) for part in text.split(",")]
    if not path or not text or not values or not all(map(is_number, values)):
        example = "stages.gopher_quality.min_words=20:200:10, or =20,50,null"
        raise RecipeError([Problem("sweep", f"found {spec!r}, expected numbers as in {example}")])
    if len(values) > most:
        what = f"more than {most:,} values, which is the most that is asked at once; take a larger step"
        raise RecipeError([Problem("sweep", what)])
    return path, list(dict.fromkeys(values))


def is_number(value: object) -> bool:
    """Whether it can be the value of a threshold that is swept; None, which switches a rule off, can."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value is None
    return -LARGEST <= value <= LARGEST


def value_at(recipe: Recipe, path: str) -> JsonValue:
    """What holds at `stages.<name, kind or number>.<option>`, or `….by_language.fr.<option>`; None where nothing does.

    Raises RecipeError where there is no such stage.
    """
    stage, (first, *rest) = stage_at(recipe, path), path.split(".")[2:]
    if first not in GROUPED or len(rest) != 2:
        return _inside(stage, [first, *rest])
    if isinstance(stage, RuleStage):  # its table may have a word in it
        about = {SOURCE: "", stage.language_column: ""}
        about[SOURCE if first == "by_source" else stage.language_column] = rest[0]
        return _inside(stage.variants(pa.RecordBatch.from_pylist([about]))[0][0], rest[1:])
    own = _inside(stage, [first, *rest])
    return _inside(stage, rest[1:]) if own is None else own


def number_at(recipe: Recipe, path: str) -> float | None:
    """As `value_at`. Raises RecipeError for anything else than a number or None, and where the option is no number."""
    value, stage = value_at(recipe, path), stage_at(recipe, path)
    option = option_named(path.split(".", 2)[2])
    if not is_number(value) or (option in type(stage).model_fields and option not in numbers_of(stage)):
        raise RecipeError([Problem(path, f"it is {json.dumps(value)}; only numbers, and null, can be swept")])
    return cast("float | None", value)


def named_path(recipe: Recipe, path: str) -> str:
    """The path with its stage called by its name. Raises as `value_at`."""
    return f"stages.{stage_at(recipe, path).name}.{path.split('.', 2)[2]}"


def swept(recipe: Recipe, path: str, settings: Sequence[str]) -> tuple[str, float | None]:
    """The path by its stage's name, and what holds there. Raises RecipeError for one that is set, too."""
    path, current = named_path(recipe, path), number_at(recipe, path)
    for setting in settings:
        if named_path(recipe, setting.partition("=")[0]) == path:
            raise RecipeError([Problem(path, "found both set to a value and swept; leave one of them out")])
    return path, current


def with_value(settings: Sequence[str], path: str, value: JsonValue, held: JsonValue) -> list[str]:
    """The settings, and the one that gives the path this value; none where it is `held`, what holds with them."""
    return [*settings] if value == held else [*settings, f"{path}={json.dumps(value)}"]


def by_value(value: JsonValue) -> tuple[bool, float]:
    """What values are sorted by: null comes last."""
    return value is None, value if isinstance(value, int | float) else 0


def _range(parts: Sequence[str], most: int) -> list[JsonValue]:
    """The numbers from the first to the last by a step, in decimal arithmetic; empty for what is none."""
    try:
        first, last, step = numbers = [*map(Decimal, parts)]
        if not all(-LARGEST <= number <= LARGEST for number in numbers):
            return []
        count = int((last - first) / step) + 1
    except (ValueError, ArithmeticError):
        return []
    is_whole = first == int(first) and step == int(step)
    found = (first + step * index for index in range(max(0, min(count, most + 1))))
    return [int(number) if is_whole else float(number) for number in found]


def numbers_of(stage: Stage) -> frozenset[str]:
    """The options whose values are numbers, or hold numbers by name."""
    schemas = type(stage).model_json_schema()["properties"]
    return frozenset(name for name, schema in schemas.items() if _is_of_numbers(schema))


def _is_of_numbers(schema: Mapping[str, Any]) -> bool:
    inner = [*schema.get("anyOf", ()), schema.get("additionalProperties")]
    return schema.get("type") in ("integer", "number") or any(
        _is_of_numbers(each) for each in inner if isinstance(each, dict)
    )


def _inside(stage: Stage, parts: Sequence[str]) -> JsonValue:
    """The value at a path in a stage's options; None where there is none."""
    found: JsonValue = stage.model_dump(mode="json")
    for part in parts:
        found = found.get(part) if isinstance(found, dict) else None
    return found
