"""A recipe as the text of an editor: written as people write recipes, read with limits, its problems by their lines."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import yaml

from curation.errors import RecipeError
from curation.recipe.reading import read_mapping
from services.dashboard.text import HIDDEN
from services.recipes.checking import recipe_problems

MAX_TEXT = 100_000
"""Characters of a recipe that is edited here: reading YAML takes about a second for so many."""
MAX_PATH = 500
"""Characters of a path that a line is known for: below longer ones it is that of what is around."""
_PLACE = re.compile(r"\bline (\d+),? column \d+")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a recipe: its dotted path, and the line that it is on where that can be told."""

    path: str
    message: str
    line: int | None = None


class UnreadableError(Exception):
    """The text is no recipe at all."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("; ".join(finding.message for finding in self.findings))


@dataclass(frozen=True)
class Written:
    """What a text holds, and on which line each of its paths begins."""

    body: dict[str, Any]
    lines: Mapping[str, int]

    def placed(self, problems: Iterable[Mapping[str, str]]) -> tuple[Finding, ...]:
        """The API's problems, each with the line of its path, or of what is around it."""
        return tuple(Finding(one["path"], one["message"], _line(self.lines, one["path"])) for one in problems)


def read_recipe(text: str) -> Written:
    """What the YAML or JSON holds. Raises UnreadableError: it is neither, or too long, or holds what JSON has not, or
    aliases, which could make much of little."""
    if len(text) > MAX_TEXT:
        raise UnreadableError([Finding("", f"found {len(text):,} characters, expected at most {MAX_TEXT:,}")])
    try:
        root = yaml.compose(text, Loader=_WithoutAliases)
    except _AliasError as error:
        raise UnreadableError([Finding("", str(error), error.line)]) from None
    except RecursionError:
        raise UnreadableError([Finding("", "nested too deeply to be read")]) from None
    except yaml.YAMLError:  # JSON may be no YAML; what is neither is told by what reads it
        root = None
    lines = {} if root is None else _lines(root)
    try:
        body = read_mapping(text)
    except RecipeError as error:
        raise UnreadableError(_unread(str(problem)) for problem in error.problems) from None
    try:
        text = json.dumps(body, ensure_ascii=False, allow_nan=False, default=_dated)
        text.encode()
    except TypeError as error:
        raise UnreadableError([Finding("", str(error))]) from None
    except (ValueError, RecursionError):  # infinities, half of a character, a thousand levels
        found = ({"path": problem.path, "message": problem.message} for problem in recipe_problems(body))
        raise UnreadableError(Written(body, lines).placed(found)) from None
    return Written(json.loads(text), lines)


def write_recipe(body: Mapping[str, Any]) -> str:
    """The recipe as YAML, its keys in their order, an option a line; characters that hide are written as escapes."""
    shown = json.dumps(body, ensure_ascii=False)
    return yaml.dump(
        body,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=not any(unicodedata.category(character) in HIDDEN for character in shown),
        width=110,
    )


@dataclass(frozen=True)
class DiffLine:
    """A line of a unified difference; `place` says where what follows it stands."""

    kind: Literal["same", "added", "removed", "place"]
    text: str


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[DiffLine, ...]:
    """How one recipe becomes another, as YAML, line by line; nothing where they say the same."""
    kinds: Mapping[str, Literal["same", "added", "removed", "place"]]
    kinds = {" ": "same", "+": "added", "-": "removed", "@": "place"}
    found = difflib.unified_diff(write_recipe(before).splitlines(), write_recipe(after).splitlines(), lineterm="")
    return tuple(DiffLine(kinds[line[0]], line) for line in list(found)[2:])  # without the names of files


class _AliasError(yaml.YAMLError):
    def __init__(self, line: int) -> None:
        super().__init__("found an alias (`*name`), expected what it stands for: a stored recipe has none")
        self.line = line


class _WithoutAliases(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise _AliasError(self.peek_event().start_mark.line + 1)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Lists of plain values stand on one line, all else an item or option a line."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> yaml.SequenceNode:
        is_plain = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=is_plain)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        return super().represent_mapping(tag, mapping, flow_style=not mapping)

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _lines(root: yaml.Node) -> dict[str, int]:
    """From dotted paths to lines, from 1."""
    found: dict[str, int] = {}
    waiting = [("", root)]
    while waiting:
        path, node = waiting.pop()
        if len(path) > MAX_PATH:  # each of a thousand items would repeat a long key
            continue
        below = f"{path}." if path else ""
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = f"{below}{getattr(key, 'value', '')}"
                found[here] = key.start_mark.line + 1
                waiting.append((here, value))
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                found[f"{below}{index}"] = item.start_mark.line + 1
                waiting.append((f"{below}{index}", item))
    return found


def _line(lines: Mapping[str, int], path: str) -> int | None:
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path)


def _unread(message: str) -> Finding:
    """The sentence of a parser's message, without the excerpts that it has drawn, and the last line that it names."""
    places = _PLACE.findall(message)
    said = "; ".join(line.rstrip(":") for line in message.splitlines() if line and not line.startswith(" "))
    return Finding("", said, int(places[-1]) if places else None)


def _dated(value: Any) -> str:
    """A date as JSON has it; of what else YAML knows there is nothing in JSON."""
    if isinstance(value, date):
        return value.isoformat()
    what = type(value).__name__
    raise TypeError(f"found a value of YAML's type {what}, expected text, a number, a list or a mapping")
