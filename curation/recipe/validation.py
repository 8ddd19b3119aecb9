"""From plain data to a recipe, or to everything that is wrong with it, each problem by its path."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from curation.errors import Problem, RecipeError
from curation.mixture import Mixture
from curation.recipe.recipe import Recipe
from curation.sources import Limits, Source
from curation.stage import stage_kinds

EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "a mapping (`name: value`)",
    "float_parsing": "a number",
    "float_type": "a number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number in digits, such as 1_000_000",
    "int_type": "a whole number",
    "model_attributes_type": "a mapping (`name: value`)",
    "model_type": "a mapping (`name: value`)",
    "string_type": "text",
    "tuple_type": "a list",
}
"""What to write instead, by pydantic's name of what is wrong."""


class _AsYaml(reprlib.Repr):
    """Values as a recipe has them: `null` and `true`."""

    def repr_NoneType(self, _value: None, _level: int) -> str:  # noqa: N802, reprlib calls it by the type's name
        return "null"

    def repr_bool(self, value: bool, _level: int) -> str:
        return str(value).lower()


SHORT = _AsYaml()
SHORT.maxlevel = 1
SHORT.maxstring = 60
"""Shows the beginning of a wrong value; aliases could make the whole of it endless."""


def validate_recipe(data: dict[str, Any]) -> Recipe:
    """The recipe in plain data. Raises RecipeError with every problem in it, each by its path."""
    try:
        if broken := [*_lone_surrogates(data, (), set())]:
            raise RecipeError(broken)
        return Recipe.model_validate(data)
    except RecursionError:
        raise RecipeError([Problem("", "nested too deeply to be read")]) from None
    except ValidationError as error:
        raise RecipeError([_problem(detail) for detail in _without_echoes(error.errors())]) from None


def _lone_surrogates(value: Any, path: tuple[str, ...], seen: set[int]) -> Iterator[Problem]:
    """Where a text is half of a character; it could be written nowhere."""
    if isinstance(value, str) and not _is_unicode(value):
        yield Problem(_ascii(".".join(path)), f"{_ascii(value[:80])} has a lone surrogate, which is no character")
    if isinstance(value, dict | list) and id(value) not in seen:
        seen.add(id(value))  # what YAML's aliases share is looked at once
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            below = (*path, str(key))
            yield from _lone_surrogates(key, below, seen)
            yield from _lone_surrogates(item, below, seen)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()


def _without_echoes(details: Sequence[Any]) -> list[Any]:
    """Without "too short" where it only says that the wrong items, which are told too, do not count."""
    return [
        detail
        for detail in details
        if detail["type"] != "too_short"
        or not any(other["loc"][: len(detail["loc"])] == detail["loc"] for other in details if other is not detail)
    ]


def _problem(detail: Any) -> Problem:
    """A problem from pydantic's detail: the path without the union's tags, a close name for an unknown one."""
    kinds = stage_kinds()
    location = list(detail["loc"])
    if len(location) > 2 and location[0] == "stages" and location[2] in kinds:
        del location[2]
    message = detail["msg"].removeprefix("Value error, ")
    if expected := EXPECTED.get(detail["type"]):
        message = f"found {SHORT.repr(detail['input'])}, expected {expected}"
        if isinstance(detail["input"], bool) and detail["type"] == "string_type":
            message += "; YAML takes no, yes, on and off for truth values: put the word in quotation marks"
    elif detail["type"] == "missing":
        message = "must be given"
    elif detail["type"] == "extra_forbidden":
        known = _fields_at(detail["loc"])
        close = difflib.get_close_matches(str(location[-1]), known, 1)
        message = "unknown option" + (f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}")
    elif detail["type"] == "union_tag_invalid":
        tag = detail["ctx"]["tag"]
        close = difflib.get_close_matches(tag, kinds, 1)
        message = f"unknown stage {tag!r}" + (
            f"; did you mean {close[0]}?" if close else f"; known are {', '.join(kinds)}"
        )
    elif detail["type"] == "union_tag_not_found":
        message = f"a stage needs a `kind`: one of {', '.join(kinds)}"
    return Problem(".".join(map(str, location)), message)


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The options that the model at this place of a recipe has."""
    model: type[BaseModel] = Recipe
    if location[0] == "stages" and len(location) > 3:
        model = stage_kinds()[str(location[2])]
    elif location[0] == "sources":
        model = Source if len(location) == 3 else Source.model_fields["columns"].default.__class__
    elif location[0] == "limits":
        model = Limits
    elif location[0] == "mixture":
        model = Mixture
    return sorted(model.model_fields)
