"""Approximate Bayesian computation: which parameters make runs that look like the record.

Runs are drawn from the prior and then, wave by wave, from around the draws that came closest (population Monte
Carlo: Beaumont, Cornuet, Marin & Robert 2009), and each is weighted by the prior over the mixture of all that it
could have been drawn from (Cornuet et al. 2012), so that draws of every wave count. The closest are kept, weighted by
an Epanechnikov kernel, and their parameters corrected for the distance that is left by a local-linear regression in
logit space (Beaumont, Zhang & Balding 2002). All parameters are shares of the way through their prior range, (0, 1).

What the record has is told as *gaps*: the signed distance of each figure from the nearest value that the record
allows, in units of what is allowed. A gap of 0 needs no correction; NaN (the run never got there) counts as `MISS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import logsumexp

Float = NDArray[np.float64]
Int = NDArray[np.int64]

MISS = 3.0
"""A gap is at most this many units: how far off a run is, once it is far off, says nothing."""
EDGE = 1e-3
"""Shares are kept this far from the ends of their range, where the logit is infinite."""
RIDGE = 1e-3
"""Added to the diagonal of regressions and covariances of standardised columns."""
LEVEL = 0.8
"""How often an interval says that it holds the truth."""


def capped(gaps: Float) -> Float:
    """Return gaps (n, figures) with what is missing or too far at `MISS`."""
    return np.clip(np.where(np.isnan(gaps), MISS, gaps), -MISS, MISS)


def distances(gaps: Float, groups: Int) -> Float:
    """Return how far runs are from the record, (n,): root mean square over groups of figures, so each counts once."""
    return np.asarray(np.sqrt(squares(gaps, groups).mean(axis=1)))


def squares(gaps: Float, groups: Int) -> Float:
    """Return the mean squared gaps of runs by group of figures, (n, groups)."""
    each = capped(gaps) ** 2
    return np.column_stack([each[:, groups == group].mean(axis=1) for group in np.unique(groups)])


def logit(share: Float) -> Float:
    """Return the log odds of shares."""
    inside = np.clip(share, EDGE, 1.0 - EDGE)
    return np.asarray(np.log(inside / (1.0 - inside)))


def expit(x: Float) -> Float:
    """Return shares from their log odds."""
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


# --- proposals -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proposal:
    """A mixture of normals in logit space around draws that came close; of the parameters in `fitted` alone."""

    centres: Float  # (m, fitted), logits
    weights: Float  # (m,), sum 1
    covariance: Float  # (fitted, fitted)
    fitted: Int

    @classmethod
    def around(cls, shares: Float, weights: Float, fitted: Int) -> Proposal:
        """Go out from draws (m, parameters) with their weights (m,)."""
        centres = logit(shares[:, fitted])
        share = weights / weights.sum()
        covariance = np.atleast_2d(np.cov(centres.T, aweights=share, ddof=0))
        spread = kernel_spread(1.0 / (share**2).sum(), len(fitted))
        return cls(centres, share, spread * covariance + RIDGE * np.eye(len(fitted)), fitted)

    def draw(self, rest: Float, rng: np.random.Generator) -> Float:
        """Return shares (n, parameters): like `rest`, but for those that are fitted."""
        n, shares = len(rest), rest.copy()
        start = self.centres[rng.choice(len(self.centres), n, p=self.weights)]
        shares[:, self.fitted] = expit(start + rng.multivariate_normal(np.zeros(len(self.fitted)), self.covariance, n))
        return np.clip(shares, EDGE, 1.0 - EDGE)

    def log_density(self, shares: Float) -> Float:
        """Return the log density (n,) at shares (n, parameters), per unit of the prior's shares."""
        at = logit(shares[:, self.fitted])
        spread = stats.multivariate_normal(np.zeros(len(self.fitted)), self.covariance, allow_singular=True)
        apart = spread.logpdf(at[:, None, :] - self.centres[None, :, :]).reshape(len(at), -1)
        inside = np.clip(shares[:, self.fitted], EDGE, 1.0 - EDGE)
        stretch = -np.log(inside * (1.0 - inside)).sum(axis=1)  # d logit / d share
        return np.asarray(logsumexp(apart, b=self.weights, axis=1) + stretch)


def kernel_spread(draws: float, parameters: int) -> float:
    """Return which part of their covariance smooths so many draws best (Silverman 1986, 4.3.2).

    Twice the covariance, as Beaumont et al. 2009 have it, leads away from the draws where few of them were dropped and
    many parameters are fitted; all draws are weighted by what they were drawn from, so either is right.
    """
    return float((4.0 / ((parameters + 2.0) * draws)) ** (2.0 / (parameters + 4.0)))


