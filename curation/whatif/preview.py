"""A recipe tried on a sample of its input, before any run: the funnel with its uncertainty, time, and cost.

Nothing is written. The stages that look at one document at a time are run in this process, as a run would run them;
those that compare documents are not, for a sample holds hardly any of the copies that the whole holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from curation import decision, document
from curation.dedup import fingerprints
from curation.errors import InputError
from curation.manifest import Frozen
from curation.pipeline.filter import BYTES, Run, check_rows, decision_columns, examples_of, signal_plan
from curation.pipeline.finish import cells_of
from curation.pipeline.inputs import deal, list_files, refuse_shared
from curation.pipeline.survey import added, as_measured, decide
from curation.recipe import Recipe
from curation.report import Example, Report, first_examples
from curation.stage import Evidence, RowStage, SurveyStage
from curation.text.signals import with_signals
from curation.whatif.decided import GoOn, always
from curation.whatif.interval import Share, share
from curation.whatif.sampling import Sample, SourceRead, take_sample
from curation.work import Work

SIZE = 1000
EXAMPLES = 3
_WARM_ROWS = 8
_SHOWN = 5


class RuleShare(Frozen):
    """How many documents of the sample one reason drops, and what share that is of all documents of the input."""

    reason: str
    documents: int
    share: Share
    """Of all documents of the input."""


class PreviewStep(Frozen):
    """One step of the funnel. `left` is the share of all documents that come out of it."""

    stage: str
    documents_in: int
    documents_out: int
    left: Share
    """Of all documents, those that come out of it."""
    rules: tuple[RuleShare, ...]
    """Most documents first."""
    documents_a_second: float | None
    """How many documents one core takes through this stage; None where too few came to it to tell. What several stages
    measure in one scan is counted with the first of them."""


class PreviewGroup(Frozen):
    """Of one source or language, whose name is empty where it is not known."""

    name: str
    sampled: int
    """How many documents of the sample."""
    kept: Share


class Estimate(Frozen):
    """What a run would take, from what this process took for the sample, in proportion to the documents.

    In it are reading, the stages, and the fingerprints of deduplication; not the comparing of candidates, and writing.
    """

    documents: int
    text_bytes: int
    """Of all documents, in UTF-8."""
    kept_documents: int
    """Before deduplication; at least and at most `kept_low` and `kept_high`, with 95 % confidence."""
    kept_low: int
    """At least, with 95 % confidence."""
    kept_high: int
    """At most, with 95 % confidence."""
    kept_bytes: int
    """Of their text."""
    documents_a_second: float
    """Of one core, all steps together."""
    core_hours: float
    """Of all cores together."""
    workers: int
    """How many are busy: not more than there are shards to read."""
    elapsed_s: float
    """With all workers, without what comes behind."""
    cost: float | None
    """In the unit of the price of a core hour; None without one."""


class Preview(Frozen):
    """What a recipe would do to its input, judged by a sample."""

    recipe: str
    seed: int
    sampled: int
    """How many documents were tried."""
    sources: tuple[SourceRead, ...]
    steps: tuple[PreviewStep, ...]
    """The first is the sample itself."""
    kept: Share
    """Of the documents, before deduplication."""
    groups: tuple[PreviewGroup, ...]
    """By source."""
    languages: tuple[PreviewGroup, ...]
    """Most documents first; the name is empty where none is told."""
    examples: tuple[Example, ...]
    """Of each reason."""
    estimate: Estimate
    """What a run of the whole may take."""
    notes: tuple[str, ...]
    """What limits these figures, a sentence each."""


def preview(
    recipe: Recipe,
    size: int = SIZE,
    seed: int = 0,
    workers: int | None = None,
    core_hour_price: float | None = None,
    examples: int = EXAMPLES,
    may_read: Callable[[Iterable[str]], None] | None = None,
    go_on: GoOn = always,
) -> Preview:
    """Try a recipe on `size` documents of its input, the same ones for the same input and seed.

    `workers` is how many cores a run would have, by default as many as this machine. `may_read` is asked, with the
    addresses of all files, before one is opened; what it or `go_on` raises ends the preview. Raises as a run does
    before it publishes: RecipeError, InputError (nothing to read, too much unreadable), StorageError, ModelError.
    """
    recipe = recipe.pinned()
    listed = list_files(recipe)
    shards = deal(listed)
    files = [file for shard in shards for file in shard.inputs()]
    refuse_shared(recipe, files)
    if may_read is not None:
        may_read(file.uri for file in files)
    sample = take_sample(listed, recipe.limits, size, seed, go_on)
    _check_failures(recipe, sample)
    if not sample.batches:
        raise InputError("no document was found in what was read of the input; nothing can be previewed")
    tried = _Trial(recipe, go_on)
    tried.run(sample.batches)
    report = tried.report(seed)
    sampled = report.documents() / sum(source.documents for source in sample.sources)
    kept = share(report.documents("kept"), report.documents(), sampled)
    busy = min(workers or os.cpu_count() or 1, len(shards))
    return Preview(
        recipe=recipe.name,
        seed=seed,
        sampled=report.documents(),
        sources=tuple(sample.sources),
        steps=tuple(tried.steps(report, sampled)),
        kept=kept,
        groups=tuple(_groups(report, "source", sampled)),
        languages=tuple(_groups(report, "language", sampled)),
        examples=tuple(_few(report.examples, examples)),
        estimate=_estimate(sample, tried, report, kept, busy, core_hour_price),
        notes=tuple(_notes(recipe, sample)),
    )


@dataclass
class _Trial:
    """The stages of a recipe, run over a sample: each over all of it before the next, so that each has its time."""

    recipe: Recipe
    go_on: GoOn = always
    seconds: dict[str, float] = field(default_factory=dict)
    """By stage, of all its documents."""
    fingerprints_s: float = 0.0
    fingerprinted: int = 0

    def __post_init__(self) -> None:
        self._run = Run("preview", self.recipe, Work(self.recipe.output, ""))
        self._decided: list[tuple[pa.RecordBatch, pa.LargeStringArray]] = []

    def run(self, batches: Sequence[pa.RecordBatch]) -> None:
        """Decide on these documents."""
        plan = signal_plan(self.recipe.row_stages)
        warm = [batches[0].slice(0, _WARM_ROWS)]
        for stage, needs in plan:  # compiled and loaded before anything is timed
            warm = [stage.annotate(with_signals(batch, needs)) for batch in warm]
        fingerprints(warm[0], self.recipe.exact, self.recipe.minhash)
        left = list(batches)
        for stage, needs in plan:
            left = self._timed(stage, needs, left)
        for surveyed in self.recipe.surveyed:
            left = self._surveyed(surveyed, left)
        begin = time.perf_counter()
        for batch in left:
            fingerprints(batch, self.recipe.exact, self.recipe.minhash)
        self.fingerprints_s = time.perf_counter() - begin
        self.fingerprinted = sum(batch.num_rows for batch in left)
        for batch in left:
            self._decide(batch, {"outcome": pa.repeat(decision.KEPT, batch.num_rows)})

    def report(self, seed: int) -> Report:
        """The account of the sample."""
        whole = pa.Table.from_batches([decisions for decisions, _ in self._decided])
        cells = cells_of(whole, self.recipe.tokens_column)
        found: list[Example] = []
        for decisions, texts in self._decided:
            lost = pc.equal(decisions["outcome"], decision.DROPPED)
            chosen = examples_of(self.recipe, seed, decisions.filter(lost), texts.filter(lost))
            found += [example for reason in sorted(chosen) for example in chosen[reason]]
        stages = tuple(stage.name for stage in self.recipe.row_stages)
        return Report(stages=stages, cells=cells, examples=tuple(found))

    def steps(self, report: Report, sampled: float) -> Iterable[PreviewStep]:
        """The funnel of a sample that is this share of the input."""
        whole = report.documents()
        for step in report.funnel():
            rules = [
                RuleShare(reason=reason, documents=count, share=share(count, whole, sampled))
                for reason, count in step.reasons.items()
            ]
            spent = self.seconds.get(step.stage, 0.0)
            yield PreviewStep(
                stage="sample" if step.stage == "read" else step.stage,
                documents_in=step.documents_in,
                documents_out=step.documents_out,
                left=share(step.documents_out, whole, sampled),
                rules=tuple(rules),
                documents_a_second=step.documents_in / spent if spent else None,
            )

    def _timed(self, stage: RowStage, needs: frozenset[str], batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        begin, left = time.perf_counter(), []
        for batch in batches:
            self.go_on()
            measured = stage.annotate(with_signals(batch, needs))
            check_rows(stage, batch.num_rows, measured)
            if not stage.is_surveyed:
                reasons = stage.drop_reasons(measured)
                measured = self._dropped(stage, measured, reasons, stage.evidence(measured, reasons))
            left.append(measured)
        self.seconds[stage.name] = time.perf_counter() - begin
        return [batch for batch in left if batch.num_rows]

    def _surveyed(self, stage: SurveyStage, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """The documents that a stage keeps by what it settles from the sample."""
        if not batches:
            return []
        begin, left = time.perf_counter(), []
        whole = [self._with_all_columns(batch) for batch in batches]
        frozen = stage.settle(added([stage.survey(as_measured(self._run, batch)) for batch in whole]))
        for batch in whole:
            decided = decide(self._run, stage, frozen, batch)
            evidence = stage.settled_evidence(decided.measured, decided.reasons, frozen)
            left.append(self._dropped(stage, decided.documents, decided.reasons, evidence))
        self.seconds[stage.name] += time.perf_counter() - begin
        return [batch for batch in left if batch.num_rows]

    def _with_all_columns(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch as a survey reads it: a value that no stage has given yet is null."""
        columns = {name: batch[name] for name in batch.schema.names if name in self._run.texts.names}
        columns[BYTES] = document.text_bytes(batch)
        return decision.fill(self._run.texts, batch.num_rows, columns)

    def _dropped(
        self, stage: RowStage, batch: pa.RecordBatch, reasons: pa.StringArray, evidence: Evidence
    ) -> pa.RecordBatch:
        """The documents that a stage does not drop; the others are decided."""
        dropped = reasons.is_valid()
        lost = batch.filter(dropped)
        self._decide(
            lost,
            {
                "outcome": pa.repeat(decision.DROPPED, lost.num_rows),
                "stage": pa.repeat(stage.name, lost.num_rows),
                "reason": reasons.filter(dropped),
                "value": evidence.values.filter(dropped),
                "threshold": evidence.thresholds.filter(dropped),
                "detail": evidence.details.filter(dropped),
            },
        )
        return batch.filter(pc.invert(dropped))

    def _decide(self, batch: pa.RecordBatch, columns: dict[str, pa.Array]) -> None:
        columns = decision_columns(batch, self._run.language_column) | columns
        self._decided.append((decision.fill(decision.SCHEMA, batch.num_rows, columns), batch[document.TEXT]))


