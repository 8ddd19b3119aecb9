"""How far a share in a sample may be from that in the whole."""

from __future__ import annotations

import math

from curation.manifest import Frozen

Z = 1.959963984540054
"""The standard deviations that 95 % of a normal distribution lie within."""


class Share(Frozen):
    """A share of a sample, and between what bounds it lies in the whole, with 95 % confidence; 0 to 1."""

    value: float
    low: float
    high: float


def share(hits: int, total: int, sampled: float = 0.0) -> Share:
    """Wilson's score interval (1927) for a share of a sample that is `sampled` of the whole: exact for all of it.

    Nothing is known, so anything is possible, where there is no sample.
    """
    if not total:
        return Share(value=0.0, low=0.0, high=1.0)
    p = hits / total
    if sampled >= 1:
        return Share(value=p, low=p, high=p)
    size, z2 = total / (1 - sampled), Z * Z  # the correction for finite populations, as a larger sample
    centre = (p + z2 / (2 * size)) / (1 + z2 / size)
    reach = Z / (1 + z2 / size) * math.sqrt(p * (1 - p) / size + z2 / (4 * size * size))
    return Share(
        value=p,
        low=max(0.0, centre - reach) if hits else 0.0,
        high=min(1.0, centre + reach) if hits < total else 1.0,
    )
