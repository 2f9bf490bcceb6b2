"""An hour at all fronts: who is in contact, what they do to each other, and how the ground moves.

Rows n run over the fronts, p = places[n] is the place of one; columns f and g run over the factions.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from sim.kernels.chance import binomial_quantile, poisson_quantile, uniform
from sim.kernels.compiled import kernel, part
from sim.kernels.groups import engage, match_strength, regroup

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@kernel
def fight(
    places: Ints, fighters: Ints, volunteers: Ints, contact: Floats, firepower: Floats, area_fire: Bools,
    area_reference: float, enmity: Floats, coalition: Bools, skirmish: Floats, assault: Floats, urge: Floats,
    calm: Floats, readiness: Floats, effect: Floats, control: Floats, cover: Floats, engaged: Floats,
    pausing: Bools, pressed: Floats, break_off: float, resume: float,
    initiations_per_hour: float, wounded_per_killed: float, loss_per_hour: float, gain_per_hour: float, step_h: float,
    sizes: Ints, first: Ints, room: Ints, count: Ints, strength: Ints, lane: Ints, known_as: Ints,
    step: int, arrives: int, engages: int, hits: int, wounds: int, k0: np.uint64, k1: np.uint64,
    firing: Floats, slain_rate: Floats, killed: Ints, wounded: Ints, rows: Ints,
) -> int:  # fmt: skip
    """Form up, fight and wear down; return how many rows of losses there are, or -1 where a force has no room.

    The tables are those of `join`, `press`, `expect`, `fire`, `wear` and `form_up`.
    """
    if not has_room(places, fighters, volunteers, room):
        return -1
    join(places, fighters, volunteers, strength, readiness)
    press(places, fighters, volunteers, contact, coalition, assault, readiness, break_off, resume, pausing, pressed)
    if not form_up(places, fighters, volunteers, sizes, first, room, count, strength, lane, step, arrives, k0, k1):
        return -1
    pace, kills, aims = np.empty(count.shape), np.empty(count.shape), np.empty((*count.shape, known_as.size))
    expect(
        places, fighters, volunteers, contact, firepower, area_fire, area_reference, enmity, coalition, skirmish,
        pressed, urge, calm, readiness, effect, control, cover, engaged, pace, kills, aims,
    )  # fmt: skip
    found = fire(
        places, fighters, volunteers, effect, engaged, pace, kills, aims, initiations_per_hour, wounded_per_killed,
        step_h, sizes, first, count, lane, known_as, step, engages, hits, wounds, k0, k1, firing, slain_rate, killed,
        wounded, rows,
    )  # fmt: skip
    wear(places, pressed, urge, calm, engaged, loss_per_hour, gain_per_hour, step_h, readiness)
    return found


@kernel
def settle(
    places: Ints, fighters: Ints, volunteers: Ints, dead: Ints, hurt: Ints, killed: Ints, wounded: Ints,
    engaged: Floats, turnover_per_hour: float, shatter: float, back_p: float, step_h: float,
    sizes: Ints, first: Ints, room: Ints, count: Ints, strength: Ints, lane: Ints, lane_of_all: Ints,
    step: int, shrinks: int, number: int, how: int, returns: int, k0: np.uint64, k1: np.uint64,
) -> None:  # fmt: skip
    """Take the hour's killed and wounded out of the forces, let groups change, and bring wounded fighters back.

    dead, hurt (P, F): since the start, and at present. The tables are those of `form_up`, `regroup_all` and `recover`.
    """
    for n in range(places.size):
        p = places[n]
        for f in range(fighters.shape[1]):
            fighters[p, f] -= killed[p, f] + wounded[p, f]
            dead[p, f] += killed[p, f]
            hurt[p, f] += wounded[p, f]
    form_up(places, fighters, volunteers, sizes, first, room, count, strength, lane, step, shrinks, k0, k1)
    regroup_all(
        places, engaged, turnover_per_hour, shatter, step_h, sizes, first, count, lane, step, number, how, k0, k1
    )
    recover(hurt, fighters, lane_of_all, back_p, step, returns, k0, k1)


@kernel
def expect(
    places: Ints,
    fighters: Ints,
    volunteers: Ints,
    contact: Floats,
    firepower: Floats,
    area_fire: Bools,
    area_reference: float,
    enmity: Floats,
    coalition: Bools,
    skirmish: Floats,
    assault: Floats,
    urge: Floats,
    calm: Floats,
    readiness: Floats,
    effect: Floats,
    control: Floats,
    cover: Floats,
    engaged: Floats,
    pace: Floats,
    kills: Floats,
    aims: Floats,
) -> None:
    """Fill the pace of fighting, who is in contact, what each inflicts in an hour, and on whom.

    skirmish, cover: (P,); enmity: (F, F) how hard row f fights column g, 0 where it does not; coalition: (F, F);
    contact, firepower, area_fire, urge, calm: (F,); the others of the theatre: (P, F). Fills engaged (P, F)
    people at the fronts; pace (N, F), kills (N, F) people an hour, aims (N, F, F) shares of row f's fire.
    """
    factions = contact.size
    present, held = np.empty(factions, np.int64), np.empty(factions)
    for n in range(places.size):
        p = places[n]
        intensity = skirmish[p]
        for f in range(factions):
            intensity = max(intensity, assault[p, f] * urge[f])
        for f in range(factions):
            present[f] = fighters[p, f] + volunteers[p, f]
            pace[n, f] = intensity * calm[f] * readiness[p, f]
            held[f] = 0.0
            for g in range(factions):
                held[f] += control[p, g] if coalition[f, g] else 0.0
            held[f] = min(1.0, held[f])
        expect_at(
            present, contact, pace[n], effect[p], firepower, area_fire, area_reference, enmity, held, cover[p],
            engaged[p], kills[n], aims[n],
        )  # fmt: skip


@part
def expect_at(
    present: Ints, contact: Floats, pace: Floats, effect: Floats, firepower: Floats, area_fire: Bools,
    area_reference: float, enmity: Floats, held: Floats, cover: float, engaged: Floats, kills: Floats, aims: Floats,
) -> None:  # fmt: skip
    """Fill the same for one front; held (F,) is the share of the place held by each faction's side."""
    factions = present.size
    for f in range(factions):
        opposed = False
        for g in range(factions):
            opposed = opposed or (enmity[f, g] > 0.0 and present[g] > 0)
        engaged[f] = present[f] * contact[f] * pace[f] if opposed and present[f] > 0 else 0.0
    for f in range(factions):
        total = 0.0
        for g in range(factions):
            total += enmity[f, g] * engaged[g]
        kills[f] = 0.0
        aims[f, :] = 0.0
        if engaged[f] <= 0.0 or total <= 0.0:
            continue
        shelter, exposed = 0.0, 0.0
        for g in range(factions):
            if enmity[f, g] > 0.0:
                aims[f, g] = enmity[f, g] * engaged[g] / total
                shelter += aims[f, g] * (1.0 + (cover - 1.0) * held[g])
                exposed += engaged[g]
        if exposed <= 0.0:
            continue
        area = exposed / area_reference if area_fire[f] else 1.0
        kills[f] = engaged[f] * effect[f] * firepower[f] * area * (total / exposed) / (24.0 * shelter)


