"""What several commands read from their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from curation.errors import Problem, RecipeError

Shape = TypeVar("Shape", bound=BaseModel)
Choice = TypeVar("Choice", bound=StrEnum)

TIMES = [
    f"%Y-%m-%d{time}{zone}"
    for time in ("", "T%H:%M", "T%H:%M:%S", "T%H:%M:%S.%f")
    for zone in ("", "%z")
    if time or not zone
]
"""How times are written; without an offset from UTC they are this machine's."""


def aware(at: datetime | None) -> datetime | None:
    """The time with its zone."""
    return None if at is None else at.astimezone()


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """`key=value` texts. Raises RecipeError."""
    for text in given:
        if "=" not in text:
            raise RecipeError([Problem(option, f"found {text!r}, expected KEY=VALUE")])
    return dict(text.split("=", 1) for text in given)


def made(shape: type[Shape], **values: Any) -> Shape:
    """A model from options; what is None is left to its default. Raises RecipeError by the options' names."""
    try:
        return shape.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise RecipeError(
            [Problem(f"--{'.'.join(map(str, e['loc'])).replace('_', '-')}", str(e["msg"])) for e in error.errors()]
        ) from None


def one_of(choices: type[Choice], option: str, given: str) -> Choice:
    """The choice that is written so. Raises RecipeError."""
    try:
        return choices(given)
    except ValueError:
        raise RecipeError([Problem(option, f"found {given!r}, expected one of {', '.join(choices)}")]) from None
