"""What a version changed against the one that it was made from: what was looked at, read, removed and promoted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from curation.manifest import Frozen, InputShard, Kind, Manifest
from curation.report import Cell, Report


class Looked(Frozen):
    """The input files that a refresh found, compared with those that the version before it knew."""

    unchanged: int = 0
    new: tuple[InputShard, ...] = ()
    changed: tuple[InputShard, ...] = ()
    """As they are now."""
    vanished: tuple[InputShard, ...] = ()
    """As they were. Whether their documents stay is for the recipe to say: `refresh.vanished`."""

    @property
    def is_new(self) -> bool:
        """Whether there is anything to read."""
        return bool(self.new or self.changed)


def compare_inputs(found: Iterable[InputShard], base: Manifest) -> Looked:
    """The input files that were found, or that another version has, against those of the base."""
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


class Breach(Frozen):
    """A gate that the run does not pass."""

    gate: int
    """Its place among the recipe's `gates`, from 0."""
    metric: str
    """What was measured, in the recipe's words: `drop_rate of gopher_quality over new`."""
    value: float | None
    """None where it cannot be told: a share of nothing."""
    bound: float | None
    """What the value may not pass; None where there is no value."""
    reference: float | None = None
    """What it was compared with, where the bound is relative."""
    message: str
    """The same as a sentence."""


class Approval(Frozen):
    """Who let a run be published that was held, and when."""

    by: str
    at: datetime


class Change(Frozen):
    """How a version came of the one before it. Of a whole run, everything is `read`."""

    base: int
    """The version that it was made from; 0 of the first."""
    kind: Kind = "run"
    looked: Looked = Looked()
    read: Report = Field(default_factory=Report)
    """What became of the records that this run read, promoted and refused ones included."""
    removed: tuple[Cell, ...] = ()
    """Documents that were kept and are not any more, by reason: `refresh.retired`, `refresh.changed`, `takedown.…`,
    or a deduplicating stage's `….replaced`."""
    promoted: int = 0
    """Duplicates that are kept now because their survivor is gone."""
    stranded: int = 0
    """Duplicates whose survivor is gone and that could not be decided anew: their input file is gone or has changed."""
    breaches: tuple[Breach, ...] = ()
    """The recipe's gates that it does not pass."""
    approved: Approval | None = None
    """Who published it by hand, though it may have breaches; of a service's job, the job's history says it."""
