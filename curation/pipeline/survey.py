"""The survey: what all documents that go on measure is counted, and what the counts settle is recorded, once.

It reads columns of the parts' texts, never a text. Counts are added up in a tree of tasks, so that no process holds
more than a few dozen tables of them, and the driver none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.document import ID, ROW, SHARD, SOURCE, with_column
from curation.errors import CorruptError, InputError
from curation.manifest import Manifest
from curation.pipeline.filter import BYTES, Part, Run, check_rows
from curation.runner.runner import Runner
from curation.stage import COUNT, Frozen, SurveyStage

SUM_ROWS = 4_000_000
"""So many counts, or twice as many as there are different ones, are held at most while one more table is read."""
_GROUP = 64


class Counted(BaseModel):
    """The record of a task: the key of its counts, as an Arrow stream."""

    model_config = ConfigDict(frozen=True)

    counts: str


class Sum(BaseModel):
    """One task: the counts to add up, and the name of their sum."""

    model_config = ConfigDict(frozen=True)

    name: str
    counts: tuple[str, ...]


class Settled(BaseModel):
    """The record of what a stage's survey has settled."""

    model_config = ConfigDict(frozen=True)

    frozen: Frozen


class Decided(NamedTuple):
    """Measured documents as a stage has decided on them."""

    documents: pa.RecordBatch
    """With the stage's columns filled in."""
    measured: pa.RecordBatch
    """The same as the stage has given them back: what it gives evidence from."""
    reasons: pa.StringArray


def survey(run: Run, parts: Sequence[Part], runner: Runner) -> dict[str, Frozen]:
    """What the documents of all parts settle, by stage; each stage counts what those before it leave. Raises InputError
    where none comes as far as a stage."""
    return {stage.name: _surveyed(run, number, parts, runner) for number, stage in enumerate(run.recipe.surveyed)}


def take_over(run: Run, base: Manifest) -> None:
    """Record for this run what the base has settled. Raises CorruptError where the base says nothing of a stage."""
    for stage in run.recipe.surveyed:
        if stage.name not in base.settled:
            raise CorruptError(
                f"manifest of version {base.version}: it does not say what the survey for stage {stage.name!r} has "
                "settled; restore a version that does, or curate the recipe into another output"
            )
        frozen = base.settled[stage.name]
        run.work.once(_record(stage), Settled, lambda: Settled(frozen=frozen))  # noqa: B023, called at once


def settled(run: Run, stage: SurveyStage) -> Frozen:
    """What this run has recorded for the stage."""
    return Settled.model_validate_json(run.work.storage.read(run.work.key(f"{_record(stage)}.json"))).frozen


def decide(run: Run, stage: SurveyStage, frozen: Frozen, documents: pa.RecordBatch) -> Decided:
    """What the stage says of documents (rows of a part's texts, or of columns of them) by what is settled.

    Raises AccountingError where it changes their number.
    """
    measured = stage.annotate_settled(as_measured(run, documents), frozen)
    check_rows(stage, documents.num_rows, measured)
    for field in stage.columns():
        documents = with_column(documents, field.name, measured[field.name].cast(field.type))
    return Decided(documents, measured, stage.settled_reasons(measured, frozen))


def count_part(run: Run, number: int, part: Part) -> Counted:
    """Count, once, what the documents of a part measure that the surveyed stages before the `number`-th keep."""
    stage = run.recipe.surveyed[number]

    def step() -> Counted:
        documents = _columns(run, part)
        for earlier in run.recipe.surveyed[:number]:
            decided = decide(run, earlier, settled(run, earlier), documents)
            documents = decided.documents.filter(decided.reasons.is_null())
        return _write(run, name, added([stage.survey(as_measured(run, documents))]))

    name = f"survey/{stage.name}/{part.name}"
    return run.work.once(name, Counted, step)