@part
def fire(
    places: Ints,
    fighters: Ints,
    volunteers: Ints,
    effect: Floats,
    engaged: Floats,
    pace: Floats,
    kills: Floats,
    aims: Floats,
    initiations_per_hour: float,
    wounded_per_killed: float,
    step_h: float,
    sizes: Ints,
    first: Ints,
    count: Ints,
    lane: Ints,
    known_as: Ints,
    step: int,
    engages: int,
    hits: int,
    wounds: int,
    k0: np.uint64,
    k1: np.uint64,
    firing: Floats,
    slain_rate: Floats,
    killed: Ints,
    wounded: Ints,
    rows: Ints,
) -> int:
    """Let every group in contact open fire; return how many rows of losses there are.

    Fills firing (P,) effective fighters, slain_rate (P, F) killed an hour for each fighter there, adds to killed
    and wounded (P, F), and writes rows (any, 5): place, attacker, target, killed, wounded. Volunteers draw
    fire but are hurt as residents. lane (N, F), known_as (F,) and the decisions engages, hits and wounds name draws.
    """
    factions, found = known_as.size, 0
    someone, aim = np.empty(factions, np.int64), np.empty(factions)
    for n in range(places.size):
        p = places[n]
        firing[p] = 0.0
        for f in range(factions):
            firing[p] += engaged[p, f] * effect[p, f]
            someone[f] = max(1, fighters[p, f] + volunteers[p, f])
        for g in range(factions):
            falling = 0.0
            for f in range(factions):
                falling += kills[n, f] * aims[n, f, g]
            slain_rate[p, g] = falling / someone[g]
        for f in range(factions):
            if kills[n, f] <= 0.0:
                continue
            aimed = 0.0
            for g in range(factions):
                aim[g] = aims[n, f, g] * fighters[p, g] / someone[g]
                aimed += aim[g]
            opened = pace[n, f] * initiations_per_hour * step_h  # by each group
            strength = opened * (fighters[p, f] + volunteers[p, f])
            if strength <= 0.0 or aimed <= 0.0:
                continue
            left = engage(
                sizes[first[n, f] :], count[n, f], opened * count[n, f], kills[n, f] * step_h * aimed / strength,
                lane[n, f], step, engages, k0, k1,
            )  # fmt: skip
            for g in range(factions):  # who it is: in proportion to aim, and never more than are left
                if left == 0:
                    break
                if aim[g] <= 0.0:
                    continue
                u = uniform(known_as[g], lane[n, f], step, hits, k0, k1)
                part = binomial_quantile(u, left, min(1.0, aim[g] / aimed))
                left, aimed = left - part, aimed - aim[g]
                free = fighters[p, g] - killed[p, g] - wounded[p, g]
                dead = min(part, free)
                u = uniform(known_as[g], lane[n, f], step, wounds, k0, k1)
                hurt = min(poisson_quantile(u, wounded_per_killed * dead), free - dead)
                if dead > 0 or hurt > 0:
                    killed[p, g] += dead
                    wounded[p, g] += hurt
                    rows[found, 0], rows[found, 1], rows[found, 2] = p, f, g
                    rows[found, 3], rows[found, 4] = dead, hurt
                    found += 1
    return found


