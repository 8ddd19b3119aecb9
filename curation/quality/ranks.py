"""Percentile ranks: what share of the documents scores at most as much, from counts of scores."""

from __future__ import annotations

from collections.abc import Collection
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict

from curation.stage import COUNT

MILLION = 1_000_000
"""Scores have six decimals; counts are of whole millionths."""
MOST_POINTS = 16_384
"""So many points all tables of a stage have together, about, since they stand in every manifest."""
FEWEST_POINTS = 16
"""… but each at least so many."""
CORPUS = ""
"""The group that every document is in."""
DECIMALS = 12

Array = np.ndarray[Any, np.dtype[Any]]


class RankTable(BaseModel):
    """How much weight of a group scores at most so much, at some scores in rising order."""

    model_config = ConfigDict(frozen=True)

    scores: tuple[int, ...]
    """In millionths."""
    weights: tuple[int, ...]
    """Of the documents up to each, documents or bytes; the last is all."""
    is_exact: bool
    """Whether every score that occurs is in it; otherwise a rank is too low by less than the step to the next point."""

    def ranks(self, scores: Array) -> Array:
        """The rank of each score (float64, six decimals), 0 to 1: 1 for the highest, 0 for one that is below all."""
        if not self.scores:
            return np.zeros(len(scores), np.float64)
        at = np.searchsorted(np.array(self.scores, np.int64), millionths(scores), side="right")
        ranks: Array = np.array((0, *self.weights), np.float64)[at] / self.weights[-1]
        return ranks


def millionths(scores: Array) -> Array:
    """Scores (float64) as whole millionths, int64."""
    whole: Array = np.rint(scores * MILLION).astype(np.int64)
    return whole


def count_scores(classifier: str, groups: pa.Array, scores: Array, weights: Array) -> pa.Table:
    """Counts of a batch, as `SurveyStage.survey` gives them: classifier, group, score in millionths."""
    names = pa.repeat(pa.scalar(classifier), len(scores))
    table = pa.table({"classifier": names, "group": groups, "score": millionths(scores), COUNT: weights})
    keys = ["classifier", "group", "score"]
    counted = table.group_by(keys, use_threads=False).aggregate([(COUNT, "sum")])
    return counted.rename_columns([*keys, COUNT]).cast(table.schema)


def rank_tables(counts: pa.Table, exactly: Collection[float]) -> dict[str, dict[str, RankTable]]:
    """Classifier → group → table, of the counts of a corpus; beside the groups that occur there is CORPUS.

    Where a table has fewer points than scores occur, it still tells exactly on which side of each rank of `exactly` a
    score is.
    """
    keys = ["classifier", "group", "score"]
    whole = counts.group_by(["classifier", "score"], use_threads=False).aggregate([(COUNT, "sum")])
    groups = pa.repeat(pa.scalar(CORPUS), len(whole))
    total = pa.table({"classifier": whole["classifier"], "group": groups, "score": whole["score"]})
    total = total.append_column(COUNT, whole[f"{COUNT}_sum"])
    table = total if pc.all(pc.equal(counts["group"], CORPUS)).as_py() else pa.concat_tables([total, counts])
    table = table.sort_by([(key, "ascending") for key in keys])
    classifiers, names = (table[key].to_pylist() for key in keys[:2])
    scores, weights = (np.asarray(table[key], np.int64) for key in ("score", COUNT))
    starts = [
        i for i in range(len(names)) if i == 0 or (classifiers[i], names[i]) != (classifiers[i - 1], names[i - 1])
    ]
    points = max(FEWEST_POINTS, MOST_POINTS // max(1, len(starts)))
    tables: dict[str, dict[str, RankTable]] = {}
    for start, end in pairwise([*starts, len(names)]):
        found = _table(scores[start:end], np.cumsum(weights[start:end]), points, exactly)
        tables.setdefault(classifiers[start], {})[names[start]] = found
    return tables


def _table(scores: Array, weights: Array, points: int, exactly: Collection[float]) -> RankTable:
    """`weights` rise, as those of a RankTable."""
    chosen = np.arange(len(scores))
    if len(scores) > points:
        ranks = weights / weights[-1]
        even = np.searchsorted(ranks, np.arange(1, points + 1) / points)
        borders = np.searchsorted(ranks, np.array(sorted(exactly), np.float64), side="right")  # the first above each
        chosen = np.unique(np.clip(np.concatenate([even, borders - 1, borders, [0]]), 0, len(scores) - 1))
    return RankTable(
        scores=tuple(scores[chosen].tolist()),
        weights=tuple(weights[chosen].tolist()),
        is_exact=len(chosen) == len(scores),
    )


def above_top(share: float) -> float:
    """The rank that a document must be above to be among the top `share`."""
    return round(1 - share, DECIMALS)


def borders_of(buckets: int) -> list[float]:
    """The ranks up to which each bucket but the last goes."""
    return [number / buckets for number in range(1, buckets)]
