"""The dedup index of a version: what a run knows of the version before, and what it adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from curation.dedup import Bounds, DedupResult, ShardInput, read_grown, read_replaced
from curation.dedup.index import (
    REBUILD,
    Growth,
    Index,
    address_hashes,
    compact,
    due,
    open_index,
    segments_of,
    write_segment,
)
from curation.dedup.stage import Uint64s
from curation.document import ROW, SHARD
from curation.errors import CorruptError, MissingError
from curation.manifest import Manifest, Part
from curation.pipeline.addresses import ADDRESSES, positions, read_table
from curation.pipeline.filter import Part as Filtered
from curation.pipeline.filter import Run
from curation.pipeline.removal import Removal, cluster_moves
from curation.runner.runner import Runner

BOUNDS = Bounds()


def shard_inputs(parts: Sequence[Filtered], first: int) -> list[ShardInput]:
    """The parts as deduplication has them, numbered from `first`."""
    return [
        ShardInput(
            number=number,
            name=part.name,
            source=part.source,
            fingerprints=part.fingerprints,
            texts=part.texts,
            documents=part.documents,
        )
        for number, part in enumerate(parts, first)
    ]


@contextmanager
def saying_how_to_mend() -> Iterator[None]:
    """Within, what is said of a file of the index that is lost or damaged ends with the command that makes it anew."""
    try:
        yield
    except (CorruptError, MissingError) as error:
        said = str(error)
        if "/_index/" not in said or said.endswith(REBUILD):
            raise
        raise type(error)(f"{said}{REBUILD}") from error


def indexed(
    run: Run,
    parts: Sequence[Filtered],
    verdicts: DedupResult,
    runner: Runner,
    first: int = 0,
    removed: Uint64s | None = None,
    growth: Growth | None = None,
) -> tuple[Part, ...]:
    """The segment of what is kept of the parts, numbered from `first`; see `write_segment`."""
    return write_segment(
        run.work.under("dedup"),
        runner,
        shard_inputs(parts, first),
        verdicts.losers,
        verdicts.clusters,
        verdicts.kept,
        run.recipe.exact,
        run.recipe.minhash,
        f"_index/{run.id}",
        BOUNDS,
        removed,
        growth,
    )


class Memory:
    """What a run that changes a version knows of its kept documents, and what it makes of that."""

    def __init__(self, run: Run, base: Manifest, found: Removal) -> None:
        """Raises RecipeError where the index's keys are not those that the recipe's stages make, CorruptError."""
        self._run, self._base, self._found = run, base, found
        self._removed = self._hashes_of_removed()
        recipe = run.recipe
        self.known: Index = open_index(run.work.under("known"), base, recipe.exact, recipe.minhash, self._removed)

    def write(self, parts: Sequence[Filtered], verdicts: DedupResult, runner: Runner) -> tuple[Part, ...]:
        """The index of the new version but for compaction: the base's segments and one more."""
        removed = np.concatenate([self._removed, self._replaced(verdicts)[1]])
        growth = self._growth(verdicts)
        return (*self._base.index, *indexed(self._run, parts, verdicts, runner, self.known.pieces, removed, growth))

    def moves(self, verdicts: DedupResult) -> dict[int, int]:
        """How the histogram of the sizes of the base's clusters moves."""
        moves, lost = cluster_moves(self._run, self._found)

        def move(size: int, by: int) -> None:
            if size > 1:
                moves[size] = moves.get(size, 0) + by

        for size in self._left(self._replaced(verdicts)[0], lost):
            move(size, -1)
        docs, more = self._grown(verdicts)
        for size, up in zip(self._left(docs, lost), more, strict=True):
            move(size, -1)
            move(size + up, 1)
        return moves

    def _left(self, docs: Uint64s, lost: pa.Table) -> list[int]:
        """For how many documents these known ones stand without the copies that they lose. Their names, to be found by,
        are read where any are lost."""
        copies: list[int] = self.known.records(docs).copies.tolist()
        if lost.num_rows == 0:
            return copies
        less = lost["lost"].take(positions(self.known.names(docs), lost.select(ADDRESSES.names)))
        return [size - (down or 0) for size, down in zip(copies, less.to_pylist(), strict=True)]

    def _hashes_of_removed(self) -> Uint64s:
        """Of the addresses of the documents that the revisions remove."""
        storage = self._run.work.storage
        hashes = [np.zeros(0, np.uint64)]
        for each in self._found.leaving:
            if each.removed:
                table = read_table(storage, [each.removed], ADDRESSES)
                hashes.append(_hashes(self._base.pieces[each.piece].source, table))
        return np.concatenate(hashes)

    def _replaced(self, verdicts: DedupResult) -> tuple[Uint64s, Uint64s]:
        """(addresses, their hashes) of the known documents that better copies took the place of."""
        if verdicts.replaced is None:
            return np.zeros(0, np.uint64), np.zeros(0, np.uint64)
        table = read_replaced(self._run.work.storage, verdicts.replaced)
        docs = (table["piece"].to_numpy().astype(np.uint64) << np.uint64(32)) | table["ordinal"].to_numpy().astype(
            np.uint64
        )
        return docs, self.known.addresses(docs)

    def _grown(self, verdicts: DedupResult) -> tuple[Uint64s, list[int]]:
        """The known documents that stand for more now, and for how many."""
        if verdicts.grown is None:
            return np.zeros(0, np.uint64), []
        table = read_grown(self._run.work.storage, verdicts.grown)
        return table["doc"].to_numpy(), table["copies"].to_pylist()

    def _growth(self, verdicts: DedupResult) -> Growth:
        """How many copies more or fewer known documents have: new ones, and those that leave with their file."""
        docs, more = self._grown(verdicts)
        addresses, counts = [self.known.addresses(docs)], [np.array(more, np.int64)]
        storage = self._run.work.storage
        for each in self._found.leaving:
            if each.named:
                table = read_table(storage, [each.named], ADDRESSES)
                for source in self._sources(self._base.pieces[each.piece].source):
                    addresses.append(_hashes(source, table))
                    counts.append(np.full(table.num_rows, -1, np.int64))
        return Growth(np.concatenate(addresses), np.concatenate(counts))

    def _sources(self, own: str) -> Iterable[str]:
        """The sources in which a survivor of one of this source's documents may be; a decision names only its file, and
        what is said of an address that the index does not know is passed over."""
        stages = (self._run.recipe.exact, self._run.recipe.minhash)
        if all(stage is None or stage.scope == "source" for stage in stages):
            return [own]
        return sorted({piece.source for piece in self._base.pieces})


def compacted(run: Run, manifest: Manifest, runner: Runner) -> Manifest:
    """The manifest with its index merged, where it is due."""
    recipe, segments = run.recipe, segments_of(manifest.index)
    count = due(segments)
    if count == 0:
        return manifest
    folder = f"_index/{run.id}.merged"
    merged = compact(
        run.work.under("compaction"), runner, manifest, count, recipe.exact, recipe.minhash, folder, BOUNDS
    )
    return manifest.model_copy(update={"index": merged})


def _hashes(source: str, table: pa.Table) -> Uint64s:
    return address_hashes(source, table[SHARD], table[ROW].to_numpy())
