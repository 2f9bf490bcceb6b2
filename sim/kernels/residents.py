"""The loop over residents: one categorical draw each, decided from what was seen.

Arithmetic is float32 and strict, each resident is independent of every other, and
the draw depends on (seed, decision, resident, step) alone: the outcome depends on
neither the number of threads, nor the partition, nor the vector width.

Most residents do nothing in most hours. So a block of rows is gone through twice: `shortlist`
compares everyone's draw with a bound that their summed hazard cannot exceed, which costs one cheap
exponential each, and `weigh` works out the hazards exactly for those few whose draw lies below
it. The bound changes no outcome: whoever is left out would have stayed as they are.

What makes the loops fast: slices first and then the bare index, selects instead of branches, own
exponentials, rows in the order of their cells, all four words of a Philox block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import MASK, W0, W1, philox_round, uniform
from sim.kernels.compiled import kernel, wide_kernel, wide_part

F = np.float32
I32 = np.int32
U8 = np.uint8
U32 = np.uint32
U64 = np.uint64

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

BLOCK = 512
"""Rows worked on at a time; what is kept of them meanwhile stays in the first cache."""
LANE = BLOCK // 4
"""Resident k draws word (k mod BLOCK) // LANE of the Philox block (k // BLOCK) LANE + k mod LANE."""
RUN = 16
"""What a site says is written to so many rows at once, and over by the next site where it has fewer."""
SLACK = F(1.001)
"""Factor on the bound that covers its rounding."""

# Columns of the table of sites (a site is a cell as one community sees it).
PULL, DANGER = range(2)
SITE_COLUMNS = 2

# Columns of the table of posts (the cells where the mobilised of a group stand).
DETER, DETER_UP, DANGER_UP, DETAIN = range(4)
POST_COLUMNS = 4

# Columns of the table of groups (the members of one community in one neighbourhood).
# The last three are the greatest of their kind among the group's sites and posts: they bound what may happen.
WORTH, TIED, ENLIST, BACK, HOME, SLAIN, MAIMED, MOST_DANGER, MOST_DANGER_UP, MOST_DETAIN = range(10)
GROUP_COLUMNS = 10

# Entries of the vector of rates, the same for everyone.
(
    MOBILISE, STAND_DOWN, SOFTNESS, LETHALITY, SHELTER, COME_OUT, SHELTER_HALF, RECOVER, RELEASE,
    FLEE, FLEE_HALF, LIVED_HALF, STEP_H, EXPOSED_CALM, EXPOSED_MOBILISED, EXPOSED_SHELTERING,
) = range(16)  # fmt: skip
RATES = 16

# Columns of what an hour did to a group, in people: after eight for those more or less in each state.
KILLED, WOUNDED_HERE, KILLED_UP, WOUNDED_UP, KILLED_AWAY, WOUNDED_AWAY, FLED, CAME_BACK = range(8, 16)
DEEDS = 16

CALM, MOBILISED, SHELTERING, WOUNDED, DETAINED, DISPLACED, AWAY, DEAD = range(8)


@wide_part
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


@wide_part
def logistic_bound(x: np.float32) -> np.float32:
    """Return at least logistic(x) and `exp32`'s rounding of it, at most 1.07 min(1, exp(x)) for x > -79.

    2^(n + f) <= 2^n (1 + f) for f in [0, 1]: the bits of a float, read as a number, are its logarithm
    (Schraudolph 1999).
    """
    z = min(max(x * F(1.4426950408889634), F(-115.0)), F(0.0))
    return I32((z + F(127.0)) * F(8388608.0)).view(np.float32)


@wide_part
def chance_per_hazard(x: np.float32) -> np.float32:
    """Return (1 - exp(-x)) / x for x >= 0: what turns a summed hazard into a probability."""
    s = F(1.0) - x * (
        F(0.5)
        - x
        * (F(0.16666667) - x * (F(0.041666668) - x * (F(0.008333334) - x * (F(0.0013888889) - x * F(1.9841270e-4)))))
    )
    b = (F(1.0) - exp32(-x)) / max(x, F(0.5))
    return s if x < F(0.5) else b


