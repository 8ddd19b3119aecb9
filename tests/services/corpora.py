"""A corpus of two versions and an empty one, for what asks about corpora."""

from __future__ import annotations

from pathlib import Path

from curation.change import Change
from curation.corpus import Corpus
from curation.manifest import Manifest
from curation.pipeline import curate
from curation.report import Report
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import recipe, write_inputs

JOB = "job_01kavexamp0000000000000000"


class Stop(Exception):  # noqa: N818
    """Thrown by a guard that lets nothing be published."""


class Held:
    """A guard that stops every run before it publishes."""

    def inputs(self, files: object) -> None:
        """They may be read."""

    def publish(self, manifest: Manifest, report: Report, change: Change) -> None:
        raise Stop


def make_corpora(folder: Path) -> Path:
    """`corpora/small` with two versions (the first by a job, the second by hand), the draft of a third that is held as
    generation 2 of `JOB`, and `corpora/empty`, which has no version."""
    write_inputs(folder)
    output = folder / "corpora/small"
    curate(recipe(folder, output), LocalRunner(), f"{JOB[:-1]}1-1")
    curate(recipe(folder, output, seed=1), LocalRunner())
    try:
        curate(recipe(folder, output, seed=2), LocalRunner(), f"{JOB}-2", guard=Held())
    except Stop:
        Corpus(str(folder / "corpora/empty")).create()
    return output
