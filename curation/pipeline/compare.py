"""What a refresh has to do: which input files are new, changed or gone, and whether the recipe still means the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from curation.change import Looked
from curation.errors import Problem, RedoError
from curation.manifest import InputShard, Manifest
from curation.recipe import Recipe

BYTES_PER_CORE_S = 20_000_000
"""How much text a core curates a second with a recipe like FineWeb's (README, "How fast"), to say what a redo costs."""


def compare_inputs(found: Iterable[InputShard], base: Manifest) -> Looked:
    """The input files that were found, against those of the base."""
    known = {(file.source, file.uri): file for file in base.inputs}
    new, changed, unchanged = [], [], 0
    for file in found:
        before = known.pop((file.source, file.uri), None)
        if before is None:
            new.append(file)
        elif before.file != file.file:
            changed.append(file)
        else:
            unchanged += 1
    return Looked(unchanged=unchanged, new=tuple(new), changed=tuple(changed), vanished=tuple(known.values()))


def check_meaning(recipe: Recipe, base: Manifest) -> None:
    """Raises RedoError, naming every part of the recipe that means something else than when the base's files were read,
    and what reading them again would cost."""
    now, sources = recipe.meaning(), {file.source for file in base.inputs}
    problems = [
        Problem(name, _difference(name in base.meaning, name in now))
        for name in sorted(now.keys() | base.meaning.keys())
        if now.get(name) != base.meaning.get(name) and _concerns(name, sources, base, now)
    ]
    if problems:
        raise RedoError([*problems, Problem("", _cost(problems, base))])


def _concerns(name: str, sources: set[str], base: Manifest, now: dict[str, str]) -> bool:
    """Whether files that were read before are concerned: not by a source that is new, nor by one that is gone."""
    if name.startswith("sources."):
        return name.removeprefix("sources.") in sources and name in base.meaning and name in now
    return True


def _difference(was_there: bool, is_there: bool) -> str:
    if was_there and is_there:
        return "is not what it was"
    return "is new" if is_there else "is gone"


def _cost(problems: Sequence[Problem], base: Manifest) -> str:
    """What has to be read again, and for how long: all files, or those of the sources that changed."""
    parts = {problem.path for problem in problems}
    only = {path.removeprefix("sources.") for path in parts if path.startswith("sources.")}
    files = [file for file in base.inputs if len(only) < len(parts) or file.source in only]
    size = sum(file.size for file in files)
    minutes = size / BYTES_PER_CORE_S / 60
    return (
        f"version {base.version} was made by another recipe: {len(files):,} files, {size:,} bytes as they are stored, "
        f"must be read again (about {minutes:,.1f} core-minutes, more where they are compressed). Allow it with "
        "--redo, which curates everything anew, or give the recipe another output"
    )
