"""Replaying the decisions while a dial is turned: every place of it from one reading.

Each document goes at one place of the dial and does not come back. So the decisions are replayed once with the dial
open, the documents are counted by the place at which they go, and running sums say what is kept at each place. That
the stage decides as its dial does is checked in every row group, at one place. Held beside the counts are some ninety
bytes for each duplicate, and sixteen for each document that goes anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from curation.errors import Problem, RecipeError
from curation.whatif.asking import Case, Opinion, Room
from curation.whatif.decided import KEPT, Int64s, Rows, Uint64s
from curation.whatif.dial import Dial
from curation.whatif.nearest import Floats
from curation.whatif.replay import FREED, Cells, Copies, Replay, Replayed, amounts_of, copies_of

Key = tuple[str, int, int]
"""A source, the code of the version's decision, and that of the fate with the dial open."""


@dataclass
class _Counts:
    """What a piece adds: documents by source, decision, fate with the dial open, and the place at which they go."""

    cells: dict[Key, Int64s] = field(default_factory=dict)
    """By source and both codes what goes at each place, (places, 4) as in Cells."""
    copies: list[tuple[Copies, Int64s]] = field(default_factory=list)
    """With the place at which each goes itself, (duplicates,)."""
    going: list[tuple[Uint64s, Int64s]] = field(default_factory=list)
    """The addresses of documents that had passed all rules and go somewhere, and where."""

    def add(self, other: _Counts) -> None:
        for key, amounts in other.cells.items():
            self.cells[key] = self.cells.get(key, 0) + amounts
        self.copies += other.copies
        self.going += other.going


class Turning:
    """The decisions of a version, replayed while a dial is turned. Place 0 is the open dial, place n the n-th of the
    thresholds; what never goes has a place behind the last."""

    def __init__(self, replay: Replay, case: Case, dial: Dial, thresholds: Floats) -> None:
        """`case` has the open dial; `thresholds` are (places,), in the order in which the dial is turned."""
        self._replay = replay
        self._names = replay.names
        self._case = case
        self._dial = dial
        self._thresholds = thresholds
        self._never = thresholds.size + 1
        self._at = next(place for place, stage in enumerate(case.stages) if stage.name == dial.loose.name)

    def run(self) -> list[Replayed]:
        """What becomes of the decisions at each place. Languages are not told apart. Raises as `Replay.run`, and
        RecipeError where the stage decides otherwise than its dial."""
        counts = _Counts()
        for found in self._replay.each(self._piece):
            counts.add(found)
        sums = {key: np.cumsum(amounts, axis=0) for key, amounts in counts.cells.items()}
        freed, freed_for = self._freed(counts)
        return [Replayed(self._cells(sums, freed, at), freed_for=int(freed_for[at])) for at in range(self._never)]

    def _piece(self, piece: int) -> _Counts:
        counts = _Counts()
        for rows in self._replay.rows(piece, [self._case]):
            fate, opinions = Room(self._names, self._replay.before, rows).fates(self._case)
            goes = self._goes(rows, opinions[self._at])
            amounts = amounts_of(rows)
            counts.add(_Counts(self._counted(rows, fate, goes, amounts)))
            if self._names.dedup:
                gone = np.where(fate == rows.old, goes, 0)
                copies = copies_of(rows, self._names, amounts)
                counts.copies.append((copies, gone[copies.at]))
                going = (rows.place == self._names.beyond) & (gone < self._never)
                counts.going.append((rows.address[going], gone[going]))
        return counts

    def _goes(self, rows: Rows, opinion: Opinion) -> Int64s:
        """The place at which each row goes, (rows,)."""
        goes = np.full(rows.old.size, self._never)
        if not self._dial.reason or not self._thresholds.size:
            return goes
        goes[opinion.at] = self._dial.places(self._dial.values(opinion), self._thresholds)
        middle = self._thresholds.size // 2
        is_dropped = np.asarray(self._dial.at(self._thresholds[middle]).drop_reasons(opinion.measured).is_valid())
        if (is_dropped != ((opinion.codes != KEPT) | (goes[opinion.at] <= middle + 1))).any():
            what = "its stage does not decide by this value alone, so it has no curve; sweep some values of it"
            raise RecipeError([Problem(self._dial.path, what)])
        return goes

    def _counted(self, rows: Rows, fate: Int64s, goes: Int64s, amounts: Int64s) -> dict[Key, Int64s]:
        codes, which = np.unique(rows.old * (FREED + 1) + fate, return_inverse=True)
        flat = which * (self._never + 1) + goes
        columns = [np.bincount(flat, column, codes.size * (self._never + 1)) for column in amounts.T]
        sums = np.stack(columns, axis=1).astype(np.int64).reshape(codes.size, self._never + 1, 4)
        return {(rows.source, *divmod(code, FREED + 1)): each for code, each in zip(codes.tolist(), sums, strict=True)}

    def _cells(self, sums: Mapping[Key, Int64s], freed: Mapping[tuple[str, int], Int64s], place: int) -> Cells:
        """What there is at a place."""
        cells: Cells = {}
        code = self._names.reasons.index(self._dial.reason)

        def add(source: str, old: int, new: int, amounts: Int64s) -> None:
            if amounts[0]:
                cells[source, 0, old, new] = cells.get((source, 0, old, new), 0) + amounts

        for (source, old, fate), gone in sums.items():
            loose = freed[source, old][place] if fate == old and (source, old) in freed else 0
            add(source, old, fate, gone[-1] - gone[place] - loose)
            add(source, old, code, gone[place])
        for (source, old), amounts in freed.items():
            add(source, old, FREED, amounts[place])
        return cells

    def _freed(self, counts: _Counts) -> tuple[dict[tuple[str, int], Int64s], Int64s]:
        """By source and code the duplicates that are free at each place, (places, 4), and for how many copies.

        A duplicate is free from the place at which its survivor goes, or the one that this one was replaced by, up to
        that at which it goes itself.
        """
        freed: dict[tuple[str, int], Int64s] = {}
        freed_for = np.zeros(self._never + 1, np.int64)
        if not counts.copies:
            return freed, freed_for
        going, broken = (_Broken(counts.going, self._never) for _ in range(2))
        replaced = [(each, self._names.is_replaced[each.old]) for each, _ in counts.copies]
        while any(broken.lower(each.own[is_so], broken.of(each.survivor)[is_so]) for each, is_so in replaced):
            pass
        ends: list[tuple[Uint64s, Int64s, Int64s]] = []  # of survivors: where they go, and where their copies do
        for copies, own in counts.copies:
            begin = broken.of(copies.survivor)
            is_free = begin < own
            gone = going.of(copies.survivor)
            ends.append((copies.survivor[gone < own], gone[gone < own], own[gone < own]))
            for (piece, old), at in _groups(copies.piece[is_free], copies.old[is_free]):
                key = self._replay.decided.pieces[piece].piece.source, old
                changes = freed.setdefault(key, np.zeros((self._never + 1, 4), np.int64))
                amounts = copies.amounts[is_free][at]
                np.add.at(changes, begin[is_free][at], amounts)
                np.subtract.at(changes, own[is_free][at], amounts)
        survivors, begins, last = (np.concatenate(each) for each in zip(*ends, strict=True))
        order = np.lexsort((-last, survivors))
        _, first = np.unique(survivors[order], return_index=True)
        np.add.at(freed_for, begins[order][first], 1)
        np.subtract.at(freed_for, last[order][first], 1)
        return {key: np.cumsum(changes, axis=0) for key, changes in freed.items()}, np.cumsum(freed_for)


