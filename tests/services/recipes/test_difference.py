"""What is different between two recipes."""

from __future__ import annotations

from typing import Any

import pytest

from services.recipes.difference import difference

A, B = {"kind": "a", "x": 1}, {"kind": "b"}


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        ({"seed": 1}, {"seed": 1}, []),
        ({"seed": 1}, {"seed": 2}, [("seed", "changed", 1, 2)]),
        ({"seed": 1}, {"seed": True}, [("seed", "changed", 1, True)]),
        ({"seed": 1}, {}, [("seed", "removed", 1, None)]),
        ({}, {"limits": {"a": 1}}, [("limits", "added", None, {"a": 1})]),
        ({"limits": {"a": 1, "b": 2}}, {"limits": {"a": 1, "b": 3}}, [("limits.b", "changed", 2, 3)]),
        ({"stages": [A, B]}, {"stages": [{**A, "x": 2}, B]}, [("stages.a.x", "changed", 1, 2)]),
        ({"stages": [A]}, {"stages": [B, A]}, [("stages.b", "added", None, B)]),
        ({"stages": [A, B]}, {"stages": [B, A]}, [("stages", "moved", ["a", "b"], ["b", "a"])]),
        ({"stages": [A, A]}, {"stages": [A]}, [("stages", "changed", [A, A], [A])]),
        ({"list": [1, 2]}, {"list": [2]}, [("list", "changed", [1, 2], [2])]),
    ],
)
def test_changes_are_told_by_path(
    before: dict[str, Any], after: dict[str, Any], changes: list[tuple[str, str, Any, Any]]
) -> None:
    found = difference(before, after)
    assert [(change.path, change.op, change.before, change.after) for change in found] == changes
