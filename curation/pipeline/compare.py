"""Whether a recipe still means what it meant when the files of a version were read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from curation.errors import Problem, RedoError
from curation.manifest import InputShard, Manifest
from curation.recipe import Recipe

BYTES_PER_CORE_S = 20_000_000
"""How much text a core curates a second with a recipe like FineWeb's (README, "How fast"), to say what a redo costs."""

_SURVEYED = (
    "decides by a survey of the whole corpus, which a refresh does not repeat; only a whole run does (`curation run`, "
    "or this refresh with --redo, which becomes one)"
)
_REPEATS = (
    "cuts what documents of one run share, and a refresh does not compare with those that are kept already; set "
    "refresh.repeats to among_new to compare the new ones with each other only, or do everything anew (`curation run`, "
    "or this refresh with --redo, which becomes one)"
)
_SOURCES = "sources."
"""What the parts of a meaning begin with that say how one source is read."""


def check_meaning(recipe: Recipe, base: Manifest) -> None:
    """Raises RedoError, naming every part of the recipe that means something else than when the base's files were read,
    or that a refresh does not do unless the recipe says so, and what reading all files again would cost."""
    now, is_now = recipe.meaning(), recipe.model_dump(mode="json")
    changed = _changed(now, base)
    problems = [
        Problem(name, _difference(_part(base.recipe, name), _part(is_now, name)))
        if name in now and name in base.meaning
        else Problem(name, "is new" if name in now else "is gone")
        for name in changed
    ]
    surveyed = [f"stages.{stage.name}" for stage in recipe.surveyed]
    problems += [Problem(name, _SURVEYED) for name in surveyed if name in changed]
    if recipe.refresh.repeats == "redo":
        problems += [Problem(f"stages.{stage.name}", _REPEATS) for stage in recipe.span_stages]
    if problems:
        made = f"version {base.version} was made by another recipe: " if changed else ""
        raise RedoError([*problems, Problem("", made + _cost(problems, base))])


def means_the_same(recipe: Recipe, base: Manifest) -> bool:
    """Whether the recipe decides about the base's records as it did when they were read."""
    return not _changed(recipe.meaning(), base)


def meaning_after(recipe: Recipe, base: Manifest, inputs: Iterable[InputShard]) -> dict[str, str]:
    """What a version means that this recipe makes of the base, and that has these input files: those of sources that
    the recipe does not name any more were read as the base says."""
    stay = {f"{_SOURCES}{file.source}" for file in inputs}
    return recipe.meaning() | {name: meaning for name, meaning in base.meaning.items() if name in stay}


def _changed(now: dict[str, str], base: Manifest) -> list[str]:
    """The parts that mean something else now, by name; files that were read before are not concerned by a source that
    is new, nor by one that is gone."""
    read = {f"{_SOURCES}{file.source}" for file in base.inputs} & now.keys() & base.meaning.keys()
    names = sorted(now.keys() | base.meaning.keys())
    concerned = [name for name in names if name in read or not name.startswith(_SOURCES)]
    return [name for name in concerned if now.get(name) != base.meaning.get(name)]


def _part(recipe: Mapping[str, object], name: str) -> dict[str, object]:
    """The fields of the part of a recipe that has this name in its meaning; none where it has no such part."""
    section, _, key = name.partition(".")
    part: Any = recipe.get(section)
    if section in ("stages", "sources"):
        if not key:
            return {"order": [each["name"] for each in part]}
        part = next((each for each in part if each["name"] == key), {})
    return {field: part[field] for field in part if field not in ("name", "uri")} if isinstance(part, dict) else {}


def _difference(before: dict[str, object], after: dict[str, object]) -> str:
    """What is said of a part of the recipe that means something else; there may be no telling what it was, of a source
    that had left the recipe."""
    if after and not before:
        return "is not what it was when its files were read"
    changed = [field for field in sorted(before.keys() | after.keys()) if before.get(field) != after.get(field)]
    told = (f"{field} was {json.dumps(before.get(field))}, is {json.dumps(after.get(field))}" for field in changed)
    return "; ".join(told) or "does something else in this release, or with another model"


def _cost(problems: Sequence[Problem], base: Manifest) -> str:
    """What has to be read again, and for how long: all files, or those of the sources that changed."""
    parts = {problem.path for problem in problems}
    only = {path.removeprefix(_SOURCES) for path in parts if path.startswith(_SOURCES)}
    files = [file for file in base.inputs if len(only) < len(parts) or file.source in only]
    size = sum(file.size for file in files)
    seconds = size / BYTES_PER_CORE_S
    time = f"{seconds / 60:,.0f} minutes" if seconds > 120 else f"{max(seconds, 1):.0f} s"
    return (
        f"{len(files):,} files, {size:,} bytes as they are stored, must be read again (about {time} of one core, more "
        "where they are compressed). Allow it with --redo, which curates everything anew, or give the recipe another "
        "output"
    )
