"""Whether this machine has compiled kernels yet: said before the work, since it takes a while and nothing moves."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from numba.core.dispatcher import Dispatcher

from curation.recipe import Recipe

log = logging.getLogger("curation.pipeline")

SHARED = "curation.text."
"""Below this are the kernels that nearly all stages call."""


def tell_compiling(recipe: Recipe) -> None:
    """Log, as a warning, that this run compiles its kernels; nothing where this machine has done so before.

    It goes by the files that numba keeps of each kernel that was ever called (beside its source, or below
    NUMBA_CACHE_DIR). Workers on other machines have files of their own, of which nothing is known here.
    """
    if recipe.stages and not any(_are_current(source, folder) for source, folder in _caches()):
        log.warning(
            "The first run on this machine compiles its kernels, which takes each worker about a minute before the "
            "first documents are done; later runs load them."
        )


def _are_current(source: Path, folder: Path) -> bool:
    """Whether a kernel of this file has been compiled since it was written."""
    written = source.stat().st_mtime
    return any(index.stat().st_mtime >= written for index in folder.glob(f"{source.stem}.*.nbi"))


def _caches() -> Iterator[tuple[Path, Path]]:
    """The files that define shared kernels, each with the folder of what is compiled of it."""
    found: set[tuple[str, str]] = set()
    for name, module in [*sys.modules.items()]:
        if name.startswith(SHARED) and module.__file__ is not None:
            kernels = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
            found |= {(module.__file__, kernel.stats.cache_path) for kernel in kernels if kernel.stats.cache_path}
    return ((Path(source), Path(folder)) for source, folder in found)
