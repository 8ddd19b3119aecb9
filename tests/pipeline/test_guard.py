"""A run's two doors: what a guard refuses is not read, or not published, and the run can go on from its records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from curation.change import Change
from curation.corpus import Corpus
from curation.errors import MissingError, OtherRunError
from curation.manifest import InputShard, Manifest
from curation.pipeline import curate, held
from curation.report import Report
from curation.runner.local import LocalRunner
from tests.pipeline.inputs import recipe, write_inputs
from tests.texts import essay, write_jsonl

STAGES = [{"kind": "gopher_quality"}, {"kind": "exact_dedup"}]


class ShutError(Exception):
    """A door is shut."""


class Doors:
    """Shuts one of the doors, and notes what was asked."""

    def __init__(self, shut: str = "") -> None:
        self.shut = shut
        self.files: list[InputShard] = []
        self.drafts: list[tuple[Manifest, Report, Change]] = []

    def inputs(self, files: Sequence[InputShard]) -> None:
        self.files += files
        if self.shut == "inputs":
            raise ShutError

    def publish(self, manifest: Manifest, report: Report, change: Change) -> None:
        self.drafts.append((manifest, report, change))
        if self.shut == "publish":
            raise ShutError


def test_nothing_is_read_behind_the_first_door(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    doors = Doors("inputs")
    with pytest.raises(ShutError):
        curate(recipe(tmp_path, tmp_path / "corpus", stages=STAGES), LocalRunner(), "run", guard=doors)
    assert {Path(file.uri).name for file in doors.files} >= {"a.jsonl.gz", "b.jsonl", "copy.txt"}
    assert not (tmp_path / "corpus").exists()


def test_what_was_held_is_what_is_published(tmp_path: Path) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus", stages=STAGES)
    corpus = Corpus(wanted.output)
    with pytest.raises(MissingError):
        held(corpus, "run")
    with pytest.raises(ShutError):
        curate(wanted, LocalRunner(), "run", guard=Doors("publish"))
    assert not corpus.versions()
    drafts = held(corpus, "run")

    doors = Doors()
    outcome = curate(wanted, LocalRunner(), "run", guard=doors)
    assert doors.drafts == [drafts]
    assert (outcome.published, outcome.report) == (True, drafts[1])
    assert (corpus.manifest(), corpus.change()) == (drafts[0], drafts[2])
    assert corpus.verify() > 0


@pytest.mark.parametrize("is_published", [True, False])
def test_a_run_whose_input_has_changed_is_another_run(tmp_path: Path, is_published: bool) -> None:
    write_inputs(tmp_path)
    wanted = recipe(tmp_path, tmp_path / "corpus", stages=STAGES)
    if is_published:
        curate(wanted, LocalRunner(), "run")
    else:
        with pytest.raises(ShutError):
            curate(wanted, LocalRunner(), "run", guard=Doors("publish"))
    write_jsonl(tmp_path / "web/new.jsonl", [{"id": "new", "text": essay(77)}])
    with pytest.raises(OtherRunError, match="other input"):
        curate(wanted, LocalRunner(), "run")