class _Broken:
    """The place at which each address does not stand for others any more."""

    def __init__(self, going: Sequence[tuple[Uint64s, Int64s]], never: int) -> None:
        self._never = never
        self._addresses: Uint64s = np.zeros(0, np.uint64)
        self._places: Int64s = np.zeros(0, np.int64)
        self._take(np.concatenate([each for each, _ in going]), np.concatenate([places for _, places in going]))

    def of(self, addresses: Uint64s) -> Int64s:
        """The places of these, (addresses,)."""
        if not self._addresses.size:
            return np.full(addresses.size, self._never)
        at = np.minimum(np.searchsorted(self._addresses, addresses), self._addresses.size - 1)
        return np.where(self._addresses[at] == addresses, self._places[at], self._never)

    def lower(self, addresses: Uint64s, places: Int64s) -> bool:
        """Take these places where they come before those that are known; whether any does."""
        earlier = places < self.of(addresses)
        if earlier.any():
            self._take(addresses[earlier], places[earlier])
        return bool(earlier.any())

    def _take(self, addresses: Uint64s, places: Int64s) -> None:
        addresses, places = np.append(self._addresses, addresses), np.append(self._places, places)
        order = np.lexsort((places, addresses))
        self._addresses, first = np.unique(addresses[order], return_index=True)
        self._places = places[order][first]


def _groups(*keys: Int64s) -> Iterator[tuple[tuple[int, ...], Int64s]]:
    """Each combination that occurs, and where."""
    found, which = np.unique(np.stack(keys, axis=1), axis=0, return_inverse=True)
    for number, key in enumerate(found.tolist()):
        yield tuple(key), np.flatnonzero(which.ravel() == number)
