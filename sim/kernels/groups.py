"""Groups of fighters that merge and break up, and the engagements they open.

Coalescence and fragmentation (Bohorquez et al. 2009): two groups, each found by
picking a fighter, merge; or the group of a picked fighter shatters into single fighters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import poisson_quantile, uniform
from sim.kernels.compiled import kernel, part

Sizes = npt.NDArray[np.int64]

BLOCK = 64
"""Groups that are passed over at once in looking for a fighter's."""


@kernel
def draw_sizes(
    sizes: Sizes, strength: int, exponent: float,
    lane: int, step: int, decision: int, k0: np.uint64, k1: np.uint64,
) -> int:  # fmt: skip
    """Fill sizes with draws from a power law until they add up to `strength`; return the number of groups."""
    groups, left = 0, strength
    while left > 0:
        u = uniform(groups, lane, step, decision, k0, k1)
        sizes[groups] = min(left, int(u ** (-1.0 / (exponent - 1.0))))
        left -= sizes[groups]
        groups += 1
    return groups


@part
def group_of_fighter(sizes: Sizes, groups: int, fighter: int) -> int:
    """Return the group that holds fighter number `fighter`, counted through sizes[:groups]."""
    start = 0
    while start + BLOCK <= groups:
        together = 0
        for g in range(start, start + BLOCK):
            together += sizes[g]
        if fighter < together:
            break
        fighter -= together
        start += BLOCK
    for g in range(start, groups):
        fighter -= sizes[g]
        if fighter < 0:
            return g
    return groups - 1


@part
def regroup(
    sizes: Sizes, groups: int, events: int, shatter: float,
    lane: int, step: int, decision: int, k0: np.uint64, k1: np.uint64,
) -> int:  # fmt: skip
    """Let `events` regroupings happen to sizes[:groups] in place; return the number of groups after."""
    total = 0
    for g in range(groups):
        total += sizes[g]
    if total < 2:
        return groups
    for e in range(events):
        first = group_of_fighter(sizes, groups, int(uniform(3 * e, lane, step, decision, k0, k1) * total))
        if uniform(3 * e + 1, lane, step, decision, k0, k1) < shatter:
            loose = sizes[first] - 1
            sizes[first] = 1
            for _ in range(loose):
                sizes[groups] = 1
                groups += 1
        elif groups > 1:
            other = group_of_fighter(sizes, groups, int(uniform(3 * e + 2, lane, step, decision, k0, k1) * total))
            if other != first:
                sizes[first] += sizes[other]
                groups -= 1
                sizes[other] = sizes[groups]
    return groups


@part
def match_strength(
    sizes: Sizes, groups: int, strength: int,
    lane: int, step: int, decision: int, k0: np.uint64, k1: np.uint64,
) -> int:  # fmt: skip
    """Take fighters out at random, or add single ones, until sizes[:groups] sums to `strength`."""
    total = 0
    for g in range(groups):
        total += sizes[g]
    draw = 0
    while total > strength:
        g = group_of_fighter(sizes, groups, int(uniform(draw, lane, step, decision, k0, k1) * total))
        sizes[g] -= 1
        if sizes[g] == 0:
            groups -= 1
            sizes[g] = sizes[groups]
        total -= 1
        draw += 1
    while total < strength:
        sizes[groups] = 1
        groups += 1
        total += 1
    return groups


@part
def engage(
    sizes: Sizes, groups: int, initiations: float, kills_per_fighter: float,
    lane: int, step: int, decision: int, k0: np.uint64, k1: np.uint64,
) -> int:  # fmt: skip
    """Return the opponents killed in one step.

    The number of engagements is Poisson with mean `initiations`; each is opened by a group
    drawn uniformly over groups, and kills Poisson(size x kills_per_fighter).
    """
    if groups == 0:
        return 0
    number = poisson_quantile(uniform(0, lane, step, decision, k0, k1), initiations)
    killed = 0
    for e in range(number):
        g = int(uniform(2 * e + 1, lane, step, decision, k0, k1) * groups)
        u = uniform(2 * e + 2, lane, step, decision, k0, k1)
        killed += poisson_quantile(u, sizes[g] * kills_per_fighter)
    return killed
