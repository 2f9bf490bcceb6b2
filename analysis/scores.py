"""How good a forecast of counts was: proper scores, coverage and width, and whether one forecaster beats another.

An ensemble is (members, days) of whole numbers, a record (days,). Scores are losses: smaller is better. A table of
probabilities `pmf` is (days, counts), the chance of 0, 1, 2, … on each day.

The fair ensemble score is written out in three lines: `scoringrules` 0.11 gives the same numbers, but its
numpy version compares all pairs of members (over 1,000 times as long at 2,000 members), and it loads numba at import.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class Coverage:
    """Central intervals of a forecast against what happened."""

    level: float
    inside: float  # share of days inside
    error: float  # standard error of that share, were days independent
    width: float  # mean, in counts: upper less lower end


@dataclass(frozen=True)
class Paired:
    """Mean difference of the scores of two forecasters on the same days; below 0 the first is better."""

    difference: float
    standard_error: float  # robust to autocorrelation up to `lags`
    statistic: float
    p_value: float  # two-sided
    low: float  # block bootstrap
    high: float
    level: float
    days: int
    lags: int
    block: int

    @property
    def verdict(self) -> str:
        """Say who is better where the interval leaves zero out."""
        if self.low <= 0 <= self.high:
            return "indistinguishable"
        return "first" if self.difference < 0 else "second"


def crps(ensemble: ArrayLike, observed: ArrayLike, fair: bool = True) -> Float:
    """Return the continuous ranked probability score (days,) of an ensemble, in counts.

    `fair` takes out what a small ensemble costs, so that its mean does not depend on the number of members (Ferro
    2014, QJRMS 140:1917); it needs two members at least, and may be slightly below zero on a day.
    """
    x, y = _ensemble(ensemble, observed)
    members = len(x)
    if fair and members < 2:
        raise ValueError("a fair score needs two members at least")
    rank = 2 * np.arange(1, members + 1)[:, None] - members - 1
    spread = (rank * np.sort(x, axis=0)).sum(axis=0) / (members * (members - 1 if fair else members))
    return np.asarray(np.abs(x - y).mean(axis=0) - spread)


def crps_pmf(pmf: ArrayLike, observed: ArrayLike) -> Float:
    """Return the ranked probability score (days,), in counts, of probabilities of 0, 1, 2, …

    The table must hold all but a negligible part of each day's probability, and every observed count (ValueError).
    """
    p, y = _table(pmf, observed)
    return np.asarray(((p.cumsum(axis=1) - (np.arange(p.shape[1]) >= y[:, None])) ** 2).sum(axis=1))


def log_score(ensemble: ArrayLike, observed: ArrayLike) -> Float:
    """Return minus the log-probability (days,), in nats, that an ensemble gave what happened.

    One pseudo-member is added, spread over all counts k as 1/((k + 1)(k + 2)), which adds up to 1 and favours nothing:
    a count y that no member has costs log((members + 1)(y + 1)(y + 2)) and not infinity. Forecasts must have the same
    number of members to be compared.
    """
    x, y = _ensemble(ensemble, observed)
    pseudo = 1 / ((y + 1) * (y + 2))
    return np.asarray(-np.log(((x == y).sum(axis=0) + pseudo) / (len(x) + 1)))


def log_score_pmf(pmf: ArrayLike, observed: ArrayLike) -> Float:
    """Return minus the log-probability (days,), in nats, of what happened; infinite where the table says impossible."""
    p, y = _table(pmf, observed)
    with np.errstate(divide="ignore"):
        return np.asarray(-np.log(p[np.arange(len(y)), y]))


def brier(probability: ArrayLike, happened: ArrayLike) -> Float:
    """Return the squared error (days,) of a probability of something that happened (1) or not (0)."""
    return np.asarray((np.asarray(probability, dtype=np.float64) - np.asarray(happened, dtype=np.float64)) ** 2)


def central_interval(ensemble: ArrayLike, level: float = 0.8) -> tuple[Float, Float]:
    """Return the ends (days,), (days,) of the central interval, both counts that members have.

    It holds at least `level` of the members; with counts, and many zeros above all, often more.
    """
    x = np.asarray(ensemble)
    low, high = np.quantile(x, [(1 - level) / 2, (1 + level) / 2], axis=0, method="inverted_cdf")
    return np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)


def coverage(ensemble: ArrayLike, observed: ArrayLike, level: float = 0.8) -> Coverage:
    """Return how often what happened was inside the central interval, ends included, and how wide that was."""
    x, y = _ensemble(ensemble, observed)
    low, high = central_interval(x, level)
    inside = float(((low <= y) & (y <= high)).mean())
    return Coverage(level, inside, sqrt(inside * (1 - inside) / len(y)), float((high - low).mean()))


def compare(
    first: ArrayLike,
    second: ArrayLike,
    rng: np.random.Generator,
    lags: int | None = None,
    block: int | None = None,
    level: float = 0.95,
    resamples: int = 2000,
) -> Paired:
    """Compare the scores (days,) of two forecasters on the same days (Diebold & Mariano 1995, JBES 13:253).

    The standard error adds up autocovariances with Bartlett weights over `lags` days (Newey & West 1987; unless told
    4 (days/100)^(2/9)); p follows from Student's t with days - 1. The interval draws blocks of `block` days in a circle
    (unless told days^(1/3), at least lags + 1). Rounds that last for days need `lags` and `block` at least as long.
    Days of one path are one sample of a conflict: the test is about these days, not about conflicts in general.
    """
    from scipy.stats import t

    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1 or len(a) < 3:
        raise ValueError(f"two scores of the same days, three at least, are needed, not {a.shape} and {b.shape}")
    if not np.isfinite(a - b).all():
        raise ValueError("scores must be finite to be compared")
    gap, days = a - b, len(a)
    lags = floor(4 * (days / 100) ** (2 / 9)) if lags is None else lags
    block = max(round(days ** (1 / 3)), lags + 1) if block is None else block
    mean, error = float(gap.mean()), _robust_error(gap, lags)
    statistic = mean / error if error > 0 else 0.0
    means = _block_means(gap, block, resamples, rng)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    p_value = float(2 * t.sf(abs(statistic), days - 1))
    return Paired(mean, error, statistic, p_value, float(low), float(high), level, days, lags, block)


def _robust_error(gap: Float, lags: int) -> float:
    rest, days = gap - gap.mean(), len(gap)
    total = float(rest @ rest)
    for lag in range(1, min(lags, days - 1) + 1):
        total += 2 * (1 - lag / (lags + 1)) * float(rest[lag:] @ rest[:-lag])
    return sqrt(max(total, 0.0)) / days


def _block_means(gap: Float, block: int, resamples: int, rng: np.random.Generator) -> Float:
    days = len(gap)
    blocks = -(-days // block)
    starts = rng.integers(0, days, (resamples, blocks, 1))
    drawn = ((starts + np.arange(block)) % days).reshape(resamples, -1)[:, :days]
    return np.asarray(gap[drawn].mean(axis=1))


def _ensemble(ensemble: ArrayLike, observed: ArrayLike) -> tuple[Float, Float]:
    x, y = np.asarray(ensemble, dtype=np.float64), np.asarray(observed, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[1:]:
        raise ValueError(f"an ensemble (members, days) and a record (days,) are needed, not {x.shape} and {y.shape}")
    return x, y


def _table(pmf: ArrayLike, observed: ArrayLike) -> tuple[Float, Int]:
    p, y = np.asarray(pmf, dtype=np.float64), np.asarray(observed).astype(np.int64)
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise ValueError(f"probabilities (days, counts) and a record (days,) are needed, not {p.shape} and {y.shape}")
    if np.any(y < 0) or np.any(y >= p.shape[1]):
        raise ValueError(f"the table ends at {p.shape[1] - 1}, the record runs from {y.min()} to {y.max()}")
    return p, y
