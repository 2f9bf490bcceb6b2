"""What a resident of each site perceives: threat, deterrence and danger, cell by cell."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from sim.kernels.residents import DANGER, DANGER_UP, DETAIN, DETER, DETER_UP, PULL

RAW, FLOOR, ROUND = range(3)


@njit(cache=True, nogil=True)
def state_deterrence(soldiers: float, active: float, k: float, rule: int) -> float:
    """Return 1 - exp(-k C/A), A the active, oneself among them; rule: 0 raw, 1 floor, 2 round half to even.

    Epstein 2002.
    """
    ratio = soldiers / active
    if rule == FLOOR:
        ratio = math.floor(ratio)
    elif rule == ROUND:
        ratio = np.rint(ratio)
    return 1.0 - math.exp(-k * ratio)


@njit(cache=True, nogil=True)
def perceive(
    cells: npt.NDArray[np.int64],
    posts: npt.NDArray[np.int64],
    theirs_at: npt.NDArray[np.float32],
    ours_at: npt.NDArray[np.float32],
    soldiers_at: npt.NDArray[np.float64],
    everyone: npt.NDArray[np.int64],
    own: npt.NDArray[np.int64],
    kin: npt.NDArray[np.float64],
    base: float,
    threat_fire: float,
    fire_half: float,
    imitation: float,
    k_state: float,
    rule: int,
    opponent: float,
    opponent_half: float,
    soldiers: float,
    hit: float,
    front_danger: float,
    detain: float,
    out: npt.NDArray[np.float32],
) -> float:
    """Fill `out` (SITE_COLUMNS, sites of a group); return the mean threat from armed people in reach.

    cells, posts: (sites,) cell of each site, and the cell where its mobilised stand. theirs_at,
    ours_at: (cells,) armed people in reach; soldiers_at: (cells,) share of the soldiers in sight.
    everyone: (sites,) mobilised people in sight of the post; own: (sites,) those of the own community
    from near the site; kin: (sites,) people of the own community near the site. base: terms of the
    propensity that are the same all over the group; hit: hazard in 1/h for each armed opponent in
    full reach. Threat is felt at home; what deters is met where one would stand.
    Everyone counts themselves among the active: those who are (DETER_UP) are in `everyone` already.
    """
    total = 0.0
    for s in range(cells.size):
        cell, post = cells[s], posts[s]
        theirs, facing = np.float64(theirs_at[cell]), np.float64(theirs_at[post])
        armed = np.float64(theirs_at[cell] + ours_at[cell])  # float32: a bare float() would not widen when compiled
        threat = threat_fire * theirs / (armed + fire_half)
        total += threat
        in_sight = soldiers * soldiers_at[post]
        share = min(1.0, own[s] / max(1.0, kin[s]))
        out[PULL, s] = base + threat + imitation * share
        fire = opponent * facing / (facing + opponent_half)
        out[DETER, s] = state_deterrence(in_sight, everyone[s] + 1.0, k_state, rule) + fire
        out[DETER_UP, s] = state_deterrence(in_sight, max(1.0, everyone[s]), k_state, rule) + fire
        out[DANGER, s] = hit * theirs + front_danger
        out[DANGER_UP, s] = hit * facing + front_danger
        out[DETAIN, s] = detain * in_sight
    return total / max(1, cells.size)
