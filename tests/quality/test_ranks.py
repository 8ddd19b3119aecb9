"""Ranks are those of all documents, however they were counted."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from curation.pipeline.survey import added
from curation.quality import ranks
from curation.quality.ranks import CORPUS, RankTable, above_top, count_scores, rank_tables

SCORES = st.lists(st.integers(0, 50).map(lambda n: n / 50), min_size=1, max_size=40)


def tables_of(scores: list[float], groups: list[str], weights: list[int], parts: int) -> dict[str, RankTable]:
    """The tables of documents that were counted in so many parts."""
    counts = [
        count_scores(
            "c",
            pa.array(groups[n::parts], pa.string()),
            np.array(scores[n::parts]),
            np.array(weights[n::parts], np.int64),
        )
        for n in range(parts)
    ]
    return rank_tables(added(counts), {0.9})["c"]


@given(SCORES, st.integers(1, 4), st.data())
def test_a_rank_is_the_share_that_scores_at_most_as_much(scores: list[float], parts: int, data: st.DataObject) -> None:
    count = len(scores)
    groups = data.draw(st.lists(st.sampled_from(["a", "b"]), min_size=count, max_size=count))
    weights = data.draw(st.lists(st.integers(1, 9), min_size=count, max_size=count))
    tables = tables_of(scores, groups, weights, parts)
    for group in {CORPUS, *groups}:
        inside = [n for n in range(count) if group in (CORPUS, groups[n])]
        total = sum(weights[n] for n in inside)
        expected = [sum(weights[m] for m in inside if scores[m] <= scores[n]) / total for n in inside]
        assert tables[group].is_exact
        np.testing.assert_array_equal(tables[group].ranks(np.array([scores[n] for n in inside])), expected)


def test_a_thinned_table_still_tells_exactly_who_is_on_top(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(ranks, "MOST_POINTS", 16)
    draw = np.random.default_rng(3)
    scores = np.round(draw.beta(0.5, 0.5, 5000), 6)
    counts = count_scores("c", pa.array([CORPUS] * 5000), scores, np.ones(5000, np.int64))
    for share in (0.1, 0.05, 0.333, 0.8):
        table = rank_tables(added([counts]), {above_top(share)})["c"][CORPUS]
        assert not table.is_exact
        assert len(table.scores) <= 20
        exact = np.searchsorted(np.sort(scores), scores, side="right") / 5000
        found = table.ranks(scores)
        np.testing.assert_array_equal(found > above_top(share), exact > above_top(share))
        assert (found <= exact).all()
        assert (exact - found).max() < 1 / 16


def test_scores_that_were_not_counted_rank_as_the_next_below() -> None:
    table = RankTable(scores=(200_000, 500_000), weights=(1, 4), is_exact=True)
    assert table.ranks(np.array([0.1, 0.2, 0.499999, 0.5, 1.0])).tolist() == [0, 0.25, 0.25, 1, 1]
