"""From matches to hits: how much of which item a document holds, by one of three rules."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from curation.contamination import kernels
from curation.contamination.index import LEAST_WORDS, Index, Ints, Limits, match_texts

Rule = Literal["cluster", "gpt3", "tulu"]
Floats = np.ndarray[Any, np.dtype[np.float64]]

BARS: dict[Rule, float] = {"cluster": 0.35, "gpt3": 1.0, "tulu": 0.5}
"""The score from which on a document counts as contaminated."""
LIMITS: dict[Rule, Limits] = {
    "cluster": Limits(size=4, misses=11, least_words=7, least_share=0.25),
    "gpt3": Limits(size=LEAST_WORDS, misses=0, least_words=LEAST_WORDS, least_share=0.0),
    "tulu": Limits(size=LEAST_WORDS, misses=0, least_words=LEAST_WORDS, least_share=0.0),
}
GPT3_WORDS = 13
"""GPT-3's n-gram; an item of fewer words is compared whole, down to LEAST_WORDS."""
PERFECT_UNTIL, FREE_FROM = 10, 13
"""Up to so many words an item must be found whole, from so many on by the threshold alone; in between it decays."""
IMPERFECT = 0.35
"""What the share of such a short item counts for, unless it is whole."""
SUPPORTED_FROM = 0.5
"""The share of a question from which on its answer and passage near by may speak for it."""
WEIGHTS = {(True, True): (0.7, 0.2, 0.1), (True, False): (0.75, 0.25, 0.0), (False, True): (0.85, 0.0, 0.15)}
"""Of question, answer and passage, by which of the latter two there are."""
_WHOLE = 1 - 1e-9


@dataclass(frozen=True)
class Hits:
    """What was found, one row a document and an entry, by document, the highest score first; and every match."""

    documents: Ints  # (hits,)
    entries: Ints  # (hits,)
    scores: Floats  # (hits,)
    shares: Floats  # (hits,): how much of the item is there, by weight or (tulu) by words
    words: Ints  # (hits,): how many of its words
    longest: Ints  # (hits,): the longest run of them
    spans: Ints  # (hits, 2): bytes of the array's buffer, of the best match
    matches: tuple[Ints, ...]  # of each hit: (matches, 2) bytes of all that count for it


def find_hits(texts: pa.LargeStringArray, index: Index, rule: Rule, bar: float) -> Hits:
    """Which items each text holds, with their scores by the rule; what any two texts share is left out.

    `cluster`: the weighted share of the question in one place of the document. Items of at most 10 words must be there
    whole; between 10 and 13 words this requirement decays. Where half of a question is found, its answer and passage
    near by may raise the share. `gpt3`: the longest run of words that are the item's, against 13 words, or all of a
    shorter item. `tulu`: the share of the item's words that stand in the document in runs of 8. Of one item's further
    matches those count whose scores reach `bar`.
    """
    matches, measures = match_texts(texts, index.tables, LIMITS[rule])
    lengths = index.lengths[matches[:, kernels.ENTRY]]
    if rule == "cluster":
        scores = cluster_scores(measures, lengths)
    elif rule == "gpt3":
        scores = matches[:, kernels.LONGEST] / np.minimum(GPT3_WORDS, lengths)
    else:
        scores = matches[:, kernels.WORDS] / lengths
    return _gathered(matches, measures[:, kernels.SHARE], scores, lengths, rule, bar)


def cluster_scores(measures: Floats, lengths: Ints) -> Floats:
    """The scores of matches with these shares (`kernels.find_matches`) of items of so many words; (matches,)."""
    question, answer, passage = measures[:, kernels.SHARE], measures[:, kernels.ANSWER], measures[:, kernels.PASSAGE]
    best = question.copy()
    for (has_answer, has_passage), weights in WEIGHTS.items():
        own = ((answer >= 0) == has_answer) & ((passage >= 0) == has_passage) & (question >= SUPPORTED_FROM)
        supported = weights[0] * question + weights[1] * answer + weights[2] * passage
        best = np.where(own, np.maximum(best, supported), best)
    factor = np.interp(lengths, [PERFECT_UNTIL, FREE_FROM], [IMPERFECT, 1.0])
    return np.where(best >= _WHOLE, 1.0, best * factor)


def _gathered(matches: Ints, shares: Floats, scores: Floats, lengths: Ints, rule: Rule, bar: float) -> Hits:
    """The best match of each document and entry. For `tulu` all of them together: each word of the item once."""
    keys = matches[:, [kernels.DOCUMENT, kernels.ENTRY]]
    order = np.lexsort((matches[:, kernels.START], -scores, keys[:, 1], keys[:, 0]))
    groups = [[*rows] for _, rows in groupby(order.tolist(), key=lambda row: (keys[row, 0], keys[row, 1]))]
    best = np.array([rows[0] for rows in groups], np.int64)
    words, score, share = matches[best, kernels.WORDS], scores[best], shares[best]
    if rule == "tulu":
        words = np.array([_covered(matches[rows]) for rows in groups], np.int64)
        score = share = words / lengths[best]
    if rule == "tulu":
        counting = groups
    else:
        counting = [[rows[0], *(row for row in rows[1:] if scores[row] >= bar)] for rows in groups]
    ranks = np.lexsort((keys[best, 1], -score, keys[best, 0]))
    span = [kernels.START, kernels.END]
    return Hits(
        documents=keys[best, 0][ranks],
        entries=keys[best, 1][ranks],
        scores=score[ranks],
        shares=share[ranks],
        words=words[ranks],
        longest=matches[best, kernels.LONGEST][ranks],
        spans=matches[best][:, span][ranks],
        matches=tuple(matches[counting[rank]][:, span] for rank in ranks),
    )


def _covered(matches: Ints) -> int:
    """How many places of the item these matches cover."""
    covered, until = 0, 0
    for first, last in sorted(zip(matches[:, kernels.FIRST].tolist(), matches[:, kernels.LAST].tolist(), strict=True)):
        covered += max(0, last - max(first, until))
        until = max(until, last)
    return covered
