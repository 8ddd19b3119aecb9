"""The first step of a run, one task a shard: read, annotate, drop with a decision, write what goes on.

This is the only code that removes documents before deduplication. What goes on is written in parts of bounded size, so
that a worker's memory does not grow with the shard.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

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
from curation.report import EXAMPLES, EXCERPT, Example, Report, example_order, first_examples
from curation.sources import Failure
from curation.stage import RowStage
from curation.text.signals import with_signals
from curation.tombstones import TAKEDOWN, Tombstones
from curation.work import Work

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
    """Key of their fingerprints, in the same order."""
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
        self.records = self.failed = self.documents = self.bytes = 0
        self._held = 0
        self._plan = signal_plan(run.recipe.row_stages)
        self._tombstones = Tombstones.load(run.work.storage, run.tombstones)
        self._schema = pa.schema([*document.SCHEMA, *run.values])
        self._decision_schema = decision.decision_schema(run.values)
        self._texts = io.BytesIO()
        dictionary = decision.with_dictionary(self._schema)
        self._writer = pq.ParquetWriter(
            self._texts, self._schema, compression="zstd", compression_level=1, use_dictionary=dictionary
        )
        self._fingerprints: list[pa.RecordBatch] = []
        self._decisions: list[pa.RecordBatch] = []
        self._examples: dict[str, list[Example]] = {}
        self._failures: dict[str, str] = {}
        self._broken: list[str] = []

    @property
    def is_full(self) -> bool:
        return self._held >= PART_BYTES or self.records >= PART_ROWS

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
        decided = sum(batch.num_rows for batch in self._decisions)
        if self.records != self.documents + decided:
            raise AccountingError(
                f"{self.shard.name}: read {self.records} records, but {self.documents} go on and {decided} are decided"
            )
        self._writer.close()
        work, name = self.run.work, f"{self.shard.name}-{self.number:04d}"
        texts, decisions = work.key(f"filter/{name}.texts.parquet"), work.key(f"filter/{name}.decisions.arrow")
        work.storage.write(texts, self._texts.getvalue())
        work.storage.write(decisions, decision.pack(self._decisions, self._decision_schema))
        examples = work.key(f"filter/{name}.examples")
        shown = Report(examples=tuple(e for reason in sorted(self._examples) for e in self._examples[reason]))
        work.storage.write(examples, shown.model_dump_json().encode())
        recipe = self.run.recipe
        return Part(
            name=name,
            source=self.shard.source.name,
            records=self.records,
            failed=self.failed,
            documents=self.documents,
            bytes=self.bytes,
            texts=texts,
            fingerprints=write_fingerprints(
                work, f"filter/{name}.fingerprints", self._fingerprints, recipe.exact, recipe.minhash
            ),
            decisions=decisions,
            examples=examples,
            failures=tuple(self._failures.values()),
            broken=tuple(dict.fromkeys(self._broken)),
            mixed=self.shard.only is not None,
        )

    def _refuse(self, batch: pa.RecordBatch, reasons: pa.StringArray) -> pa.RecordBatch:
        """The documents that were not taken down; of the others no text is kept, not even as an example."""
        if reasons.null_count == batch.num_rows:
            return batch
        refused = reasons.is_valid()
        lost = batch.filter(refused)
        columns = self._dropped(TAKEDOWN, lost, reasons.filter(refused))
        self._decide(decision.fill(self._decision_schema, lost.num_rows, columns), None)
        return batch.filter(pc.invert(refused))

    def _filter(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The documents that go on; each of the others gets its decision."""
        for stage, needs in self._plan:
            rows = batch.num_rows
            if rows == 0:
                break
            batch = stage.annotate(with_signals(batch, needs))
            if batch.num_rows != rows:
                raise AccountingError(
                    f"{stage.name} returned {batch.num_rows} rows for {rows}; only the pipeline drops"
                )
            reasons = stage.drop_reasons(batch)
            if reasons.null_count < rows:
                dropped = reasons.is_valid()
                self._drop(stage, batch, reasons, dropped)
                batch = batch.filter(pc.invert(dropped))
        return batch

    def _drop(self, stage: RowStage, batch: pa.RecordBatch, reasons: pa.StringArray, dropped: pa.BooleanArray) -> None:
        evidence = stage.evidence(batch, reasons)
        lost = batch.filter(dropped)
        columns = self._dropped(stage.name, lost, reasons.filter(dropped)) | {
            "value": evidence.values.filter(dropped),
            "threshold": evidence.thresholds.filter(dropped),
            "detail": evidence.details.filter(dropped),
        }
        self._decide(decision.fill(self._decision_schema, lost.num_rows, columns), lost[document.TEXT])

    def _dropped(self, stage: str, lost: pa.RecordBatch, reasons: pa.StringArray) -> dict[str, pa.Array]:
        return decision_columns(lost, self.run.language_column) | {
            "outcome": pa.repeat(decision.DROPPED, lost.num_rows),
            "stage": pa.repeat(stage, lost.num_rows),
            "reason": reasons,
        }

    def _fail(self, uri: str, failures: Sequence[Failure]) -> None:
        count = len(failures)
        self.failed += count
        self._broken += [uri] * any(failure.ends_file for failure in failures)
        for failure in failures:
            self._failures.setdefault(failure.reason, f"{failure.reason} ({uri}, {_located(failure)})")
        columns = {
            document.SOURCE: pa.array([self.shard.source.name] * count),
            document.SHARD: pa.array([uri] * count),
            document.ROW: pa.array([failure.row for failure in failures]),
            "outcome": pa.array([decision.FAILED] * count),
            "reason": pa.array([failure.reason for failure in failures]),
            "detail": pa.array([_located(failure) for failure in failures]),
        }
        self._decide(decision.fill(self._decision_schema, count, columns), None)

    def _decide(self, decisions: pa.RecordBatch, texts: pa.Array | None) -> None:
        self._decisions.append(decisions)
        for reason, examples in examples_of(self.run.recipe.seed, decisions, texts, self._examples).items():
            self._examples[reason] = first_examples([*self._examples.get(reason, []), *examples])

    def _go_on(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows and self._tombstones.concerns_texts:
            batch = self._refuse(batch, self._tombstones.refused_texts(batch))
        if batch.num_rows == 0:
            return
        batch = document.without_scratch(batch)
        self._held += batch.get_total_buffer_size()
        recipe = self.run.recipe
        self._fingerprints.append(fingerprints(batch, recipe.exact, recipe.minhash))
        self.documents += batch.num_rows
        self._writer.write_batch(_conformed(batch, self._schema))


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
    seed: int,
    decisions: pa.RecordBatch,
    texts: pa.Array | None,
    known: Mapping[str, Sequence[Example]] = MappingProxyType({}),
) -> dict[str, list[Example]]:
    """The examples that these decisions give, by reason; only the chosen ones are looked at in full, and none that
    would not be among the first beside those that are known already."""
    last = {reason: found[-1].order for reason, found in known.items() if len(found) == EXAMPLES}
    orders: dict[str, list[tuple[str, int]]] = {}
    shards, rows = decisions[document.SHARD].to_pylist(), decisions[document.ROW].to_pylist()
    for index, reason in enumerate(decisions["reason"].to_pylist()):
        order = example_order(seed, shards[index], rows[index])
        if reason not in last or order <= last[reason]:
            orders.setdefault(reason, []).append((order, index))
    chosen = {}
    for reason, candidates in orders.items():
        chosen[reason] = first_examples(
            _example(decisions, texts, index, order) for order, index in sorted(candidates)[:EXAMPLES]
        )
    return chosen


def _example(decisions: pa.RecordBatch, texts: pa.Array | None, index: int, order: str) -> Example:
    def value(name: str) -> object:
        return decisions[name][index].as_py()

    names = (
        "id",
        "source",
        "shard",
        "row",
        "value",
        "threshold",
        "detail",
        "survivor",
        "survivor_shard",
        "survivor_row",
    )
    excerpt = "" if texts is None else str(texts[index].as_py())[:EXCERPT]
    found = {name: value(name) for name in ("reason", *names)}
    return Example.model_validate(found | {"order": order, "excerpt": excerpt})


def _located(failure: Failure) -> str:
    return failure.detail if failure.line is None else f"line {failure.line}: {failure.detail}"


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
