"""Rewriting a piece of the version before: records that leave it, and kept documents that are dropped now."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import corpus, decision, document, ids, manifest
from curation.document import ROW, SHARD
from curation.errors import AccountingError
from curation.manifest import PieceFiles
from curation.pipeline.addresses import ADDRESSES, positions, read_table
from curation.pipeline.filter import Run
from curation.pipeline.finish import cells_of, kept_path
from curation.pipeline.spans import cuts_of
from curation.report import Cell, Cuts

DROPS = pa.schema(
    [
        *ADDRESSES,
        *(
            decision.SCHEMA.field(name)
            for name in (
                "stage",
                "reason",
                "value",
                "threshold",
                "detail",
                "survivor",
                "survivor_shard",
                "survivor_row",
                "similarity",
            )
        ),
    ]
)
"""Kept documents of a piece that are dropped now, and why: columns as decisions have them."""


REFRESH = "refresh"
"""What reasons begin with that are no stage's."""
RETIRED, CHANGED = f"{REFRESH}.retired", f"{REFRESH}.changed"


class Revision(BaseModel):
    """What happens to a piece of the base. Keys are those of the run's storage."""

    model_config = ConfigDict(frozen=True)

    piece: int
    """Its place among the base's pieces."""
    files: dict[str, str] = {}
    """URIs of input files of which all records leave, each with the reason."""
    leaving: tuple[str, ...] = ()
    """Keys of ADDRESSES, as Parquet, of records that leave it to be decided anew."""
    drops: tuple[str, ...] = ()
    """Keys of DROPS, as Parquet."""
    stranded: tuple[str, ...] = ()
    """Keys of ADDRESSES of duplicates that stay dropped though their survivor is gone: they go on naming its id, but no
    place, where another document may stand by now."""


class Rewriting(BaseModel):
    """The input of one task; `examples` are the addresses of the base's examples that lie in the piece."""

    model_config = ConfigDict(frozen=True)

    revision: Revision
    files: PieceFiles
    version: int
    examples: tuple[tuple[str, int], ...] = ()


class Rewritten(BaseModel):
    """The record of one task. `files` is None where no record is left."""

    model_config = ConfigDict(frozen=True)

    files: PieceFiles | None
    before: tuple[Cell, ...]
    """Its share of the base's report."""
    after: tuple[Cell, ...]
    removed: tuple[Cell, ...]
    """The documents that were kept and left with their file, or are dropped now."""
    cuts: dict[str, Cuts]
    """What had been cut out of those, by stage."""
    outdated: tuple[tuple[str, int], ...]
    """Those of the examples that are not what they were."""


def rewrite_piece(run: Run, item: Rewriting) -> Rewritten:
    """Write the piece anew, once."""
    name = item.files.piece.name
    return run.work.once(f"rewrite/{name}", Rewritten, lambda: _rewrite(run, item))


def _rewrite(run: Run, item: Rewriting) -> Rewritten:
    storage, revision, files = run.work.storage, item.revision, item.files
    tokens = run.recipe.tokens_column
    before = pq.read_table(io.BytesIO(corpus.read_part(storage, files.decisions)), use_threads=False)
    leaving = read_table(storage, revision.leaving, ADDRESSES)
    by_file = _reasons(before, revision)
    gone = pc.or_(pc.is_valid(by_file), _among(before, leaving))
    drops = read_table(storage, revision.drops, DROPS)
    stranded = read_table(storage, revision.stranded, ADDRESSES)
    _check(files.piece.name, before, leaving, drops)
    was_kept = pc.equal(before["outcome"], decision.KEPT)
    dropped = pc.and_(_among(before, drops), pc.invert(gone))
    changed = _with_drops(before, drops, dropped)
    left = pc.and_(was_kept, gone)
    removed = pa.concat_tables([_with_reasons(before, by_file).filter(left), changed.filter(dropped)])
    after = _without_place(changed, stranded).filter(pc.invert(gone)).combine_chunks()
    return Rewritten(
        files=_write(run, item, after, pc.any(pc.or_(left, dropped)).as_py()),
        before=cells_of(before, tokens),
        after=cells_of(after, tokens),
        removed=cells_of(removed, tokens),
        cuts=cuts_of(run, removed),
        outdated=_outdated(item.examples, before.filter(pc.or_(gone, dropped))),
    )


def _check(name: str, before: pa.Table, leaving: pa.Table, drops: pa.Table) -> None:
    """Raises AccountingError where a record is to be changed that is not there, or not kept."""
    if positions(leaving, before).null_count:
        raise AccountingError(f"{name}: a record is to leave that is not there")
    places = positions(drops, before)
    is_kept = pc.equal(before["outcome"].take(places), decision.KEPT)
    if places.null_count or not pc.all(is_kept, min_count=0).as_py():
        raise AccountingError(f"{name}: a document is to be dropped that is not kept there")


