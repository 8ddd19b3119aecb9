"""The arithmetic of mixtures: shares, caps, whole numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.mixture import weights

TOKENS = st.lists(st.integers(0, 10**9), min_size=1, max_size=8).filter(any)


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Fraction], list[int | None], int]:
    """A target, caps and a budget."""
    parts = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any))
    caps = draw(st.lists(st.none() | st.integers(0, 2000), min_size=len(parts), max_size=len(parts)))
    return weights.normalised([Fraction(part) for part in parts]), caps, draw(st.integers(1, 3000))


def test_natural_shares_are_those_of_the_tokens() -> None:
    assert weights.natural([1, 3]) == [Fraction(1, 4), Fraction(3, 4)]
    assert weights.fixed([0.1, 0.2]) == [Fraction(1, 3), Fraction(2, 3)], "decimals are taken as they were written"
    with pytest.raises(ValueError, match="all parts are 0"):
        weights.natural([0, 0])


@given(TOKENS, st.floats(0.2, 20))
def test_shares_sum_to_one(tokens: list[int], tau: float) -> None:
    found = [weights.natural(tokens), weights.even(tokens), weights.temperature(tokens, tau)]
    for shares in (*found, weights.repeated(tokens, [1.5] * len(tokens))):
        assert sum(shares) == 1
        assert all(share >= 0 for share in shares)


@given(TOKENS)
def test_temperature_one_is_natural_and_an_infinite_one_is_even(tokens: list[int]) -> None:
    assert weights.temperature(tokens, 1) == weights.natural(tokens)
    for share, equal in zip(weights.temperature(tokens, 1e12), weights.even(tokens), strict=True):
        assert float(share) == pytest.approx(float(equal), abs=1e-9)


def test_temperature_is_the_power_of_the_tokens() -> None:
    """mT5's alpha of 0.3."""
    shares = weights.temperature([10**6, 10**3], 1 / 0.3)
    assert float(shares[0] / shares[1]) == pytest.approx(1000**0.3)


@given(problems())
def test_caps_are_kept_and_the_budget_is_met_or_all_are_full(
    problem: tuple[list[Fraction], list[int | None], int],
) -> None:
    target, caps, budget = problem
    shares = weights.project(target, caps, budget)
    tokens = weights.whole_tokens(shares, budget)
    for share, count, cap, wanted in zip(shares, tokens, caps, target, strict=True):
        assert cap is None or count <= cap
        assert abs(count - share * budget) < 1
        assert wanted or not count
    full = all(cap == count for cap, count, wanted in zip(caps, tokens, target, strict=True) if wanted)
    assert sum(tokens) == budget or full
    assert sum(tokens) <= budget


@given(problems())
def test_a_target_that_can_be_had_stays(problem: tuple[list[Fraction], list[int | None], int]) -> None:
    target, _, budget = problem
    assert weights.project(target, [None] * len(target), budget) == target


@given(problems())
def test_who_is_not_capped_keeps_its_proportions(problem: tuple[list[Fraction], list[int | None], int]) -> None:
    target, caps, budget = problem
    shares = weights.project(target, caps, budget)
    scales = {
        share / wanted
        for share, wanted, cap in zip(shares, target, caps, strict=True)
        if wanted and (cap is None or share * budget < cap)
    }
    assert len(scales) <= 1
    capped = [share / wanted for share, wanted in zip(shares, target, strict=True) if wanted]
    assert not scales or max(capped) <= min(scales)


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(1, 12)), min_size=2, max_size=3).filter(
        lambda groups: sum(cap for _, cap in groups) >= 12
    )
)
def test_no_other_shares_are_nearer(groups: list[tuple[int, int]]) -> None:
    """Against every way to give out twelfths: none that keeps the caps has a smaller divergence."""
    target = weights.normalised([Fraction(weight) for weight, _ in groups])
    caps = [cap for _, cap in groups]
    ours = weights.divergence([float(s) for s in weights.project(target, caps, 12)], [float(t) for t in target])
    for tokens in itertools.product(*(range(cap + 1) for cap in caps)):
        if sum(tokens) == 12:
            assert ours <= weights.divergence([float(count) for count in tokens], [float(t) for t in target]) + 1e-12


def unimax(tokens: Sequence[int], budget: int, max_epochs: int) -> list[Fraction]:
    """Chung et al. 2023, algorithm 1, as it is printed."""
    left = Fraction(budget)
    given: dict[int, Fraction] = {}
    for rank, index in enumerate(sorted(range(len(tokens)), key=lambda index: tokens[index])):
        share = left / (len(tokens) - rank)
        given[index] = min(share, Fraction(tokens[index] * max_epochs))
        left -= given[index]
    return [given[index] / sum(given.values()) for index in range(len(tokens))]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=8), st.integers(1, 10**7), st.sampled_from([1, 2, 5, 10]))
def test_equal_shares_under_caps_are_unimax(tokens: list[int], budget: int, max_epochs: int) -> None:
    shares = weights.project(weights.even(tokens), [count * max_epochs for count in tokens], budget)
    assert weights.normalised(shares) == unimax(tokens, budget, max_epochs)


def test_largest_remainders_add_up() -> None:
    assert weights.whole_tokens([Fraction(1, 3)] * 3, 10) == [4, 3, 3]
    assert weights.whole_tokens([Fraction(1, 6), Fraction(1, 3), Fraction(1, 2)], 10) == [2, 3, 5]


@pytest.mark.parametrize(("epochs", "worth"), [(1, 1.0), (2, 1.97), (4, 3.73), (8, 6.62), (16, 10.6), (40, 15.2)])
def test_effective_tokens_are_those_of_the_paper(epochs: int, worth: float) -> None:
    assert weights.effective_tokens(1000, 1000 * epochs) == pytest.approx(1000 * worth, rel=0.005)
    assert weights.effective_tokens(1000, 10) == 10


def test_divergence_and_diversity() -> None:
    assert weights.divergence([0.5, 0.5], [1, 1]) == 0
    assert weights.divergence([1, 0], [0.5, 0.5]) == pytest.approx(math.log(2))
    assert weights.divergence([1, 0], [0, 1]) == math.inf
    assert weights.effective_groups([0.25] * 4) == pytest.approx(4)
    assert weights.effective_groups([1, 0]) == 1


def test_caps_round_down() -> None:
    assert weights.cap_tokens(7, 1.5) == 10
    assert weights.cap_tokens(10, 0.1) == 1
