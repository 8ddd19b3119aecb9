"""Runs tasks over items: in this process (`local`) or on Ray (`ray`)."""

from __future__ import annotations

from typing import Literal, get_args

from curation.errors import Problem, RecipeError
from curation.runner.runner import OpenRunner

Engine = Literal["local", "ray"]


def open_runner(engine: Engine, workers: int | None = None, address: str | None = None) -> OpenRunner:
    """The runner of an engine; close it, or use it in a `with`.

    `local` runs in this process. `ray` starts a cluster on this machine with `workers` CPUs (default: all there are),
    or joins the one at `address` and takes at most `workers` of its CPUs. Raises RecipeError for options that the
    engine does not have, CurationError where no cluster can be reached.
    """
    _check(engine, workers, address)
    if engine == "local":
        from curation.runner.local import LocalRunner

        return LocalRunner()
    from curation.runner.ray import RayRunner

    return RayRunner(workers, address)


def _check(engine: str, workers: int | None, address: str | None) -> None:
    problems: list[Problem] = []
    if engine not in get_args(Engine):
        problems.append(Problem("engine", f"found {engine!r}, expected one of {', '.join(get_args(Engine))}"))
    if workers is not None and workers < 1:
        problems.append(Problem("workers", f"found {workers}, expected at least 1"))
    if engine == "local" and workers not in (None, 1):
        problems.append(Problem("workers", f"found {workers}, but the local engine is this one process"))
    if engine == "local" and address is not None:
        problems.append(Problem("address", f"found {address!r}, but the local engine joins no cluster"))
    if problems:
        raise RecipeError(problems)
