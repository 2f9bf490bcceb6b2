"""Shares of an effect: Shapley values, and how surely a mean over draws and seeds is known.

    share = sum over sets S without it of  |S|! (n - |S| - 1)! / n!  (effect of S and it - effect of S)

Shapley 1953, in Contributions to the Theory of Games II, 307. Sets of players are bits: player i is in a set whose
number has bit i.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from math import factorial

import numpy as np
from numpy.typing import NDArray

from analysis.numbers import or_none
from analysis.paired import LEVEL

Float = NDArray[np.float64]


def shapley(effects: Float) -> Float:
    """Return exact Shapley values (…, players) of effects of all sets of players (…, 2^players), as bits."""
    sets = effects.shape[-1]
    players = sets.bit_length() - 1
    if sets != 2**players:
        raise ValueError(f"the effects of all sets of players are needed, not of {sets}")
    members = np.arange(sets)
    sizes = np.array([int(number).bit_count() for number in members])
    shares = np.empty((*effects.shape[:-1], players))
    for i in range(players):
        without = members[(members >> i & 1) == 0]
        weight = np.array([factorial(s) * factorial(players - s - 1) for s in sizes[without]]) / factorial(players)
        shares[..., i] = (effects[..., without | 1 << i] - effects[..., without]) @ weight
    return shares


def along_orders(effects: Float, sets: Sequence[int], orders: Sequence[Sequence[int]]) -> Float:
    """Return what each player adds in each order, (orders, …, players), of effects of some sets (…, sets)."""
    at = {members: number for number, members in enumerate(sets)}
    added = np.zeros((len(orders), *effects.shape[:-1], len(orders[0])))
    for n, order in enumerate(orders):
        prefixes = [at[sum(1 << i for i in order[:size])] for size in range(len(order) + 1)]
        for player, (before, after) in zip(order, pairwise(prefixes), strict=True):
            added[n, ..., player] = effects[..., after] - effects[..., before]
    return added


def merged(effects: Float, groups: Sequence[Sequence[int]]) -> Float:
    """Return the effects (…, 2^groups) of sets of groups that come and go together, of those of all sets of players."""
    masks = [sum(1 << i for i in group) for group in groups]
    sets = [sum(mask for g, mask in enumerate(masks) if chosen >> g & 1) for chosen in range(2 ** len(groups))]
    return np.asarray(effects[..., sets])


@dataclass(frozen=True)
class Estimate:
    """A mean over draws and seeds, with the two parts of what is not known of it; NaN where it cannot be told."""

    mean: float
    low: float
    high: float
    seeds: float  # half width that the luck of so few seeds leaves
    parameters: float  # half width that the parameters leave

    def as_dict(self) -> dict[str, float | None]:
        """Return the estimate for JSON."""
        return {name: or_none(value) for name, value in asdict(self).items()}


def estimate(values: Float, level: float = LEVEL) -> Estimate:
    """Split the variance of values (draws, seeds), and return their mean with its interval."""
    from scipy.stats import t

    draws, seeds = values.shape
    mean = float(values.mean())

    def half(variance: float, freedom: float) -> float:
        return float(t.ppf(0.5 + level / 2.0, freedom) * np.sqrt(variance)) if freedom > 0 else float("nan")

    within = float(values.var(axis=1, ddof=1).mean()) if seeds > 1 else float("nan")
    luck = within / values.size
    if draws == 1:
        reach = half(luck, seeds - 1)
        return Estimate(mean, mean - reach, mean + reach, reach, float("nan"))
    between = float(values.mean(axis=1).var(ddof=1))  # of the means of draws: the parameters' and a part of the luck
    if seeds == 1:
        reach = half(between * (1.0 + 1.0 / draws), draws - 1)
        return Estimate(mean, mean - reach, mean + reach, float("nan"), float("nan"))
    own = max(0.0, between - within / seeds)
    both = own * (1.0 + 1.0 / draws) + luck
    reach = half(both, _freedom(both, between, within, draws, seeds) if own else draws * (seeds - 1))
    return Estimate(
        mean, mean - reach, mean + reach, half(luck, draws * (seeds - 1)), half(own * (1.0 + 1.0 / draws), draws - 1)
    )


def _freedom(both: float, between: float, within: float, draws: int, seeds: int) -> float:
    """Return the degrees of freedom of a variance made of two (Satterthwaite 1946, Biometrics Bulletin 2:110)."""
    parts = ((between * (1.0 + 1.0 / draws)) ** 2 / (draws - 1), (within / seeds) ** 2 / (draws * (seeds - 1)))
    return max(1.0, both**2 / sum(parts))