@wide_part
def fill_luck(
    luck: Singles, block: np.uint64, lane: np.uint64, step: np.uint64, decision: np.uint64, k0: np.uint64, k1: np.uint64
) -> None:
    """Fill luck (BLOCK,) with the draws of residents block BLOCK to block BLOCK + BLOCK - 1, float32 in [0, 1].

    Small values keep their full relative precision (steps of 2^-32), which is what rare
    transitions need. The rounds stand here one by one: a loop or a call would not be vectorised.
    """
    first, second, third, fourth = luck[:LANE], luck[LANE : 2 * LANE], luck[2 * LANE : 3 * LANE], luck[3 * LANE :]
    unit = F(2.3283064365386963e-10)
    for i in range(LANE):
        a, b, c, d = block * U64(LANE) + U64(i), lane, step, decision
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
        first[i] = F(U32(a)) * unit
        second[i] = F(U32(b)) * unit
        third[i] = F(U32(c)) * unit
        fourth[i] = F(U32(d)) * unit


@wide_part
def spread(
    start: int, m: int, site: int, site_ends: Ints, post_of: Ints, sites: Singles, posts: Singles, in_danger: bool,
    here: Singles,
) -> int:  # fmt: skip
    """Write what each site says to the rows start to start + m - 1 that live there, from site `site` on.

    here: (HERE, BLOCK + RUN), its last two rows only if the group is in danger. Returns the site of row start + m.
    """
    pull, deter, danger, danger_up = here[HERE_PULL], here[HERE_DETER], here[HERE_DANGER], here[HERE_DANGER_UP]
    done = 0
    while done < m:
        upto = site_ends[site] - start
        post, last = post_of[site], min(upto, m)
        at_pull, at_deter = sites[PULL, site], posts[DETER, post]
        for o in range(done, last, RUN):
            run_pull, run_deter = pull[o:], deter[o:]
            for k in range(RUN):
                run_pull[k] = at_pull
                run_deter[k] = at_deter
        if in_danger:
            at_danger, at_danger_up = sites[DANGER, site], posts[DANGER_UP, post]
            for o in range(done, last, RUN):
                run_danger, run_danger_up = danger[o:], danger_up[o:]
                for k in range(RUN):
                    run_danger[k] = at_danger
                    run_danger_up[k] = at_danger_up
        done = last
        if upto <= m:
            site += 1
    return site


HERE_PULL, HERE_DETER, HERE_DANGER, HERE_DANGER_UP = range(4)
HERE = 4


@wide_part
def shortlist(
    state: Bytes, able: Bytes, hardship: Singles, aversion: Singles, ties: Singles, luck: Singles,
    pull: Singles, deter: Singles, of_group: Singles, rates: Singles, maybe: Bytes,
) -> None:  # fmt: skip
    """Mark in `maybe` those who may change state, where no fire comes in. All (m,)."""
    steepness, come_out, dt = F(1.0) / rates[SOFTNESS], rates[COME_OUT], rates[STEP_H] * SLACK
    recover, release = rates[RECOVER], rates[RELEASE]
    back, gone = of_group[BACK], of_group[HOME] + of_group[SLAIN] + of_group[MAIMED]
    from_arms = rates[STAND_DOWN] + of_group[ENLIST] + of_group[MOST_DETAIN]
    worth, tied, to_arms = of_group[WORTH], of_group[TIED], rates[MOBILISE] + of_group[ENLIST]
    none = F(0.0)
    for i in range(state.size):
        now = state[i]
        u = pull[i] + hardship[i] * worth + ties[i] * tied - aversion[i] * deter[i]
        most = to_arms * F(able[i]) * logistic_bound(u * steepness)
        most = most + (come_out if now == SHELTERING else none)
        most = from_arms if now == MOBILISED else most
        most = recover if now == WOUNDED else most
        most = release if now == DETAINED else most
        most = back if now == DISPLACED else most
        most = gone if now == AWAY else most
        most = none if now == DEAD else most
        maybe[i] = luck[i] <= most * dt