def _among(table: pa.Table, others: pa.Table) -> pa.BooleanArray:
    if others.num_rows == 0:
        return pa.array(np.zeros(table.num_rows, np.bool_))
    return pc.is_valid(positions(table, others))


def _with_drops(table: pa.Table, drops: pa.Table, dropped: pa.BooleanArray) -> pa.Table:
    """The decisions with those of the dropped documents made anew; what stages measured stays."""
    if drops.num_rows == 0:
        return table
    places = positions(table, drops)
    news = {name: drops[name].take(places) for name in DROPS.names if name not in ADDRESSES.names}
    news["outcome"] = pa.repeat(decision.DROPPED, table.num_rows)
    for name, values in news.items():
        at = table.schema.get_field_index(name)
        field = table.schema.field(at)
        table = table.set_column(at, field, pc.if_else(dropped, values.cast(field.type), table[name]))
    return table


def _without_place(table: pa.Table, stranded: pa.Table) -> pa.Table:
    """The decisions, of which these do not say any more where their survivor was read."""
    if stranded.num_rows == 0:
        return table
    stays = pc.invert(_among(table, stranded))
    for name in ("survivor_shard", "survivor_row"):
        at = table.schema.get_field_index(name)
        values = pc.if_else(stays, table[name], pa.scalar(None, table.schema.field(at).type))
        table = table.set_column(at, table.schema.field(at), values)
    return table


def _reasons(table: pa.Table, revision: Revision) -> pa.StringArray:
    """Why each record leaves with its file; null where it does not. (records,)"""
    uris = pa.array(revision.files.keys(), pa.string())
    return pa.array(revision.files.values(), pa.string()).take(pc.index_in(table[SHARD].combine_chunks(), uris))


def _with_reasons(table: pa.Table, reasons: pa.StringArray) -> pa.Table:
    """The decisions as the report of what was removed has them."""
    for name, values in (
        ("outcome", pa.repeat(decision.DROPPED, table.num_rows)),
        ("stage", pa.repeat(REFRESH, table.num_rows)),
        ("reason", reasons),
    ):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, table.schema.field(at), values)
    return table


def _write(run: Run, item: Rewriting, after: pa.Table, is_kept_changed: bool) -> PieceFiles | None:
    """The files of the piece as it is now; None where nothing is left of it."""
    if after.num_rows == 0:
        return None
    storage, files = run.work.storage, item.files
    name = files.piece.name.replace("/", "-")
    data, (index, indexed) = decision.encode(after), ids.encode(after[document.ID])
    path = f"{corpus.DECISIONS}/version={item.version}/run={run.id}/{name}.parquet"
    index_path = corpus.ids_path(run.id, name)
    storage.write(path, data)
    storage.write(index_path, index)
    kept = _write_kept(run, item, after) if is_kept_changed else files.kept
    return PieceFiles(
        files.piece.model_copy(update={"records": after.num_rows, "kept": kept is not None}),
        kept,
        manifest.part(path, data, after.num_rows),
        manifest.part(index_path, index, indexed, files.piece.source),
    )


def _write_kept(run: Run, item: Rewriting, after: pa.Table) -> manifest.Part | None:
    """The kept documents that still are; None where there are none."""
    old = item.files.kept
    if old is None:
        raise AccountingError(f"{item.files.piece.name}: it keeps no documents, and was to lose some")
    storage = run.work.storage
    table = pq.read_table(io.BytesIO(corpus.read_part(storage, old)), use_threads=False)
    stays = after.filter(pc.equal(after["outcome"], decision.KEPT))
    table = table.filter(_among(table, stays)).combine_chunks()
    if table.num_rows != stays.num_rows:
        found = f"{stays.num_rows} documents are kept, {table.num_rows} are there"
        raise AccountingError(f"{item.files.piece.name}: {found}")
    if table.num_rows == 0:
        return None
    data = decision.parquet(table, corpus.ROW_GROUP)
    path = kept_path(item.files.piece.name, item.files.piece.source, data)
    storage.write(path, data)
    return manifest.part(path, data, table.num_rows, item.files.piece.source)


def _outdated(examples: Sequence[tuple[str, int]], touched: pa.Table) -> tuple[tuple[str, int], ...]:
    if not examples:
        return ()
    shards, rows = zip(*examples, strict=True)
    asked = pa.table({SHARD: pa.array(shards, pa.string()), ROW: pa.array(rows, pa.int64())})
    is_touched = _among(asked, touched).to_pylist()
    return tuple(address for address, hit in zip(examples, is_touched, strict=True) if hit)