def importance(shares: Float, proposals: list[Proposal], sizes: list[int]) -> Float:
    """Return the prior over the mixture of the waves, (n,): wave 0, of sizes[0] draws, is the prior itself."""
    of_all = np.array(sizes, dtype=np.float64) / sum(sizes)
    waves = [np.zeros(len(shares)), *(proposal.log_density(shares) for proposal in proposals)]
    return np.asarray(np.exp(-logsumexp(np.array(waves), b=of_all[:, None], axis=0)))


# --- the posterior -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Posterior:
    """Draws that came close, with their weights."""

    rows: Int  # (m,) which of the draws
    weights: Float  # (m,), sum 1
    shares: Float  # (m, parameters) corrected for the distance left
    tolerance: float  # greatest distance kept

    @property
    def effective(self) -> float:
        """How many draws of equal weight it is worth."""
        return float(1.0 / (self.weights**2).sum())

    def centre(self) -> Float:
        """Return the middle, (parameters,): the mean in logit space, as shares."""
        return expit(self.weights @ logit(self.shares))

    def interval(self, level: float = LEVEL) -> Float:
        """Return the ends (2, parameters) of the central interval of each parameter."""
        ends = np.array([(1.0 - level) / 2.0, (1.0 + level) / 2.0])
        return np.array([quantiles(column, self.weights, ends) for column in self.shares.T]).T

    def stretched(self, by: Float) -> Posterior:
        """Return the same with parameters pulled apart about their middles, by factors (parameters,) in logit space."""
        return replace(self, shares=apart(self.shares, self.centre(), by))

    def contraction(self) -> Float:
        """Return 1 - sd of the posterior / sd of the prior, (parameters,): 0 where the record says nothing."""
        mean = self.weights @ self.shares
        spread = np.sqrt(self.weights @ (self.shares - mean) ** 2)
        return np.asarray(1.0 - spread * np.sqrt(12.0))

    def resampled(self, n: int, rng: np.random.Generator, smooth: float = 0.0) -> Float:
        """Return n draws of equal weight, (n, parameters), by systematic resampling.

        `smooth` moves each towards the mean and adds a normal of so many standard deviations, which leaves mean and
        variance as they are and makes draws distinct (Liu & West 2001).
        """
        at = (np.arange(n) + rng.random()) / n
        last = len(self.weights) - 1
        rows = np.minimum(np.searchsorted(np.cumsum(self.weights), at), last)
        if smooth == 0.0:
            return self.shares[rows]
        x = logit(self.shares)
        mean = self.weights @ x
        covariance = (x - mean).T @ ((x - mean) * self.weights[:, None])
        moved = mean + np.sqrt(1.0 - smooth**2) * (x[rows] - mean)
        return expit(moved + smooth * rng.multivariate_normal(np.zeros(len(mean)), covariance, n))


def apart(shares: Float, middle: Float, by: Float) -> Float:
    """Return shares (n, parameters) pulled apart about their middles by factors (parameters,), in logit space."""
    return expit(logit(middle) + by * (logit(shares) - logit(middle)))


def posterior(
    shares: Float, gaps: Float, weights: Float, groups: Int, keep: int, correct: Int | None = None, widen: bool = False
) -> Posterior:
    """Keep the `keep` closest draws and correct the parameters in the columns `correct`.

    shares: (n, parameters); gaps: (n, figures); weights: (n,) of the draws; groups: (figures,).
    """
    far = distances(gaps, groups)
    keep = min(keep, len(far))
    rows = np.argsort(far, kind="stable")[:keep]
    tolerance = float(far[rows[-1]])
    kernel = np.maximum(1.0 - (far[rows] / tolerance) ** 2 if tolerance > 0 else np.ones(keep), RIDGE)
    share = weights[rows] * kernel
    share = share / share.sum()
    kept = shares[rows]
    if correct is not None:
        kept[:, correct] = corrected(kept[:, correct], capped(gaps[rows]), share, widen)
    return Posterior(rows, share, kept, tolerance)


def corrected(shares: Float, gaps: Float, weights: Float, widen: bool = False) -> Float:
    """Move parameters (m, p) to where a weighted linear regression on the gaps (m, figures) has no gap.

    `widen` stretches what the regression leaves unexplained by what it lost to its own degrees of freedom.
    """
    spread = gaps.std(axis=0)
    moving = spread > 0
    if not moving.any():
        return shares
    x = gaps[:, moving] / spread[moving]
    design = np.column_stack([np.ones(len(x)), x])
    penalty = RIDGE * len(x) * np.diag([0.0, *np.ones(x.shape[1])])
    weighted = design * (weights * len(weights))[:, None]
    slope = np.linalg.solve(weighted.T @ design + penalty, weighted.T @ logit(shares))
    moved = logit(shares) - x @ slope[1:]
    if widen:
        effective = 1.0 / (weights**2).sum()
        stretch = np.sqrt(effective / max(effective - x.shape[1] - 1.0, 1.0))
        moved = slope[0] + stretch * (moved - slope[0])
    return expit(moved)


