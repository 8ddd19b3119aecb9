"""One rule in several flavours: the arithmetic of several tools under one kind, each with its own defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import pyarrow as pa
from pydantic import GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from curation.stage import RuleStage
from curation.text.signals import signal, with_signals
from curation.text.words import Int64, Splitter, splitter_models


class FlavouredStage(RuleStage):
    """A rule whose `flavour` says whose arithmetic it has. The defaults of its fields are those of `fineweb`."""

    own_defaults: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """For each other flavour the defaults that are its own, by field."""
    unmeasured: ClassVar[Mapping[str, frozenset[str]]] = {}
    """For each flavour the options that mean nothing in it: they keep its default."""

    flavour: str
    words: Splitter

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

    def models(self) -> dict[str, str]:
        """With those of the splitter. Raises ModelError also where they are missing."""
        return super().models() | splitter_models(self.words)

    def varied(self, batch: pa.RecordBatch, name: Callable[[Self], str], counts: Sequence[str]) -> dict[str, Int64]:
        """These counts of a signal, (documents,) each; which signal it is, `name` says of the stage that judges a
        document, which may be one with the options of its language and source."""
        found = {count: signal(batch, name(self), count).copy() for count in counts}
        stages, which = self.variants(batch)
        for index, own in enumerate(map(name, stages)):
            if own != name(self):
                rows = np.flatnonzero(which == index)
                measured = with_signals(batch.take(pa.array(rows)), frozenset({own}))
                for count in counts:
                    found[count][rows] = signal(measured, own, count)
        return found

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
