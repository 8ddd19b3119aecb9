"""The first step of a run, one task a shard: read, annotate, drop with a decision, write what goes on.

Before deduplication documents are removed here and, where the corpus is surveyed, by `cut`, and nowhere else. What goes
on is written in parts of bounded size, so that a worker's memory does not grow with the shard.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import decision, document, manifest
from curation.dedup import fingerprints, write_fingerprints
from curation.errors import AccountingError, InputError
from curation.pipeline.addresses import ADDRESSES, read_table
from curation.pipeline.inputs import Shard
from curation.recipe import Recipe
from curation.report import EXAMPLES, Example, Quote, Report, Span, example_order, first_examples, quote
from curation.sources import Failure
from curation.stage import Evidence, RowStage
from curation.text.signals import with_signals
from curation.tombstones import TAKEDOWN, Tombstones
from curation.work import Work

BYTES = "bytes"
"""The column of decisions with the size of the text."""
_SHOWN = [name for name in Example.model_fields if name not in ("order", *Quote._fields)]
"""The columns of decisions that an example has."""
PART_BYTES = 64 << 20
"""A part is closed once the documents that go on in it reach this size in memory, with their values."""
PART_ROWS = 1 << 17
"""… or once it accounts for so many records."""


@dataclass(frozen=True)
class Run:
    """What every task of a run needs to know."""

    id: str
    recipe: Recipe
    work: Work
    tombstones: tuple[manifest.Part, ...] = ()
    """What was taken down in the corpus, and must not come back."""

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps of the funnel behind reading: the stages, after what was taken down, if anything was."""
        stages = tuple(stage.name for stage in self.recipe.stages)
        return (TAKEDOWN, *stages) if self.tombstones else stages

    @property
    def language_column(self) -> str | None:
        """The column that says a document's language: that of the recipe's first language stage."""
        return next((stage.column("label") for stage in self.recipe.stages if stage.kind == "language"), None)

    @property
    def values(self) -> pa.Schema:
        """The value columns of all the recipe's stages."""
        return pa.schema([field for stage in self.recipe.stages for field in stage.columns()])

    @property
    def texts(self) -> pa.Schema:
        """What is written of the documents that go on: they, the stages' values, and the size of the text where a
        survey is to know it without reading the text."""
        size = [decision.SCHEMA.field(BYTES)] if self.recipe.surveyed else []
        return pa.schema([*document.SCHEMA, *self.values, *size])


class Part(BaseModel):
    """Some consecutive records of a shard, accounted for: the documents that go on, and the decisions on the rest."""

    model_config = ConfigDict(frozen=True)

    name: str
    source: str
    records: int
    """What was read: documents and failures."""
    failed: int
    documents: int
    """What goes on."""
    bytes: int
    """The text that was read, in bytes of UTF-8."""
    texts: str
    """Key of the documents that go on, as Parquet, one row a document, with the stages' values."""
    fingerprints: str
    """Key of their fingerprints, in the same order; empty while the part is still to be cut, which takes them."""
    decisions: str
    """Key of the decisions on the others."""
    examples: str
    """Key of examples of them, as a report."""
    failures: tuple[str, ...]
    """Some of the failures, in a sentence each."""
    broken: tuple[str, ...]
    """URIs of files of which records are lost that nobody could count."""
    mixed: bool = False
    """Whether it is of a shard of which only some records are read."""


class Filtered(BaseModel):
    """The record of a shard's task."""

    model_config = ConfigDict(frozen=True)

    parts: tuple[Part, ...]


def filter_shard(run: Run, shard: Shard) -> Filtered:
    """Filter one shard into parts, once. A function of the run and the shard alone."""
    return run.work.once(f"filter/{shard.name}", Filtered, lambda: Filtered(parts=tuple(_parts(run, shard))))


def _parts(run: Run, shard: Shard) -> Iterator[Part]:
    part = _OpenPart(run, shard, 0)
    for uri, batch, failures in _records(run, shard):
        part.add(uri, batch, failures)
        if part.is_full:
            yield part.close()
            part = _OpenPart(run, shard, part.number + 1)
    if part.records:
        yield part.close()