def _groups(report: Report, axis: Literal["source", "language"], sampled: float) -> list[PreviewGroup]:
    groups = [
        PreviewGroup(name=name, sampled=total, kept=share(counts["kept"], total, sampled))
        for name, counts in report.by(axis).items()
        for total in [sum(counts.values())]
    ]
    return sorted(groups, key=lambda group: (-group.sampled, group.name))


def _few(examples: Iterable[Example], count: int) -> Iterable[Example]:
    by_reason: dict[str, list[Example]] = {}
    for example in examples:
        by_reason.setdefault(example.reason, []).append(example)
    for reason in sorted(by_reason):
        yield from first_examples(by_reason[reason])[:count]


def _check_failures(recipe: Recipe, sample: Sample) -> None:
    """Raises InputError where more of a source is unreadable than the recipe allows, as a run does."""
    for source in sample.sources:
        failed = [each for each in sample.failures if each.source == source.source]
        broken = {each.uri for each in failed if each.ends_file}
        records = source.documents_read + source.failed_read
        if source.failed_read > recipe.max_failed * records or len(broken) > recipe.max_failed * source.files_read:
            seen = list(dict.fromkeys(f"{each.reason} ({each.uri}: {each.detail})" for each in failed))
            raise InputError(
                f"sources.{source.source}: of what was read {source.failed_read} of {records} records are unreadable, "
                f"{len(broken)} of {source.files_read} files broken; more than max_failed={recipe.max_failed} allows, "
                f"so a run would publish nothing. For example {'; '.join(seen[:_SHOWN])}"
            )


