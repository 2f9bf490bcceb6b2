"""The tail of event sizes: how fast the share of larger events falls, and how sure one can be.

Above `x_min` a discrete power law is fitted by exact maximum likelihood,

    P(x) = x^-alpha / zeta(alpha, x_min)   for whole x >= x_min,

and `x_min` is where the Kolmogorov-Smirnov distance between record and fit is least (Clauset, Shalizi & Newman 2009,
SIAM Review 51:661). Two questions stay apart: does a power law fit at all (`goodness_of_fit`), and does a lognormal
fit better (`against_lognormal`, Vuong 1989, Econometrica 57:307). With few events neither has much power:
`standard_error` and `smallest_n` say how many it takes.

Written out here, on `scipy.special.zeta`, because `powerlaw` 2.0 has no goodness of fit, finds no discrete lognormal
where the best one is close to a power law (it warns and returns numbers all the same), and brings mpmath and tqdm.
Its exact discrete exponents agree with these to 5e-5.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import ceil, erfc, exp, log, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.float64]
Int = NDArray[np.int64]

SMALLEST_ALPHA, LARGEST_ALPHA = 1.01, 12.0
"""Bounds of the search: at 1 the law has no sum, and above 12 one event in 4,000 is larger than 1."""
FEWEST_IN_TAIL = 10
"""Fewer events than this say nothing about a tail: the standard error of alpha is above a third of alpha - 1."""
RULED_OUT = 0.1
"""Below this a p-value speaks against a power law, or for one of two (Clauset, Shalizi & Newman)."""
PRECISION = 0.1
"""The standard error of alpha at which published exponents could be told apart."""
LARGEST_SIZE = 1e15
"""Drawn sizes stop here: whole numbers beyond it are not exact in floating point."""


@dataclass(frozen=True)
class Tail:
    """A fitted power law: P(x) falls as x^-alpha from x_min on."""

    alpha: float
    x_min: int
    n: int  # events of any size
    n_tail: int  # of size x_min or more
    distance: float  # Kolmogorov-Smirnov, between record and fit from x_min on
    standard_error: float  # of alpha, were x_min known


@dataclass(frozen=True)
class Interval:
    """An interval of alpha over resampled records; x_min is found anew in each."""

    low: float
    high: float
    level: float
    resamples: int


@dataclass(frozen=True)
class Comparison:
    """Power law against lognormal, both from x_min on."""

    normalised: float  # log-likelihood of the power law less that of the lognormal, by its standard deviation
    p_value: float  # two-sided; small says that one is better, the sign says which
    mu: float
    sigma: float

    @property
    def verdict(self) -> str:
        """Return which of the two is better at the level `RULED_OUT`, if any."""
        if self.p_value >= RULED_OUT:
            return "undecided"
        return "power law" if self.normalised > 0 else "lognormal"


@dataclass(frozen=True)
class Told:
    """What a record's sizes say of its tail, and how much they can say."""

    tail: Tail
    interval: Interval
    goodness: float  # small: not a power law
    lognormal: Comparison
    needed: int  # events in the tail that would bring the standard error of alpha down to PRECISION

    def __str__(self) -> str:
        """Say it in a sentence or two."""
        found, between = self.tail, self.interval
        ruled = "is ruled out" if self.goodness < RULED_OUT else "is not ruled out"
        return (
            f"exponent {found.alpha:.2f} ({between.level:.0%} {between.low:.2f}–{between.high:.2f}) from {found.x_min} "
            f"killed on, {found.n_tail} of {found.n} events; a power law {ruled} (p {self.goodness:.2f}), beside a "
            f"lognormal: {self.lognormal.verdict} (p {self.lognormal.p_value:.2f}); to know the exponent to "
            f"±{PRECISION} takes {self.needed:,} events in the tail"
        )


class NoTail(ValueError):
    """Sizes from which no tail can be fitted."""


