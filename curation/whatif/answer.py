"""From the cells of a replay to its answer: amounts by source, language, reason; guesses for what is not known."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from curation.manifest import Manifest
from curation.recipe import Recipe
from curation.whatif.asking import UNKNOWN
from curation.whatif.decided import FAILED, KEPT, Int64s, Names
from curation.whatif.model import Amount, Edge, Fate, Group, Kept, Move, Rule, Setting, WhatIf
from curation.whatif.nearest import Floats
from curation.whatif.replay import FREED, Cells, Place, Replayed

FEW = 50
"""A share that fewer documents of a source than this show is taken of all sources."""

NOTHING: Int64s = np.zeros(4, np.int64)
Rates = dict[tuple[str, int], float]


class Answering:
    """Puts the cells of one case into words."""

    def __init__(self, names: Names, done: Replayed, *, counts_tokens: bool) -> None:
        self.names = names
        self._cells = done.cells
        self._freed_for = done.freed_for
        self._counts_tokens = counts_tokens
        self._tokens_a_byte = self._density()
        self._rates = self._kept_shares()

    def what_if(
        self,
        corpus: str,
        manifest: Manifest,
        recipe: Recipe,
        settings: Sequence[Setting],
        edges: Sequence[Edge],
    ) -> WhatIf:
        """The answer."""
        unknown, freed = self._sum(is_unknown), self._sum(lambda place: place[3] == FREED)
        return WhatIf(
            corpus=corpus,
            version=manifest.version,
            settings=tuple(settings),
            documents=sum(int(amounts[0]) for amounts in self._cells.values()),
            before=self.before(),
            after=self.after(),
            unknown=self._amount(unknown),
            freed=self._amount(freed),
            sources=self._groups(lambda place: place[0]),
            languages=self._groups(lambda place: self.names.languages[place[1]]),
            rules=self._rules(recipe),
            moves=self.moves(),
            edges=tuple(edges),
            notes=tuple(self._notes(recipe, manifest, settings)),
        )

    def before(self) -> Amount:
        """What the version keeps."""
        return self._amount(self._sum(was_kept))

    def after(self) -> Kept:
        """What would be kept."""
        return self._kept(self._cells)

    def fate(self, code: int) -> tuple[Fate, str]:
        """What a code stands for, and the reason of one that is dropped."""
        if code == FREED:
            return "freed", ""
        if code >= UNKNOWN:
            return "unknown", ""
        return ("kept", "") if code == KEPT else ("dropped", self.names.reasons[code])

    def _sum(self, wanted: Callable[[Place], bool]) -> Int64s:
        return sum((amounts for place, amounts in self._cells.items() if wanted(place)), start=NOTHING)

    def _amount(self, amounts: Int64s | Floats) -> Amount:
        documents, size, tokens, uncounted = amounts.tolist()
        counted = tokens + round(uncounted * self._tokens_a_byte) if self._counts_tokens else None
        return Amount(documents=round(documents), bytes=round(size), tokens=None if counted is None else round(counted))

    def _density(self) -> float:
        """Tokens a byte of the documents that the version keeps, where they were counted."""
        _, size, tokens, uncounted = self._sum(was_kept).tolist()
        return float(tokens / (size - uncounted)) if size > uncounted else 0.0

    def _kept(self, cells: Cells) -> Kept:
        low = sum((amounts for place, amounts in cells.items() if place[3] == KEPT), start=NOTHING)
        open_ = {place: amounts for place, amounts in cells.items() if place[3] >= UNKNOWN}
        high = sum(open_.values(), start=low)
        rates = [self._rates.get((source, code), self._rates.get(("", code))) for source, _, _, code in open_]
        known = [rate for rate in rates if rate is not None]
        guess = low.astype(np.float64)
        for rate, amounts in zip(known, open_.values(), strict=False):
            guess += rate * amounts
        estimate = self._amount(guess) if len(known) == len(rates) else None
        return Kept(low=self._amount(low), high=self._amount(high), estimate=estimate)

    def _kept_shares(self) -> Rates:
        """By source (that of all without a name) and code, what share of the documents is kept that came as far and
        whose fate is known; of what is freed one document for each copy that would go."""
        rates: Rates = {}
        codes = {place[3] for place in self._cells if is_unknown(place)}
        for code in codes:
            known: dict[str, list[int]] = defaultdict(lambda: [0, 0])
            for (source, _, old, new), amounts in self._cells.items():
                if old != FAILED and self.names.places[old] > code - UNKNOWN and self._comes_past(new, code - UNKNOWN):
                    for name in (source, ""):
                        known[name][0] += int(amounts[0]) * (new == KEPT)
                        known[name][1] += int(amounts[0])
            rates |= {(name, code): kept / came for name, (kept, came) in known.items() if came >= (FEW if name else 1)}
        if freed := int(self._sum(lambda place: place[3] == FREED)[0]):
            rates["", FREED] = self._freed_for / freed
        return rates

    def _comes_past(self, code: int, place: int) -> bool:
        return code == KEPT or (FAILED < code < UNKNOWN and bool(self.names.places[code] > place))

    def _groups(self, name_of: Callable[[Place], str]) -> tuple[Group, ...]:
        by_name: dict[str, Cells] = defaultdict(dict)
        for place, amounts in self._cells.items():
            by_name[name_of(place)][place] = amounts
        groups = []
        for name, cells in by_name.items():
            before = sum((amounts for place, amounts in cells.items() if was_kept(place)), start=NOTHING)
            groups.append(Group(name=name, before=self._amount(before), after=self._kept(cells)))
        return tuple(sorted(groups, key=lambda group: (-group.before.documents, group.name)))

    def _rules(self, recipe: Recipe) -> tuple[Rule, ...]:
        counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for (_, _, old, new), amounts in self._cells.items():
            if old > FAILED:
                counts[old][0] += int(amounts[0])
            if FAILED < new < UNKNOWN:
                counts[new][1] += int(amounts[0])
        order = [stage.name for stage in recipe.stages]
        rules = []
        for code, (before, after) in counts.items():
            stage = self.names.reasons[code].partition(".")[0]
            rules.append(Rule(stage=stage, reason=self.names.reasons[code], before=before, after=after))
        return tuple(
            sorted(rules, key=lambda rule: (order.index(rule.stage) if rule.stage in order else -1, rule.reason))
        )

    def moves(self) -> tuple[Move, ...]:
        """The documents that change sides, or their reason."""
        sums: dict[tuple[str, Fate, str], Int64s] = defaultdict(lambda: NOTHING)
        for (_, _, old, new), amounts in self._cells.items():
            if old != new:
                key = (self.names.reasons[old], *self.fate(new))
                sums[key] = sums[key] + amounts
        moves = [Move(before=b, fate=f, after=a, amount=self._amount(amounts)) for (b, f, a), amounts in sums.items()]
        return tuple(sorted(moves, key=lambda move: (-move.amount.documents, move.before, move.fate, move.after)))

    def _notes(self, recipe: Recipe, manifest: Manifest, settings: Sequence[Setting]) -> Iterable[str]:
        unknown, freed = (self._sum(wanted) for wanted in (is_unknown, lambda place: place[3] == FREED))
        has_dedup = bool(self.names.dedup)
        if not settings:
            yield "No option is set to another value than the version's."
        if unknown[0]:
            behind = "Later stages and deduplication have" if has_dedup else "Later stages have"
            yield (
                f"{behind} not seen {unknown[0]:,} documents that are let through, so whether they are kept is not "
                "known. The estimate gives them the share that is kept of those that came as far, which is likely too "
                "much."
            )
        if unknown[0] and has_dedup:
            yield (
                "A document that is let through could also take the place of copies that are kept now; the range does "
                "not count that."
            )
        if freed[0]:
            yield (
                f"{freed[0]:,} duplicates of {self._freed_for:,} copies that would go may return; the estimate is one "
                "for each copy."
            )
        if self._counts_tokens and self._sum(lambda place: place[3] == KEPT or place[3] >= UNKNOWN)[3]:
            yield "Tokens of documents that were not counted are guessed from their bytes."
        first = min((n for n, stage in enumerate(recipe.stages) if _is_in(stage.name, settings)), default=None)
        if first is not None and any(stage.name in manifest.settled for stage in recipe.stages[first:]):
            yield (
                "What the survey settles (percentiles) is settled anew from the documents that surely come to it, as a "
                "whole run would; a refresh goes on with what the version has settled."
            )


def was_kept(place: Place) -> bool:
    """Whether the version keeps the documents of a cell."""
    return place[2] == KEPT


def is_unknown(place: Place) -> bool:
    """Whether later stages have not seen the documents of a cell."""
    return UNKNOWN <= place[3] < FREED


def _is_in(stage: str, settings: Sequence[Setting]) -> bool:
    return any(setting.path.startswith(f"stages.{stage}.") for setting in settings)
