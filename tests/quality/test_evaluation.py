"""Figures of a classifier, against plain counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.quality.evaluation import auc_of, evaluate

SCORES = st.lists(st.integers(0, 20).map(lambda n: n / 20), min_size=1, max_size=30)


@given(SCORES, SCORES)
def test_auc_is_the_share_of_pairs_in_the_right_order(positive: list[float], negative: list[float]) -> None:
    right = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    found = auc_of(np.array(positive), np.array(negative))
    assert found.auc == pytest.approx(right / len(positive) / len(negative))
    assert 0 <= found.low <= found.auc <= found.high <= 1


def test_interval_holds_the_truth_as_often_as_it_says() -> None:
    draw = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        found = auc_of(draw.normal(1, 1, 60), draw.normal(0, 1, 80))
        held += found.low <= 0.7602 <= found.high  # Φ(1 / √2)
    assert 0.92 <= held / 400 <= 0.98


def test_figures_of_a_few_documents() -> None:
    scores = np.array([0.95, 0.9, 0.2, 0.15, 0.92, 0.1])
    is_positive = np.array([True, True, True, False, False, False])
    found = evaluate(scores, is_positive, {"lang": ["en", "en", "de", "en", "fr", "fr"]}, "by hand")
    assert (found.positive, found.negative) == (3, 3)
    assert found.auc == pytest.approx(7 / 9)
    assert [row.documents for row in found.reliability if row.documents] == [2, 1, 3]
    shares = [row.positive_share for row in found.reliability if row.documents]
    assert shares == pytest.approx([0, 1, 2 / 3])
    apart = 2 * 0.125 + 1 * 0.8 + 3 * abs((0.95 + 0.9 + 0.92) / 3 - 2 / 3)
    assert found.calibration_error == pytest.approx(apart / 6)
    assert found.by["lang"]["en"].model_dump(include={"positive", "negative", "auc", "against"}) == {
        "positive": 2,
        "negative": 1,
        "auc": 1.0,
        "against": "itself",
    }
    assert found.by["lang"]["de"].auc == pytest.approx(2 / 3)
    assert found.by["lang"]["de"].against == "all"
    assert found.top == {"0.05": 0.95, "0.1": 0.95, "0.2": 0.92, "0.5": 0.9}
