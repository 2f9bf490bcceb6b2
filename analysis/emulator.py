"""What a figure would be where nobody has run the model: a Gaussian process through the draws that were run.

    figure(x) = line through x + smooth surface + luck,      surface: squared exponential, a length for each parameter

Lengths, the surface's height and the luck are those under which the draws are most likely (Rasmussen & Williams 2006,
chapters 2 and 5), lengths with a broad normal prior on their logarithm, so that a parameter of which the draws say
nothing makes no figure wiggle. Parameters are shares of the way through their prior range, (0, 1).

`skill` says how much of the draws it foretells when each is left out: 1 all, 0 no more than their mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

Float = NDArray[np.float64]

USUAL_LENGTH, SPREAD_OF_LENGTHS = 2.0, 1.0
"""The prior of a length is lognormal: twice the range, where a surface is all but straight, give or take e."""
SHORTEST, LONGEST = 0.14, 50.0
FIRST_HEIGHT, FIRST_LUCK = 0.7, 0.5
"""Where the search begins, in standard deviations of the figure."""
LEAST, GREATEST = 0.02, 7.0
"""Bounds of height and luck, in the same."""
STEPS = 25
AT_ONCE = 2_000
"""Points that are looked at together, so that memory stays small."""


@dataclass(frozen=True)
class Emulator:
    """A figure as a function of parameters, learnt from draws."""

    shares: Float  # (n, parameters) of the draws
    figures: Float  # (n,) standardised
    middle: float
    scale: float
    length: Float  # (parameters,)
    height: float  # of the surface, in scales
    luck: float  # sd of a run about it, in scales

    @classmethod
    def of(cls, shares: Float, figures: Float) -> Emulator:
        """Learn from draws with shares (n, parameters) and figures (n,); those that are NaN say nothing."""
        known = np.isfinite(figures)
        x, y = shares[known], figures[known]
        middle, scale = float(y.mean()), float(y.std()) or 1.0
        y = (y - middle) / scale
        found = np.exp(_most_likely(x, y))
        return cls(x, y, middle, scale, found[:-2], float(found[-2]), float(found[-1]))

    def at(self, shares: Float) -> tuple[Float, Float]:
        """Return mean and standard deviation, (n,) each, of a run at shares (n, parameters), its luck included."""
        parts = [self._at(part) for part in np.array_split(shares, max(1, len(shares) // AT_ONCE))]
        mean, variance = (np.concatenate(of) for of in zip(*parts, strict=True))
        return self.middle + self.scale * mean, self.scale * np.sqrt(np.maximum(variance, 0.0) + self.luck**2)

    @property
    def skill(self) -> float:
        """Return the share of the draws' variance that is foretold when each is left out."""
        inverse = cho_solve(self._factor, np.eye(len(self.shares)))
        return float(1.0 - ((self._pull / np.diag(inverse)) ** 2).mean())

    def _at(self, shares: Float) -> tuple[Float, Float]:
        alike = _surface(_apart(shares, self.shares), self.length, self.height) + _line(shares) @ _line(self.shares).T
        alone = self.height**2 + (_line(shares) ** 2).sum(axis=1)
        return alike @ self._pull, alone - (alike * cho_solve(self._factor, alike.T).T).sum(axis=1)

    @cached_property
    def _factor(self) -> tuple[Float, bool]:
        line = _line(self.shares)
        surface = _surface(_apart(self.shares, self.shares), self.length, self.height)
        factor: tuple[Float, bool] = cho_factor(surface + self.luck**2 * np.eye(len(line)) + line @ line.T, lower=True)
        return factor

    @cached_property
    def _pull(self) -> Float:
        return np.asarray(cho_solve(self._factor, self.figures))


def _line(shares: Float) -> Float:
    """Return what a straight line is made of, (n, 1 + parameters)."""
    return np.column_stack([np.ones(len(shares)), 2.0 * shares - 1.0])


def _apart(some: Float, others: Float) -> Float:
    """Return squared distances (n, m, parameters)."""
    return np.asarray((some[:, None, :] - others[None, :, :]) ** 2)


def _surface(apart: Float, length: Float, height: float) -> Float:
    return np.asarray(height**2 * np.exp(-0.5 * (apart @ length**-2.0)))


def _most_likely(x: Float, y: Float) -> Float:
    """Return the logarithms of lengths, height and luck under which the draws are most likely."""
    many = x.shape[1]
    start = np.log(np.r_[np.full(many, USUAL_LENGTH), FIRST_HEIGHT, FIRST_LUCK])
    bounds = [(np.log(SHORTEST), np.log(LONGEST))] * many + [(np.log(LEAST), np.log(GREATEST))] * 2
    line, apart = _line(x), _apart(x, x)
    told = (apart, line @ line.T, y)
    found = minimize(_unlikely, start, told, "L-BFGS-B", jac=True, bounds=bounds, options={"maxiter": STEPS})
    return np.asarray(found.x)


def _unlikely(logs: Float, apart: Float, line: Float, y: Float) -> tuple[float, Float]:
    """Return minus the log posterior of the settings `logs`, and its slope."""
    length, height, luck = np.exp(logs[:-2]), np.exp(logs[-2]), np.exp(logs[-1])
    surface = _surface(apart, length, height)
    factor = cho_factor(surface + luck**2 * np.eye(len(y)) + line, lower=True)
    pull, inverse = cho_solve(factor, y), cho_solve(factor, np.eye(len(y)))
    off = (logs[:-2] - np.log(USUAL_LENGTH)) / SPREAD_OF_LENGTHS
    value = 0.5 * y @ pull + np.log(np.diag(factor[0])).sum() + 0.5 * (off**2).sum()
    gain = np.outer(pull, pull) - inverse
    by_length = -0.5 * np.einsum("ij,ijk->k", gain * surface, apart) * length**-2.0 + off / SPREAD_OF_LENGTHS
    return float(value), np.r_[by_length, -(gain * surface).sum(), -np.trace(gain) * luck**2]


# --- where a small distance is to be expected -----------------------------------------------------------

POOL, KEPT, ROUNDS = 1_000, 100, 5
"""Points that are looked at in a round, those it goes on from, and rounds."""
MOVE = 0.08  # sd of a step from one of them, in shares
SPACING = 0.1
"""Points that are returned differ by at least this share in some parameter: near ones would tell the same."""


def promising(
    expected: Callable[[Float], Float], base: Float, free: NDArray[np.int64], many: int, rng: np.random.Generator
) -> Float:
    """Return points (many, parameters) where `expected` is least; they are like `base` but in the columns `free`."""
    points = np.repeat(base[None], POOL, axis=0)
    points[:, free] = rng.random((POOL, len(free)))
    for _ in range(ROUNDS):
        best = points[np.argsort(expected(points), kind="stable")[:KEPT]]
        moved = np.repeat(best, POOL // KEPT - 1, axis=0)
        moved[:, free] = np.clip(moved[:, free] + rng.normal(0.0, MOVE, (len(moved), len(free))), 0.0, 1.0)
        points = np.vstack([best, moved])
    return _different(points[np.argsort(expected(points), kind="stable")], many)


def _different(points: Float, many: int) -> Float:
    """Return the first `many` points that differ, or as many as there are."""
    chosen = [points[0]]
    for point in points[1:]:
        if len(chosen) == many:
            break
        if np.abs(np.array(chosen) - point).max(axis=1).min() >= SPACING:
            chosen.append(point)
    return np.array(chosen)