def _estimate(
    sample: Sample, tried: _Trial, report: Report, kept: Share, workers: int, price: float | None
) -> Estimate:
    """Each step's time for a document, times the documents that come to it."""
    documents = sum(source.documents for source in sample.sources)
    text = sum(source.text_bytes for source in sample.sources)
    read = sum(source.documents_read for source in sample.sources)
    of_sample = sum(tried.seconds.values()) + tried.fingerprints_s
    seconds = documents * (sample.read_s / max(1, read) + of_sample / report.documents())
    return Estimate(
        documents=documents,
        text_bytes=text,
        kept_documents=round(documents * kept.value),
        kept_low=round(documents * kept.low),
        kept_high=round(documents * kept.high),
        kept_bytes=round(text * report.bytes("kept") / max(1, sample.text_bytes)),
        documents_a_second=documents / seconds if seconds else 0.0,
        core_hours=seconds / 3600,
        workers=workers,
        elapsed_s=seconds / workers,
        cost=None if price is None else price * seconds / 3600,
    )


def _notes(recipe: Recipe, sample: Sample) -> Iterable[str]:
    if not all(source.is_whole for source in sample.sources):
        files, of = (sum(getattr(source, name) for source in sample.sources) for name in ("files_read", "files"))
        yield (
            f"The sample is of {files:,} of {of:,} files, or of their beginnings: where files differ from each other, "
            "the shares are less sure than the intervals say. Numbers of documents are in proportion to bytes."
        )
    if len(recipe.row_stages) < len(recipe.stages):
        yield (
            "Deduplication is not tried: a sample has hardly any of the copies that the whole has. A run keeps fewer, "
            "and takes longer, for it compares what is alike."
        )
    if recipe.surveyed:
        yield "What a survey settles (percentiles) is settled from the sample here, from all documents in a run."
    if few := [source.source for source in sample.sources if source.sampled < 30 and not source.is_whole]:
        yield f"Of {', '.join(few)} there are fewer than 30 documents in the sample; a larger one says more."
