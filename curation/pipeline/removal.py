"""What the removal of kept documents means for others: duplicates that named them, and the sizes of clusters."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from curation import decision
from curation.dedup.stage import WHY_REPLACED
from curation.document import ROW, SHARD
from curation.manifest import Manifest, PieceFiles
from curation.pipeline.addresses import ADDRESSES, positions, read_table, write_table
from curation.pipeline.filter import Run
from curation.pipeline.rewrite import DROPS, Revision
from curation.runner.runner import Runner

_SURVIVOR = {"survivor_shard": SHARD, "survivor_row": ROW}


class Leaving(BaseModel):
    """What a piece loses. Keys of ADDRESSES; None where there are none."""

    model_config = ConfigDict(frozen=True)

    piece: int
    removed: str | None
    """Its documents that were kept and are not any more."""
    chained: str | None
    """Its documents that better ones had replaced, and whose file leaves: others may still name them."""
    named: str | None
    """Survivors that records name which leave, once for each such record; they may be in any piece."""


class Widowed(BaseModel):
    """What the removals mean for a piece."""

    model_config = ConfigDict(frozen=True)

    piece: int
    orphans: str | None
    """Its duplicates whose survivor is gone, as ADDRESSES; those that leave the piece with their file are not."""
    files: dict[str, int]
    """How many orphans each input file has."""
    replaced: str | None
    """Those of the orphans that better ones had replaced, and that were not known to go: others may still name them."""
    dropped: str | None
    """Its duplicates that records name which leave: a better one had replaced them."""
    named: str | None
    """The removed documents, and the survivors that lose a copy, that its duplicates name, once for each."""


class Removal(BaseModel):
    """What the revisions of the pieces remove. Keys of ADDRESSES."""

    model_config = ConfigDict(frozen=True)

    leaving: tuple[Leaving, ...]
    widowed: tuple[Widowed, ...]

    @property
    def removed(self) -> tuple[str, ...]:
        return tuple(each.removed for each in self.leaving if each.removed)


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True)

    files: PieceFiles
    revision: Revision


def removal(run: Run, base: Manifest, revisions: Sequence[Revision], runner: Runner) -> Removal:
    """Look up what these revisions remove, and who is concerned: first in the pieces that they touch, then, by reading
    a few columns, in the decisions of all. These are read once, and again for each link of a chain of replaced ones
    whose end is removed."""
    pieces = list(base.files())
    own = {revision.piece: revision for revision in revisions}
    items = [_Item(files=pieces[number], revision=revision) for number, revision in own.items()]
    leaving = tuple(runner.map(partial(_leave, run), items))
    if not any(each.removed or each.chained or each.named for each in leaving):
        return Removal(leaving=leaving, widowed=())
    every = [_Item(files=files, revision=own.get(n, Revision(piece=n))) for n, files in enumerate(pieces)]
    gone = tuple(key for each in leaving for key in (each.removed, each.chained) if key)
    named = tuple(each.named for each in leaving if each.named)
    for rounds in count():
        widowed = runner.map(partial(_widow, run, rounds, gone, named), every)
        more = tuple(each.replaced for each in widowed if each.replaced)
        if not more:
            break
        gone += more
    found = (each for each in widowed if each.orphans or each.dropped or each.named)
    return Removal(leaving=leaving, widowed=tuple(found))


def cluster_moves(run: Run, found: Removal) -> tuple[dict[int, int], pa.Table]:
    """(how the histogram of cluster sizes moves, `shard`, `row` and `lost` of the survivors that stay and lose copies).

    The size of a cluster is 1 + the number of decisions in force that name its survivor.
    """
    storage = run.work.storage
    removed = read_table(storage, found.removed, ADDRESSES)
    lost = _counted(read_table(storage, [each.named for each in found.leaving if each.named], ADDRESSES))
    named = _counted(read_table(storage, [each.named for each in found.widowed if each.named], ADDRESSES))
    moves: dict[int, int] = {}

    def move(size: int, by: int) -> None:
        if size > 1:
            moves[size] = moves.get(size, 0) + by

    for copies in _counts(removed, named):
        move(1 + copies, -1)
    dropped = read_table(storage, [each.dropped for each in found.widowed if each.dropped], ADDRESSES)
    lost = lost.filter(pc.invert(pc.or_(_is_among(lost, removed), _is_among(lost, dropped))))
    for copies, less in zip(_counts(lost, named), lost["count"].to_pylist(), strict=True):
        move(1 + copies, -1)
        move(1 + copies - less, 1)
    return moves, lost.rename_columns([SHARD, ROW, "lost"])


def _leave(run: Run, item: _Item) -> Leaving:
    number = item.revision.piece

    def look() -> Leaving:
        storage = run.work.storage
        table = _decisions(run, item.files, ["outcome", "reason"])
        by_file = pc.is_in(table[SHARD], pa.array(item.revision.files.keys(), pa.string()))
        left, was_kept = table.filter(by_file), pc.equal(table["outcome"], decision.KEPT)
        drops = read_table(storage, item.revision.drops, DROPS).select(ADDRESSES.names)
        removed = pa.concat_tables([table.filter(pc.and_(by_file, was_kept)).select(ADDRESSES.names), drops])
        return Leaving(
            piece=number,
            removed=_written(run, f"leaving/{number:06d}.removed", removed),
            chained=_written(run, f"leaving/{number:06d}.chained", left.filter(_is_replaced(left))),
            named=_written(run, f"leaving/{number:06d}.named", _survivors(left)),
        )

    return run.work.once(f"leaving/{number:06d}", Leaving, look)


def _widow(run: Run, rounds: int, gone_keys: tuple[str, ...], named_keys: tuple[str, ...], item: _Item) -> Widowed:
    number = item.revision.piece
    prefix = f"widowed/{rounds}/{number:06d}"

    def look() -> Widowed:
        storage = run.work.storage
        table = _decisions(run, item.files, ["reason"])
        table = table.filter(pc.is_valid(table["survivor_row"]))
        survivors, left = _survivors(table), read_table(storage, named_keys, ADDRESSES)
        gone = read_table(storage, gone_keys, ADDRESSES)
        is_orphan = _is_among(survivors, gone)
        concerned = pc.or_(is_orphan, _is_among(survivors, left))
        stays = pc.invert(pc.is_in(table[SHARD], pa.array(item.revision.files.keys(), pa.string())))
        widows = table.filter(pc.and_(is_orphan, stays))
        again = widows.filter(pc.and_(_is_replaced(widows), pc.invert(_is_among(widows, gone))))
        counts = pc.value_counts(widows[SHARD].combine_chunks()).to_pylist()
        return Widowed(
            piece=number,
            orphans=_written(run, f"{prefix}.orphans", widows),
            files={each["values"]: each["counts"] for each in counts},
            replaced=_written(run, f"{prefix}.replaced", again),
            dropped=_written(run, f"{prefix}.dropped", table.filter(_is_among(table, left))),
            named=_written(run, f"{prefix}.named", survivors.filter(concerned)),
        )

    return run.work.once(prefix, Widowed, look)


def _decisions(run: Run, files: PieceFiles, columns: Sequence[str]) -> pa.Table:
    """Addresses, survivors' addresses and these columns of a piece's decisions."""
    with run.work.storage.open_seekable(files.decisions.path) as file, pq.ParquetFile(file) as decisions:
        return decisions.read([*ADDRESSES.names, *_SURVIVOR, *columns], use_threads=False)


def _is_replaced(table: pa.Table) -> pa.BooleanArray:
    return pc.fill_null(pc.ends_with(table["reason"], f".{WHY_REPLACED}"), False)


def _survivors(table: pa.Table) -> pa.Table:
    """The survivors' addresses, as ADDRESSES, one for each record that names one."""
    named = table.filter(pc.is_valid(table["survivor_row"])).select(list(_SURVIVOR))
    return named.rename_columns(list(_SURVIVOR.values())).cast(ADDRESSES)


def _is_among(table: pa.Table, others: pa.Table) -> pa.BooleanArray:
    others = others.group_by(ADDRESSES.names, use_threads=False).aggregate([])
    return pc.is_valid(positions(table, others))


def _counted(table: pa.Table) -> pa.Table:
    """Each different address and how often it occurs, as `count`; sorted."""
    counted = table.group_by(ADDRESSES.names, use_threads=False).aggregate([([], "count_all")])
    return counted.rename_columns([*ADDRESSES.names, "count"]).sort_by(
        [(name, "ascending") for name in ADDRESSES.names]
    )


def _counts(table: pa.Table, counted: pa.Table) -> list[int]:
    """How often each address of the table occurs, (rows,)."""
    return [count or 0 for count in counted["count"].take(positions(table, counted)).to_pylist()]


def _written(run: Run, name: str, table: pa.Table) -> str | None:
    """The key of a table of which the addresses are written; None where there are none."""
    if table.num_rows == 0:
        return None
    return write_table(run.work.storage, run.work.key(f"{name}.parquet"), table.select(ADDRESSES.names))
