"""How surely two worlds with the same luck differ, and what their pairing buys: the statistics of a comparison."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.numbers import or_none

Float = NDArray[np.float64]

LEVEL = 0.95
RESAMPLES = 4_000
FEWEST_FOR_BOOTSTRAP = 20
MEASURED_ON = 8
"""Pairs below which a ratio of variances says nothing."""
LUCK = 20_130_519
"""Seed of the resampling, so that the same runs give the same intervals."""
NOTHING = 1e-12
"""What rounding leaves of a difference between counts."""


@dataclass(frozen=True)
class Interval:
    """Mean differences (rows,) with their intervals."""

    mean: Float
    low: Float
    high: Float
    kind: str  # "bootstrap" or "t"


def resampling(pairs: int, resamples: int = RESAMPLES) -> Float:
    """Return the weights of pairs in resamples, (resamples, pairs)."""
    rng = np.random.default_rng([LUCK, pairs])
    return rng.multinomial(pairs, np.full(pairs, 1.0 / pairs), size=resamples) / pairs


def interval(differences: Float, level: float = LEVEL) -> Interval:
    """Return mean differences over pairs (pairs, rows), with intervals of the mean."""
    pairs = len(differences)
    mean = differences.mean(axis=0)
    if pairs < FEWEST_FOR_BOOTSTRAP:
        return _student(differences, mean, level)
    low, high = _accelerated(differences, mean, level)
    return Interval(mean, low, high, "bootstrap")


def _student(differences: Float, mean: Float, level: float) -> Interval:
    from scipy.stats import t

    pairs = len(differences)
    if pairs < 2:
        nothing = np.full(mean.shape, np.nan)
        return Interval(mean, nothing, nothing, "t")
    reach = t.ppf(0.5 + level / 2.0, pairs - 1) * differences.std(axis=0, ddof=1) / np.sqrt(pairs)
    return Interval(mean, mean - reach, mean + reach, "t")


def _accelerated(differences: Float, mean: Float, level: float) -> tuple[Float, Float]:
    """Return both ends of bootstrap intervals with their bias corrected, and accelerated for skew."""
    from scipy.special import ndtr, ndtri

    means = np.sort(resampling(len(differences)) @ differences, axis=0)
    slack = 1e-9 * (1.0 + np.abs(mean))  # sums in another order differ in their last digits
    below = (means < mean - slack).mean(axis=0) + 0.5 * (np.abs(means - mean) <= slack).mean(axis=0)
    bias = ndtri(np.clip(below, 1.0 / len(means), 1.0 - 1.0 / len(means)))
    centred = differences - mean
    spread = (centred**2).sum(axis=0)
    skew = np.divide((centred**3).sum(axis=0), 6.0 * spread**1.5, out=np.zeros_like(mean), where=spread > 0)
    ends = []
    for share in ((1.0 - level) / 2.0, (1.0 + level) / 2.0):
        z = bias + ndtri(share)
        at = ndtr(bias + z / (1.0 - skew * z)) * (len(means) - 1)
        ends.append(
            np.array([np.interp(p, np.arange(len(means)), column) for p, column in zip(at, means.T, strict=True)])
        )
    low, high = (np.clip(end, differences.min(axis=0), differences.max(axis=0)) for end in ends)
    return low, high


@dataclass(frozen=True)
class Factor:
    """How many times smaller a variance is, with its interval; None where there is none to compare."""

    factor: float | None
    low: float | None
    high: float | None

    @property
    def helps(self) -> bool:
        """Say whether it is more than 1 beyond doubt."""
        return self.low is not None and self.low > 1.0

    def as_dict(self) -> dict[str, float | None]:
        """Return the factor for JSON."""
        return {"factor": self.factor, "low": self.low, "high": self.high}


NO_FACTOR = Factor(None, None, None)


Variance = Callable[[Float], Float]
"""What takes weights of the pairs (n, pairs) and returns variances (n, rows)."""


def ratios(larger: Variance, smaller: Variance, pairs: int) -> Float:
    """Return ratios of variances (1 + resamples, rows): as they are, and resampled; NaN where there is nothing."""
    weights = np.vstack([np.full((1, pairs), 1.0 / pairs), resampling(pairs)])
    above, below = larger(weights), smaller(weights)
    ratio = np.divide(above, below, out=np.full(above.shape, np.inf), where=below > 0)
    return np.where(above[:1] > 0, ratio, np.nan)


def factor_of(ratio: Float) -> Factor:
    """Return a ratio of variances (1 + resamples,) with its interval."""
    if np.isnan(ratio[0]):
        return NO_FACTOR
    cut = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(ratio[1:], [cut, 1.0 - cut], method="nearest")
    return Factor(*(or_none(float(x)) for x in (ratio[0], low, high)))


def variance(values: Float) -> Variance:
    """Return what works out the variance of values (pairs, rows) under weights (n, pairs), (n, rows)."""
    centred = values - values.mean(axis=0)  # no digits lost to a large mean
    centred = np.where(np.abs(centred) < NOTHING, 0.0, centred)

    def of(weights: Float) -> Float:
        variance = weights @ centred**2 - (weights @ centred) ** 2
        return np.asarray(np.where(variance < NOTHING, 0.0, variance))

    return of
