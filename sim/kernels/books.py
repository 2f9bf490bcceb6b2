"""What the books do at the end of an hour: remember tolls, and write the row of measures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel, part

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@kernel
def assign(number: int, weights: Floats, given: Ints, to: Ints) -> None:
    """Give `number` people to communities (C,) in proportion to weights, one by one to whoever is most owed.

    `given` counts what each has been given so far; it and `to` are brought up to date. No chance is used.
    """
    whole, so_far = 0.0, 0
    for c in range(weights.size):
        whole += weights[c]
        so_far += given[c]
    if whole <= 0.0:
        return
    for _ in range(number):
        most, c = -np.inf, 0
        for d in range(weights.size):
            owed = weights[d] / whole * (so_far + 1) - given[d]
            if owed > most:
                most, c = owed, d
        given[c] += 1
        to[c] += 1
        so_far += 1


@kernel
def count_fighters(
    killed: Ints, wounded: Ints, constituency: Floats, assigned: Ints,
    faction_killed: Ints, faction_wounded: Ints, place_killed: Ints, place_wounded: Ints,
) -> None:  # fmt: skip
    """Add fighters hurt (P, F) to those of their faction (P, F) and of the communities (P, C) that it comes from.

    constituency (F, C); assigned (P, F, C) counts the dead of each community so far; the wounded come after them.
    """
    for p in range(killed.shape[0]):
        for f in range(killed.shape[1]):
            if killed[p, f] > 0 or wounded[p, f] > 0:
                faction_killed[p, f] += killed[p, f]
                faction_wounded[p, f] += wounded[p, f]
                assign(killed[p, f], constituency[f], assigned[p, f], place_killed[p])
                assign(wounded[p, f], constituency[f], assigned[p, f].copy(), place_wounded[p])


@kernel
def remember(
    keep: float, keep_usual: float, wounded_weight: float, keep_day: float,
    killed: Ints, wounded: Ints, volunteers_killed: Ints, volunteers_wounded: Ints,
    place_killed: Ints, place_wounded: Ints, force_place: Ints, force_killed: Ints, force_wounded: Ints,
    place: Ints, community: Ints, volunteer_place: Ints,
    own_toll: Floats, volunteer_toll: Floats, toll: Floats, usual: Floats, hits_per_day: Floats,
) -> None:  # fmt: skip
    """Fade what is remembered by `keep` and its like, and add the hour.

    killed to volunteers_wounded and place to own_toll: (G,); volunteer_toll: (G, P); place_killed, place_wounded, toll
    and usual: (P, C); force_*: (forces,); hits_per_day: (P,).
    """
    for p in range(toll.shape[0]):
        hits_per_day[p] *= keep_day
        for c in range(toll.shape[1]):
            toll[p, c] = toll[p, c] * keep + place_killed[p, c] + wounded_weight * place_wounded[p, c]
    for g in range(place.size):
        hits = killed[g] + wounded_weight * wounded[g]
        own_toll[g] = own_toll[g] * keep + hits
        toll[place[g], community[g]] += hits
        hits_per_day[place[g]] += killed[g] + wounded[g]
        for p in range(volunteer_toll.shape[1]):
            volunteer_toll[g, p] *= keep
        if volunteer_place[g] >= 0:
            volunteer_toll[g, volunteer_place[g]] += volunteers_killed[g] + wounded_weight * volunteers_wounded[g]
    for i in range(force_place.size):
        hits_per_day[force_place[i]] += force_killed[i] + force_wounded[i]
    for p in range(toll.shape[0]):
        for c in range(toll.shape[1]):
            usual[p, c] += (toll[p, c] - usual[p, c]) * (1.0 - keep_usual)


@part
def put(row: Floats, at: int, values: Ints | Floats) -> int:
    """Write values (n,) into the row from `at` on; return where the next begin."""
    for i in range(values.size):
        row[at + i] = values[i]
    return at + int(values.size)


@part
def put_rows(row: Floats, at: int, table: Ints | Floats, of: Ints) -> int:
    """Write some rows of a table, one after the other."""
    for p in of:
        for i in range(table.shape[1]):
            row[at + i] = table[p, i]
        at += int(table.shape[1])
    return at


@part
def put_some(row: Floats, at: int, values: Ints | Floats, of: Ints) -> int:
    """Write some of the values (n,)."""
    for i in range(of.size):
        row[at + i] = values[of[i]]
    return at + int(of.size)


@kernel
def put_groups(
    row: Floats, killed: Ints, wounded: Ints, states: Ints, armed_up: Ints, armed_share: Floats, threat: Floats,
    anger: Floats, alarms: Floats,
) -> int:  # fmt: skip
    """Write what is recorded of each group, (G,), states (G, 8) by state and alarms (channels, G)."""
    at = put(row, put(row, 0, killed), wounded)
    for s in range(states.shape[1]):
        at = put(row, at, states[:, s])
    at = put(row, put(row, at, armed_up), armed_share)
    at = put(row, put(row, at, threat), anger)
    for channel in range(alarms.shape[0]):
        at = put(row, at, alarms[channel])
    return at


@kernel
def put_places(
    row: Floats, at: int, shown: Ints, fronts: Ints, held: Ints,
    place_killed: Ints, place_wounded: Ints,
    fighters: Ints, volunteers: Ints, stock_t: Floats, effect: Floats, readiness: Floats, resolve: Floats,
    faction_killed: Ints, faction_wounded: Ints, control: Floats, firing: Floats, displaced: Ints, stray: Ints,
) -> int:  # fmt: skip
    """Write what is recorded of the places `shown`, of the fronts, and of the places that somebody holds."""
    at = put_rows(row, put_rows(row, at, place_killed, shown), place_wounded, shown)
    at = put_rows(row, put_rows(row, at, fighters, fronts), volunteers, fronts)
    at = put_rows(row, put_rows(row, at, stock_t, fronts), effect, fronts)
    at = put_rows(row, put_rows(row, at, readiness, fronts), resolve, fronts)
    at = put_rows(row, put_rows(row, at, faction_killed, shown), faction_wounded, shown)
    at = put_rows(row, at, control, held)
    at = put_some(row, at, firing, fronts)
    return put_some(row, put_some(row, at, displaced, shown), stray, shown)