@wide_part
def shortlist_in_danger(
    state: Bytes, able: Bytes, hardship: Singles, aversion: Singles, ties: Singles, lived: Singles, luck: Singles,
    here: Singles, of_group: Singles, rates: Singles, maybe: Bytes, lived_before: Singles,
) -> None:  # fmt: skip
    """Do the same where fire comes in, and add the danger lived through to `lived`; here: (HERE, BLOCK + RUN)."""
    steepness, come_out, dt = F(1.0) / rates[SOFTNESS], rates[COME_OUT], rates[STEP_H]
    recover, release, shelter, half = rates[RECOVER], rates[RELEASE], rates[SHELTER], rates[SHELTER_HALF]
    flee, flee_half, lived_rate = rates[FLEE], rates[FLEE_HALF], F(1.0) / rates[LIVED_HALF]
    exposed_calm, exposed_up, exposed_cover = rates[EXPOSED_CALM], rates[EXPOSED_MOBILISED], rates[EXPOSED_SHELTERING]
    back, gone = of_group[BACK], of_group[HOME] + of_group[SLAIN] + of_group[MAIMED]
    from_arms = rates[STAND_DOWN] + of_group[ENLIST] + of_group[MOST_DETAIN]
    worth, tied, to_arms = of_group[WORTH], of_group[TIED], rates[MOBILISE] + of_group[ENLIST]
    pull, deter, danger, danger_up = here[HERE_PULL], here[HERE_DETER], here[HERE_DANGER], here[HERE_DANGER_UP]
    none, one = F(0.0), F(1.0)
    for i in range(state.size):
        now, in_open, before = state[i], danger[i], lived[i]
        u = pull[i] + hardship[i] * worth + ties[i] * tied - aversion[i] * deter[i]
        exposed = in_open * exposed_calm if now == CALM else none
        exposed = danger_up[i] * exposed_up if now == MOBILISED else exposed
        exposed = in_open * exposed_cover if now == SHELTERING else exposed
        heavy = in_open / (in_open + half)
        leaving = flee * (in_open / (in_open + flee_half)) * (one + before * lived_rate)
        settling = shelter * heavy if now == CALM else come_out * (one - heavy)
        most = to_arms * F(able[i]) * logistic_bound(u * steepness) + exposed + leaving + settling
        most = exposed + from_arms if now == MOBILISED else most
        most = recover if now == WOUNDED else most
        most = release if now == DETAINED else most
        most = back if now == DISPLACED else most
        most = gone if now == AWAY else most
        most = none if now == DEAD else most
        maybe[i] = luck[i] <= most * (dt * SLACK)
        lived_before[i] = before
        lived[i] = before + exposed * dt


# Columns of what is gathered of those on the shortlist.
(
    OF_ABLE, OF_HARDSHIP, OF_AVERSION, OF_TIES, OF_LIVED, OF_LUCK, OF_PULL, OF_DETER, OF_DANGER, OF_DANGER_UP,
    OF_DETAIN,
) = range(11)  # fmt: skip
GATHERED = 11


@wide_part
def weigh(state: Bytes, those: Singles, of_group: Singles, rates: Singles, then: Bytes) -> None:
    """Decide the next state of the shortlisted; those: (GATHERED, n), state and then: (n,)."""
    mobilise, stand_down, steepness = rates[MOBILISE], rates[STAND_DOWN], F(1.0) / rates[SOFTNESS]
    lethality, survival = rates[LETHALITY], F(1.0) - rates[LETHALITY]
    shelter, come_out, half = rates[SHELTER], rates[COME_OUT], rates[SHELTER_HALF]
    recover, release = rates[RECOVER], rates[RELEASE]
    flee, flee_half, lived_rate, dt = rates[FLEE], rates[FLEE_HALF], F(1.0) / rates[LIVED_HALF], rates[STEP_H]
    exposed_calm, exposed_up = rates[EXPOSED_CALM], rates[EXPOSED_MOBILISED]
    exposed_cover = rates[EXPOSED_SHELTERING]
    worth, tied, enlist = of_group[WORTH], of_group[TIED], of_group[ENLIST]
    back, home, slain, maimed = of_group[BACK], of_group[HOME], of_group[SLAIN], of_group[MAIMED]
    able, hardship, aversion, ties = those[OF_ABLE], those[OF_HARDSHIP], those[OF_AVERSION], those[OF_TIES]
    lived, luck, pull, deter = those[OF_LIVED], those[OF_LUCK], those[OF_PULL], those[OF_DETER]
    danger_here, danger_up, detain = those[OF_DANGER], those[OF_DANGER_UP], those[OF_DETAIN]
    zero, one = F(0.0), F(1.0)
    for i in range(state.size):
        now = state[i]
        calm, up, under_cover, away = now == CALM, now == MOBILISED, now == SHELTERING, now == AWAY
        # how much they want to act
        u = pull[i] + hardship[i] * worth + ties[i] * tied - aversion[i] * deter[i]
        eager = one / (one + exp32(-u * steepness))
        eager_fit = eager * able[i]
        # the hazards of what may happen next
        in_open = danger_here[i]
        exposed = in_open * exposed_calm if calm else zero
        exposed = danger_up[i] * exposed_up if up else exposed
        exposed = in_open * exposed_cover if under_cover else exposed
        heavy = in_open / (in_open + half)
        to_dead = exposed * lethality + (slain if away else zero)
        to_wounded = exposed * survival + (maimed if away else zero)
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
        next_ = U8(CALM) if x < c7 else now
        next_ = U8(SHELTERING) if x < c6 else next_
        next_ = U8(MOBILISED) if x < c5 else next_
        next_ = U8(DETAINED) if x < c4 else next_
        next_ = U8(DISPLACED) if x < c3 else next_
        next_ = U8(AWAY) if x < c2 else next_
        next_ = U8(WOUNDED) if x < c1 else next_
        next_ = U8(DEAD) if x < to_dead else next_
        then[i] = next_