def fit(sizes: ArrayLike, x_min: int | None = None, fewest: int = FEWEST_IN_TAIL) -> Tail:
    """Fit a power law to whole sizes (n,) of at least 1, from `x_min` on or from where it fits best.

    Refuses sizes that are not whole and positive, and records with fewer than `fewest` events, or with one size only,
    in the tail (`NoTail`). The error of alpha is about (alpha - 1)/sqrt(n_tail); see `interval` for the part of x_min.
    """
    values, counts = _counted(sizes)
    starts = _starts(values, counts, fewest) if x_min is None else _start_at(values, counts, x_min, fewest)
    return _best(values, counts, starts)


def interval(
    sizes: ArrayLike,
    rng: np.random.Generator,
    level: float = 0.95,
    resamples: int = 500,
    x_min: int | None = None,
) -> Interval:
    """Return the percentile interval of alpha over records drawn anew from the record; fixed `x_min` stays fixed."""
    values, counts = _counted(sizes)
    fit(np.repeat(values, counts), x_min)  # refuses a record without a tail
    fits: list[Tail] = []
    while len(fits) < resamples:
        again = np.repeat(values, rng.multinomial(counts.sum(), counts / counts.sum()))
        with suppress(NoTail):  # drawn once more
            fits.append(fit(again, x_min))
    low, high = np.quantile([f.alpha for f in fits], [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, resamples)


def goodness_of_fit(
    sizes: ArrayLike, rng: np.random.Generator, resamples: int = 500, x_min: int | None = None
) -> float:
    """Return how often records that do have the fitted tail lie further from their own fit than this one does.

    Semi-parametric bootstrap: sizes below x_min from the record, those above from the fit, x_min found anew each time.
    Small (below 0.1) says that a power law does not fit; its own error is at most 1/(2 sqrt(resamples)).
    """
    values, counts = _counted(sizes)
    record = fit(np.repeat(values, counts), x_min)
    below = values < record.x_min
    body = np.repeat(values[below], counts[below])
    further = 0
    for _ in range(resamples):
        in_tail = rng.binomial(record.n, record.n_tail / record.n)
        tail = sample(rng, in_tail, record.alpha, record.x_min)
        rest = rng.choice(body, record.n - in_tail) if len(body) else body
        with suppress(NoTail):  # too few in the drawn tail to lie far from any fit
            further += fit(np.concatenate([rest, tail]), x_min).distance >= record.distance
    return further / resamples


def against_lognormal(sizes: ArrayLike, tail: Tail) -> Comparison:
    """Compare a fitted tail with the discrete lognormal cut off below the same x_min, by Vuong's ratio.

    The power law is the lognormal's own limit as sigma grows, so that the ratio can hardly be above zero: "undecided"
    or a small p with a negative sign are what it can say. The lognormal is each whole number's share of the continuous
    one, rounded.
    """
    values, counts = _counted(sizes)
    kept = values >= tail.x_min
    x, c = values[kept].astype(np.float64), counts[kept]
    mu, sigma = _lognormal(x, c)
    ratio = _log_power(x, tail.alpha, tail.x_min) - _log_lognormal(x, mu, sigma, tail.x_min)
    total = float((c * ratio).sum())
    mean = total / c.sum()
    spread = sqrt(max(0.0, float((c * (ratio - mean) ** 2).sum())))
    normalised = total / spread if spread > 0 else 0.0
    return Comparison(normalised, erfc(abs(normalised) / sqrt(2)), mu, sigma)


def told(sizes: ArrayLike, rng: np.random.Generator, resamples: int = 500) -> Told:
    """Return all of this about whole sizes (n,), x_min where it fits best; `NoTail` as `fit` has it."""
    tail = fit(sizes)
    return Told(
        tail,
        interval(sizes, rng, resamples=resamples),
        goodness_of_fit(sizes, rng, resamples),
        against_lognormal(sizes, tail),
        smallest_n(tail.alpha, PRECISION, tail.x_min),
    )


def standard_error(alpha: float, n: int, x_min: int = 1) -> float:
    """Return the standard error of alpha with n events from a known `x_min` on, from the Fisher information.

    For large x_min this is (alpha - 1)/sqrt(n); at x_min = 1 and alpha = 2.5 it is 1.13 times that.
    """
    _, curvature = _slopes(np.array([alpha]), np.array([float(x_min)]))
    return float(1 / sqrt(n * curvature[0]))


def smallest_n(alpha: float, precision: float, x_min: int = 1) -> int:
    """Return how many events in the tail bring the standard error of alpha down to `precision`."""
    return ceil((standard_error(alpha, 1, x_min) / precision) ** 2)


def sample(rng: np.random.Generator, n: int, alpha: float, x_min: int = 1) -> Int:
    """Draw n sizes from the discrete power law, exactly, by rejection from a rounded-down Pareto law."""
    drawn: list[Int] = []
    missing = n
    while missing > 0:
        proposed = np.floor(np.minimum(x_min * rng.random(2 * missing + 8) ** (-1 / (alpha - 1)), LARGEST_SIZE))
        kept = proposed[rng.random(len(proposed)) * _envelope(proposed, alpha) <= _envelope(x_min, alpha)]
        drawn.append(kept[:missing].astype(np.int64))
        missing -= len(drawn[-1])
    return np.concatenate(drawn) if drawn else np.zeros(0, np.int64)


def _envelope(x: Float | float, alpha: float) -> Float:
    """Return the mass of the rounded-down Pareto law at x over that of the power law, but for a constant."""
    return np.asarray(-x * np.expm1((1 - alpha) * np.log1p(1 / x)))


def _counted(sizes: ArrayLike) -> tuple[Int, Int]:
    given = np.asarray(sizes)
    if given.ndim != 1 or not np.all(given == np.floor(given)) or np.any(given < 1):
        raise ValueError("sizes must be a list of whole numbers of at least 1")
    values, counts = np.unique(given.astype(np.int64), return_counts=True)
    return values, counts.astype(np.int64)


def _starts(values: Int, counts: Int, fewest: int) -> Int:
    """Return the values from which on there are enough events, of more than one size."""
    from_here_on = counts[::-1].cumsum()[::-1]
    starts = values[:-1][from_here_on[:-1] >= fewest]
    if not len(starts):
        raise NoTail(f"no tail of at least {fewest} events and two sizes among {counts.sum()} events")
    return starts


def _start_at(values: Int, counts: Int, x_min: int, fewest: int) -> Int:
    tail = values >= x_min
    if counts[tail].sum() < fewest or tail.sum() < 2:
        raise NoTail(f"fewer than {fewest} events, or one size only, from x_min = {x_min} on")
    return np.array([x_min], dtype=np.int64)


def _best(values: Int, counts: Int, starts: Int) -> Tail:
    """Fit from each start, all at once, and keep the fit nearest to the record."""
    kept = values >= starts[:, None]  # (starts, values)
    n = (kept * counts).sum(axis=1)
    mean_log = (kept * (counts * np.log(values))).sum(axis=1) / n
    alphas = _maximum_likelihood(mean_log, starts.astype(np.float64))
    distances = _distances(values, counts, kept, alphas, starts.astype(np.float64))
    best = int(np.argmin(distances))
    alpha, x_min, n_tail = float(alphas[best]), int(starts[best]), int(n[best])
    error = standard_error(alpha, n_tail, x_min)
    return Tail(alpha, x_min, int(counts.sum()), n_tail, float(distances[best]), error)


def _maximum_likelihood(mean_log: Float, x_min: Float) -> Float:
    """Solve d/d alpha [log zeta(alpha, x_min) + alpha mean_log] = 0 by Newton: the function is convex in alpha."""
    alpha = np.clip(1 + 1 / (mean_log - np.log(x_min - 0.5)), 1.1, LARGEST_ALPHA)
    for _ in range(60):
        slope, curvature = _slopes(alpha, x_min)
        step = np.clip((slope + mean_log) / curvature, -1.0, (alpha - SMALLEST_ALPHA) / 2)
        alpha = np.minimum(alpha - step, LARGEST_ALPHA)
        if np.abs(step).max() < 1e-9:
            break
    return np.asarray(alpha)


def _slopes(alpha: Float, x_min: Float, h: float = 1e-4) -> tuple[Float, Float]:
    """Return the first and second derivative of log zeta(alpha, x_min) in alpha, by central differences (1e-7)."""
    from scipy.special import zeta

    low, here, high = (np.log(zeta(alpha + shift, x_min)) for shift in (-h, 0.0, h))
    return (high - low) / (2 * h), (high - 2 * here + low) / h**2


def _distances(values: Int, counts: Int, kept: NDArray[np.bool_], alphas: Float, x_min: Float) -> Float:
    """Return the greatest gap over all whole sizes between record and fit, for each start.

    The record's share below a size is flat between two recorded sizes, so the gap is greatest at one of the two ends.
    """
    from scipy.special import zeta

    size = np.maximum(values, x_min[:, None])
    a = alphas[:, None]
    total = zeta(alphas, x_min)[:, None]
    tail = kept * counts
    n = tail.sum(axis=1)[:, None]
    below = np.where(kept, (tail.cumsum(axis=1) - tail) / n, 0.0)  # share of the record smaller than each size
    modelled = zeta(a, size) / total  # share of the fit at least as large
    before = np.abs(1 - modelled - below)
    after = np.abs(1 - modelled + size**-a / total - below - tail / n)
    return np.asarray(np.where(kept, np.maximum(before, after), 0.0).max(axis=1))


def _log_power(x: Float, alpha: float, x_min: int) -> Float:
    from scipy.special import zeta

    return np.asarray(-alpha * np.log(x) - log(zeta(alpha, x_min)))


def _log_lognormal(x: Float, mu: float, sigma: float, x_min: float) -> Float:
    """Return the log-probability of whole sizes under a lognormal, rounded, of which only x_min and more is kept."""
    from scipy.special import log_ndtr

    low, high = -(np.log(x - 0.5) - mu) / sigma, -(np.log(x + 0.5) - mu) / sigma
    above_low, above_high = log_ndtr(low), log_ndtr(high)
    share = np.log(-np.expm1(np.minimum(above_high - above_low, -1e-300)))
    return np.asarray(above_low + share - log_ndtr(-(log(x_min - 0.5) - mu) / sigma))


def _lognormal(x: Float, counts: Int) -> tuple[float, float]:
    """Find the lognormal's maximum likelihood from the smallest size on.

    In mu and sigma the likelihood is a ridge that runs to infinity where the data are near a power law. The search
    therefore goes over the local exponent at the smallest size, 1 + (log x_min - mu)/sigma^2, and the bend 1/sigma^2,
    whose limit 0 is the power law.
    """
    from scipy.optimize import minimize

    x_min = x[0]

    def at(point: Float) -> tuple[float, float]:
        variance = exp(-point[1])
        return log(x_min) - (point[0] - 1) * variance, sqrt(variance)

    def cost(point: Float) -> float:
        return -float((counts * _log_lognormal(x, *at(point), x_min)).sum()) / counts.sum()

    bounds = [(-20.0, LARGEST_ALPHA), (log(1e-4), log(1e3))]
    starts = [(2.0, log(bend)) for bend in (0.01, 0.3, 3.0)]
    found = [minimize(cost, start, method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-6, "fatol": 1e-10})
             for start in starts]  # fmt: skip
    mu, sigma = at(min(found, key=lambda result: float(result.fun)).x)
    return float(mu), float(sigma)