def quantiles(values: Float, weights: Float, levels: Float) -> Float:
    """Return weighted quantiles of values (n,) at levels (k,)."""
    order = np.argsort(values)
    reached = np.cumsum(weights[order]) - 0.5 * weights[order]
    return np.asarray(np.interp(levels, reached / weights.sum(), values[order]))


# --- what the figures say about which parameters ------------------------------------------------------


def influence(shares: Float, figures: Float) -> Float:
    """Return partial rank correlations (parameters, figures): of a figure with a parameter, the others held.

    Marino et al. 2008 (J Theor Biol 254:178). Figures that are NaN in a run are as low as any.
    """
    ranked = stats.rankdata(shares, axis=0)
    told = stats.rankdata(np.where(np.isnan(figures), -np.inf, figures), axis=0)
    out = np.zeros((shares.shape[1], figures.shape[1]))
    for p in range(shares.shape[1]):
        rest = np.column_stack([np.ones(len(ranked)), np.delete(ranked, p, axis=1)])
        ours = ranked[:, p] - rest @ np.linalg.lstsq(rest, ranked[:, p], rcond=None)[0]
        theirs = told - rest @ np.linalg.lstsq(rest, told, rcond=None)[0]
        size = np.sqrt((ours**2).sum() * (theirs**2).sum(axis=0))
        out[p] = np.divide(ours @ theirs, size, out=np.zeros(figures.shape[1]), where=size > 1e-9)
    return out


def noise_level(draws: int, parameters: int, tests: int, chance: float = 0.05) -> float:
    """Return the partial correlation that luck passes with the given chance in any of `tests` of them."""
    free = max(1, draws - parameters - 1)
    t = stats.t.ppf(1.0 - chance / (2.0 * tests), free)
    return float(t / np.sqrt(free + t**2))


@dataclass(frozen=True)
class Recovery:
    """How well known parameters are found again, over simulated records."""

    covered: Float  # (parameters,) share of the 80 % intervals that hold the truth
    stretch: Float  # (parameters,) at least 1: how much wider they must be to hold it as often as they say
    mended: Float  # (parameters,) share that holds the truth when stretched by what all other records ask for
    correlation: Float  # (parameters,) of the middle with the truth
    error: Float  # (parameters,) root mean square error over that of guessing the prior's middle
    records: int


def recovery(
    shares: Float, figures: Float, scales: Float, weights: Float, groups: Int, keep: int, records: Int, correct: Int
) -> Recovery:
    """Take some draws in turn as the record, and find their parameters from all other draws.

    shares: (n, parameters); figures: (n, figures) as simulated; scales: (figures,) the unit of a gap; records: which
    draws; correct: as for `posterior`.
    """
    inside, middle, asked = [], [], []
    for i in records:
        others = np.arange(len(shares)) != i
        gaps = (figures[others] - figures[i]) / scales
        found = posterior(shares[others], gaps, weights[others], groups, keep, correct, widen=True)
        low, high = found.interval()
        inside.append((low <= shares[i]) & (shares[i] <= high))
        middle.append(found.centre())
        asked.append(least_stretch(shares[i], middle[-1], low, high))
    truth, told = shares[records], np.array(middle)
    guess = np.sqrt(((truth - 0.5) ** 2).mean(axis=0))
    error = np.sqrt(((told - truth) ** 2).mean(axis=0)) / guess
    spread = truth.std(axis=0) * told.std(axis=0)
    both = ((truth - truth.mean(axis=0)) * (told - told.mean(axis=0))).mean(axis=0)
    correlation = np.divide(both, spread, out=np.zeros_like(both), where=spread > 0)
    return Recovery(np.mean(inside, axis=0), *_mended(np.array(asked)), correlation, error, len(records))


def least_stretch(truth: Float, middle: Float, low: Float, high: Float) -> Float:
    """Return by how much intervals must be pulled apart about their middles to hold the truth, in logit space."""
    off = logit(truth) - logit(middle)
    room = np.where(off > 0, logit(high) - logit(middle), logit(middle) - logit(low))
    return np.abs(off) / np.maximum(room, RIDGE)


def _mended(asked: Float) -> tuple[Float, Float]:
    """Return the stretch that holds the truth of 80 % of records (n, parameters), and how often that of others does."""
    wanted = np.maximum(np.quantile(asked, LEVEL, axis=0), 1.0)
    others = [np.maximum(np.quantile(np.delete(asked, i, axis=0), LEVEL, axis=0), 1.0) for i in range(len(asked))]
    return wanted, np.mean(asked <= np.array(others), axis=0)
