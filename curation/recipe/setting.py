"""Settings: `path=value` on a command line changes a recipe before it is validated."""

from __future__ import annotations

import re
from typing import Any

from curation.errors import Problem, RecipeError
from curation.recipe.reading import read_value


def apply_setting(data: dict[str, Any], setting: str) -> None:
    """Put `path=value` into the data; a part of the path is a key, an index, or the name (or kind) of an item."""
    path, separator, text = setting.partition("=")
    parts = path.split(".")
    if not separator or not all(parts):
        raise RecipeError([Problem(setting, "a setting is path=value, for example stages.language.min_score=0.5")])
    value = read_value(path, text)
    place: Any = data
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        where = ".".join(parts[: depth + 1])
        if isinstance(place, list):
            index = _index(place, part)
            if index is None:
                raise RecipeError([Problem(where, "no item with this number, name or kind")])
            if last:
                place[index] = value
            place = place[index]
        elif isinstance(place, dict):
            if last:
                place[part] = value
            place = place.setdefault(part, {})
        else:
            raise RecipeError([Problem(where, "there is nothing below this")])


def _index(items: list[Any], part: str) -> int | None:
    if re.fullmatch("[0-9]{1,9}", part):
        return int(part) if int(part) < len(items) else None
    names = [item.get("name", item.get("kind")) if isinstance(item, dict) else None for item in items]
    return names.index(part) if part in names else None
