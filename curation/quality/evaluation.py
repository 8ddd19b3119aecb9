"""How good scores are: AUC with its confidence interval, calibration, figures by language, thresholds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

BINS = 10
TOP_SHARES = (0.05, 0.1, 0.2, 0.5)
_Z = 1.959963984540054
"""Of a 95 % interval."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Booleans = np.ndarray[Any, np.dtype[np.bool_]]


class Auc(NamedTuple):
    """The share of pairs of a positive and a negative document of which the positive one scores higher (of equals a
    half), and its 95 % confidence interval."""

    auc: float
    low: float
    high: float


class _Figures(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GroupFigures(_Figures):
    """How good scores are for the documents of one language, kind or source."""

    positive: int
    negative: int
    auc: float | None
    """None where a label has no documents at all."""
    low: float | None
    high: float | None
    against: Literal["itself", "all"]
    """What they are compared with: the group's own documents of the other label, or all of that label, where it has
    none."""


class Reliability(_Figures):
    """The documents of which the scores are between `low` and `high`."""

    low: float
    high: float
    documents: int
    mean_score: float | None
    positive_share: float | None


class Evaluation(_Figures):
    """How good a model is on documents that it was not trained on."""

    method: str
    """How they were held out."""
    positive: int
    negative: int
    auc: float
    auc_low: float
    auc_high: float
    """The 95 % confidence interval (DeLong 1988)."""
    calibration_error: float
    """Expected calibration error: how far mean score and share of positives are apart, over ten bins (ECE)."""
    reliability: tuple[Reliability, ...]
    by: dict[str, dict[str, GroupFigures]]
    """Field → value → figures."""
    top: dict[str, float]
    """Share → the score that this share of the held-out documents reaches."""


def auc_of(positive: Floats, negative: Floats) -> Auc:
    """The AUC of these scores, neither empty; the interval is DeLong's (1988), by ranks (Sun and Xu 2014)."""
    m, n = len(positive), len(negative)
    both = _midranks(np.concatenate([positive, negative]))
    above = (both[:m] - _midranks(positive)) / n  # share of negatives below each positive
    below = 1 - (both[m:] - _midranks(negative)) / m
    auc = float(above.mean())
    variance = sum(float(v.var(ddof=1)) / len(v) for v in (above, below) if len(v) > 1)
    half = _Z * math.sqrt(variance)
    return Auc(auc, max(0.0, auc - half), min(1.0, auc + half))


def evaluate(scores: Floats, is_positive: Booleans, fields: Mapping[str, Sequence[str]], method: str) -> Evaluation:
    """The figures of held-out documents; `fields` are the values of each, by the field's name. Both labels occur."""
    overall = auc_of(scores[is_positive], scores[~is_positive])
    table = _reliability(scores, is_positive)
    apart = (abs(b.mean_score - b.positive_share) * b.documents for b in table if b.mean_score is not None)  # type: ignore[operator]  # both are there or neither
    ordered = np.sort(scores)[::-1]
    return Evaluation(
        method=method,
        positive=int(is_positive.sum()),
        negative=int((~is_positive).sum()),
        auc=overall.auc,
        auc_low=overall.low,
        auc_high=overall.high,
        calibration_error=sum(apart) / len(scores),
        reliability=table,
        by={name: _by(scores, is_positive, np.array(values, object)) for name, values in fields.items()},
        top={str(share): float(ordered[math.ceil(share * len(ordered)) - 1]) for share in TOP_SHARES},
    )


def _midranks(values: Floats) -> Floats:
    """The rank of each value from 1, those of equals averaged."""
    _, which, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return (ends - (counts - 1) / 2)[which]


def _reliability(scores: Floats, is_positive: Booleans) -> tuple[Reliability, ...]:
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    rows = []
    for number in range(BINS):
        inside = bins == number
        count = int(inside.sum())
        rows.append(
            Reliability(
                low=number / BINS,
                high=(number + 1) / BINS,
                documents=count,
                mean_score=float(scores[inside].mean()) if count else None,
                positive_share=float(is_positive[inside].mean()) if count else None,
            )
        )
    return tuple(rows)


def _by(scores: Floats, is_positive: Booleans, values: np.ndarray[Any, Any]) -> dict[str, GroupFigures]:
    return {value: _group(scores, is_positive, values == value) for value in sorted(set(values.tolist()))}


def _group(scores: Floats, is_positive: Booleans, inside: Booleans) -> GroupFigures:
    positive, negative = scores[inside & is_positive], scores[inside & ~is_positive]
    counts = {"positive": len(positive), "negative": len(negative)}
    against: Literal["itself", "all"] = "itself" if all(counts.values()) else "all"
    if not len(positive):
        positive = scores[is_positive]
    if not len(negative):
        negative = scores[~is_positive]
    auc = auc_of(positive, negative) if len(positive) and len(negative) else None
    return GroupFigures(
        **counts,
        auc=auc and auc.auc,
        low=auc and auc.low,
        high=auc and auc.high,
        against=against,
    )
