"""From YAML or JSON text to plain data, strictly: a key that stands twice is an error, not the last one's victory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from curation.errors import Problem, RecipeError

_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def read_mapping(text: str) -> dict[str, Any]:
    """The mapping that a YAML or JSON text holds. Raises RecipeError if it is neither, or no mapping."""
    try:
        data = _read(text)
    except RecursionError:
        raise RecipeError([Problem("", "nested too deeply to be read")]) from None
    except (yaml.YAMLError, json.JSONDecodeError, _RepeatedKeyError) as error:
        raise RecipeError([Problem("", str(error))]) from None
    if not isinstance(data, dict):
        raise RecipeError([Problem("", f"a recipe is a mapping, found {type(data).__name__}")])
    return data


def read_value(path: str, text: str) -> Any:
    """The value of the setting `path=text`: YAML, in which what begins with `*` is no alias but a glob.

    Raises RecipeError, at the path, if it is no YAML.
    """
    if text.startswith("*"):
        return text
    try:
        return _read_yaml(text)
    except (yaml.YAMLError, RecursionError):
        raise RecipeError([Problem(path, f"{text[:80]!r} is not YAML; quote it: {path}='\"…\"'")]) from None


def _read(text: str) -> Any:
    """JSON is read as such where it may be: YAML takes neither its tabs nor its surrogate pairs."""
    if not text.lstrip().startswith("{"):
        return _read_yaml(text)
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse_constant)
    except json.JSONDecodeError as not_json:
        try:
            return _read_yaml(text)
        except yaml.YAMLError as not_yaml:
            raise yaml.YAMLError(f"not JSON: {not_json}; and {not_yaml}") from None
    except ValueError as error:  # a number of more digits than Python reads
        raise yaml.YAMLError(f"not JSON: {error}") from None


def _read_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506, a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise yaml.YAMLError(f"not YAML: {error}") from None


class _RepeatedKeyError(Exception):
    """A JSON object has a key twice."""


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data:
            raise _RepeatedKeyError(f"the key {key!r} stands twice")
        data[key] = value
    return data


def _refuse_constant(name: str) -> Any:
    raise json.JSONDecodeError(f"{name} is not JSON", name, 0)


class _StrictLoader(yaml.SafeLoader):
    """YAML whose keys are texts, each once in its mapping. Keys are looked at before `<<` merges others into them."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if key.tag not in (_TEXT, _MERGE):
                is_scalar = isinstance(key, yaml.ScalarNode)
                advice = f'; write "{key.value}"' if is_scalar else ""
                raise _error(f"the key {key.value if is_scalar else key.id} is no text{advice}", key)
            if key.value in seen:
                raise _error(f"the key {key.value!r} stands twice", key)
            seen.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:  # a date in month 13, `!!bool maybe`
            raise _error(f"not a value: {error}", node) from None


def _error(message: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, message, node.start_mark)
