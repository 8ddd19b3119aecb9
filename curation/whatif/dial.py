"""A dial: a threshold of one stage, that can be turned from where it drops nothing to where it drops everything.

What an option does to its stage is found out by asking the stage, on documents of the version.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Literal, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ValidationError

from curation.errors import Problem, RecipeError
from curation.recipe import Recipe
from curation.stage import RowStage
from curation.whatif.alternative import stage_at
from curation.whatif.asking import Opinion
from curation.whatif.decided import FAILED, KEPT, Bools, Decided, Int64s, Rows
from curation.whatif.nearest import Floats

ENDS = (-np.inf, np.inf)
POINTS = 200
"""About how many thresholds are chosen."""
DIGITS = 4
"""To so many significant digits they are rounded."""


@dataclass(frozen=True)
class Dial:
    """How a threshold decides: by what value of a document, and on which side of it."""

    path: str
    loose: RowStage
    """The stage with the dial open."""
    reason: str
    """Empty where no document of the version is decided by it."""
    is_least: bool
    """Whether documents below the threshold are dropped, else those above."""
    is_inclusive: bool
    """Whether those at it are, too."""
    null: float | None = None
    """What null stands for; None where it switches the rule off."""

    def recipe(self, recipe: Recipe) -> Recipe:
        """A recipe with the dial open."""
        stages = [self.loose if stage.name == self.loose.name else stage for stage in recipe.stages]
        return recipe.model_copy(update={"stages": tuple(stages)})

    def at(self, value: float) -> RowStage:
        """The stage with the dial at a value."""
        return _turned(self.loose, self.path, value)

    def allows(self, value: float) -> bool:
        """Whether a recipe may have this value."""
        try:
            type(self.loose).model_validate(self.at(value).model_dump(warnings=False))
        except ValidationError:
            return False
        return True

    def values(self, opinion: Opinion) -> Floats:
        """The value by which the dial decides on each document of an open opinion, (documents,); NaN where it does not:
        another rule drops it, or another threshold holds for it."""
        if not self.reason:
            return np.full(opinion.at.size, np.nan)
        values, limits = opinion.numbers(self.reason)
        return np.where(np.isinf(limits) & (opinion.codes == KEPT), values, np.nan)

    def places(self, values: Floats, thresholds: Floats) -> Int64s:
        """For each value the first of the thresholds, in the order in which the dial is turned, that drops it, counted
        from 1; one more than there are for none."""
        sign = 1 if self.is_least else -1
        side: Literal["left", "right"] = "left" if self.is_inclusive else "right"
        return np.asarray(np.searchsorted(sign * thresholds, sign * values, side=side) + 1)


class Dials:
    """Finds the dial of a path, in a recipe in which it is set to some number."""

    def __init__(self, decided: Decided, recipe: Recipe, path: str, *, has_null: bool) -> None:
        """`has_null` says whether null is asked for."""
        self._decided = decided
        self._has_null = has_null
        self._path = path
        stage = stage_at(recipe, path)
        assert isinstance(stage, RowStage)  # noqa: S101, others have no thresholds
        self._ends = [_turned(stage, path, end) for end in ENDS]
        self._place = recipe.row_stages.index(stage)

    def find(self, sampled: int) -> tuple[Dial, Floats]:
        """The dial, and by what it decides on some documents of the version, of this many pieces at least.

        Raises RecipeError for an option that is none.
        """
        dial: Dial | None = None
        found: list[Floats] = []
        for rows in self._spread(sampled):
            at = np.flatnonzero(rows.place >= self._place)
            batch = rows.batch.take(pa.array(at))
            is_kept = [np.asarray(stage.drop_reasons(batch).is_null()) for stage in self._ends]
            if dial is None and (is_kept[0] != is_kept[1]).any():
                dial = self._probed(batch, *is_kept)
            if dial is not None:
                codes = np.where(is_kept[0] | is_kept[1], KEPT, FAILED)
                found.append(dial.values(Opinion(dial.loose, None, at, batch, codes)))
                if len(found) == sampled:
                    break
        values = np.concatenate([np.zeros(0), *found])
        return dial or Dial(self._path, self._ends[0], "", True, False), values[np.isfinite(values)]

    def _spread(self, sampled: int) -> Iterator[Rows]:
        """The first row groups of some pieces, then all others."""
        asked = [self._ends[0]]
        pieces = range(len(self._decided.pieces))
        first = [*pieces[:: -(-len(pieces) // sampled) or 1]]
        heads = chain.from_iterable(islice(self._decided.rows(piece, asked), 1) for piece in first)
        tails = (islice(self._decided.rows(piece, asked), int(piece in first), None) for piece in pieces)
        return chain(heads, chain.from_iterable(tails))

    def _probed(self, batch: pa.RecordBatch, is_kept: Bools, is_kept_above: Bools) -> Dial:
        """The dial, from documents some of which are kept at one end of it alone; arrays are (documents,)."""
        is_least = bool((is_kept & ~is_kept_above).any())
        loose, tight = self._ends if is_least else self._ends[::-1]
        concerned = batch.filter(pa.array(is_kept != is_kept_above))
        reasons = tight.drop_reasons(concerned)
        reason = reasons[0].as_py()
        if pc.count_distinct(reasons).as_py() != 1 or loose.drop_reasons(concerned).null_count < concerned.num_rows:
            raise self._none("it decides by several rules")
        value = tight.evidence(concerned, reasons).values[0].as_py()
        at_value, one = _turned(loose, self._path, value), concerned.slice(0, 1)
        if _limit(at_value, one, reason) != value:
            raise self._none("what is measured is not compared with it, but with what follows from it")
        null = _limit(_turned(loose, self._path, None), one, reason) if self._has_null else None
        return Dial(self._path, loose, reason, is_least, at_value.drop_reasons(one)[0].is_valid, null)

    def _none(self, why: str) -> RecipeError:
        return RecipeError([Problem(self._path, f"{why}, so it has no curve; sweep some values of it")])


def chosen(values: Floats, current: float | None, points: int = POINTS) -> list[float]:
    """Thresholds from where nothing of these values is dropped to where everything is: quantiles, closest at both ends,
    where thresholds stand. Whole numbers where all values are."""
    if not values.size:
        return [] if current is None else [current]
    is_whole = bool((values == np.rint(values)).all())
    shares = (1 - np.cos(np.linspace(0, np.pi, points))) / 2
    found = [float(f"{each:.{DIGITS}g}") for each in np.quantile(values, shares).tolist()]
    found = [float(values.min()), *found, float(values.max())]
    numbers: set[float] = {round(each) if is_whole else each for each in found}
    return sorted(numbers if current is None else {*numbers, current})


def _limit(stage: RowStage, document: pa.RecordBatch, reason: str) -> float | None:
    """The threshold of a reason that holds for one document; None where it is off."""
    limit = stage.evidence(document, pa.array([reason], pa.string())).thresholds[0].as_py()
    return None if limit is None or np.isnan(limit) else float(limit)


def _turned(stage: RowStage, path: str, value: float | None) -> RowStage:
    """The stage with another number at a path, unchecked: there is one at the path already."""
    return cast(RowStage, _with(stage, path.split(".")[2:], value))


def _with(holder: Any, parts: Sequence[str], value: float | None) -> Any:
    (name, *rest) = parts
    if isinstance(holder, BaseModel):
        return holder.model_copy(update={name: _with(getattr(holder, name), rest, value) if rest else value})
    return {**holder, name: _with(holder[name], rest, value) if rest else value}
