"""The arithmetic of mixtures: target shares, what caps make of them, whole numbers. Exact, and pure.

Shares are fractions in the order of the groups. A share that a group's cap cannot give is taken down to the cap and the
rest is scaled up alike, until all fit: the nearest shares that can be had, in Kullback-Leibler divergence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

Shares = list[Fraction]

R_STAR = 15.387756
"""After how many repetitions a token's worth has fallen to 1/e: Muennighoff et al. 2023 (arXiv 2305.16264), appendix A,
fitted on C4."""


def natural(tokens: Sequence[int]) -> Shares:
    """Each group's share of all tokens. Raises ValueError where there are none."""
    return normalised([Fraction(count) for count in tokens])


def fixed(weights: Sequence[float]) -> Shares:
    """Each weight's share of their sum, taken as the decimal number that it was written as."""
    return normalised([exact(weight) for weight in weights])


def temperature(tokens: Sequence[int], tau: float) -> Shares:
    """w ∝ tokens^(1/tau) (mT5, Xue et al. 2021: 1/tau = 0.3); tau 1 is `natural`, exactly."""
    if tau == 1:
        return natural(tokens)
    largest = max(tokens)
    return normalised([Fraction((count / largest) ** (1 / tau) if count else 0) for count in tokens])


def even(tokens: Sequence[int]) -> Shares:
    """The same share for every group that has tokens. With caps of `max_epochs`, `project` makes UniMax of it (Chung et
    al. 2023, arXiv 2304.09151, algorithm 1)."""
    return normalised([Fraction(bool(count)) for count in tokens])


def repeated(tokens: Sequence[int], factors: Sequence[float]) -> Shares:
    """w ∝ factor · tokens: what each group's share is where its documents are seen `factor` times."""
    return normalised([count * exact(factor) for count, factor in zip(tokens, factors, strict=True)])


def normalised(parts: Sequence[Fraction]) -> Shares:
    """The parts scaled to sum to 1. Raises ValueError where all are 0."""
    whole = sum(parts, Fraction())
    if not whole:
        raise ValueError("all parts are 0")
    return [part / whole for part in parts]


def project(target: Sequence[Fraction], caps: Sequence[int | None], budget: int) -> Shares:
    """The shares of the budget nearest to `target` under caps in tokens (None: no cap); they sum to 1, or to less where
    all caps together do not reach the budget.

    argmin KL(p ‖ target) subject to p ≤ cap/budget is p = min(cap/budget, λ · target): whoever would be above its cap
    is at it, and the others keep their proportions. Groups with a target of 0 stay at 0.
    """
    limits = [None if cap is None else Fraction(cap, budget) for cap in caps]
    shares = [Fraction()] * len(target)
    free = [index for index, share in enumerate(target) if share]
    left, weight = Fraction(1), sum(target, Fraction())
    for index in sorted(free, key=lambda index: _fullness(limits[index], target[index])):
        wanted = left * target[index] / weight
        limit = limits[index]
        shares[index] = wanted if limit is None else min(wanted, limit)
        left -= shares[index]
        weight -= target[index]
    return shares


def binding(shares: Sequence[Fraction], target: Sequence[Fraction]) -> list[bool]:
    """Whether each group would have more if it had no cap, of what `project` gave."""
    scales = [share / wanted if wanted else None for share, wanted in zip(shares, target, strict=True)]
    most = max(scale for scale in scales if scale is not None)
    is_short = sum(shares, Fraction()) < 1
    return [scale is not None and (is_short or scale < most) for scale in scales]


def _fullness(limit: Fraction | None, target: Fraction) -> tuple[bool, Fraction]:
    """What orders groups by when their caps bind, those without one last."""
    return limit is None, Fraction() if limit is None else limit / target


def whole_tokens(shares: Sequence[Fraction], budget: int) -> list[int]:
    """The shares of the budget as whole tokens that add up to what the shares do, by largest remainders; ties go to the
    earlier group. A share below a whole cap stays within it."""
    exact_tokens = [share * budget for share in shares]
    tokens = [math.floor(count) for count in exact_tokens]
    missing = round(sum(exact_tokens, Fraction())) - sum(tokens)
    by_remainder = sorted(range(len(shares)), key=lambda index: tokens[index] - exact_tokens[index])
    for index in by_remainder[:missing]:
        tokens[index] += 1
    return tokens


def cap_tokens(tokens: int, max_epochs: float) -> int:
    """How many tokens of a group are seen at most."""
    return math.floor(tokens * exact(max_epochs))


def effective_tokens(unique: int, seen: int) -> float:
    """How many fresh tokens `seen` tokens of `unique` ones are worth: D' = U + U·R*·(1 - exp(-R/R*)), R = epochs - 1
    (Muennighoff et al. 2023, equation 5); up to one epoch all of them."""
    if seen <= unique:
        return float(seen)
    repetitions = seen / unique - 1
    return unique + unique * R_STAR * -math.expm1(-repetitions / R_STAR)


def divergence(shares: Sequence[float], reference: Sequence[float]) -> float:
    """KL(shares ‖ reference) in nats, both scaled to sum to 1; infinite where the reference has none of a share."""
    total, whole = math.fsum(shares), math.fsum(reference)
    terms = []
    for share, other in zip(shares, reference, strict=True):
        if share:
            if not other:
                return math.inf
            terms.append(share / total * math.log(share / total * whole / other))
    return max(0.0, math.fsum(terms))


def effective_groups(shares: Sequence[float]) -> float:
    """exp of the entropy: of how many equal groups the shares are as diverse as."""
    total = math.fsum(shares)
    return math.exp(-math.fsum(share / total * math.log(share / total) for share in shares if share))


def exact(number: float) -> Fraction:
    """The decimal number that a float was written as: 0.1 is a tenth."""
    return Fraction(repr(number))
