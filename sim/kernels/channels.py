"""What each channel carries to each group, [G]: the equations of `sim/channels`.

`half` is what makes half the alarm;
place and community (G,) say where a group lives and which community it is of; tables are (P, C), places by communities.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.kernels.compiled import kernel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@kernel
def kin(
    toll: Floats, beyond: Floats, volunteer_toll: Floats, kindred: Floats, ties: Floats, felt_there: Floats,
    place: Ints, community: Ints, half: float, alarm: Floats,
) -> None:  # fmt: skip
    """Fill the alarm at the toll through ties, of one's own in other places and of those in solidarity.

    kindred (C, C): solidarity with others, 0 with one's own; ties and volunteer_toll (G, P); felt_there (P, C): what
    power of one's kin leaves of a toll.
    """
    for g in range(alarm.size):
        c, x = community[g], 0.0
        for p in range(toll.shape[0]):
            if p == place[g] or ties[g, p] == 0.0:
                continue
            of_others = 0.0
            for d in range(kindred.shape[1]):
                of_others += toll[p, d] * kindred[c, d]
            felt = of_others + max(0.0, beyond[p, c] - volunteer_toll[g, p])
            x += ties[g, p] * felt_there[p, c] * felt
        alarm[g] = x / (x + half)


@kernel
def proximity(others: Floats, near: Floats, place: Ints, community: Ints, felt: Floats) -> None:
    """Fill the toll of others (P, C) as it is felt (G, P) from a distance; near (P, P) is the weight by distance."""
    for g in range(felt.shape[0]):
        for p in range(felt.shape[1]):
            felt[g, p] = near[place[g], p] * others[p, community[g]] if p != place[g] else 0.0


@kernel
def alliance(
    heard_of: Floats, outside: npt.NDArray[np.bool_], hostile_to: Floats, community: Ints, half: float, alarm: Floats
) -> None:
    """Fill the alarm at the fighters from outside heard of (P, F) on sides hostile (F, C) to each community."""
    for g in range(alarm.size):
        alarm[g] = 0.0
    for f in range(outside.size):
        if outside[f]:
            from_abroad = 0.0
            for p in range(heard_of.shape[0]):
                from_abroad += heard_of[p, f]
            for g in range(alarm.size):
                alarm[g] += from_abroad * hostile_to[f, community[g]]
    for g in range(alarm.size):
        alarm[g] /= alarm[g] + half


@kernel
def fighters(
    volunteer_toll: Floats, volunteers: Ints, siege: Floats, volunteer_place: Ints, volunteer_faction: Ints,
    trapped_weight: float, half: float, alarm: Floats,
) -> None:  # fmt: skip
    """Fill the alarm at the toll of the own volunteers (G, P), and at those whom a siege (P, F) has trapped."""
    for g in range(alarm.size):
        x = 0.0
        for p in range(volunteer_toll.shape[1]):
            x += volunteer_toll[g, p]
        if volunteer_place[g] >= 0:
            x += trapped_weight * siege[volunteer_place[g], volunteer_faction[g]] * volunteers[g]
        alarm[g] = x / (x + half)


@kernel
def arms(
    through_t: Floats, constituency: Floats, able_people: Floats, place: Ints, community: Ints,
    weapons_per_t: float, step_h: float, share: Floats,
) -> None:  # fmt: skip
    """Fill the weapons left of what passes (P, F), for each of all those able to fight in the place."""
    everyone = np.zeros(through_t.shape[0])
    for g in range(share.size):
        everyone[place[g]] += able_people[g]
    for g in range(share.size):
        here, c, passing = place[g], community[g], 0.0
        for f in range(constituency.shape[0]):
            passing += through_t[here, f] * constituency[f, c]
        share[g] = weapons_per_t * passing * step_h / 24.0 / everyone[here] if everyone[here] >= 0.5 else 0.0
