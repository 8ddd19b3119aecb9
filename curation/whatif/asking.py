"""What other thresholds say of the documents of a row group, stage by stage, in the order of the recipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from curation.document import with_column
from curation.errors import Problem, RecipeError
from curation.manifest import Manifest
from curation.recipe import Recipe
from curation.stage import Evidence, Frozen, RowStage, SurveyStage
from curation.whatif.decided import FIXED, KEPT, Bools, Int64s, Names, Rows
from curation.whatif.nearest import Floats

UNKNOWN = 1 << 16
"""The code of a document that the stage at place p lets through is UNKNOWN + p."""


@dataclass(frozen=True)
class Case:
    """One recipe to replay: its row stages, the places of those to ask again, and what its surveys have settled."""

    stages: Sequence[RowStage]
    changed: frozenset[int] = frozenset()
    settled: dict[str, Frozen] = field(default_factory=dict)

    @classmethod
    def of(cls, recipe: Recipe, before: Recipe, manifest: Manifest) -> Case:
        """A recipe that differs from the version's in thresholds. A stage that decides by a survey is asked again where
        what comes to it differs, too."""
        changed: set[int] = set()
        for place, (stage, old) in enumerate(zip(recipe.row_stages, before.row_stages, strict=True)):
            if stage != old or (changed and stage.is_surveyed):
                changed.add(place)
        return cls(recipe.row_stages, frozenset(changed), dict(manifest.settled))


@dataclass(frozen=True)
class Opinion:
    """What a stage says of the documents at some rows of a row group; arrays are (documents,)."""

    stage: RowStage
    frozen: Frozen | None
    at: Int64s
    measured: pa.RecordBatch
    codes: Int64s
    """Of its reasons; KEPT where it has none."""

    def numbers(self, reason: str) -> tuple[Floats, Floats]:
        """The value that a reason goes by, and its threshold, for every document; NaN where there is none."""
        evidence = self.evidence(reason)
        return _numbers(evidence.values), _numbers(evidence.thresholds)

    def evidence(self, reason: str) -> Evidence:
        """As if every document were dropped for this reason."""
        reasons = pa.repeat(reason, self.at.size)
        if self.frozen is not None and isinstance(self.stage, SurveyStage):
            return self.stage.settled_evidence(self.measured, reasons, self.frozen)
        return self.stage.evidence(self.measured, reasons)


class Room:
    """The rows of a row group, and what stages have said of them so far."""

    def __init__(self, names: Names, before: Case, rows: Rows) -> None:
        """`before` is the version's own recipe."""
        self.rows = rows
        self._names = names
        self._before = before
        self._opinions: dict[int, list[Opinion]] = defaultdict(list)

    def fates(self, case: Case) -> tuple[Int64s, dict[int, Opinion]]:
        """The code of each row's fate, (rows,), and what the stages that are asked said, each of the documents that
        came to it."""
        fate, is_open, opinions = self._through_rules(case)
        if any(place >= self._names.surveyed for place in case.changed):
            at, _ = self._through_surveys(case, self._names.beyond, is_open, fate, opinions)
            overruled = at[self.rows.place[at] < self._names.beyond]
            fate[overruled] = self._let_through(case, self._names.beyond - 1)
        return fate, opinions

    def before(self, case: Case, place: int) -> pa.RecordBatch:
        """The documents that come to the surveyed stage at this place."""
        fate, is_open, opinions = self._through_rules(case)
        return self._through_surveys(case, place, is_open, fate, opinions)[1]

    def new_limits(self, place: int, opinion: Opinion, document: int) -> frozenset[str]:
        """The reasons for which this document of an opinion has another threshold than the version's."""
        at, measured = opinion.at[document : document + 1], opinion.measured.slice(document, 1)
        new = replace(opinion, at=at, measured=measured)
        old = self._asked(place, self._before, at, measured)
        limits = {reason: (new.numbers(reason)[1][0], old.numbers(reason)[1][0]) for reason in new.stage.reasons()}
        return frozenset(reason for reason, (now, then) in limits.items() if now != then and not np.isnan(now))

    def _through_rules(self, case: Case) -> tuple[Int64s, Bools, dict[int, Opinion]]:
        """The fates so far, who is still open, and the opinions, behind the stages that need no survey."""
        rows = self.rows
        fate, is_open = rows.old.copy(), rows.place != FIXED
        opinions: dict[int, Opinion] = {}
        for place in range(self._names.surveyed):
            if place not in case.changed:
                is_open &= rows.place != place
                continue
            said = self._opinion(place, case)
            came = is_open[said.at]
            opinions[place] = Opinion(
                said.stage, said.frozen, said.at[came], said.measured.filter(pa.array(came)), said.codes[came]
            )
            at, codes = said.at[came], said.codes[came]
            through = at[(codes == KEPT) & (rows.place[at] == place)]
            fate[at[codes != KEPT]] = codes[codes != KEPT]
            fate[through] = self._let_through(case, place)
            is_open[at[codes != KEPT]] = is_open[through] = False
        return fate, is_open, opinions

    def _through_surveys(
        self, case: Case, until: int, is_open: Bools, fate: Int64s, opinions: dict[int, Opinion]
    ) -> tuple[Int64s, pa.RecordBatch]:
        """The rows that pass the surveyed stages before `until`, and their documents; the others get their fate."""
        at = np.flatnonzero(is_open & (self.rows.reach == self._names.beyond))
        batch = self.rows.batch.take(pa.array(at))
        for place in range(self._names.surveyed, until):
            if place in case.changed:
                self._check(place)
                said = opinions[place] = self._said(place, case, at, batch)
                fate[at[said.codes != KEPT]] = said.codes[said.codes != KEPT]
                stays = said.codes == KEPT
                for field_ in said.stage.columns():
                    batch = with_column(batch, field_.name, said.measured[field_.name])
            else:
                stays = self.rows.place[at] != place
            at, batch = at[stays], batch.filter(pa.array(stays))
        return at, batch

    def _let_through(self, case: Case, place: int) -> int:
        """The code of a document that passes this stage, and was not seen by those behind."""
        others = any(stage.reasons() for stage in case.stages[place + 1 :])
        return UNKNOWN + place if others or self._names.dedup else KEPT

    def _opinion(self, place: int, case: Case) -> Opinion:
        """What the case's stage says of all rows that came to it; equal stages are asked once."""
        known = self._opinions[place]
        if not known:
            known.append(self._check(place))
        for said in known:
            if said.stage == case.stages[place]:
                return said
        known.append(self._said(place, case, known[0].at, known[0].measured))
        return known[-1]

    def _check(self, place: int) -> Opinion:
        """What the version's own stage says. Raises RecipeError unless it is what it decided."""
        at = np.flatnonzero(self.rows.place >= place)
        said = self._said(place, self._before, at, self.rows.batch.take(pa.array(at)))
        old = np.where(self.rows.place[at] == place, self.rows.old[at], KEPT)
        if wrong := int((said.codes != old).sum()):
            what = (
                f"its recorded values give another decision than the recorded one for {wrong:,} of {at.size:,} "
                "documents of a row group, so it cannot be replayed: run the recipe, or preview it"
            )
            raise RecipeError([Problem(f"stages.{said.stage.name}", what)])
        return said

    def _said(self, place: int, case: Case, at: Int64s, batch: pa.RecordBatch) -> Opinion:
        asked = self._asked(place, case, at, batch)
        if asked.frozen is not None and isinstance(asked.stage, SurveyStage):
            reasons = asked.stage.settled_reasons(asked.measured, asked.frozen)
        else:
            reasons = asked.stage.drop_reasons(asked.measured)
        return replace(asked, codes=self._names.codes(reasons))

    def _asked(self, place: int, case: Case, at: Int64s, batch: pa.RecordBatch) -> Opinion:
        """The documents as the case's stage measures them, before it decides."""
        stage = case.stages[place]
        frozen = case.settled.get(stage.name) if stage.is_surveyed else None
        if frozen is not None and isinstance(stage, SurveyStage):
            batch = stage.annotate_settled(batch, frozen)
        return Opinion(stage, frozen, at, batch, np.full(at.size, KEPT))


def _numbers(values: pa.Array) -> Floats:
    return np.asarray(values.to_numpy(zero_copy_only=False), np.float64)
