"""`${occurrence}` in the URIs of a recipe's sources: which day, or hour, a scheduled job reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from curation.errors import Problem

DEFAULT_FORMAT = "%Y-%m-%d"
FIELDS = "YmdHMj"

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}?")
_FORMAT = re.compile(rf"(?:%[{FIELDS}]|[A-Za-z0-9 _.:/=-])+")


def has_placeholders(body: dict[str, Any]) -> bool:
    """Whether the recipe needs an occurrence."""
    return any("${" in uri for _, uri in _uris(body))


def placeholder_problems(body: dict[str, Any]) -> list[Problem]:
    """What is wrong with the recipe's placeholders, by path: elsewhere than in a source's URI, or not one of ours."""
    uris = dict(_uris(body))
    found = []
    for path, text in _texts(body):
        if "${" not in text:
            continue
        if path not in uris:
            found.append(Problem(path, "a placeholder ${…} may stand in a source's uri only"))
        else:
            found += [Problem(path, wrong) for match in _PLACEHOLDER.finditer(text) if (wrong := _wrong(match))]
    return found


def fill_placeholders(body: dict[str, Any], occurrence: datetime) -> dict[str, Any]:
    """A copy of the recipe with its placeholders filled in, in UTC. They must be free of `placeholder_problems`."""
    moment = occurrence.astimezone(UTC)

    def filled(source: Any) -> Any:
        if not isinstance(source, dict) or not isinstance(source.get("uri"), str):
            return source
        return {**source, "uri": _PLACEHOLDER.sub(lambda match: _text(moment, _format(match)), source["uri"])}

    sources = body.get("sources")
    return {**body, "sources": [filled(source) for source in sources]} if isinstance(sources, list) else body


def _format(match: re.Match[str]) -> str:
    return match[1].partition(":")[2] or DEFAULT_FORMAT


def _text(moment: datetime, form: str) -> str:
    """`strftime` with a year of four digits on every platform."""
    return moment.strftime(form.replace("%Y", f"{moment.year:04}"))


def _wrong(match: re.Match[str]) -> str:
    name, colon, form = match[1].partition(":")
    if not match[0].endswith("}"):
        return f"{match[0][:80]}: the placeholder has no end; write ${{occurrence}}"
    if name != "occurrence":
        return f"{match[0][:80]}: there is no such placeholder; there is ${{occurrence}}"
    if colon and not _FORMAT.fullmatch(form):
        return f"{match[0][:80]}: a format has {', '.join('%' + field for field in FIELDS)} and plain characters"
    return ""


def _uris(body: dict[str, Any]) -> Iterator[tuple[str, str]]:
    sources = body.get("sources")
    for index, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, dict) and isinstance(source.get("uri"), str):
            yield f"sources.{index}.uri", source["uri"]


def _texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of plain data with its path; not by recursion, for data may be nested as deep as its sender likes."""
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        below = f"{path}." if path else ""
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            waiting += [(f"{below}{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [(f"{below}{index}", item) for index, item in enumerate(value)]
