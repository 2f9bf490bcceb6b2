"""Who may change state in an hour: a bound on each resident's summed hazard, to hold their draw against.

Most residents do nothing in most hours, and a bound is cheap: it follows from the state, from the fire that comes in
and, for those able to fight, from one rough exponential. Whoever draws below it is weighed exactly in
`sim.kernels.hazards`. The bound changes no outcome: whoever is left out would have stayed as they are.

A block of rows at a time: `start` is its first row, `end` the row after its last, and tables named without a shape
have an entry for each of its rows, or for each of those able to fight among them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import wide_part
from sim.kernels.luck import BLOCK
from sim.kernels.tables import (
    AWAY,
    BACK,
    CALM,
    COME_OUT,
    DANGER,
    DANGER_UP,
    DETAINED,
    DETER,
    DISPLACED,
    ENLIST,
    EXPOSED_CALM,
    EXPOSED_MOBILISED,
    EXPOSED_SHELTERING,
    FLEE,
    FLEE_HALF,
    HOME,
    LIVED_HALF,
    MAIMED,
    MOBILISE,
    MOBILISED,
    MOST_DANGER_UP,
    MOST_DETAIN,
    PULL,
    RECOVER,
    RELEASE,
    SHELTER,
    SHELTER_HALF,
    SHELTERING,
    SLAIN,
    SOFTNESS,
    STAND_DOWN,
    STEP_H,
    TIED,
    WORTH,
    WOUNDED,
)

F = np.float32
I32 = np.int32
U64 = np.uint64

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]

SLACK = F(1.001)
"""Factor on the bound that covers its rounding."""
WIDTH = 16
"""Residents that a loop works on at once, at most."""
NOT_HERE = F(-1.0)
"""A bound below every draw: for those who are looked at elsewhere."""


@wide_part
def logistic_bound(x: np.float32) -> np.float32:
    """Return at least logistic(x) and `exp32`'s rounding of it, at most 1.07 min(1, exp(x)) for x > -79.

    2^(n + f) <= 2^n (1 + f) for f in [0, 1]: the bits of a float, read as a number, are its logarithm
    (Schraudolph 1999).
    """
    z = min(max(x * F(1.4426950408889634), F(-115.0)), F(0.0))
    return I32((z + F(127.0)) * F(8388608.0)).view(np.float32)


@wide_part
def bound_of_state(start: int, end: int, state_all: Bytes, of_group: Singles, rates: Singles, most: Singles) -> None:
    """Write the most that may happen where no fire comes in to those who are not able to fight."""
    come_out, recover, release, back = rates[COME_OUT], rates[RECOVER], rates[RELEASE], of_group[BACK]
    gone = of_group[HOME] + of_group[SLAIN] + of_group[MAIMED]
    state = state_all[start:end]
    for i in range(state.size):
        now = state[i]
        bound = come_out if now == SHELTERING else F(0.0)
        bound = recover if now == WOUNDED else bound
        bound = release if now == DETAINED else bound
        bound = back if now == DISPLACED else bound
        bound = gone if now == AWAY else bound
        most[i] = bound


@wide_part
def spread(start: int, end: int, site: int, site_ends: Ints, sites: Singles, danger: Singles) -> tuple[int, int, int]:
    """Write the danger of each site to the rows that live there, from site `site` on.

    Returns the first row with any, the row after the last, and the site of row `end`.
    """
    for i in range(end - start):
        danger[i] = F(0.0)
    first, last, row = end, start, start
    while row < end:
        here, upto = sites[DANGER, site], min(site_ends[site], end)
        if here > F(0.0):
            first, last = min(first, row), upto
            rows = danger[row - start : upto - start]
            for i in range(rows.size):
                rows[i] = here
        site += site_ends[site] <= end
        row = upto
    return first, last, site


@wide_part
def live_through(
    start: int, first: int, last: int, state_all: Bytes, lived_all: Singles, danger_all: Singles, rates: Singles,
    most_all: Singles, before_all: Singles,
) -> None:  # fmt: skip
    """Add the danger to what rows first to last - 1 lived through before, and what it may do to their bound.

    Not of those mobilised, who are at their posts.
    """
    exposed_calm, exposed_cover, dt = rates[EXPOSED_CALM], rates[EXPOSED_SHELTERING], rates[STEP_H]
    shelter, steep_shelter = rates[SHELTER], F(1.0) / rates[SHELTER_HALF]
    flee, steep_flee, lived_rate = rates[FLEE], F(1.0) / rates[FLEE_HALF], F(1.0) / rates[LIVED_HALF]
    state, lived, danger = state_all[first:last], lived_all[first:last], danger_all[first - start :]
    most, before = most_all[first - start :], before_all[first - start :]
    zero, one = F(0.0), F(1.0)
    for i in range(state.size):
        now, in_open, until_now = state[i], danger[i], lived[i]
        exposed = in_open * exposed_calm if now == CALM else zero
        exposed = in_open * exposed_cover if now == SHELTERING else exposed
        fearful = flee * min(one, in_open * steep_flee) * (one + until_now * lived_rate)
        fearful = fearful + (shelter * min(one, in_open * steep_shelter) if now == CALM else zero)
        most[i] += exposed + (fearful if (now == CALM) | (now == SHELTERING) else zero)
        before[i] = until_now
        lived[i] = until_now + exposed * dt


@wide_part
def take_out_able(
    fit: int, start: int, end: int, able: Rows, able_site: Rows, post_of: Ints, sites: Singles, posts: Singles,
    state: Bytes, luck_all: Singles, skip: int, most_all: Singles, now: Bytes, luck: Singles, most: Singles,
    pull: Singles, deter: Singles, up: Ints,
) -> tuple[int, int]:  # fmt: skip
    """Copy what bounds those able to fight, who stand in their columns from `fit` on, and take them out of `most`.

    able, able_site: (n,); pull, deter: of the site and its post; up: the entries of those mobilised. Returns how many
    there are, and how many of them are mobilised.
    """
    who, where, count, ups = able[fit:], able_site[fit:], 0, 0
    for k in range(who.size):
        if who[k] >= end:
            break
        row, site = U64(who[k]), U64(where[k])
        i = row - U64(start)
        now[k] = state[row]
        luck[k] = luck_all[i + U64(skip)]
        most[k] = most_all[i]
        pull[k] = sites[PULL, site]
        deter[k] = posts[DETER, U64(post_of[site])]
        most_all[i] = NOT_HERE
        up[ups] = k
        ups += now[k] == MOBILISED
        count += 1
    return count, ups


@wide_part
def shortlist_able(
    count: int, fit: int, hardship_all: Singles, aversion_all: Singles, ties_all: Singles, now: Bytes, luck: Singles,
    most: Singles, pull: Singles, deter: Singles, of_group: Singles, rates: Singles, maybe: Bytes,
) -> None:  # fmt: skip
    """Mark who of those able to fight may change state; hardship to ties: (n,), theirs from entry `fit` on."""
    steepness, dt = F(1.0) / rates[SOFTNESS], rates[STEP_H] * SLACK
    worth, tied, to_arms = of_group[WORTH], of_group[TIED], rates[MOBILISE] + of_group[ENLIST]
    from_arms = rates[STAND_DOWN] + of_group[ENLIST] + of_group[MOST_DETAIN]
    from_arms = from_arms + rates[EXPOSED_MOBILISED] * of_group[MOST_DANGER_UP]
    hardship, aversion, ties = hardship_all[fit:], aversion_all[fit:], ties_all[fit:]
    even = min(hardship.size, -(-count // WIDTH) * WIDTH)  # the loop is fastest where it comes out even
    for k in range(even):
        u = pull[k] + hardship[k] * worth + ties[k] * tied - aversion[k] * deter[k]
        eager = to_arms * logistic_bound(u * steepness)
        bound = eager if (now[k] == CALM) | (now[k] == SHELTERING) else F(0.0)
        bound = from_arms if now[k] == MOBILISED else bound
        maybe[k] = luck[k] <= (most[k] + bound) * dt


@wide_part
def live_through_at_posts(
    ups: int, up: Ints, fit: int, able: Rows, able_site: Rows, post_of: Ints, posts: Singles, rates: Singles,
    lived: Singles,
) -> None:  # fmt: skip
    """Add the danger at their posts to what those mobilised lived through."""
    for j in range(ups):
        k = U64(fit + up[j])
        exposed = posts[DANGER_UP, U64(post_of[able_site[k]])] * rates[EXPOSED_MOBILISED]
        lived[able[k]] += exposed * rates[STEP_H]


@wide_part
def shortlist_others(m: int, luck_all: Singles, skip: int, most: Singles, rates: Singles, maybe: Bytes) -> None:
    """Mark who of the others among the first m rows of the block may change state, and nobody beyond them."""
    luck, dt = luck_all[skip:], rates[STEP_H] * SLACK
    for i in range(m):
        maybe[i] = luck[i] <= most[i] * dt
    for i in range(m, BLOCK):
        maybe[i] = 0
