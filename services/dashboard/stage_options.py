"""What a stage may be told, in words, from the JSON Schema of its options."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from services.recipes.recipe import StageDescription

WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}
MOST_TYPES = 4
"""What may be more than so many things is said to be anything."""

Schema = Mapping[str, Any]


def option_rows(stage: StageDescription) -> list[dict[str, str]]:
    """The options of a kind, one a row: `option`, `type`, `default`, `meaning`; of models within it they are dotted."""
    schema = stage.json_schema
    return list(_rows(schema, schema.get("$defs", {}), "", frozenset()))


def _rows(schema: Schema, models: Mapping[str, Schema], path: str, within: frozenset[str]) -> Iterator[dict[str, str]]:
    required = schema.get("required", ())
    for name, option in schema.get("properties", {}).items():
        if not path and name == "kind":
            continue
        yield {
            "option": f"{path}{name}",
            "type": _type(option),
            "default": "must be given" if name in required else _yaml(option.get("default")),
            "meaning": option.get("description", ""),
        }
        for model, below in _models(option):
            if model not in within:
                yield from _rows(models[model], models, f"{path}{name}.{below}", within | {model})


def _models(option: Schema) -> Iterator[tuple[str, str]]:
    """The models that an option holds, and how their options' paths go on."""
    if "$ref" in option:
        yield option["$ref"].rpartition("/")[2], ""
    for each in option.get("anyOf", ()):
        yield from _models(each)
    for key, below in (("items", "0."), ("additionalProperties", "*.")):
        if isinstance(option.get(key), dict):
            yield from ((model, f"{below}{rest}") for model, rest in _models(option[key]))


def _type(option: Schema) -> str:
    if "$ref" in option:
        return "mapping"
    if "const" in option:
        return _yaml(option["const"])
    if "enum" in option:
        return f"one of {', '.join(map(str, option['enum']))}"
    if "anyOf" in option:
        types = list(dict.fromkeys(_type(each) for each in option["anyOf"]))
        return " or ".join(types) if len(types) <= MOST_TYPES else "any value"
    if option.get("type") == "array":
        return f"list of {_type(option.get('items', {}))}"
    if option.get("type") == "object":
        values = option.get("additionalProperties")
        return f"mapping to {_type(values)}" if isinstance(values, dict) else "mapping"
    word = "date" if option.get("format") == "date" else WORDS.get(option.get("type", ""), "anything")
    return ", ".join([word, *(said.format(option[key]) for key, said in BOUNDS.items() if key in option)])


def _yaml(value: Any) -> str:
    """A default as a recipe would have it."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
