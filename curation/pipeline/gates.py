"""The recipe's gates, asked of what is about to be published."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from statistics import median

from curation.change import Breach, Change
from curation.corpus import Corpus, Version
from curation.dedup import DedupStage
from curation.manifest import Kind
from curation.recipe import Recipe
from curation.recipe.gates import AMOUNTS, Gate
from curation.report import Cell, Report

READING: frozenset[Kind] = frozenset({"run", "refresh"})
"""The kinds of change that read input: of these alone something can be asked `over: new`."""


def check_gates(recipe: Recipe, corpus: Corpus, parent: int, report: Report, change: Change) -> tuple[Breach, ...]:
    """The gates that a version does not pass whose report and change these are, in the order of the recipe.

    `parent` is the newest version, or commit, of the corpus that it will follow, 0 where it is the first. A share of
    nothing cannot be told, which is a breach; where nothing at all was read, shares over what was read are passed. A
    relative bound is passed where no version before has the number.
    """
    if not recipe.gates:
        return ()
    duplicates = frozenset(stage.name for stage in recipe.stages if isinstance(stage, DedupStage))
    past = _Past(corpus, parent, duplicates)
    return tuple(
        breach for index, gate in enumerate(recipe.gates) for breach in _breaches(index, gate, report, change, past)
    )


def _breaches(index: int, gate: Gate, report: Report, change: Change, past: _Past) -> Iterator[Breach]:
    if gate.over == "new" and change.kind not in READING:
        return
    measured = change.read if gate.over == "new" else report
    value = measure(gate, measured, past.duplicates)
    title = f"gates.{index}: {gate.title}"
    if value is None:
        if measured.documents():
            why = "not all documents are counted" if gate.metric == "tokens" else "it would be a share of nothing"
            message = f"{title} cannot be told: {why}"
            yield Breach(gate=index, metric=gate.title, value=None, bound=None, message=message)
        return
    for bound, reference, why in _bounds_passed(gate, value, change.kind, past):
        yield Breach(
            gate=index,
            metric=gate.title,
            value=value,
            bound=bound,
            reference=reference,
            message=f"{title} is {shown(gate, value)}, {why}",
        )


def _bounds_passed(gate: Gate, value: float, kind: Kind, past: _Past) -> Iterator[tuple[float, float | None, str]]:
    """The bounds that the value is beyond: bound, reference, and how a sentence goes on that says so."""
    if gate.min is not None and value < gate.min:
        yield gate.min, None, f"below min {shown(gate, gate.min)}"
    if gate.max is not None and value > gate.max:
        yield gate.max, None, f"above max {shown(gate, gate.max)}"
    if gate.max_rise is None and gate.max_fall is None:
        return
    numbers = past.numbers(gate, kind)
    if not numbers:
        return
    reference = median(numbers.values())
    what = f"{shown(gate, reference)}, {_described([*numbers])}"
    if gate.max_rise is not None and value > (bound := reference * (1 + gate.max_rise)):
        yield bound, reference, f"above {shown(gate, bound)}: max_rise {gate.max_rise:g} from {what}"
    if gate.max_fall is not None and value < (bound := reference * (1 - gate.max_fall)):
        yield bound, reference, f"below {shown(gate, bound)}: max_fall {gate.max_fall:g} from {what}"


def _described(versions: list[int]) -> str:
    """Where a reference comes from; versions newest first."""
    if len(versions) == 1:
        return f"that of version {versions[0]}"
    return f"the median of {len(versions)} versions from {versions[-1]} to {versions[0]}"


def shown(gate: Gate, value: float) -> str:
    """A number of this gate's metric, for people."""
    return f"{value:,.1f}".removesuffix(".0") if gate.metric in AMOUNTS else f"{value:.6g}"


class _Past:
    """The numbers of the versions before."""

    def __init__(self, corpus: Corpus, parent: int, duplicates: frozenset[str]) -> None:
        self.duplicates = duplicates
        """The names of the recipe's deduplicating stages."""
        self._corpus, self._parent = corpus, parent
        self._versions = cache(self._list)
        self._report, self._change = cache(corpus.report_of), cache(corpus.change_of)

    def numbers(self, gate: Gate, kind: Kind) -> dict[int, float]:
        """The gate's number by version, newest first: those among the last `window` versions that have it, or the first
        of them. Empty where none has."""
        found: dict[int, float] = {}
        for version in self._versions()[: gate.window]:
            measured = self._read(version, gate, kind) if gate.over == "new" else self._report(version)
            value = None if measured is None else measure(gate, measured, self.duplicates)
            if value is not None:
                found[version.version] = value
                if gate.against == "last":
                    break
        return found

    def _read(self, version: Version, gate: Gate, kind: Kind) -> Report | None:
        """What a version before has read; None where that cannot be compared. How much a whole run reads says nothing
        about how much a refresh does."""
        change = self._change(version)
        alike = {kind} if gate.metric in AMOUNTS else READING
        return change.read if change.kind in alike and change.read.documents() else None

    def _list(self) -> list[Version]:
        """Newest first."""
        return [version for version in reversed(self._corpus.versions()) if version.version <= self._parent]


def measure(gate: Gate, report: Report, duplicates: frozenset[str]) -> float | None:
    """The number that a gate bounds; None where it is a share of nothing, or the report has no such stage or count.

    `duplicates` are the names of the deduplicating stages.
    """
    kept = report.documents("kept")
    match gate.metric:
        case "documents":
            return kept
        case "bytes":
            return report.bytes("kept")
        case "tokens":
            return report.tokens("kept")
        case "failed_rate":
            return _share(report.documents("failed"), report.documents())
        case "duplicate_share":
            dropped = sum(cell.documents for cell in report.cells if cell.stage in duplicates)
            return _share(dropped, report.documents()) if duplicates & {*report.stages} else None
        case "language_share":
            return _share(sum(cell.documents for cell in _kept(report) if cell.language == gate.of), kept)
        case "source_share":
            return _share(sum(cell.documents for cell in _kept(report) if cell.source == gate.of), kept)
        case "drop_rate":
            return _drop_rate(gate.of, report)


def _drop_rate(of: str | None, report: Report) -> float | None:
    """Dropped of those that came to a stage, for one of its reasons if `of` names that; of all that could be read."""
    if of is None:
        return _share(report.documents("dropped"), report.documents("kept", "dropped"))
    stage, dot, _ = of.partition(".")
    step = next((step for step in report.funnel() if step.stage == stage), None)
    if step is None:
        return None
    return _share(step.reasons.get(of, 0) if dot else step.documents_dropped, step.documents_in)


def _kept(report: Report) -> Iterator[Cell]:
    return (cell for cell in report.cells if cell.outcome == "kept")


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
