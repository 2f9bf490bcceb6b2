"""What a resident of each site perceives: threat, deterrence and danger, cell by cell.

A site is a cell as one community sees it; a post is a cell where the mobilised of one group
stand. Sites of a group stand one after the other, and so do its posts.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel, part
from sim.kernels.raster import blur, box_sum
from sim.kernels.search import first_from
from sim.kernels.tables import (
    DANGER,
    DANGER_UP,
    DETAIN,
    DETER,
    DETER_UP,
    MOBILISED,
    MOST_DANGER,
    MOST_DANGER_UP,
    MOST_DETAIN,
    PULL,
)  # fmt: skip

Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.uint32]
Singles = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RAW, FLOOR, ROUND = range(3)

# Entries of the vector of what holds for everyone's perception.
(
    THREAT_FIRE, FIRE_HALF, IMITATION, STATE_DETERRENCE, OPPONENT, OPPONENT_HALF,
) = range(6)  # fmt: skip
WEIGHTS = 6


@part
def state_deterrence(soldiers: float, active: float, k: float, rule: int) -> float:
    """Return 1 - exp(-k C/A), A the active, oneself among them; rule: 0 raw, 1 floor, 2 round half to even.

    Epstein 2002.
    """
    if soldiers == 0.0:
        return 0.0
    ratio = soldiers / active
    if rule == FLOOR:
        ratio = math.floor(ratio)
    elif rule == ROUND:
        ratio = np.rint(ratio)
    return 1.0 - math.exp(-k * ratio)


@kernel
def muster(
    groups: Ints, first: Ints, last: Ints, first_site: Ints, last_site: Ints, states: Ints, state: Bytes, able: Rows,
    able_site: Rows, weapon_rank: Singles, armed_share: Floats, weight: Ints, armed_at: Ints, armed_up: Ints,
) -> None:  # fmt: skip
    """Count the armed among the mobilised: by site in `armed_at` (S,), by group in `armed_up` (G,), in people.

    first to last_site, armed_share, weight: (G,); states: (G, 8) people by state; state: (residents,). able, able_site,
    weapon_rank: (n,) rows of those able to fight, in order, their sites and ranks: who has a rank below the share has
    a weapon.
    """
    for g in groups:
        armed_up[g] = 0
        armed_at[first_site[g] : last_site[g]] = 0
        if states[g, MOBILISED] == 0:
            continue
        for k in range(first_from(first[g], able), first_from(last[g], able)):
            if (state[able[k]] == MOBILISED) & (weapon_rank[k] < armed_share[g]):
                armed_at[able_site[k]] += weight[g]
                armed_up[g] += weight[g]


@kernel
def look_around(
    groups: Ints, community: Ints, first_site: Ints, last_site: Ints, first_post: Ints, last_post: Ints,
    site_cell: Ints, post_of: Ints, post_cell: Ints, up_at: Ints, armed_at: Ints, sight: int, taps: Singles,
    armed: Singles, own: Ints, everyone: Ints,
) -> None:  # fmt: skip
    """See who is up on one ground: the armed in reach, and the mobilised in sight.

    groups: the groups of the ground; community to last_post: (G,); site_cell, post_of, up_at, armed_at: (S,);
    post_cell: (K,). sight: half width in cells; taps: weights of fire by distance in cells.
    Fills armed (C, ny, nx), armed people in reach of each cell by community; own (S,), the mobilised of the own
    community who come from near the site; everyone (K,), all mobilised in sight of the post.
    """
    shape, cells = armed.shape[1:], armed.shape[1] * armed.shape[2]
    total_at, seen_at, up_here = np.zeros(cells, np.int64), np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    total, seen, up = total_at.reshape(shape), seen_at.reshape(shape), up_here.reshape(shape)
    posted_at, any_up = np.zeros(cells, np.float32), False
    posted = posted_at.reshape(shape)
    for c in range(armed.shape[0]):
        any_up_here, any_armed = False, False
        for g in groups:
            if community[g] == c:
                for s in range(first_site[g], last_site[g]):
                    if up_at[s]:
                        any_up_here = True
                        any_armed = any_armed or armed_at[s] > 0
                        post = post_cell[post_of[s]]
                        up_here[site_cell[s]] += up_at[s]
                        total_at[post] += up_at[s]
                        posted_at[post] += np.float32(armed_at[s])
        if any_armed:
            blur(posted, taps, armed[c])
            for cell in range(cells):
                posted_at[cell] = 0
        else:
            armed[c, :, :] = 0
        if any_up_here:
            any_up = True
            box_sum(up, sight, seen)
            for cell in range(cells):
                up_here[cell] = 0
        for g in groups:
            if community[g] == c:
                for s in range(first_site[g], last_site[g]):
                    own[s] = seen_at[site_cell[s]] if any_up_here else 0
    if any_up:
        box_sum(total, sight, seen)
    for g in groups:
        for k in range(first_post[g], last_post[g]):
            everyone[k] = seen_at[post_cell[k]] if any_up else 0


@kernel
def perceive(
    groups: Ints, community: Ints, first_site: Ints, last_site: Ints, first_post: Ints, last_post: Ints,
    site_cell: Ints, post_cell: Ints, armed: Singles, hostility: Floats, soldiers_at: Floats, soldiers: float,
    everyone: Ints, own: Ints, kin: Floats, base: Floats, hit: Floats, front_danger: Floats, detain: Floats,
    weights: Floats, rule: int, sites: Singles, posts: Singles, of_groups: Singles, threat: Floats,
) -> None:  # fmt: skip
    """Fill sites (SITE_COLUMNS, S), posts (POST_COLUMNS, K) and the greatest of each in of_groups (G, GROUP_COLUMNS).

    Of one ground; threat (G,) is the mean over sites.

    groups to post_cell, own and everyone: as in `look_around`. armed: (C, cells) armed people in reach; hostility:
    (C, C), row towards column; soldiers_at: (cells,) share of the soldiers in sight. kin: (S,) people of the own
    community near the site. base to detain: (G,) terms of the propensity that are the same all over the group, hazard
    in 1/h for each armed opponent in full reach, hazard of a front's fire, hazard of detention for each soldier in
    sight. Threat is felt at home; what deters is met where one would stand.
    Everyone counts themselves among the active: those who are (DETER_UP) are in `everyone` already.
    """
    cells = armed.shape[1]
    theirs_at = np.zeros(cells, np.float32)
    for c in range(armed.shape[0]):
        for x in range(cells):
            theirs_at[x] = 0
        for o in range(armed.shape[0]):
            if o != c and hostility[o, c] > 0:
                for x in range(cells):
                    theirs_at[x] += np.float32(hostility[o, c]) * armed[o, x]
        for g in groups:
            if community[g] != c:
                continue
            total, most_danger, most_up, most_detain = 0.0, np.float32(0), np.float32(0), np.float32(0)
            for s in range(first_site[g], last_site[g]):
                cell = site_cell[s]
                theirs = np.float64(theirs_at[cell])
                around = np.float64(theirs_at[cell] + armed[c, cell])  # float() would not widen when compiled
                felt = weights[THREAT_FIRE] * theirs / (around + weights[FIRE_HALF])
                total += felt
                share = min(1.0, own[s] / max(1.0, kin[s]))
                sites[PULL, s] = base[g] + felt + weights[IMITATION] * share
                sites[DANGER, s] = hit[g] * theirs + front_danger[g]
                most_danger = max(most_danger, sites[DANGER, s])
            threat[g] = total / max(1, last_site[g] - first_site[g])
            for k in range(first_post[g], last_post[g]):
                facing = np.float64(theirs_at[post_cell[k]])
                in_sight = soldiers * soldiers_at[post_cell[k]]
                fire = weights[OPPONENT] * facing / (facing + weights[OPPONENT_HALF])
                k_state, active = weights[STATE_DETERRENCE], np.float64(everyone[k])
                posts[DETER, k] = state_deterrence(in_sight, active + 1.0, k_state, rule) + fire
                posts[DETER_UP, k] = state_deterrence(in_sight, max(1.0, active), k_state, rule) + fire
                posts[DANGER_UP, k] = hit[g] * facing + front_danger[g]
                posts[DETAIN, k] = detain[g] * in_sight
                most_up, most_detain = max(most_up, posts[DANGER_UP, k]), max(most_detain, posts[DETAIN, k])
            of_groups[g, MOST_DANGER], of_groups[g, MOST_DANGER_UP] = most_danger, most_up
            of_groups[g, MOST_DETAIN] = most_detain
