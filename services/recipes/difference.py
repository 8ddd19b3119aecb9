"""What is different between two recipes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.recipes.recipe import Change


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """The changes that make one recipe the other, in the order of its paths; none if they say the same."""
    return list(_changes("", before, after))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _within(path, before, after)
    elif (ones := _named(before)) is not None and (others := _named(after)) is not None:
        yield from _within(path, ones, others)
        common = [name for name in ones if name in others]
        order = [name for name in others if name in ones]
        if common != order:
            yield Change(path=path, op="moved", before=common, after=order)
    elif before != after or type(before) is not type(after):
        yield Change(path=path, op="changed", before=before, after=after)


def _within(path: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Change]:
    for key in [*before, *(key for key in after if key not in before)]:
        below = f"{path}.{key}" if path else key
        if key not in after:
            yield Change(path=below, op="removed", before=before[key])
        elif key not in before:
            yield Change(path=below, op="added", after=after[key])
        else:
            yield from _changes(below, before[key], after[key])


def _named(items: Any) -> dict[str, Any] | None:
    """The items of a list by name, or kind; None where they have none, or share one."""
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return None
    named = {str(item.get("name") or item.get("kind") or ""): item for item in items}
    return named if len(named) == len(items) and "" not in named else None
