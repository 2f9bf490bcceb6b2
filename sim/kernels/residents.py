"""The loop over residents: one categorical draw each, decided from what was seen.

Each resident is independent of every other, and the draw depends on (seed, decision, resident, step) alone: the
outcome depends on neither the number of threads, nor the partition, nor the vector width.

A block of rows at a time is gone through: everyone's draw is held against a bound, and whose lies below it is
gathered and weighed. Those not able to fight want nothing, so what they might do follows from their state and the
fire that comes in; traits are kept of the able alone.

What makes the loops fast: slices first and then the bare index, selects instead of branches, own exponentials,
rows in the order of their cells, all four words of a Philox block.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import uniform
from sim.kernels.compiled import kernel, wide_kernel, wide_part
from sim.kernels.hazards import (
    GATHERED,
    OF_ABLE,
    OF_AVERSION,
    OF_DANGER,
    OF_DANGER_UP,
    OF_DETAIN,
    OF_DETER,
    OF_HARDSHIP,
    OF_LIVED,
    OF_LUCK,
    OF_PULL,
    OF_TIES,
    weigh,
)
from sim.kernels.luck import BLOCK, fill_luck
from sim.kernels.search import first_from
from sim.kernels.shortlist import (
    WIDTH,
    bound_of_state,
    live_through,
    live_through_at_posts,
    shortlist_able,
    shortlist_others,
    spread,
    take_out_able,
)
from sim.kernels.tables import (
    AWAY,
    DANGER_UP,
    DEAD,
    DETAIN,
    DETER,
    DETER_UP,
    DISPLACED,
    MOBILISED,
    MOST_DANGER,
    MOST_DANGER_UP,
    SHELTERING,
    WOUNDED,
)

F = np.float32
U8 = np.uint8
U32 = np.uint32
U64 = np.uint64

Singles = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.uint32]
Ints = npt.NDArray[np.int64]

# Columns of what an hour did to a group, in people: after eight for those more or less in each state.
KILLED, WOUNDED_HERE, KILLED_UP, WOUNDED_UP, KILLED_AWAY, WOUNDED_AWAY, FLED, CAME_BACK = range(8, 16)
DEEDS = 16

HARM_NONE, HARM_WOUNDED, HARM_KILLED = range(3)


@wide_part
def gather_able(
    count: int, maybe: Bytes, fit: int, start: int, able: Rows, able_site: Rows, hardship: Singles, aversion: Singles,
    ties: Singles, luck: Singles, pull: Singles, post_of: Ints, posts: Singles, state: Bytes, before: Singles,
    danger: Singles, n: int, who: Ints, now: Bytes, those: Singles,
) -> int:  # fmt: skip
    """Append to the n gathered those able to fight who are marked in `maybe`; return how many there are then.

    able to ties: as in `decide`; maybe, luck, pull: of the block's, who stand there from entry `fit` on; before,
    danger: (BLOCK,), of its rows. who: rows; now: states; those: (GATHERED, n and more).
    """
    already = n
    for k in range(count):
        who[n] = k
        n += maybe[k]
    for j in range(already, n):
        one = U64(who[j])
        entry = U64(fit) + one
        row, post = U64(able[entry]), U64(post_of[able_site[entry]])
        i = row - U64(start)
        who[j], now[j] = row, state[row]
        those[OF_ABLE, j] = F(1.0)
        those[OF_HARDSHIP, j] = hardship[entry]
        those[OF_AVERSION, j] = aversion[entry]
        those[OF_TIES, j] = ties[entry]
        those[OF_LIVED, j] = before[i]
        those[OF_LUCK, j] = luck[one]
        those[OF_PULL, j] = pull[one]
        those[OF_DETER, j] = posts[DETER_UP if now[j] == MOBILISED else DETER, post]
        those[OF_DANGER, j] = danger[i]
        those[OF_DANGER_UP, j] = posts[DANGER_UP, post]
        those[OF_DETAIN, j] = posts[DETAIN, post]
    return n


@wide_part
def gather_others(
    maybe: Bytes, eights: npt.NDArray[np.uint64], some: Ints, start: int, skip: int, luck: Singles, state: Bytes,
    before: Singles, danger: Singles, n: int, who: Ints, now: Bytes, those: Singles,
) -> int:  # fmt: skip
    """Append to the n gathered the others who are marked in `maybe`; what they want does not matter.

    eights: (BLOCK / 8,) the marks, eight at a time; some: (BLOCK / 8 + 1,) room for where there are any.
    """
    already, full = n, 0
    for eight in range(eights.size):  # a branch that nobody can foresee costs more than what it saves
        some[full] = 8 * eight
        full += eights[eight] != U64(0)
    for j in range(full):
        for k in range(some[j], some[j] + 8):
            who[n] = k
            n += maybe[U64(k)]
    for j in range(already, n):
        i = U64(who[j])
        row = U64(start) + i
        who[j], now[j] = row, state[row]
        those[OF_ABLE, j] = F(0.0)
        those[OF_LIVED, j] = before[i]
        those[OF_LUCK, j] = luck[U64(skip) + i]
        those[OF_DANGER, j] = danger[i]
    return n


@wide_kernel
def decide(
    jobs: Ints, first: Ints, lanes: npt.NDArray[np.uint64], state: Bytes, lived: Singles, able: Rows,
    able_site: Rows, hardship: Singles, aversion: Singles, ties: Singles, site_ends: Ints, post_of: Ints,
    sites: Singles, posts: Singles, groups: Singles, rates: Singles, step: np.uint64, decision: np.uint64,
    k0: np.uint64, k1: np.uint64, rows: Rows, then: Bytes,
) -> int:  # fmt: skip
    """Decide who changes state: write their rows and next states from entry jobs[0, 1] on, return how many.

    jobs: (J, 3) group, first row, row after the last; each job's rows follow the last one's, and it begins with a
    site. first, lanes: (G,) row of the neighbourhood's first resident, so that row - first counts the draw, and its
    number for the draw. state, lived: columns (residents,) in the order of their sites. able to ties: (n,) rows of
    those able to fight, in order, their sites and traits; the mobilised are among them. site_ends, post_of: (sites,)
    row after the last resident, and post of each site. sites: (SITE_COLUMNS, sites); posts: (POST_COLUMNS, posts);
    groups: (G, GROUP_COLUMNS); rates: (RATES,). Hazards in 1/h. rows, then: (residents,).
    Adds the danger lived through to `lived`; `state` is only read.
    """
    # of each row of a block
    luck, most, danger, before = singles(BLOCK), singles(BLOCK), singles(BLOCK), singles(BLOCK)
    maybe, some = np.zeros(BLOCK, np.uint8), np.zeros(BLOCK // 8 + 1, np.int64)
    eights = maybe.view(np.uint64)
    # of those able to fight among them
    able_now, up, able_maybe = np.zeros(BLOCK, np.uint8), np.zeros(BLOCK + 1, np.int64), np.zeros(BLOCK, np.uint8)
    able_luck, able_most, able_pull, able_deter = singles(BLOCK), singles(BLOCK), singles(BLOCK), singles(BLOCK)
    # of the shortlisted, of this block and those before
    now, next_, who = np.zeros(2 * BLOCK, np.uint8), np.zeros(2 * BLOCK, np.uint8), np.zeros(2 * BLOCK + 8, np.int64)
    those = np.zeros((GATHERED, 2 * BLOCK + WIDTH), np.float32)  # no power of two, by which columns would collide
    at = begin = jobs[0, 1]
    fit = first_from(begin, able)
    for job in range(jobs.shape[0]):
        g, start, hi = jobs[job, 0], jobs[job, 1], jobs[job, 2]
        of_group, lane, in_danger = groups[g], lanes[g], groups[g, MOST_DANGER] > F(0.0)
        site, n = first_from(start + 1, site_ends), 0
        danger[:] = F(0.0)
        while start < hi:
            block = (start - first[g]) // BLOCK
            skip = start - first[g] - block * BLOCK
            end = min(hi, start + BLOCK - skip)
            fill_luck(luck, U64(block), lane, step, decision, k0, k1)
            bound_of_state(start, end, state, of_group, rates, most)
            if in_danger:
                burns, until, site = spread(start, end, site, site_ends, sites, danger)
                live_through(start, burns, until, state, lived, danger, rates, most, before)
            count, ups = take_out_able(
                fit, start, end, able, able_site, post_of, sites, posts, state, luck, skip, most, able_now, able_luck,
                able_most, able_pull, able_deter, up,
            )  # fmt: skip
            shortlist_able(
                count, fit, hardship, aversion, ties, able_now, able_luck, able_most, able_pull, able_deter, of_group,
                rates, able_maybe,
            )  # fmt: skip
            shortlist_others(end - start, luck, skip, most, rates, maybe)
            n = gather_able(
                count, able_maybe, fit, start, able, able_site, hardship, aversion, ties, able_luck, able_pull, post_of,
                posts, state, before, danger, n, who, now, those,
            )  # fmt: skip
            n = gather_others(maybe, eights, some, start, skip, luck, state, before, danger, n, who, now, those)
            if of_group[MOST_DANGER_UP] > F(0.0):
                live_through_at_posts(ups, up, fit, able, able_site, post_of, posts, rates, lived)
            fit, start = fit + count, end
            if n > BLOCK or start == hi:
                weigh(n, now, those, of_group, rates, next_)
                for j in range(n):
                    rows[at] = U32(who[j])
                    then[at] = next_[j]
                    at += next_[j] != now[j]
                n = 0
    return int(at - begin)


@wide_part
def singles(n: int) -> Singles:
    """Return zeros (n,)."""
    return np.zeros(n, np.float32)


@kernel
def act(
    count: int, rows: Rows, then: Bytes, state: Bytes, harm: Bytes, where: npt.NDArray[np.int16], site: Rows,
    up_at: Ints, last: Ints, weight: Ints, place: Ints, volunteer_place: Ints, destinations: npt.NDArray[np.float64],
    first: Ints, lanes: npt.NDArray[np.uint64], step: int, decision: int, k0: np.uint64, k1: np.uint64, deeds: Ints,
    moves: Ints,
) -> None:  # fmt: skip
    """Put the first `count` of `rows` into their next state, and bring every count up to date.

    They stand group by group. harm: (residents,) the worst that befell each; up_at: (S,) mobilised people by site;
    last: (G,) row after the group's last; destinations: (G, P) cumulative weights of where those who flee go.
    Added to, in people: deeds (G, DEEDS), and moves (P,), the displaced by the place they are in.
    """
    g = 0
    for i in range(count):
        row, before, after = rows[i], state[rows[i]], then[i]
        while row >= last[g]:
            g += 1
        people = weight[g]
        if before == MOBILISED:
            up_at[site[row]] -= people
        elif after == MOBILISED:
            up_at[site[row]] += people
        deeds[g, before] -= people
        deeds[g, after] += people
        state[row] = after
        if before <= SHELTERING and after <= SHELTERING:
            continue  # they took up arms, went home, took cover or came out, and that was all
        away = before == AWAY
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
            harm[row] = HARM_KILLED
            deeds[g, KILLED_AWAY if away else KILLED] += people
            deeds[g, KILLED_UP] += people if before == MOBILISED else 0
        elif after == WOUNDED:
            harm[row] = HARM_WOUNDED
            deeds[g, WOUNDED_AWAY if away else WOUNDED_HERE] += people
            deeds[g, WOUNDED_UP] += people if before == MOBILISED else 0
        if away and after != DEAD:
            deeds[g, CAME_BACK] += people