@part
def join(places: Ints, fighters: Ints, volunteers: Ints, strength: Ints, readiness: Floats) -> None:
    """Let those who have come since the groups last had their strength (N, F) bring fresh readiness (P, F)."""
    for n in range(places.size):
        p = places[n]
        for f in range(strength.shape[1]):
            there = fighters[p, f] + volunteers[p, f]
            if there > strength[n, f]:
                readiness[p, f] = 1.0 - (1.0 - readiness[p, f]) * strength[n, f] / there


@part
def press(
    places: Ints, fighters: Ints, volunteers: Ints, contact: Floats, coalition: Bools, assault: Floats,
    readiness: Floats, break_off: float, resume: float, pausing: Bools, pressed: Floats,
) -> None:  # fmt: skip
    """Fill which assaults (P, F) are pressed in this hour: those who make one together rest when they are worn.

    Changes pausing (P, F): it begins where the readiness of the assailants, by who would be in contact, is at most
    `break_off`, and ends where it is at least `resume`.
    """
    factions = contact.size
    for n in range(places.size):
        p = places[n]
        for f in range(factions):
            ready, together = 0.0, 0.0
            for g in range(factions):
                if coalition[f, g] and assault[p, g] > 0.0:
                    force = (fighters[p, g] + volunteers[p, g]) * contact[g]
                    ready += force * readiness[p, g]
                    together += force
            if assault[p, f] <= 0.0 or together <= 0.0 or ready >= resume * together:
                pausing[p, f] = False
            elif ready <= break_off * together:
                pausing[p, f] = True
            pressed[p, f] = 0.0 if pausing[p, f] else assault[p, f]