@wide_kernel
def decide(
    jobs: Ints, first: Ints, lanes: npt.NDArray[np.uint64], state_all: Bytes, able_all: Bytes, hardship_all: Singles,
    aversion_all: Singles, ties_all: Singles, lived_all: Singles, site_all: npt.NDArray[np.uint32], site_ends: Ints,
    post_of: Ints, sites: Singles, posts: Singles, groups: Singles, rates: Singles, step: np.uint64,
    decision: np.uint64, k0: np.uint64, k1: np.uint64, rows: npt.NDArray[np.uint32], then: Bytes,
) -> int:  # fmt: skip
    """Decide who changes state: write their rows and next states from entry jobs[0, 1] on, return how many.

    jobs: (J, 3) group, first row, row after the last; each job's rows follow the last one's. first, lanes: (G,)
    row of the neighbourhood's first resident, so that row - first counts the draw, and its number for the draw.
    state, able, hardship, aversion, ties, lived, site: columns (residents,) in the order of their sites.
    site_ends, post_of: (sites,) row after the last resident, and post of each site. sites: (SITE_COLUMNS, sites);
    posts: (POST_COLUMNS, posts); groups: (G, GROUP_COLUMNS); rates: (RATES,). Hazards in 1/h.
    rows, then: (residents,). Adds the danger lived through to `lived`; `state` is only read.
    """
    luck, here = np.zeros(BLOCK, np.float32), np.zeros((HERE, BLOCK + RUN), np.float32)
    maybe_all, before_all = np.zeros(BLOCK, np.uint8), np.zeros(BLOCK, np.float32)
    eights = maybe_all.view(np.uint64)
    who = np.empty(BLOCK + 8, np.int64)
    now, next_, those = (
        np.zeros(BLOCK, np.uint8),
        np.zeros(BLOCK, np.uint8),
        np.zeros((GATHERED, BLOCK + RUN), np.float32),
    )
    at = begin = jobs[0, 1]
    for job in range(jobs.shape[0]):
        g, start, hi = jobs[job, 0], jobs[job, 1], jobs[job, 2]
        of_group, lane, site = groups[g], lanes[g], int(site_all[start])
        in_danger = of_group[MOST_DANGER] > F(0.0) or of_group[MOST_DANGER_UP] > F(0.0)
        here[HERE_DANGER] = F(0.0)
        while start < hi:
            block = (start - first[g]) // BLOCK
            skip = start - first[g] - block * BLOCK
            m = min(hi - start, BLOCK - skip)
            end = start + m
            fill_luck(luck, U64(block), lane, step, decision, k0, k1)
            lives_at = site
            site = spread(start, m, site, site_ends, post_of, sites, posts, in_danger, here)
            state, able, hardship = state_all[start:end], able_all[start:end], hardship_all[start:end]
            aversion, ties, lived = aversion_all[start:end], ties_all[start:end], lived_all[start:end]
            draws, maybe, before = luck[skip : skip + m], maybe_all[:m], before_all[:m]
            if in_danger:
                shortlist_in_danger(
                    state, able, hardship, aversion, ties, lived, draws, here, of_group, rates, maybe, before
                )
            else:
                pull, deter = here[HERE_PULL], here[HERE_DETER]
                shortlist(state, able, hardship, aversion, ties, draws, pull, deter, of_group, rates, maybe)
                before[:] = F(0.0)  # nobody flees where there is no danger, whatever they have lived through
            maybe_all[m:] = 0
            n = 0
            for eight in range(BLOCK // 8):
                if eights[eight] != U64(0):
                    for i in range(8 * eight, 8 * eight + 8):
                        who[n] = i
                        n += maybe_all[i]
            for k in range(n):
                i = who[k]
                while site_ends[lives_at] <= start + i:
                    lives_at += 1
                post = post_of[lives_at]
                now[k] = state[i]
                those[OF_ABLE, k] = F(able[i])
                those[OF_HARDSHIP, k] = hardship[i]
                those[OF_AVERSION, k] = aversion[i]
                those[OF_TIES, k] = ties[i]
                those[OF_LIVED, k] = before[i]
                those[OF_LUCK, k] = draws[i]
                those[OF_PULL, k] = here[HERE_PULL, i]
                those[OF_DETER, k] = posts[DETER_UP if state[i] == MOBILISED else DETER, post]
                those[OF_DANGER, k] = here[HERE_DANGER, i]
                those[OF_DANGER_UP, k] = posts[DANGER_UP, post]
                those[OF_DETAIN, k] = posts[DETAIN, post]
            full = min(BLOCK, -(-n // RUN) * RUN)
            now[n:full] = U8(DEAD)  # the loop is fastest where it comes out even
            weigh(now[:full], those, of_group, rates, next_[:full])
            for k in range(n):
                rows[at] = U32(start + who[k])
                then[at] = next_[k]
                at += next_[k] != now[k]
            start = end
    return int(at - begin)


@kernel
def act(
    count: int, rows: npt.NDArray[np.uint32], then: Bytes, state: Bytes, where: npt.NDArray[np.int16],
    group: npt.NDArray[np.uint16], site: npt.NDArray[np.uint32], up_at: Ints, weight: Ints, place: Ints,
    volunteer_place: Ints, destinations: npt.NDArray[np.float64], first: Ints, lanes: npt.NDArray[np.uint64], step: int,
    decision: int, k0: np.uint64, k1: np.uint64, deeds: Ints, moves: Ints,
) -> None:  # fmt: skip
    """Put the first `count` of `rows` into their next state, and bring every count up to date.

    up_at: (S,) mobilised people by site; destinations: (G, P) cumulative weights of where those who flee go.
    Added to, in people: deeds (G, DEEDS), and moves (P,), the displaced by the place they are in.
    """
    for i in range(count):
        row, after = np.int64(rows[i]), then[i]
        before, g = state[row], np.int64(group[row])
        people, away = weight[g], before == AWAY
        if before == DISPLACED:
            moves[where[row]] -= people
        if before == DISPLACED or (away and after != DEAD):
            where[row] = place[g]
        if after == DISPLACED:
            luck = uniform(int(row - first[g]), int(np.int64(lanes[g])), step, decision, k0, k1)
            to = 0
            while to < destinations.shape[1] - 1 and destinations[g, to] <= luck:
                to += 1
            where[row] = to
            moves[to] += people
            deeds[g, FLED] += people
        elif after == AWAY:
            where[row] = volunteer_place[g]
        if after == DEAD:
            deeds[g, KILLED_AWAY if away else KILLED] += people
            deeds[g, KILLED_UP] += people if before == MOBILISED else 0
        elif after == WOUNDED:
            deeds[g, WOUNDED_AWAY if away else WOUNDED_HERE] += people
            deeds[g, WOUNDED_UP] += people if before == MOBILISED else 0
        if away and after != DEAD:
            deeds[g, CAME_BACK] += people
        if before == MOBILISED:
            up_at[site[row]] -= people
        if after == MOBILISED:
            up_at[site[row]] += people
        deeds[g, before] -= people
        deeds[g, after] += people
        state[row] = after