def sum_counts(run: Run, item: Sum) -> Counted:
    """Add some counts up, once."""
    return run.work.once(item.name, Counted, lambda: _write(run, item.name, _total(run, item.counts)))


def settle_counts(run: Run, number: int, item: Sum) -> Settled:
    """Settle, once, what follows from the counts of all parts. Raises InputError where there is nothing to count."""
    stage = run.recipe.surveyed[number]

    def step() -> Settled:
        counts = _total(run, item.counts)
        if counts.num_rows == 0:
            raise InputError(f"no document comes as far as {stage.name}, which surveys them; nothing is published")
        frozen = stage.settle(counts)
        if json.loads(json.dumps(frozen, allow_nan=False)) != frozen:
            raise TypeError(f"{stage.name}: what it settles is no plain JSON")
        return Settled(frozen=frozen)

    return run.work.once(item.name, Settled, step)


def _surveyed(run: Run, number: int, parts: Sequence[Part], runner: Runner) -> Frozen:
    stage = run.recipe.surveyed[number]
    keys = [counted.counts for counted in runner.map(partial(count_part, run, number), parts)]
    level = 0
    while len(keys) > _GROUP:
        groups = [tuple(keys[start : start + _GROUP]) for start in range(0, len(keys), _GROUP)]
        names = (f"survey/{stage.name}/{level}-{group:05d}" for group in range(len(groups)))
        items = [Sum(name=name, counts=group) for name, group in zip(names, groups, strict=True)]
        keys = [counted.counts for counted in runner.map(partial(sum_counts, run), items)]
        level += 1
    (done,) = runner.map(partial(settle_counts, run, number), [Sum(name=_record(stage), counts=tuple(keys))])
    return done.frozen


def _record(stage: SurveyStage) -> str:
    """The name of the record of what a stage's survey has settled."""
    return f"settled/{stage.name}"


def _columns(run: Run, part: Part) -> pa.RecordBatch:
    """The columns of a part's texts that `as_measured` wants; of the texts themselves nothing is read."""
    columns = [SOURCE, SHARD, ROW, ID, BYTES, *run.values.names]
    with run.work.storage.open_seekable(part.texts) as file, pq.ParquetFile(file) as parquet:
        return _one_batch(parquet.read(columns, use_threads=False))


def as_measured(run: Run, documents: pa.RecordBatch) -> pa.RecordBatch:
    """The documents as stages that survey see them."""
    label = run.language_column
    columns = {name: documents[name] for name in (SOURCE, SHARD, ROW, ID)}
    columns["language"] = documents[label] if label else pa.nulls(documents.num_rows, pa.string())
    columns |= {name: documents[name] for name in (BYTES, *run.values.names)}
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))


def _one_batch(table: pa.Table) -> pa.RecordBatch:
    batches = table.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)


def _total(run: Run, keys: Sequence[str]) -> pa.Table:
    """The counts under these keys, added up; an empty table where there are none."""
    held: list[pa.Table] = []
    most = SUM_ROWS
    for key in keys:
        held.append(decision.unpack(run.work.storage.read(key)))
        if sum(table.num_rows for table in held) > most:
            held = [added(held)]
            most = max(SUM_ROWS, 2 * held[0].num_rows)
    return added(held) if held else pa.table({})


def added(tables: Sequence[pa.Table]) -> pa.Table:
    """Counts as one table: each key once, sorted."""
    table = pa.concat_tables(tables)
    keys = [name for name in table.column_names if name != COUNT]
    summed = table.group_by(keys, use_threads=False).aggregate([(COUNT, "sum")])
    named = pa.table({name: summed[name if name != COUNT else f"{COUNT}_sum"] for name in table.column_names})
    return named.cast(table.schema).sort_by([(key, "ascending") for key in keys])


def _write(run: Run, name: str, counts: pa.Table) -> Counted:
    key = run.work.key(f"{name}.counts")
    run.work.storage.write(key, decision.pack(counts.to_batches(), counts.schema))
    return Counted(counts=key)
