"""The funnel in documents, bytes or tokens, of all that was read, or of one source or language: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from curation.report import Cell, Outcome, Report, summed_tokens
from services.jobs.job import Shown

Unit = Literal["documents", "bytes", "tokens"]
READ = "read"
"""The step before all stages, whose losses are records that cannot be read."""


class Loss(Shown):
    """What one step dropped, or could not read, for one reason."""

    reason: str
    outcome: Outcome
    amount: int | None
    """Null in tokens where some of it was not counted."""


class Stretch(Shown):
    """One step from what was read to what is kept: in = out + losses + cut."""

    stage: str
    into: int | None
    """What came in; null in tokens before all that goes on is counted."""
    out: int | None
    """What goes on."""
    losses: tuple[Loss, ...]
    """By reason, most first."""
    cut: int = 0
    """What it cut out of documents that went on; in bytes only."""


class Flow(Shown):
    """Where text went: in = kept + dropped + failed + cut."""

    unit: Unit
    into: int | None
    """What was read; null in tokens where some of it was dropped before it was counted."""
    kept: int | None
    dropped: int | None
    failed: int | None
    cut: int
    stretches: tuple[Stretch, ...]


def flow(report: Report, unit: Unit, *, source: str = "", language: str | None = None) -> Flow:
    """The steps in the recipe's order. `source` empty and `language` None take all. Of one source or language it is not
    known how much was cut out of documents, and 0 is told."""
    cells = [cell for cell in report.cells if is_of(cell, source, language)]
    cuts = {} if unit != "bytes" or source or language is not None else report.cuts
    kept, dropped, failed = (
        _amount((cell for cell in cells if cell.outcome == outcome), unit) for outcome in ("kept", "dropped", "failed")
    )
    lost: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.outcome != "kept":
            lost.setdefault(cell.stage, []).append(cell)
    stretches: list[Stretch] = []
    out = kept
    for stage in reversed(("", *report.stages)):
        losses = _losses(lost.get(stage, []), unit)
        cut = cuts[stage].bytes if stage in cuts else 0
        into = summed_tokens([out, cut, *(loss.amount for loss in losses)])
        stretches.append(Stretch(stage=stage or READ, into=into, out=out, losses=losses, cut=cut))
        out = into
    return Flow(
        unit=unit,
        into=out,
        kept=kept,
        dropped=dropped,
        failed=failed,
        cut=sum(stretch.cut for stretch in stretches),
        stretches=tuple(reversed(stretches)),
    )


def is_of(cell: Cell, source: str, language: str | None) -> bool:
    """Whether a cell is of this source (empty: any) and this language (None: any; empty: not known)."""
    return (not source or cell.source == source) and (language is None or cell.language == language)


def _losses(cells: Sequence[Cell], unit: Unit) -> tuple[Loss, ...]:
    by_reason: dict[tuple[str, Outcome], list[Cell]] = {}
    for cell in cells:
        by_reason.setdefault((cell.reason, cell.outcome), []).append(cell)
    losses = [
        Loss(reason=reason, outcome=outcome, amount=_amount(own, unit)) for (reason, outcome), own in by_reason.items()
    ]
    return tuple(sorted(losses, key=lambda loss: (-(loss.amount or 0), loss.reason)))


def _amount(cells: Iterable[Cell], unit: Unit) -> int | None:
    return summed_tokens(getattr(cell, unit) for cell in cells)