@part
def wear(
    places: Ints, assault: Floats, urge: Floats, calm: Floats, engaged: Floats,
    loss_per_hour: float, gain_per_hour: float, step_h: float, readiness: Floats,
) -> None:  # fmt: skip
    """Wear readiness (P, F) down by the pressure of an assault on whoever is opposed, and let it recover."""
    factions = urge.size
    for n in range(places.size):
        p = places[n]
        pressed, opposed = 0.0, False
        for f in range(factions):
            pressed = max(pressed, assault[p, f] * urge[f] * calm[f])
            opposed = opposed or engaged[p, f] != 0.0
        loss = loss_per_hour * pressed if opposed else 0.0
        if loss + gain_per_hour > 0.0:
            settled = gain_per_hour / (loss + gain_per_hour)
            kept = math.exp(-(loss + gain_per_hour) * step_h)
            for f in range(factions):
                readiness[p, f] = settled + (readiness[p, f] - settled) * kept


@kernel
def form_up(
    places: Ints, fighters: Ints, volunteers: Ints, sizes: Ints, first: Ints, room: Ints, count: Ints, strength: Ints,
    lane: Ints, step: int, decision: int, k0: np.uint64, k1: np.uint64,
) -> bool:  # fmt: skip
    """Let the groups of every force add up to who is there; return False, and do nothing, where one has no room."""
    if not has_room(places, fighters, volunteers, room):
        return False
    for n in range(places.size):
        for f in range(strength.shape[1]):
            there = fighters[places[n], f] + volunteers[places[n], f]
            if there != strength[n, f]:
                count[n, f] = match_strength(
                    sizes[first[n, f] :], count[n, f], there, lane[n, f], step, decision, k0, k1
                )
                strength[n, f] = there
    return True


@part
def has_room(places: Ints, fighters: Ints, volunteers: Ints, room: Ints) -> bool:
    """Say whether each force (P, F) could break up into single fighters in its room (N, F)."""
    for n in range(places.size):
        for f in range(room.shape[1]):
            if fighters[places[n], f] + volunteers[places[n], f] > room[n, f]:
                return False
    return True


@part
def regroup_all(
    places: Ints, engaged: Floats, turnover_per_hour: float, shatter: float, step_h: float,
    sizes: Ints, first: Ints, count: Ints, lane: Ints, step: int, number: int, how: int, k0: np.uint64, k1: np.uint64,
) -> None:  # fmt: skip
    """Let groups in contact merge and break up; `number` and `how` name the draws."""
    for n in range(places.size):
        for f in range(engaged.shape[1]):
            mean = turnover_per_hour * engaged[places[n], f] * step_h
            if mean > 0.0:
                events = poisson_quantile(uniform(0, lane[n, f], step, number, k0, k1), mean)
                if events > 0:
                    count[n, f] = regroup(
                        sizes[first[n, f] :], count[n, f], events, shatter, lane[n, f], step, how, k0, k1
                    )


@part
def recover(
    hurt: Ints, fighters: Ints, lane: Ints, back_p: float, step: int, decision: int, k0: np.uint64, k1: np.uint64
) -> None:
    """Bring each wounded fighter (P, F) back to the force with probability back_p."""
    for p in range(hurt.shape[0]):
        for f in range(hurt.shape[1]):
            if hurt[p, f] > 0:
                back = binomial_quantile(uniform(0, lane[p, f], step, decision, k0, k1), hurt[p, f], back_p)
                hurt[p, f] -= back
                fighters[p, f] += back


