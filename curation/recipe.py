"""A recipe: sources, stages and where the corpus goes, as data. Whatever determines the result is in it.

Raises RecipeError with every problem in it, each by its path.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from curation import language, rules
from curation.dedup import DedupStage, ExactDedup, MinHashDedup
from curation.errors import MissingError, Problem, RecipeError
from curation.sources import Limits, Source
from curation.stage import RowStage, Stage, stage_kinds

FAMILIES = (language, rules)

if TYPE_CHECKING:
    AnyStage = Stage
else:
    AnyStage = Annotated[Union[tuple(stage_kinds().values())], Field(discriminator="kind")]  # noqa: UP007, made at run time


class Recipe(BaseModel):
    """What to curate, how, and into which corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$")]
    """What people call it."""
    output: str
    """Where the corpus is: a folder, or `s3://bucket/prefix`."""
    seed: Annotated[int, Field(ge=0, lt=1 << 63)] = 0
    """Chooses the examples in the report; every other random choice has a seed of its own."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Where documents come from. Their order breaks ties between duplicates."""
    stages: tuple[AnyStage, ...] = ()
    """What happens to the documents, in this order; deduplication comes last."""
    limits: Limits = Limits()
    """Bounds that keep a worker's memory flat."""
    max_failed: Annotated[float, Field(ge=0, le=1)] = 0.05
    """The largest share of a source's records that may be unreadable; above it the run stops, and publishes nothing."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Recipe:
        for what, names in (("sources", [s.name for s in self.sources]), ("stages", [s.name for s in self.stages])):
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{what}: the name {repeated[0]!r} is used more than once; give each its own `name`")
        return self

    @model_validator(mode="after")
    def _dedup_comes_last(self) -> Recipe:
        kinds = [stage.kind for stage in self.stages if isinstance(stage, DedupStage)]
        if len(kinds) != len(set(kinds)) or kinds == ["minhash_dedup", "exact_dedup"]:
            raise ValueError("stages: at most one exact_dedup, then at most one minhash_dedup")
        first = next((i for i, stage in enumerate(self.stages) if isinstance(stage, DedupStage)), len(self.stages))
        for stage in self.stages[first:]:
            if isinstance(stage, RowStage):
                raise ValueError(
                    f"stages: {stage.name} stands behind deduplication, where it could drop the survivor of documents "
                    "that are already gone; move it before"
                )
        return self

    @property
    def row_stages(self) -> list[RowStage]:
        """The stages that look at one document at a time, in order."""
        return [stage for stage in self.stages if isinstance(stage, RowStage)]

    @property
    def exact(self) -> ExactDedup | None:
        return next((stage for stage in self.stages if isinstance(stage, ExactDedup)), None)

    @property
    def minhash(self) -> MinHashDedup | None:
        return next((stage for stage in self.stages if isinstance(stage, MinHashDedup)), None)

    def fingerprint(self) -> str:
        """32 hex digits that change when anything does that determines the result of this recipe on the same input:
        fields (but for the name and the output), the stages' versions, and their models' digests."""
        parts = {
            "recipe": self.model_dump(mode="json", exclude={"name", "output"}),
            "stages": [[stage.kind, stage.version, stage.models()] for stage in self.stages],
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def load_recipe(path: str | Path, settings: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML or JSON file, with `path=value` settings applied (`stages.gopher_quality.min_words=80`)."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingError(f"{path}: no such recipe") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError([Problem("", f"{path}: {error}")]) from None
    return parse_recipe(text, settings)


def parse_recipe(text: str, settings: Sequence[str] = ()) -> Recipe:
    """The recipe in a YAML (or JSON, which is YAML) text."""
    try:
        data = yaml.load(text, Loader=_StrictLoader)  # noqa: S506, a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise RecipeError([Problem("", f"not YAML: {error}")]) from None
    if not isinstance(data, dict):
        raise RecipeError([Problem("", f"a recipe is a mapping, found {type(data).__name__}")])
    for setting in settings:
        _apply(data, setting)
    return validate_recipe(data)


def validate_recipe(data: dict[str, Any]) -> Recipe:
    """The recipe in plain data."""
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError([_problem(detail) for detail in error.errors()]) from None


class _StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is no text", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _problem(detail: Any) -> Problem:
    """A problem from pydantic's detail: the path without the union's tags, a close name for an unknown one."""
    kinds = stage_kinds()
    location = list(detail["loc"])
    if len(location) > 2 and location[0] == "stages" and location[2] in kinds:
        del location[2]
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        known = _fields_at(detail["loc"])
        close = difflib.get_close_matches(str(location[-1]), known, 1)
        message = "unknown option" + (f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}")
    elif detail["type"] == "union_tag_invalid":
        tag = detail["ctx"]["tag"]
        close = difflib.get_close_matches(tag, kinds, 1)
        message = f"unknown stage {tag!r}" + (
            f"; did you mean {close[0]}?" if close else f"; known are {', '.join(kinds)}"
        )
    elif detail["type"] == "union_tag_not_found":
        message = f"a stage needs a `kind`: one of {', '.join(kinds)}"
    return Problem(".".join(map(str, location)), message)


def _fields_at(location: tuple[int | str, ...]) -> list[str]:
    """The options that the model at this place of a recipe has."""
    model: type[BaseModel] = Recipe
    if location[0] == "stages" and len(location) > 3:
        model = stage_kinds()[str(location[2])]
    elif location[0] == "sources":
        model = Source if len(location) == 3 else Source.model_fields["columns"].default.__class__
    elif location[0] == "limits":
        model = Limits
    return sorted(model.model_fields)


def _apply(data: dict[str, Any], setting: str) -> None:
    """Put `path=value` into the data; a part of the path is a key, an index, or the name (or kind) of an item."""
    path, separator, value = setting.partition("=")
    parts = path.split(".")
    if not separator or not all(parts):
        raise RecipeError([Problem(setting, "a setting is path=value, for example stages.language.min_score=0.5")])
    place: Any = data
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        where = ".".join(parts[: depth + 1])
        if isinstance(place, list):
            index = _index(place, part)
            if index is None:
                raise RecipeError([Problem(where, "no item with this number, name or kind")])
            if last:
                place[index] = yaml.safe_load(value)
            place = place[index]
        elif isinstance(place, dict):
            if last:
                place[part] = yaml.safe_load(value)
            place = place.setdefault(part, {})
        else:
            raise RecipeError([Problem(where, "there is nothing below this")])


def _index(items: list[Any], part: str) -> int | None:
    if part.isdigit():
        return int(part) if int(part) < len(items) else None
    names = [item.get("name", item.get("kind")) if isinstance(item, dict) else None for item in items]
    return names.index(part) if part in names else None
