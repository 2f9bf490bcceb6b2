"""What an hour does to every place and to every force in it, fighting or not: siege, stock, resolve, newcomers.

Tables are (P, F), places by factions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import poisson_quantile, uniform
from sim.kernels.compiled import kernel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@kernel
def use_stock(
    fighters: Ints, volunteers: Ints, contact: Floats, engaged: Floats, idle_use: float, use_t_per_fighter_day: float,
    days: float, stock_t: Floats, spent_t: Floats,
) -> None:  # fmt: skip
    """Take the use of some days out of every stock, and fill what was spent; contact: (F,)."""
    for p in range(fighters.shape[0]):
        for f in range(fighters.shape[1]):
            present = fighters[p, f] + volunteers[p, f]
            able = present * contact[f]
            busy = engaged[p, f] / able if able > 0.0 else 0.0
            spent_t[p, f] = min(present * max(idle_use, busy) * use_t_per_fighter_day * days, stock_t[p, f])
            stock_t[p, f] -= spent_t[p, f]


@kernel
def note_effect(
    fighters: Ints, volunteers: Ints, stock_t: Floats, use_t_per_fighter_day: float, a0: float, s_half: float,
    effect: Floats,
) -> None:  # fmt: skip
    """Fill the effectiveness of every force by the days of full action that its stock lasts."""
    for p in range(fighters.shape[0]):
        for f in range(fighters.shape[1]):
            use = (fighters[p, f] + volunteers[p, f]) * use_t_per_fighter_day
            days = stock_t[p, f] / use if use > 0.0 else 0.0
            effect[p, f] = a0 * days / (days + s_half)


@kernel
def feel(
    fighters: Ints, volunteers: Ints, killed: Ints, ground: Floats, hopes: Floats, at_start: Floats,
    by_losses: float, by_ground: float, recovered: float, resolve: Floats,
) -> None:  # fmt: skip
    """Move resolve by the hour's talks (F,), losses and ground, and bring back part of that at the start (F,)."""
    for p in range(fighters.shape[0]):
        for f in range(fighters.shape[1]):
            before = min(1.0, max(0.0, resolve[p, f] + hopes[f]))
            strength = max(1, fighters[p, f] + volunteers[p, f] + killed[p, f])
            change = -by_losses * killed[p, f] / strength + by_ground * min(0.0, ground[p, f])
            recovery = (at_start[f] - before) * recovered
            resolve[p, f] = min(1.0, max(0.0, before + change + recovery))


@kernel
def besiege(
    assault: Floats, enemy: npt.NDArray[np.bool_], control: Floats, coalition: npt.NDArray[np.bool_], siege: Floats
) -> None:
    """Fill the share of each place that assailants hold against a faction's side, 0 where no enemy assaults."""
    factions = enemy.shape[0]
    for p in range(control.shape[0]):
        for f in range(factions):
            assailed, held = False, 0.0
            for g in range(factions):
                assailed = assailed or (assault[p, g] > 0.0 and enemy[g, f])
                held += control[p, g] if coalition[f, g] else 0.0
            siege[p, f] = 1.0 - min(1.0, held) if assailed else 0.0


@kernel
def settle(displaced: Ints, town: Floats, place: Ints, people: Ints, arrived: Ints, settled: Floats) -> None:
    """Spread the displaced in each place (P,) over the groups that live there (G,), and add those who have arrived.

    town: (P,) people of a place; place, people, arrived: (G,).
    """
    for g in range(place.size):
        everyone = town[place[g]]
        share = people[g] / everyone if everyone > 0.0 else 0.0
        settled[g] = displaced[place[g]] * min(1.0, share) + arrived[g]


@kernel
def pick(table: Floats, row: Ints, column: Ints, found: Floats) -> None:
    """Fill the entries table[row, column] (n,), 0 where row is below zero."""
    for i in range(row.size):
        found[i] = table[row[i], column[i]] if row[i] >= 0 else 0.0


@kernel
def happen(mean: float, lane: Ints, step: int, decision: int, k0: np.uint64, k1: np.uint64, number: Ints) -> int:
    """Fill how often something happens to each of lane (n,), Poisson with the same mean; return the sum."""
    total = 0
    for i in range(lane.size):
        number[i] = poisson_quantile(uniform(0, lane[i], step, decision, k0, k1), mean)
        total += number[i]
    return total


@kernel
def mean_at_posts(armed: npt.NDArray[np.float32], posts: Floats) -> float:
    """Return the armed people (C, ny, nx) in reach, of all communities, as a mean weighted by posts (ny, nx)."""
    reach, weight = 0.0, 0.0
    for y in range(posts.shape[0]):
        for x in range(posts.shape[1]):
            if posts[y, x] > 0.0:
                here = 0.0
                for c in range(armed.shape[0]):
                    here += armed[c, y, x]
                reach += posts[y, x] * here
                weight += posts[y, x]
    return reach / weight if weight > 0.0 else 0.0
