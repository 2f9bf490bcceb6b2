"""The loop over residents: one categorical draw each, decided from what was seen.

Arithmetic is float32 and strict, each resident is independent of every other, and
the draw depends on (seed, decision, resident, step) alone: the outcome depends on
neither the number of threads, nor the partition, nor the vector width. What makes
the loop fast: slices first and then the bare index, selects instead of branches, own
exponentials, rows in the order of their cells so that gathers are nearly sequential.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.kernels.chance import MASK, W0, W1, philox_round

F = np.float32
I32 = np.int32
U8 = np.uint8
U32 = np.uint32
U64 = np.uint64

BLOCK = 512

# Columns of the table of sites (a site is a cell as one community sees it).
PULL, DETER, DETER_UP, DANGER, DANGER_UP, DETAIN = range(6)
SITE_COLUMNS = 6

# Columns of the table of groups (the members of one community in one neighbourhood).
WORTH, TIED, ENLIST, BACK, HOME, SLAIN, MAIMED = range(7)
GROUP_COLUMNS = 7

# Entries of the vector of rates, the same for everyone.
(
    MOBILISE, STAND_DOWN, SOFTNESS, LETHALITY, SHELTER, COME_OUT, SHELTER_HALF, RECOVER, RELEASE,
    FLEE, FLEE_HALF, LIVED_HALF, STEP_H, EXPOSED_CALM, EXPOSED_MOBILISED, EXPOSED_SHELTERING,
) = range(16)  # fmt: skip
RATES = 16

CALM, MOBILISED, SHELTERING, WOUNDED, DETAINED, DISPLACED, AWAY, DEAD = range(8)


@njit(cache=True, nogil=True, error_model="numpy")
def exp32(x: np.float32) -> np.float32:
    """Return exp(x) in float32 for x clipped to [-80, 80], relative error below 3e-7."""
    x = min(max(x, F(-80.0)), F(80.0))
    n = np.floor(x * F(1.4426950408889634) + F(0.5))
    r = (x - n * F(0.693359375)) - n * F(-2.12194440e-4)
    p = F(1.3981999e-3) * r + F(8.3334519e-3)
    p = p * r + F(4.1665796e-2)
    p = p * r + F(1.6666665e-1)
    p = p * r + F(0.5)
    p = (p * r) * r + r + F(1.0)
    power = I32((I32(n) + I32(127)) << I32(23)).view(np.float32)
    return F(p * power)


@njit(cache=True, nogil=True, error_model="numpy")
def chance_per_hazard(x: np.float32) -> np.float32:
    """Return (1 - exp(-x)) / x for x >= 0: what turns a summed hazard into a probability."""
    s = F(1.0) - x * (
        F(0.5)
        - x
        * (F(0.16666667) - x * (F(0.041666668) - x * (F(0.008333334) - x * (F(0.0013888889) - x * F(1.9841270e-4)))))
    )
    b = (F(1.0) - exp32(-x)) / max(x, F(0.5))
    return s if x < F(0.5) else b


@njit(cache=True, nogil=True, error_model="numpy")
def fill_luck(
    luck: npt.NDArray[np.float32],
    m: int,
    row0: np.uint64,
    lane: np.uint64,
    step: np.uint64,
    decision: np.uint64,
    k0: np.uint64,
    k1: np.uint64,
) -> None:
    """Fill luck[:m] with the first Philox words of rows row0 to row0 + m - 1, as float32 in [0, 1].

    Small values keep their full relative precision (steps of 2^-32), which is what rare
    transitions need. The rounds stand here one by one: a call would not be vectorised.
    """
    for i in range(m):
        a, b, c, d = row0 + U64(i), lane, step, decision
        q0, q1 = k0, k1
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        q0, q1 = (q0 + W0) & MASK, (q1 + W1) & MASK
        a, b, c, d = philox_round(a, b, c, d, q0, q1)
        luck[i] = F(U32(a)) * F(2.3283064365386963e-10)


@njit(cache=True, nogil=True, error_model="numpy")
def decide(
    state_all: npt.NDArray[np.uint8],
    able_all: npt.NDArray[np.uint8],
    hardship_all: npt.NDArray[np.float32],
    aversion_all: npt.NDArray[np.float32],
    ties_all: npt.NDArray[np.float32],
    lived_all: npt.NDArray[np.float32],
    sites: npt.NDArray[np.float32],
    site_ends: npt.NDArray[np.int64],
    site: int,
    of_group: npt.NDArray[np.float32],
    rates: npt.NDArray[np.float32],
    lo: int,
    hi: int,
    first: int,
    lane: np.uint64,
    step: np.uint64,
    decision: np.uint64,
    k0: np.uint64,
    k1: np.uint64,
    decided_all: npt.NDArray[np.uint8],
) -> None:
    """Decide the next state of residents lo to hi - 1, all of one group.

    state, able, hardship, aversion, ties, lived, decided: columns (residents,), in the order of
    their sites. sites: (SITE_COLUMNS, sites); site_ends: (sites,) row after the last resident
    of each; site: that of row lo. of_group: (GROUP_COLUMNS,); rates: (RATES,). Hazards in 1/h.
    first: row of the neighbourhood's first resident, so that row - first counts the draw.
    Writes `decided` and adds the danger lived through to `lived`; `state` is only read.
    """
    mobilise, stand_down, steepness = rates[MOBILISE], rates[STAND_DOWN], F(1.0) / rates[SOFTNESS]
    lethality, survival = rates[LETHALITY], F(1.0) - rates[LETHALITY]
    shelter, come_out, half = rates[SHELTER], rates[COME_OUT], rates[SHELTER_HALF]
    recover, release = rates[RECOVER], rates[RELEASE]
    flee, flee_half, lived_rate, dt = rates[FLEE], rates[FLEE_HALF], F(1.0) / rates[LIVED_HALF], rates[STEP_H]
    exposed_calm, exposed_up, exposed_cover = (
        rates[EXPOSED_CALM],
        rates[EXPOSED_MOBILISED],
        rates[EXPOSED_SHELTERING],
    )
    worth, tied, enlist = of_group[WORTH], of_group[TIED], of_group[ENLIST]
    back, home, slain, maimed = of_group[BACK], of_group[HOME], of_group[SLAIN], of_group[MAIMED]
    zero, one = F(0.0), F(1.0)
    luck = np.empty(BLOCK, np.float32)
    here = np.empty((SITE_COLUMNS, BLOCK), np.float32)
    pull, deter, deter_up, danger_here, danger_up, detain = (
        here[PULL],
        here[DETER],
        here[DETER_UP],
        here[DANGER],
        here[DANGER_UP],
        here[DETAIN],
    )
    for start in range(lo, hi, BLOCK):
        m = min(BLOCK, hi - start)
        fill_luck(luck, m, U64(start - first), lane, step, decision, k0, k1)
        done = 0
        while done < m:
            upto = min(site_ends[site] - start, m)
            at_pull, at_deter, at_deter_up = sites[PULL, site], sites[DETER, site], sites[DETER_UP, site]
            at_danger, at_danger_up, at_detain = sites[DANGER, site], sites[DANGER_UP, site], sites[DETAIN, site]
            for i in range(done, upto):
                pull[i] = at_pull
                deter[i] = at_deter
                deter_up[i] = at_deter_up
                danger_here[i] = at_danger
                danger_up[i] = at_danger_up
                detain[i] = at_detain
            if site_ends[site] - start <= m:
                site += 1
            done = upto
        state, able = state_all[start : start + m], able_all[start : start + m]
        hardship, aversion = hardship_all[start : start + m], aversion_all[start : start + m]
        ties, lived, decided = (
            ties_all[start : start + m],
            lived_all[start : start + m],
            decided_all[start : start + m],
        )
        for i in range(m):
            now = state[i]
            calm, up, under_cover, away = now == CALM, now == MOBILISED, now == SHELTERING, now == AWAY
            # how much they want to act
            deterred = deter_up[i] if up else deter[i]
            u = pull[i] + hardship[i] * worth + ties[i] * tied - aversion[i] * deterred
            eager = one / (one + exp32(-u * steepness))
            eager_fit = eager * F(able[i])
            # the hazards of what may happen next
            in_open = danger_here[i]
            danger = in_open * exposed_calm if calm else zero
            danger = danger_up[i] * exposed_up if up else danger
            danger = in_open * exposed_cover if under_cover else danger
            heavy = in_open / (in_open + half)
            to_dead = danger * lethality + (slain if away else zero)
            to_wounded = danger * survival + (maimed if away else zero)
            to_away = enlist * eager_fit if calm | up else zero
            leaving = flee * (in_open / (in_open + flee_half)) * (one + lived[i] * lived_rate)
            to_displaced = leaving if calm | under_cover else zero
            to_detained = detain[i] if up else zero
            to_mobilised = mobilise * eager_fit if calm | under_cover else zero
            to_cover = shelter * heavy if calm else zero
            to_calm = stand_down * (one - eager) if up else zero
            to_calm = come_out * (one - heavy) if under_cover else to_calm
            to_calm = recover if now == WOUNDED else to_calm
            to_calm = release if now == DETAINED else to_calm
            to_calm = back if now == DISPLACED else to_calm
            to_calm = home if away else to_calm
            # one draw decides among them
            c1 = to_dead + to_wounded
            c2 = c1 + to_away
            c3 = c2 + to_displaced
            c4 = c3 + to_detained
            c5 = c4 + to_mobilised
            c6 = c5 + to_cover
            c7 = c6 + to_calm
            x = luck[i] / (dt * chance_per_hazard(c7 * dt))
            then = U8(CALM) if x < c7 else now
            then = U8(SHELTERING) if x < c6 else then
            then = U8(MOBILISED) if x < c5 else then
            then = U8(DETAINED) if x < c4 else then
            then = U8(DISPLACED) if x < c3 else then
            then = U8(AWAY) if x < c2 else then
            then = U8(WOUNDED) if x < c1 else then
            then = U8(DEAD) if x < to_dead else then
            decided[i] = then
            lived[i] += danger * dt
