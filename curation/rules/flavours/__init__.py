"""One rule in several flavours: the arithmetic of several tools under one kind, each with its own defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from curation.stage import RuleStage


class FlavouredStage(RuleStage):
    """A rule whose `flavour` says whose arithmetic it has. The defaults of its fields are those of `fineweb`."""

    own_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """For each other flavour the defaults that are its own, by field."""
    unmeasured: ClassVar[Mapping[str, frozenset[str]]] = {}
    """For each flavour the options that mean nothing in it: they keep its default."""

    flavour: str

    @model_validator(mode="before")
    @classmethod
    def _with_its_defaults(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("flavour"), str):
            return data
        return {**cls.own_defaults.get(data["flavour"], {}), **data}

    @model_validator(mode="after")
    def _only_what_means_something(self) -> Self:
        for name in sorted(self.unmeasured.get(self.flavour, frozenset())):
            default = self.own_defaults.get(self.flavour, {}).get(name, type(self).model_fields[name].default)
            if getattr(self, name) != default:
                raise ValueError(
                    f"{name}: means nothing to {self.kind} in the flavour {self.flavour}: leave it out, or give "
                    f"{written(default)}"
                )
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema; the descriptions of its fields tell the other flavours' defaults."""
        described = handler(schema)
        for name, shown in handler.resolve_ref_schema(described).get("properties", {}).items():
            if told := cls.told(name):
                shown["description"] = f"{shown['description']} {told}"
        return described

    @classmethod
    def told(cls, name: str) -> str:
        """A sentence on the other flavours' defaults for this field; empty if they are those of `fineweb`."""
        own = [
            f"{flavour} {written(defaults[name])}" for flavour, defaults in cls.own_defaults.items() if name in defaults
        ]
        return f"Default in other flavours: {', '.join(own)}." if own else ""


def written(default: Any) -> str:
    """A default as a recipe would have it."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(written, default))}]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(default), str(default))
