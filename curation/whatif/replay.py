"""Replay: the version's decisions once more, with some stages asked again by other thresholds.

A stage that is as it was decides as it did, so only those that changed are asked, on the values that are recorded of
the documents that came to them. A document that a stage lets through which had dropped it has no values for the stages
behind: its fate is UNKNOWN. A duplicate whose kept copy would go is FREED. Everything is counted a row group at a time;
what is held beside the counts is some eighty bytes for each duplicate, and eight for each document that would go.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa

from curation.pipeline.survey import added
from curation.recipe import Recipe
from curation.stage import SurveyStage
from curation.whatif.asking import Case, Opinion, Room
from curation.whatif.decided import KEPT, Bools, Decided, Int64s, Names, Rows, Uint64s
from curation.whatif.nearest import Near, merged, nearest

FREED = 1 << 17
"""The code of a duplicate whose kept copy would go."""
THREADS = 4

Place = tuple[str, int, int, int]
"""What tells one cell from another: source, language, the version's decision, the other one."""
Cells = dict[Place, Int64s]
"""Of each cell the documents, their bytes, their tokens, and the bytes of those whose tokens were not counted, (4,)."""
Edge = tuple[int, str, bool]
"""A stage's place, a reason of it, and whether the documents are dropped for it."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Copies:
    """The duplicates of a version, as columns, (duplicates,) each; `own` and `survivor` are hashes of addresses."""

    at: Int64s
    """The rows of their row group."""
    own: Uint64s
    survivor: Uint64s
    piece: Int64s
    language: Int64s
    old: Int64s
    amounts: Int64s
    """As in Cells, (duplicates, 4)."""


@dataclass
class Replayed:
    """What became of the decisions in one case."""

    cells: Cells = field(default_factory=dict)
    edges: dict[Edge, list[Near]] = field(default_factory=dict)
    gone: list[Uint64s] = field(default_factory=list)
    """The addresses of documents that had passed all rules, and do not any more."""
    freed_for: int = 0
    """How many copies would go that others were dropped for."""

    def add(self, other: Replayed, examples: int) -> None:
        for place, amounts in other.cells.items():
            self.cells[place] = self.cells.get(place, 0) + amounts
        for edge, found in other.edges.items():
            self.edges[edge] = merged([self.edges.get(edge, []), found], examples)
        self.gone += other.gone


class Replay:
    """The decisions of a version, to be replayed under several recipes at once."""

    def __init__(self, decided: Decided, before: Recipe, examples: int) -> None:
        self.decided = decided
        self.names: Names = decided.names
        self.before = Case(before.row_stages, settled=dict(decided.manifest.settled))
        self.examples = examples
        self._limits: dict[tuple[int, int, int, str], dict[int, frozenset[str]]] = defaultdict(dict)

    def run(self, cases: Sequence[Case]) -> list[Replayed]:
        """What becomes of every decision, in each case.

        Raises RecipeError where a stage's recorded values do not give what it decided, MissingError where it has not
        recorded them.
        """
        for place in range(self.names.surveyed, self.names.beyond):
            self._survey(place, [case for case in cases if place in case.changed])
        done, copies = [Replayed() for _ in cases], []
        for parts, found in self.each(lambda piece: self._piece(piece, cases)):
            copies += found
            for whole, part in zip(done, parts, strict=True):
                whole.add(part, self.examples)
        for whole in done:
            self._follow(whole, copies)
        return done

    def each(self, task: Callable[[int], Answer]) -> Iterator[Answer]:
        """What a task gives of each piece of the version, in their order."""
        with ThreadPoolExecutor(THREADS) as threads:
            yield from threads.map(task, range(len(self.decided.pieces)))

    def rows(self, piece: int, cases: Sequence[Case]) -> Iterator[Rows]:
        """The decisions of a piece, with the columns that these cases need."""
        asked = [case.stages[place] for case in cases for place in case.changed]
        return self.decided.rows(piece, [*asked, *(stage for stage in self.before.stages if stage in asked)])

    def _piece(self, piece: int, cases: Sequence[Case]) -> tuple[list[Replayed], list[Copies]]:
        parts, copies = [Replayed() for _ in cases], []
        for rows in self.rows(piece, cases):
            if self.names.dedup:
                copies.append(copies_of(rows, self.names, amounts_of(rows)))
            room = Room(self.names, self.before, rows)
            for case, part in zip(cases, parts, strict=True):
                fate, opinions = room.fates(case)
                edges = self._edges(room, fate, opinions)
                part.add(Replayed(self._cells(rows, fate), edges, [self._gone(rows, fate)]), self.examples)
        return parts, copies

    # ----------------------------------------------------------------- counting

    def _cells(self, rows: Rows, fate: Int64s) -> Cells:
        codes = (rows.language * len(self.names.reasons) + rows.old) * (FREED + 1) + fate
        found, place = np.unique(codes, return_inverse=True)
        amounts = amounts_of(rows)
        sums = np.stack([_summed(place, column, found.size) for column in amounts.T], axis=1)
        cells: Cells = {}
        for code, amount in zip(found.tolist(), sums, strict=True):
            rest, new = divmod(code, FREED + 1)
            language, old = divmod(rest, len(self.names.reasons))
            cells[rows.source, language, old, new] = amount
        return cells

    def _gone(self, rows: Rows, fate: Int64s) -> Uint64s:
        """The addresses of those that are kept or duplicates by the version, and not any more."""
        if not self.names.dedup:
            return np.zeros(0, np.uint64)
        return np.asarray(rows.address[(rows.place == self.names.beyond) & (fate != rows.old)])

    def _follow(self, done: Replayed, copies: Sequence[Copies]) -> None:
        """Free the duplicates whose survivor would go, or the one that this one was replaced by."""
        gone = np.unique(np.concatenate([np.zeros(0, np.uint64), *done.gone]))
        done.gone.clear()
        broken = gone
        freed = [np.zeros(0, bool) for _ in copies]
        while broken.size:
            ends = []
            for number, each in enumerate(copies):
                freed[number] = np.isin(each.survivor, broken)
                ends.append(each.own[freed[number] & self.names.is_replaced[each.old]])
            more = np.union1d(broken, np.concatenate([np.zeros(0, np.uint64), *ends]))
            if more.size == broken.size:
                break
            broken = more
        survivors = []
        for named, each in zip(freed, copies, strict=True):
            if named.any():
                hits = named & ~np.isin(each.own, gone)
                survivors.append(each.survivor[hits])
                self._free(done.cells, each, hits)
        done.freed_for = np.intersect1d(np.concatenate([np.zeros(0, np.uint64), *survivors]), gone).size

    def _free(self, cells: Cells, copies: Copies, hits: Bools) -> None:
        """Move these duplicates to the cells of the freed ones."""
        keys = np.stack([copies.piece[hits], copies.language[hits], copies.old[hits]], axis=1)
        found, place = np.unique(keys, axis=0, return_inverse=True)
        amounts = copies.amounts[hits]
        for number, (piece, language, old) in enumerate(found.tolist()):
            moved = amounts[place.ravel() == number].sum(axis=0)
            source = self.decided.pieces[piece].piece.source
            left = cells[source, language, old, old] - moved
            cells[source, language, old, old] = left
            cells[source, language, old, FREED] = cells.get((source, language, old, FREED), 0) + moved
            if not left[0]:
                del cells[source, language, old, old]

    # ------------------------------------------------------------------ surveys

    def _survey(self, place: int, cases: Sequence[Case]) -> None:
        """Settle the survey of the stage at this place anew, in these cases, from what comes to it in each."""
        if not cases:
            return
        sums: list[list[pa.Table]] = [[] for _ in cases]
        for tables in self.each(lambda piece: self._counted(piece, place, cases)):
            for whole, table in zip(sums, tables, strict=True):
                whole[:] = [added([*whole, *table])] if whole or table else []
        for case, counts in zip(cases, sums, strict=True):
            stage = case.stages[place]
            if isinstance(stage, SurveyStage) and counts:
                case.settled[stage.name] = stage.settle(counts[0])

    def _counted(self, piece: int, place: int, cases: Sequence[Case]) -> list[list[pa.Table]]:
        sums: list[list[pa.Table]] = [[] for _ in cases]
        for rows in self.rows(piece, cases):
            room = Room(self.names, self.before, rows)
            for case, whole in zip(cases, sums, strict=True):
                stage = case.stages[place]
                if isinstance(stage, SurveyStage):
                    whole[:] = [added([*whole, stage.survey(room.before(case, place))])]
        return sums

    # -------------------------------------------------------------------- edges

    def _edges(self, room: Room, fate: Int64s, opinions: Mapping[int, Opinion]) -> dict[Edge, list[Near]]:
        edges: dict[Edge, list[Near]] = {}
        for place, opinion in opinions.items() if self.examples else ():
            languages = room.rows.language[opinion.at]
            moved = self._new_limits(place, opinion, room, languages)
            for reason in sorted(frozenset().union(*moved.values())):
                code = self.names.reasons.index(reason)
                concerned = np.isin(languages, [each for each, reasons in moved.items() if reason in reasons])
                values, limits = opinion.numbers(reason)
                concerned &= ~np.isnan(values) & ~np.isnan(limits)
                for is_dropped in (False, True):
                    side = concerned & (opinion.codes == (code if is_dropped else KEPT))
                    chosen = (opinion.at[side], values[side], limits[side])
                    if found := nearest(room.rows, *chosen, fate, self.examples):
                        edges[place, reason, is_dropped] = found
        return edges

    def _new_limits(self, place: int, opinion: Opinion, room: Room, languages: Int64s) -> dict[int, frozenset[str]]:
        """By language, the reasons whose threshold changed. A threshold may depend on the source and the language, so
        one document of each is looked at."""
        known = self._limits[place, id(opinion.stage), id(opinion.frozen), room.rows.source]
        present = np.flatnonzero(np.bincount(languages)).tolist()
        for language in present:
            if language not in known:
                known[language] = room.new_limits(place, opinion, int(np.argmax(languages == language)))
        return {language: known[language] for language in present}


def amounts_of(rows: Rows) -> Int64s:
    """What each row adds to its cell, (rows, 4)."""
    is_counted = rows.tokens >= 0
    tokens, uncounted = np.where(is_counted, rows.tokens, 0), np.where(is_counted, 0, rows.bytes)
    return np.stack([np.ones_like(rows.bytes), rows.bytes, tokens, uncounted], axis=1)


def copies_of(rows: Rows, names: Names, amounts: Int64s) -> Copies:
    """The duplicates among the rows; `amounts` is (rows, 4)."""
    at = np.flatnonzero((rows.place == names.beyond) & (rows.old != KEPT) & (rows.survivor != 0))
    return Copies(
        at=at,
        own=rows.address[at],
        survivor=rows.survivor[at],
        piece=np.full(at.size, rows.piece),
        language=rows.language[at],
        old=rows.old[at],
        amounts=amounts[at],
    )


def _summed(place: Int64s, values: Int64s, size: int) -> Int64s:
    sums = np.zeros(size, np.int64)
    np.add.at(sums, place, values)
    return sums
