"""What several commands read from their arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

from curation.errors import CurationError, Problem, RecipeError

Shape = TypeVar("Shape", bound=BaseModel)
Choice = TypeVar("Choice", bound=StrEnum)

HOW_TIMES_ARE_WRITTEN = "2026-03-01 (00:00 UTC) or 2026-03-01T14:00Z."


class CommandError(CurationError):
    """What was typed cannot be done like this, whatever the recipe."""

    exit_code = 2


def time_option(*names: str, help: str) -> Any:
    """An option that is a time."""
    return typer.Option(*names, metavar="TIME", parser=moment, help=f"{help} {HOW_TIMES_ARE_WRITTEN}")


def moment(text: str | datetime) -> datetime:
    """A day, or a time that says its offset from UTC: whose clock is meant is never guessed."""
    if isinstance(text, datetime):
        return text
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"found {text!r}, expected 2026-03-01 or 2026-03-01T14:00Z") from None
    if at.tzinfo is None and len(text) > len("2026-03-01"):
        raise typer.BadParameter(f"found {text!r} without its offset from UTC, expected {text}Z or {text}+01:00, say")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def pairs(option: str, given: Sequence[str]) -> dict[str, str]:
    """`key=value` texts. Raises RecipeError."""
    for text in given:
        if "=" not in text:
            raise RecipeError([Problem(option, f"found {text!r}, expected KEY=VALUE")])
    return dict(text.split("=", 1) for text in given)


def made(shape: type[Shape], called: Mapping[str, str] | None = None, **values: Any) -> Shape:
    """A model from options; what is None is left to its default. `called` says what a field is called on the command
    line where that is not `--field-name`. Raises RecipeError by those names."""
    try:
        return shape.model_validate({name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise RecipeError([_problem(detail, called or {}) for detail in error.errors()]) from None


def _problem(detail: Mapping[str, Any], called: Mapping[str, str]) -> Problem:
    field = str(detail["loc"][0]) if detail["loc"] else ""
    option = called.get(field, f"--{field.replace('_', '-')}") if field else ""
    message = str(detail["msg"]).removeprefix("Value error, ")
    found = detail["input"]
    return Problem(option or "--", f"found {found!r}: {message}" if isinstance(found, str | int) else message)


def one_of(choices: type[Choice], option: str, given: str) -> Choice:
    """The choice that is written so. Raises RecipeError."""
    try:
        return choices(given)
    except ValueError:
        raise RecipeError([Problem(option, f"found {given!r}, expected one of {', '.join(choices)}")]) from None
