"""What the commands show: tables for people, the API's own JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import BaseModel

if TYPE_CHECKING:
    from rich.console import Console

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, metavar="N", help="How many at most.")]


def screen() -> Console:
    """Standard output."""
    from curation.render import screen as open_screen

    return open_screen()


def show_json(data: object) -> None:
    """Models, or lists of them, as JSON."""
    print(json.dumps(_plain(data), indent=1, ensure_ascii=False))


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table; a column whose name begins with `>` is flush right. No value can drive the terminal."""
    from rich.text import Text

    from curation.render import new_table

    table = new_table(title, *columns)
    for row in rows:
        table.add_row(*(Text(text(value)) for value in row))
    screen().print(table)


def show_list(
    found: Sequence[object], as_json: bool, if_none: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """A table of what was found, or a sentence where it is nothing; as JSON, the list itself."""
    if as_json:
        show_json(found)
    elif not found:
        say(if_none)
    else:
        show_table("", columns, rows)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Names and values, one a line; what is empty is left out."""
    from rich.text import Text

    console = screen()
    shown = [(name, text(value)) for name, value in facts if value not in (None, "", (), [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        console.print(Text(f"{name:{width}}  {value}"), soft_wrap=True)


def say(message: str) -> None:
    """A sentence on standard output."""
    from curation.render import visible

    print(visible(message))


def text(value: object) -> str:
    """A value on one line; what could drive a terminal is made visible."""
    from curation.render import visible

    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{visible(str(key))}={text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(text(item) for item in value)
    return visible(str(value))


def moment(at: datetime | None) -> str:
    """A time in UTC, which its Z says."""
    return "" if at is None else at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _plain(data: object) -> object:
    if isinstance(data, BaseModel):
        return data.model_dump(mode="json")
    if isinstance(data, list | tuple):
        return [_plain(item) for item in data]
    if isinstance(data, dict):
        return {key: _plain(item) for key, item in data.items()}
    return data