def _records(run: Run, shard: Shard) -> Iterator[tuple[str, pa.RecordBatch, Sequence[Failure]]]:
    """The documents and failures of a shard, with the URIs of their files; of one of which only some records are
    wanted, those. Raises InputError where one of them is not there any more."""
    if shard.only is None:
        for uri, chunk in shard.read(run.recipe.limits):
            yield uri, chunk.batch, chunk.failures
        return
    wanted = read_table(run.work.storage, [shard.only], ADDRESSES)
    by_file = wanted.group_by(document.SHARD, use_threads=False).aggregate([(document.ROW, "list")])
    rows = dict(zip(by_file[document.SHARD].to_pylist(), by_file[f"{document.ROW}_list"], strict=True))
    found = 0
    for uri, chunk in shard.read(run.recipe.limits):
        batch = chunk.batch.filter(pc.is_in(chunk.batch[document.ROW], rows[uri].values))
        found += batch.num_rows
        if batch.num_rows:
            yield uri, batch, ()
    if found != wanted.num_rows:
        raise InputError(f"{shard.name}: {wanted.num_rows} documents were to be read again, {found} are there")


class _OpenPart:
    """A part that is being filled."""

    def __init__(self, run: Run, shard: Shard, number: int) -> None:
        self.run, self.shard, self.number = run, shard, number
        self.records = self.failed = self.bytes = 0
        self._plan = signal_plan(run.recipe.row_stages)
        self._tombstones = Tombstones.load(run.work.storage, run.tombstones)
        self._out = PartWriter(run, is_cut_later=bool(run.recipe.surveyed))
        self._failures: dict[str, str] = {}
        self._broken: list[str] = []

    @property
    def is_full(self) -> bool:
        return self._out.held >= PART_BYTES or self.records >= PART_ROWS

    def add(self, uri: str, batch: pa.RecordBatch, failures: Sequence[Failure]) -> None:
        """Account for these records of the file at `uri`."""
        self.records += batch.num_rows + len(failures)
        self.bytes += _sum(document.text_bytes(batch))
        if failures:
            self._fail(uri, failures)
        if batch.num_rows:
            batch = self._refuse(batch, self._tombstones.refused(batch))
            batch = self._refuse(batch, self._tombstones.refused_texts(batch))
            self._go_on(self._filter(batch))

    def close(self) -> Part:
        """Write what there is, and say where."""
        name = f"{self.shard.name}-{self.number:04d}"
        return Part(
            name=name,
            source=self.shard.source.name,
            records=self.records,
            failed=self.failed,
            bytes=self.bytes,
            **self._out.write(f"filter/{name}", self.records)._asdict(),
            failures=tuple(self._failures.values()),
            broken=tuple(dict.fromkeys(self._broken)),
            mixed=self.shard.only is not None,
        )

    def _refuse(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> pa.RecordBatch:
        """The documents that were not taken down; of the others no text is kept, not even as an example."""
        return self._out.drop(TAKEDOWN, batch, reasons, None, is_shown=False)

    def _filter(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The documents that go on; each of the others gets its decision."""
        for stage, needs in self._plan:
            rows = batch.num_rows
            if rows == 0:
                break
            batch = stage.annotate(with_signals(batch, needs))
            check_rows(stage, rows, batch)
            if stage.is_surveyed:
                continue
            reasons = stage.drop_reasons(batch)
            if reasons.null_count < rows:
                batch = self._out.drop(stage.name, batch, reasons, stage.evidence(batch, reasons))
        return batch

    def _fail(self, uri: str, failures: Sequence[Failure]) -> None:
        count = len(failures)
        self.failed += count
        self._broken += [uri] * any(failure.ends_file for failure in failures)
        for failure in failures:
            self._failures.setdefault(failure.reason, f"{failure.reason} ({uri}, {self._told(failure)})")
        columns = {
            document.SOURCE: pa.array([self.shard.source.name] * count),
            document.SHARD: pa.array([uri] * count),
            document.ROW: pa.array([failure.row for failure in failures]),
            "outcome": pa.array([decision.FAILED] * count),
            "reason": pa.array([failure.reason for failure in failures]),
            "detail": pa.array([self._told(failure) for failure in failures]),
        }
        self._out.decide(count, columns, None)

    def _told(self, failure: Failure) -> str:
        """Where a failure is, and what was found; how the record begins only where nothing is to be redacted, for of
        what cannot be read nobody knows what it holds."""
        said = failure.detail if failure.line is None else f"line {failure.line}: {failure.detail}"
        return f"{said}: it begins {failure.begins}" if failure.begins and not self.run.recipe.redactions else said

    def _go_on(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows and self._tombstones.concerns_texts:
            batch = self._refuse(batch, self._tombstones.refused_texts(batch))
        self._out.go_on(document.without_scratch(batch))


class Written(NamedTuple):
    """What a part has become: the fields of Part that say so."""

    documents: int
    texts: str
    fingerprints: str
    decisions: str
    examples: str


class PartWriter:
    """What becomes of a part's records: documents that go on, decisions on the others, examples of those."""

    def __init__(self, run: Run, *, is_cut_later: bool) -> None:
        """Of a part that is cut later no fingerprints are taken: fewer documents will go on, with more values."""
        self.run = run
        self.held = 0
        """The size in memory of the documents that go on, with their values."""
        self._documents = 0
        self._has_prints = not is_cut_later
        self._schema = run.texts
        self._decision_schema = decision.decision_schema(run.values)
        self._texts = io.BytesIO()
        dictionary = decision.with_dictionary(self._schema)
        self._writer = pq.ParquetWriter(
            self._texts, self._schema, compression="zstd", compression_level=1, use_dictionary=dictionary
        )
        self._fingerprints: list[pa.RecordBatch] = []
        self._decisions: list[pa.RecordBatch] = []
        self._examples: dict[str, list[Example]] = {}

    def take_over(self, part: Part) -> None:
        """What has been decided about this part's records."""
        storage = self.run.work.storage
        self._decisions += decision.unpack(storage.read(part.decisions)).to_batches()
        for example in Report.model_validate_json(storage.read(part.examples)).examples:
            self._examples.setdefault(example.reason, []).append(example)

    def drop(
        self,
        stage: str,
        batch: pa.RecordBatch,
        reasons: pa.StringArray,
        evidence: Evidence | None,
        *,
        is_shown: bool = True,
    ) -> pa.RecordBatch:
        """The documents without those that have a reason, each of which gets its decision; where it is not shown,
        nothing of its text becomes an example."""
        if reasons.null_count == batch.num_rows:
            return batch
        dropped = reasons.is_valid()
        lost = batch.filter(dropped)
        columns = decision_columns(lost, self.run.language_column) | {
            "outcome": pa.repeat(decision.DROPPED, lost.num_rows),
            "stage": pa.repeat(stage, lost.num_rows),
            "reason": reasons.filter(dropped),
        }
        if evidence is not None:
            columns |= {
                "value": evidence.values.filter(dropped),
                "threshold": evidence.thresholds.filter(dropped),
                "detail": evidence.details.filter(dropped),
            }
        self.decide(lost.num_rows, columns, lost[document.TEXT] if is_shown else None)
        return batch.filter(pc.invert(dropped))

    def decide(self, rows: int, columns: dict[str, pa.Array], texts: pa.Array | None) -> None:
        """Account for records that do not go on, with these columns of decisions."""
        decisions = decision.fill(self._decision_schema, rows, columns)
        self._decisions.append(decisions)
        recipe = self.run.recipe
        for reason, examples in examples_of(recipe, recipe.seed, decisions, texts, self._examples).items():
            self._examples[reason] = first_examples([*self._examples.get(reason, []), *examples])

    def go_on(self, batch: pa.RecordBatch) -> None:
        """Take these documents to the next step."""
        if batch.num_rows == 0:
            return
        self.held += batch.get_total_buffer_size()
        recipe = self.run.recipe
        if self._has_prints:
            self._fingerprints.append(fingerprints(batch, recipe.exact, recipe.minhash))
        if recipe.surveyed:
            batch = document.with_column(batch, BYTES, document.text_bytes(batch))
        self._documents += batch.num_rows
        self._writer.write_batch(_conformed(batch, self._schema))

    def write(self, name: str, records: int) -> Written:
        """Write it all under this name of the run's work. Raises AccountingError unless it adds up to these records."""
        decided = sum(batch.num_rows for batch in self._decisions)
        if records != self._documents + decided:
            raise AccountingError(
                f"{name}: of {records} records {self._documents} go on and {decided} are decided; they do not add up"
            )
        self._writer.close()
        work, recipe = self.run.work, self.run.recipe
        texts, decisions, examples = (
            work.key(f"{name}.{what}") for what in ("texts.parquet", "decisions.arrow", "examples")
        )
        work.storage.write(texts, self._texts.getvalue())
        work.storage.write(decisions, decision.pack(self._decisions, self._decision_schema))
        shown = Report(examples=tuple(e for reason in sorted(self._examples) for e in self._examples[reason]))
        work.storage.write(examples, shown.model_dump_json().encode())
        prints = ""
        if self._has_prints:
            prints = write_fingerprints(work, f"{name}.fingerprints", self._fingerprints, recipe.exact, recipe.minhash)
        return Written(self._documents, texts, prints, decisions, examples)


def check_rows(stage: RowStage, rows: int, batch: pa.RecordBatch) -> None:
    """Raises AccountingError where a stage has given back more or fewer rows than it was given."""
    if batch.num_rows != rows:
        raise AccountingError(f"{stage.name} returned {batch.num_rows} rows for {rows}; only the pipeline drops")


def signal_plan(stages: Sequence[RowStage]) -> list[tuple[RowStage, frozenset[str]]]:
    """Each stage with the signals to measure before it: those of all stages up to the next that rewrites the text, so
    that one scan serves them."""
    plan = []
    for index, stage in enumerate(stages):
        needs: set[str] = set()
        if stage.signals():
            for later in stages[index:]:
                needs |= later.signals()
                if later.rewrites:
                    break
        plan.append((stage, frozenset(needs)))
    return plan


def decision_columns(batch: pa.RecordBatch, language_column: str | None) -> dict[str, pa.Array]:
    """The columns of decisions that documents bring themselves: address, id, size, language and the stages' values."""
    columns = {name: batch[name] for name in (document.SOURCE, document.SHARD, document.ROW, document.ID)}
    columns |= {name: batch[name] for name in batch.schema.names if "." in name and name[0] != document.SCRATCH}
    columns["bytes"] = document.text_bytes(batch)
    if language_column in batch.schema.names:
        columns["language"] = batch[language_column]
    return columns


def examples_of(
    recipe: Recipe,
    seed: int,
    decisions: pa.RecordBatch,
    texts: pa.LargeStringArray | None,
    known: Mapping[str, Sequence[Example]] = MappingProxyType({}),
) -> dict[str, list[Example]]:
    """The examples that these decisions give, by reason; only the chosen ones are looked at in full, and none that
    would not be among the first beside those that are known already.

    What the recipe's stages of privacy find is replaced in them, wherever the document was dropped.
    """
    last = {reason: found[-1].order for reason, found in known.items() if len(found) == EXAMPLES}
    orders: dict[str, list[tuple[str, int]]] = {}
    shards, rows = decisions[document.SHARD].to_pylist(), decisions[document.ROW].to_pylist()
    for index, reason in enumerate(decisions["reason"].to_pylist()):
        order = example_order(seed, shards[index], rows[index])
        if reason not in last or order <= last[reason]:
            orders.setdefault(reason, []).append((order, index))
    chosen = {reason: sorted(candidates)[:EXAMPLES] for reason, candidates in orders.items()}
    rows = [row for candidates in chosen.values() for _, row in candidates]
    about = decisions.take(pa.array(rows, pa.int64()))
    excerpts = _excerpts(recipe, texts, about, rows)
    found = dict(zip(rows, about.select(_SHOWN).to_pylist(), strict=True))
    return {
        reason: first_examples(
            Example.model_validate(found[row] | {"order": order} | excerpts.get(row, Quote())._asdict())
            for order, row in candidates
        )
        for reason, candidates in chosen.items()
    }


def _excerpts(
    recipe: Recipe, texts: pa.LargeStringArray | None, decisions: pa.RecordBatch, rows: Sequence[int]
) -> dict[int, Quote]:
    """What is shown of the texts of these rows, which these decisions are about. Texts are redacted whole, for nobody
    would know half of a number for one."""
    if texts is None or not rows:
        return {}
    redacted = texts.take(pa.array(rows, pa.int64()))
    plain = redacted.to_pylist()
    for stage in recipe.redactions:
        redacted = stage.redacted(redacted)
    spans = _spans(recipe, plain, decisions)
    return {
        row: quote(after, _span_again(before, after, span))
        for row, before, after, span in zip(rows, plain, redacted.to_pylist(), spans, strict=True)
    }


def _spans(recipe: Recipe, texts: Sequence[str], decisions: pa.RecordBatch) -> list[Span | None]:
    """Where each text shows what decided, by the stage that dropped it."""
    spans: list[Span | None] = [None] * len(texts)
    for stage in recipe.row_stages:
        own = pc.indices_nonzero(pc.equal(decisions["stage"], stage.name))
        places = own.to_pylist()
        found = stage.spans([texts[place] for place in places], decisions.take(own))
        for place, span in zip(places, found, strict=True):
            spans[place] = span
    return spans


def _span_again(before: str, after: str, span: Span | None) -> Span | None:
    """Where what stands in this span of a text stands in the redacted one; None where something of it was replaced."""
    if span is None or before == after:
        return span
    decided = before[slice(*span)]
    start = after.find(decided)
    return (start, start + len(decided)) if start >= 0 else None


def _conformed(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with exactly the columns of the schema, in its order; a value that no stage gave is null."""
    names = set(batch.schema.names)
    return pa.RecordBatch.from_arrays(
        [
            batch[field.name].cast(field.type) if field.name in names else pa.nulls(batch.num_rows, field.type)
            for field in schema
        ],
        schema=schema,
    )


def _sum(values: pa.Array) -> int:
    return int(pc.sum(values).as_py() or 0)
