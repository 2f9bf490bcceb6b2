"""Whether outcomes have one mode: Hartigan's dip test (Hartigan & Hartigan 1985, Annals of Statistics 13:70).

The dip is how far a distribution is, at least, from every distribution with one mode; it is held against the dips of as
many draws from the uniform distribution, the least favourable one with one mode. So the test is cautious: of a hundred
outcomes it sees two modes of equal weight four standard deviations apart in five of six samples, fewer when one mode
is much the lesser, and of twenty hardly any.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

UNIFORM_SAMPLES = 1_000
LUCK = 1985
DOUBTED_BELOW = 0.05


def chance_of_dip(counts: Float) -> float:
    """Return how often a sample with one mode dips as deep as counts (n,): p of the test.

    Counts are spread evenly over the unit that each stands for, since ties would pass for modes.
    """
    spread = counts + np.random.default_rng(LUCK).random(counts.size)
    return float((_dips_of_uniform(counts.size) >= dip(spread)).mean())


@lru_cache(maxsize=8)
def _dips_of_uniform(size: int) -> Float:
    rng = np.random.default_rng([LUCK, size])
    return np.array([dip(rng.random(size)) for _ in range(UNIFORM_SAMPLES)])


def dip(values: Float) -> float:
    """Return the dip of distinct values (n,).

    Between the greatest convex minorant and the least concave majorant of the distribution, the span in which the mode
    may lie is narrowed until nothing outside it is further off than what is left inside (Applied Statistics AS 217).
    """
    at = np.sort(values)
    steps = np.arange(at.size + 1) / at.size
    below, above, furthest = steps[:-1], steps[1:], 0.0
    while True:
        convex, concave = _vertices(at, below), _vertices(at, -above)
        under = np.interp(at, at[convex], below[convex])
        over = np.interp(at, at[concave], above[concave])
        widest, left, right = _modal_span(over - under, convex, concave)
        if widest <= furthest:
            return furthest / 2.0
        furthest = max(furthest, (above - under)[: left + 1].max(), (over - below)[right:].max())
        if right - left == at.size - 1:
            return furthest / 2.0
        at, below, above = (of[left : right + 1] for of in (at, below, above))


def _vertices(x: Float, y: Float) -> NDArray[np.int64]:
    """Return the points that the greatest convex minorant of points (n,) touches."""
    kept = [0]
    for i in range(1, x.size):
        while len(kept) > 1 and _lies_above(x, y, kept[-2], kept[-1], i):
            kept.pop()
        kept.append(i)
    return np.array(kept)


def _lies_above(x: Float, y: Float, before: int, point: int, after: int) -> bool:
    """Say whether a point is on or above the line between two others."""
    rise = (y[after] - y[point]) * (x[point] - x[before])
    return bool(rise <= (y[point] - y[before]) * (x[after] - x[point]))


def _modal_span(apart: Float, convex: NDArray[np.int64], concave: NDArray[np.int64]) -> tuple[float, int, int]:
    """Return how far majorant and minorant are apart at most, and the vertices on either side of there."""
    lower, upper = convex[np.argmax(apart[convex])], concave[np.argmax(apart[concave])]
    if apart[upper] > apart[lower]:
        return float(apart[upper]), int(convex[convex <= upper][-1]), int(upper)
    return float(apart[lower]), int(lower), int(concave[concave >= lower][0])