@kernel
def advance(
    places: Ints,
    fighters: Ints,
    volunteers: Ints,
    contact: Floats,
    firepower: Floats,
    effect: Floats,
    readiness: Floats,
    assault: Floats,
    urge: Floats,
    calm: Floats,
    coalition: Bools,
    enemy: Bools,
    holder: Ints,
    cover: Floats,
    advance_per_hour: float,
    consolidation: float,
    balance: float,
    step_h: float,
    control: Floats,
    ground: Floats,
) -> None:
    """Move the ground (P, F) of every front: assaulting factions, and the unopposed, gain from their enemies.

    Adds to `ground` (P, F) what each faction's side has won or lost by it.
    """
    factions = contact.size
    present, power = np.empty(factions, np.int64), np.empty(factions)
    gained = np.empty((factions, factions))  # by row, from column
    before = np.empty(factions)
    for n in range(places.size):
        p = places[n]
        for f in range(factions):
            present[f] = fighters[p, f] + volunteers[p, f]
            power[f] = present[f] * contact[f] * firepower[f] * effect[p, f] * readiness[p, f]
        if not may_move(present, control[p], assault[p], enemy):
            continue
        gained[:] = 0.0
        for f in range(factions):
            theirs = 0.0
            for g in range(factions):
                theirs += control[p, g] if enemy[f, g] else 0.0
            if present[f] > 0 and theirs > 0.0:
                speed = speed_of(
                    f, present, power, assault[p, f] * urge[f] * calm[f], readiness[p, f], coalition[f], enemy[f],
                    cover[p], theirs, advance_per_hour, consolidation, balance,
                )  # fmt: skip
                for g in range(factions):
                    gained[f, g] = control[p, g] * min(1.0, speed * step_h / theirs) if enemy[f, g] else 0.0
        for g in range(factions):
            before[g] = control[p, g]
        change_hands(gained, holder, control[p])
        for f in range(factions):
            for g in range(factions):
                ground[p, f] += control[p, g] - before[g] if coalition[f, g] else 0.0


@part
def may_move(present: Ints, control: Floats, assault: Floats, enemy: Bools) -> bool:
    """Say whether somebody is there whose enemies hold ground, and who either assaults or meets nobody."""
    for f in range(present.size):
        theirs, met = 0.0, False
        for g in range(present.size):
            if enemy[f, g]:
                theirs += control[g]
                met = met or present[g] > 0
        if present[f] > 0 and theirs > 0.0 and not (met and assault[f] <= 0.0):
            return True
    return False


@part
def speed_of(
    f: int, present: Ints, power: Floats, assault: float, ready: float, side: Bools, foes: Bools, cover: float,
    theirs: float, advance_per_hour: float, consolidation: float, balance: float,
) -> float:  # fmt: skip
    """Return the share of the place that faction f gains in an hour from enemies who hold `theirs` of it."""
    side_power, foe_power, allies, met = 0.0, 0.0, 0, False
    for g in range(present.size):
        if side[g]:
            side_power += power[g]
            allies += present[g] > 0
        if foes[g]:
            foe_power += power[g]
            met = met or present[g] > 0
    if not met:
        return advance_per_hour * theirs / allies
    if assault <= 0.0 or side_power <= 0.0:
        return 0.0
    foe_power *= 1.0 + (cover - 1.0) * theirs
    edge = max(0.0, (side_power / (side_power + foe_power) - balance) / (1.0 - balance))
    part = power[f] / side_power
    return float(advance_per_hour * assault * ready * edge * part * theirs**consolidation)


@part
def change_hands(gained: Floats, holder: Ints, control: Floats) -> None:
    """Let the ground gained (F, F) pass from column to row's holder, no more from anyone than they hold."""
    factions = control.size
    won, lost = np.zeros(factions), np.zeros(factions)
    for g in range(factions):
        asked = 0.0
        for f in range(factions):
            asked += gained[f, g]
        if asked > control[g]:
            for f in range(factions):
                gained[f, g] *= control[g] / asked
    for f in range(factions):
        by_f = 0.0
        for g in range(factions):
            by_f += gained[f, g]
            lost[g] += gained[f, g]
        won[holder[f]] += by_f
    for g in range(factions):
        control[g] = control[g] + won[g] - lost[g]
