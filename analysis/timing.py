"""When events come: in bursts or evenly, after one another, and in one place after another.

Waiting times are lengths in days (or any unit) between events that follow each other; counts are numbers a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True)
class LaggedCorrelation:
    """Correlation of two daily series at each lag, beside what series that know nothing of each other give."""

    lags: Int  # (lags,) days; positive where the first series leads
    value: Float  # (lags,)
    low: Float  # (lags,) pointwise band
    high: Float  # (lags,)
    greatest_by_chance: float  # a |correlation| that chance passes at any of the lags with probability 1 - level
    p_value: float  # of the greatest |correlation| over all lags
    level: float
    shifts: int

    @property
    def distinguishable(self) -> bool:
        """Say whether any lag stands out, all lags taken together."""
        return self.p_value <= 1 - self.level


def burstiness(waits: ArrayLike) -> float:
    """Return the burstiness of waits (n,): -1 like a clock, 0 at random, 1 for one single burst.

    B = (s - m)/(s + m) of Goh & Barabasi 2008, EPL 81:48002, corrected for the number of waits as in Kim & Jo 2016,
    PRE 94:032311: given their sum, n exponential waits have s^2/m^2 = (n - 1)/(n + 1) on average, and at most n - 1,
    so that uncorrected few random waits look even. NaN with fewer than two waits, or where all are 0.
    """
    x = np.asarray(waits, dtype=np.float64)
    n = len(x)
    if n < 2 or x.sum() == 0:
        return float("nan")
    ratio = float(x.std() / x.mean())
    up, down = sqrt(n + 1), sqrt(n - 1)
    return (up * ratio - down) / ((up - 2) * ratio + down)


def memory(waits: ArrayLike) -> float:
    """Return the correlation of each wait with the next (Goh & Barabasi 2008): above 0 where short follows short.

    The standard error without memory is about 1/sqrt(n), the bias about -1/n. NaN below three waits, or if all equal.
    """
    x = np.asarray(waits, dtype=np.float64)
    return float(_correlation(x[:-1], x[1:])) if len(x) > 2 else float("nan")


def fano(counts: ArrayLike, window: int = 1) -> float:
    """Return variance over mean of the sums over windows of `window` days; 1 for a Poisson process of constant rate.

    Windows do not overlap, and days left over at the end are left out. The standard error for a Poisson process is
    sqrt(2/(windows - 1)). NaN with fewer than two windows, or without events.
    """
    x = np.asarray(counts, dtype=np.float64)
    sums = x[: len(x) // window * window].reshape(-1, window).sum(axis=1)
    if len(sums) < 2 or sums.sum() == 0:
        return float("nan")
    return float(sums.var(ddof=1) / sums.mean())


def correlation(first: ArrayLike, second: ArrayLike) -> float:
    """Return the correlation of two daily series (days,) over the days on which neither is NaN.

    The standard error for series that are independent is 1/sqrt(days). NaN with fewer than three such days, or where
    one of the series does not vary on them.
    """
    a, b = _pair(first, second)
    known = ~(np.isnan(a) | np.isnan(b))
    return float(_correlation(a[known], b[known])) if known.sum() > 2 else float("nan")


def autocorrelation(counts: ArrayLike, lag: int = 1) -> float:
    """Return the correlation of a daily series (days,) with itself `lag` days, at least one, later; NaN days left out.

    The standard error for days that are independent is 1/sqrt(days), the bias -1/days. NaN as in `correlation`.
    """
    x = np.asarray(counts, dtype=np.float64)
    return correlation(x[:-lag], x[lag:])


def lagged_correlation(first: ArrayLike, second: ArrayLike, lags: ArrayLike) -> Float:
    """Return the correlation (lags,) of `first` (days,) with `second` (days,) so many days later.

    At a positive lag the first leads. Each lag uses the days that both have, with their own means.
    """
    a, b = _pair(first, second)
    return np.array([float(_at_lag(a, b, int(lag))) for lag in np.atleast_1d(np.asarray(lags))])


def cross_correlation(
    first: ArrayLike,
    second: ArrayLike,
    lags: ArrayLike,
    rng: np.random.Generator,
    shifts: int = 999,
    level: float = 0.95,
    farthest: int | None = None,
) -> LaggedCorrelation:
    """Return the lagged correlation of two daily series with the band that shifting one of them around in time gives.

    A shift in a circle keeps what each series is in itself (bursts, memory) and breaks what ties one to the other.
    Shifts are at least as long as the longest lag, and at most `farthest` days (half the series unless told): with a
    short `farthest`, slow ups and downs that both share stay in the band and do not pass for a tie. Raises ValueError
    where no shift is left.
    """
    a, b = _pair(first, second)
    days = np.atleast_1d(np.asarray(lags, dtype=np.int64))
    nearest, limit = int(np.abs(days).max()) + 1, len(a) // 2 if farthest is None else farthest
    if not nearest <= limit <= len(a) // 2:
        raise ValueError(f"shifts of {nearest} to {limit} days do not fit a series of {len(a)} days")
    found = lagged_correlation(a, b, days)
    by = rng.integers(nearest, limit + 1, shifts) * rng.choice([-1, 1], shifts)
    shifted = b[(np.arange(len(b)) - by[:, None]) % len(b)]  # (shifts, days)
    chance = np.array([_at_lag(a, shifted, int(lag)) for lag in days]).T
    greatest = np.abs(chance).max(axis=1)
    cut = (1 - level) / 2
    low, high = np.quantile(chance, [cut, 1 - cut], axis=0)
    p_value = (1 + int((greatest >= np.abs(found).max()).sum())) / (shifts + 1)
    return LaggedCorrelation(days, found, low, high, float(np.quantile(greatest, level)), p_value, level, shifts)


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Float, Float]:
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two series of the same days are needed, not of shapes {a.shape} and {b.shape}")
    return a, b


def _at_lag(a: Float, b: Float, lag: int) -> Float:
    """Correlate one series (days,) with one or more others (..., days) that many days later."""
    if abs(lag) > len(a) - 3:
        raise ValueError(f"a lag of {lag} days leaves fewer than 3 of {len(a)} days")
    return _correlation(a[: len(a) - lag], b[..., lag:]) if lag >= 0 else _correlation(a[-lag:], b[..., :lag])


def _correlation(a: Float, b: Float) -> Float:
    a, b = a - a.mean(), b - b.mean(axis=-1, keepdims=True)
    size = np.sqrt((a @ a) * (b * b).sum(axis=-1))
    return np.asarray(np.divide(b @ a, size, out=np.full(size.shape, np.nan), where=size > 0))
