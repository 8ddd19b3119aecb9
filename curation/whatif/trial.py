"""One text put through the stages of a recipe that look at one document at a time, as a run would put it through."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from curation import decision, document
from curation.document import SHARD, TEXT
from curation.manifest import Frozen
from curation.pipeline.filter import BYTES, Run, check_rows, decision_columns, signal_plan
from curation.pipeline.survey import Decided, decide
from curation.recipe import Recipe
from curation.stage import Evidence, RowStage, SurveyStage
from curation.text.signals import with_signals
from curation.whatif.checks import Check, checks
from curation.whatif.decided import GoOn, always
from curation.work import Work

SHARD_TRIED = "trial"
"""The input file that a text has which comes from none."""


class Verdict(Frozen):
    """What one stage measured of a text, and said of it."""

    stage: str
    kind: str
    checks: tuple[Check, ...]
    reason: str | None
    """Why it drops the text; null where it lets it pass, or cannot decide."""
    value: float | None = None
    threshold: float | None = None
    detail: str | None = None
    rewrites: bool = False
    """Whether it has changed the text."""
    is_undecided: bool = False
    """Whether it decides by a survey that this version has not made."""


class Trial(Frozen):
    """What became of a text: every stage's verdict in the recipe's order, those behind the first that drops it too."""

    verdicts: tuple[Verdict, ...]
    stopped: str | None
    """The first stage that drops it; null where none does."""
    text: str
    """As the stages have left it: what deduplication compares."""
    bytes: int
    """Of this text, in UTF-8."""


def trial(recipe: Recipe, settled: Mapping[str, Any], text: str, source: str, go_on: GoOn = always) -> Trial:
    """Try a text as a document of this source. `settled` is what the version's surveys have settled (its manifest says
    it); `go_on` is called before each stage.

    Raises ModelError where a model or table is not there any more.
    """
    run = Run("trial", recipe, Work(recipe.output, ""))
    batch = document.document_batch([text], source=source, shard=SHARD_TRIED)
    verdicts: dict[str, Verdict] = {}
    surveyed: list[SurveyStage] = []
    for stage, needs in signal_plan(recipe.row_stages):
        go_on()
        before = batch[TEXT]
        batch = stage.annotate(with_signals(batch, needs))
        check_rows(stage, 1, batch)
        if isinstance(stage, SurveyStage) and stage.is_surveyed:
            surveyed.append(stage)
            continue
        reasons = stage.drop_reasons(batch)
        evidence = stage.evidence(batch, reasons)
        verdicts[stage.name] = _verdict(stage, batch, reasons, evidence, rewrites=not batch[TEXT].equals(before))
    if surveyed:
        columns = {name: batch[name] for name in batch.schema.names if name in run.texts.names}
        measured = decision.fill(run.texts, 1, columns | {BYTES: document.text_bytes(batch)})
        for later in surveyed:
            decided = decide(run, later, settled[later.name], measured) if later.name in settled else None
            measured = decided.documents if decided else measured
            verdicts[later.name] = _settled(later, measured, decided, settled)
    stopped = next((name for name, verdict in verdicts.items() if verdict.reason is not None), None)
    return Trial(
        verdicts=tuple(verdicts.values()),
        stopped=stopped,
        text=batch[TEXT][0].as_py(),
        bytes=document.text_bytes(batch)[0].as_py(),
    )


def as_compared(recipe: Recipe, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Documents as deduplication compares them: with what the recipe's stages have rewritten. No more stages are run
    than that takes. Raises ModelError as `trial`."""
    plan = signal_plan(recipe.row_stages)
    last = max((number for number, (stage, _) in enumerate(plan, 1) if stage.rewrites), default=0)
    for stage, needs in plan[:last]:
        batch = stage.annotate(with_signals(batch, needs))
        check_rows(stage, batch.num_rows, batch)
    return document.without_scratch(batch)


def _settled(
    stage: SurveyStage, measured: pa.RecordBatch, decided: Decided | None, settled: Mapping[str, Any]
) -> Verdict:
    if decided is None:
        return Verdict(
            stage=stage.name, kind=stage.kind, checks=checks(stage, _row(measured)), reason=None, is_undecided=True
        )
    evidence = stage.settled_evidence(decided.measured, decided.reasons, settled[stage.name])
    return _verdict(stage, measured, decided.reasons, evidence)


def _verdict(
    stage: RowStage, batch: pa.RecordBatch, reasons: pa.StringArray, evidence: Evidence, *, rewrites: bool = False
) -> Verdict:
    told = (evidence.values, evidence.thresholds, evidence.details) if reasons[0].is_valid else ()
    value, threshold, detail = (column[0].as_py() for column in told) if told else (None, None, None)
    return Verdict(
        stage=stage.name,
        kind=stage.kind,
        checks=checks(stage, _row(batch)),
        reason=reasons[0].as_py(),
        value=value,
        threshold=threshold,
        detail=detail,
        rewrites=rewrites,
    )


def _row(batch: pa.RecordBatch) -> dict[str, Any]:
    """The columns of decisions that a document brings itself."""
    return {name: column[0].as_py() for name, column in decision_columns(batch, None).items() if name != SHARD}
