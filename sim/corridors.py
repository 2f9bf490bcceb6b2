"""Supplies go from a faction's depots to its fighters along the roads that its side can pass.

Which road is open to whom (share of its capacity; 1 where nobody controls, 0 below the foothold):

    place[p, f]    = sum of control[p, g] over the factions g whose hold counts for f
    corridor[k, f] = min(place[end a], place[end b]),  0 where sealed

Each faction in the declared order then routes on what those before it left of each road, as an
integer minimum-cost maximum flow, ties settled by arc number:

    maximise delivered supplies, then minimise  sum over k of flow[k] * (delay[k] + w * -log(1 - risk[k]))

A parcel that takes the path k1, k2, ... arrives after the sum of the delays; the share of it that
arrives is the product of (1 - risk). The rest is lost to interdiction. At the front a stock that
lasts s days makes its fighters effective by

    a = a0 * s / (s + s_half)

so that a cut acts with delay. The strategic value of a place to a faction, in t/day, is what the same
flow says and nothing else:

    stake[p, e] = delivered to e with p held by e  -  delivered to e with p closed to e's side
    value[p, f] = stake[p, f] + sum over the enemies e of f of stake[p, e] + w_pop * population[p, f]

Source: maximum flow and its minimum cut as interdiction, Wood (1993), Math. Comput. Modelling 17(2):
1-18; minimum-cost flow with additive delay and -log survival, Ahuja, Magnanti & Orlin (1993), *Network
Flows*. That effectiveness follows stock by a saturating curve is our operationalisation. Two
consequences of the objective are worth knowing: where supplies are short the nearest sinks are served
first, and a detour is taken however long it is if more can be sent that way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim import kernels
from sim.parameters import Parameters, param

Float = NDArray[np.float64]
Int = NDArray[np.int64]
Bool = NDArray[np.bool_]

MINUTES_PER_HOUR = 60  # the integer cost of a corridor counts minutes
ROUNDING = 1e-6  # of a flow unit: 0.29 t are 29 units of 0.01 t, though 0.29 / 0.01 < 29
MOST_UNITS = 2**40  # an unlimited source, in flow units
LONGEST_DELAY_H = 1e6  # keeps the cost of a path far inside int64


class SupplyParameters(Parameters):
    """What fighters use, what passes on the roads and what a place is worth."""

    use_t_per_fighter_day: float = param(
        0.005, unit="t/d", low=0.001, high=0.03, grade="assumed",
        doc="what one fighter uses in a day of full action",
        source="irregular light infantry: ammunition, fuel, food; regular armies plan several times it",
    )  # fmt: skip
    a0: float = param(
        1.0, unit="1", low=0.1, high=1.0, grade="assumed", doc="effectiveness of fighters who lack nothing",
        source="the rates of loss of a front are those of supplied fighters",
    )  # fmt: skip
    s_half_days: float = param(
        1.0, unit="d", low=0.1, high=7.0, grade="assumed", doc="stock that halves effectiveness",
        source="fire is rationed when about a day is left",
    )  # fmt: skip
    foothold: float = param(
        0.1, unit="1", low=0.0, high=0.5, grade="assumed",
        doc="share of a place below which a side can neither pass through it nor be supplied in it",
        source="a few blocks held are no road",
    )  # fmt: skip
    flow_unit_t: float = param(
        0.01, unit="t", low=0.001, high=1.0, grade="assumed", doc="one unit of the integer flow",
        source="two fighters in full action for a day",
    )  # fmt: skip
    interdiction_weight_h: float = param(
        24.0, unit="h", low=0.0, high=240.0, grade="assumed",
        doc="delay accepted to lower -log(share that arrives) by one",
        source="a day's detour rather than losing two thirds",
    )  # fmt: skip
    value_population_weight: float = param(
        0.000005, unit="t/d/person", low=0.0, high=0.0005, grade="assumed",
        doc="what holding a place of one's own people is worth, a head, in supplies",
        source="100,000 people weigh as much as half a tonne a day",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Network:
    """The roads between `places` places: one entry a corridor, passable both ways, one capacity for both.

    `risk` is the share of a delivery lost on the corridor, in [0, 1). Raises ValueError on arrays of
    different length and on values out of range.
    """

    places: int
    corridor_ids: tuple[str, ...]
    end_a: Int
    end_b: Int
    capacity_t_day: Float
    delay_h: Float
    risk: Float

    def __post_init__(self) -> None:
        """Refuse what the flow could not be computed on."""
        for field in fields(self)[1:]:
            if len(getattr(self, field.name)) != len(self.corridor_ids):
                raise ValueError(f"{field.name}: one entry for each of {len(self.corridor_ids)} corridors")
        self._require((self.end_a >= 0) & (self.end_a < self.places), "end_a", "a place's index")
        self._require((self.end_b >= 0) & (self.end_b < self.places), "end_b", "a place's index")
        self._require(self.end_a != self.end_b, "end_b", "another place than end_a")
        finite = np.isfinite(self.capacity_t_day)
        self._require(finite & (self.capacity_t_day >= 0), "capacity_t_day", "in t/day, finite, at least 0")
        delay = (self.delay_h >= 0) & (self.delay_h < LONGEST_DELAY_H)
        self._require(delay, "delay_h", f"in hours, at least 0 and below {LONGEST_DELAY_H:.0f}")
        self._require((self.risk >= 0) & (self.risk < 1), "risk", "a share, at least 0 and below 1")

    def _require(self, good: Bool, name: str, what: str) -> None:
        if not good.all():
            worst = int(np.argmin(good))
            value = getattr(self, name)[worst]
            raise ValueError(f"corridor {self.corridor_ids[worst]!r}: {name} is {value}, must be {what}")

    @cached_property
    def arcs(self) -> tuple[Int, Int]:
        """Tail and head int64[2K + 2P] of the flow's arcs.

        Arcs 2k and 2k + 1 are corridor k from a to b and back; then follow the depot of each place,
        from the source (node P), and the demand of each place, to the sink (node P + 1).
        """
        place = np.arange(self.places)
        source, sink = np.full(self.places, self.places), np.full(self.places, self.places + 1)
        there, back = (self.end_a, self.end_b), (self.end_b, self.end_a)
        tail = np.concatenate([np.stack(there, axis=1).ravel(), source, place])
        head = np.concatenate([np.stack(back, axis=1).ravel(), place, sink])
        return tail, head

    @cached_property
    def road_of_arc(self) -> Int:
        """Return the corridor of each of the flow's arcs int64[2K + 2P], -1 for depots and demands."""
        corridors = np.arange(len(self.corridor_ids))
        return np.concatenate([np.repeat(corridors, 2), np.full(2 * self.places, -1)])

    @cached_property
    def solved(self) -> dict[tuple[int, float], tuple[Int, Int, Int]]:
        """What was worked out last, see `known`, by the number of factions and the weight that it is for."""
        return {}

    def known(self, factions: int, parameters: SupplyParameters) -> tuple[Int, Int, Int]:
        """Return cost [arcs] and, as they were worked out last, capacity and flow [F, arcs] of the flow's arcs."""
        asked = factions, parameters.interdiction_weight_h
        if asked not in self.solved:
            nothing = np.zeros((factions, len(self.road_of_arc)), np.int64)
            self.solved[asked] = self.cost(parameters), nothing, nothing.copy()
        return self.solved[asked]

    def cost(self, parameters: SupplyParameters) -> Int:
        """Return the integer cost int64[2K + 2P] of the flow's arcs, in minutes, at least 1 on a road."""
        hours = self.delay_h - parameters.interdiction_weight_h * np.log1p(-self.risk)
        minutes = np.maximum(1, np.rint(hours * MINUTES_PER_HOUR).astype(np.int64))
        return np.concatenate([np.repeat(minutes, 2), np.zeros(2 * self.places, np.int64)])


@dataclass(frozen=True)
class Access:
    """What each faction can use: share of each place [P, F] and of each corridor's capacity [K, F].

    Zero means hostile (a place) or closed (a corridor).
    """

    place: Float
    corridor: Float


@dataclass(frozen=True)
class Parcels:
    """What travels one path in one day, a row each: `units` set out, the share `survival` arrives."""

    faction: Int
    origin: Int
    destination: Int
    units: Int
    delay_h: Float
    survival: Float


@dataclass(frozen=True)
class Routing:
    """A day's supplies, in t/day: by faction, what each place sends = what is delivered + what is lost.

    `capacity` and `flow` int64[F, arcs] are what each arc of `network` could carry and what it carries, in units
    of `flow_unit_t`, for factions that route in `order`. The tables are worked out when asked for.
    """

    network: Network
    order: Sequence[int]
    flow_unit_t: float
    capacity: Int
    flow: Int

    @cached_property
    def flow_t(self) -> Float:
        """Return what passes each corridor, [K, F], from end a to end b (negative: from b to a), before losses."""
        there_and_back = self.flow[:, : 2 * len(self.network.corridor_ids)].reshape(len(self.flow), -1, 2)
        return np.ascontiguousarray((there_and_back[:, :, 0] - there_and_back[:, :, 1]).T * self.flow_unit_t)

    @cached_property
    def parcels(self) -> Parcels:
        """Split the flow of each faction, in order, into parcels."""
        return _parcels(self.network, self.order, self.flow)

    @cached_property
    def sent_t(self) -> Float:
        """Return what sets out from each place, [P, F]."""
        return self._booked(self.parcels.origin, 1.0)

    @cached_property
    def delivered_t(self) -> Float:
        """Return what arrives in each place, [P, F]."""
        return self._booked(self.parcels.destination, self.parcels.survival)

    @cached_property
    def lost_t(self) -> Float:
        """Return what is lost on the way to each place, [P, F]."""
        return self._booked(self.parcels.destination, 1 - self.parcels.survival)

    @cached_property
    def cuts(self) -> tuple[tuple[int, ...], ...]:
        """Name the corridors of each faction's minimum cut: none where depots or demands, not roads, are the limit."""
        places, (tail, head), road = self.network.places, self.network.arcs, self.network.road_of_arc
        cuts = (
            kernels.flow.minimum_cut(places + 2, tail, head, capacity, flow, places)
            for capacity, flow in zip(self.capacity, self.flow, strict=True)
        )
        return tuple(tuple(np.unique(road[cut][road[cut] >= 0]).tolist()) for cut in cuts)

    def _booked(self, place: Int, share: Float | float) -> Float:
        """Add up a share of each parcel by place and faction."""
        account = np.zeros((self.network.places, len(self.flow)))
        np.add.at(account, (place, self.parcels.faction), self.parcels.units * self.flow_unit_t * share)
        return account


def demand_t_day(fighters: Float, intensity: Float | float, parameters: SupplyParameters) -> Float:
    """Return what fighters use in a day, in t; `intensity` 1 is full action."""
    return np.asarray(fighters * intensity * parameters.use_t_per_fighter_day)


def stock_days(stock_t: Float, fighters: Float, parameters: SupplyParameters) -> Float:
    """Return how many days of full action a stock lasts; 0 where there is nobody to use it."""
    use = demand_t_day(fighters, 1.0, parameters)
    return np.divide(stock_t, use, out=np.zeros_like(use), where=use > 0)


def effectiveness(stock_days: Float, a0: float, s_half: float) -> Float:
    """Return a0 * s / (s + s_half): fighters with a stock of s days, relative to fully supplied ones."""
    return np.asarray(a0 * stock_days / (stock_days + s_half))


def passable(
    network: Network,
    control: Float,
    coalition: Bool,
    neutral: Bool,
    closed: Bool,
    parameters: SupplyParameters,
) -> Access:
    """Say who can use which place and corridor.

    `control` [P, F]; `coalition` [F, F]: the hold of column g counts for row f, itself included;
    `neutral` [P]: nobody controls the place, it is open to all; `closed` [K] or [K, F]: sealed.
    """
    hold = np.minimum(1.0, (control[:, None, :] * coalition).sum(axis=2))
    place = np.where(hold < parameters.foothold, 0.0, hold)
    place = np.where(neutral[:, None], 1.0, place)
    return Access(place, _usable(network, place, closed))


def route(
    network: Network,
    access: Access,
    source_t: Float,
    demand_t: Float,
    order: Sequence[int],
    parameters: SupplyParameters,
) -> Routing:
    """Route one day's supplies of every faction, each on what those before it in `order` left of a road.

    `source_t` and `demand_t` [P, F] in t/day; a source may be infinite. Raises ValueError unless `order`
    names each faction once.
    """
    cases = access.place[None], access.corridor[None]
    capacity, flow = _flows(network, *cases, source_t, demand_t, order, parameters)
    return Routing(network, order, parameters.flow_unit_t, capacity[0], flow[0])


def strategic_value(
    network: Network,
    control: Float,
    coalition: Bool,
    enemy: Bool,
    neutral: Bool,
    closed: Bool,
    source_t: Float,
    demand_t: Float,
    order: Sequence[int],
    parameters: SupplyParameters,
    contested: Int,
    population_term: Float,
) -> Float:
    """Return what holding each contested place is worth to each faction, [P, F] in t/day.

    Arguments as for `passable` and `route`; `enemy` [F, F]: column e is an enemy of row f;
    `population_term` [P, F]: heads of the constituency. Rows of places not in `contested` are zero.
    """
    stake = strategic_stake(
        network, control, coalition, neutral, closed, source_t, demand_t, order, parameters, contested
    )
    people = parameters.value_population_weight * population_term[contested]
    value = np.zeros(source_t.shape)
    value[contested] = stake + (stake[:, None, :] * enemy).sum(axis=2) + people
    return value


def strategic_stake(
    network: Network,
    control: Float,
    coalition: Bool,
    neutral: Bool,
    closed: Bool,
    source_t: Float,
    demand_t: Float,
    order: Sequence[int],
    parameters: SupplyParameters,
    contested: Int,
) -> Float:
    """Return what each faction's deliveries lose if a place changes hands, [len(contested), F] in t/day.

    Held: the place is wholly the faction's, so that those for whom its hold counts pass. Closed: nobody
    whose hold counts for the faction passes, everyone else does. All factions are routed again in each
    case, since a road that one may no longer use is free for the next: a stake is below zero where an
    ally who comes earlier in the order takes more of a shared road than the place opens. Deliveries count
    as they set out, before losses on the way.
    """
    factions = source_t.shape[1]
    access = passable(network, control, coalition, neutral, closed, parameters)
    sides = [tuple(side) for side in np.concatenate([coalition.T, ~coalition]).tolist()]
    who = list(dict.fromkeys(sides))
    which = [who.index(side) for side in sides]
    place = np.tile(access.place, (1 + len(contested) * len(who), 1, 1))
    cases = place[1:].reshape(len(contested), len(who), *access.place.shape)  # the first is things as they are
    cases[np.arange(len(contested)), :, contested] = who
    share = _usable(network, place, closed)
    _, flow = _flows(network, place, share, source_t, demand_t, order, parameters)
    depots = slice(2 * len(network.corridor_ids), -network.places)
    sent = flow[1:, :, depots].sum(axis=2).reshape(len(contested), len(who), factions)
    held, lost = which[:factions], which[factions:]
    own = np.arange(factions)
    return np.asarray((sent[:, held, own] - sent[:, lost, own]) * parameters.flow_unit_t)


def _usable(network: Network, place: Float, closed: Bool) -> Float:
    """Return the usable share of each corridor [..., K, F] from that of the places [..., P, F]."""
    share = np.minimum(place.take(network.end_a, axis=-2), place.take(network.end_b, axis=-2))
    return np.where(closed if closed.ndim == 2 else closed[:, None], 0.0, share)


def _flows(
    network: Network,
    place: Float,
    share: Float,
    source_t: Float,
    demand_t: Float,
    order: Sequence[int],
    parameters: SupplyParameters,
) -> tuple[Int, Int]:
    """Return capacity and flow [cases, F, arcs] of each faction, in flow units.

    `place` [cases, P, F] and `share` [cases, K, F] may differ from case to case, the rest is the same.
    """
    places, factions = source_t.shape
    if sorted(order) != list(range(factions)):
        raise ValueError(f"order {list(order)} must name each of the {factions} factions once")
    if not ((source_t >= 0).all() and (demand_t >= 0).all()):
        raise ValueError("source_t and demand_t are in t/day, at least 0")
    if not places == network.places == place.shape[1]:
        raise ValueError(f"source_t has {places} places, the network {network.places}, access {place.shape[1]}")
    roads = np.repeat(_units(share * network.capacity_t_day[:, None], parameters), 2, axis=1)
    open_here, source, demand = place > 0, _units(source_t, parameters), _units(demand_t, parameters)
    capacity = np.concatenate([roads, open_here * source, open_here * demand], axis=1).swapaxes(1, 2).copy()
    cost, *known = network.known(factions, parameters)
    flow = kernels.flow.flows_in_turn(
        places + 2, *network.arcs, capacity, cost, places, places + 1,
        network.road_of_arc, _units(network.capacity_t_day, parameters), np.array(order, np.int64), *known,
    )  # fmt: skip
    return capacity, flow


def _units(t: Float, parameters: SupplyParameters) -> Int:
    """Return whole flow units, never more than there is."""
    return np.minimum(np.floor(t / parameters.flow_unit_t + ROUNDING), MOST_UNITS).astype(np.int64)


def _parcels(network: Network, order: Sequence[int], flow: Int) -> Parcels:
    """Split the flow [F, arcs] of each faction in order into parcels."""
    places, (tail, head) = network.places, network.arcs
    split = [kernels.flow.paths_of(places + 2, tail, head, flow[f], places, places + 1) for f in order]
    arcs = np.concatenate([paths for _, paths in split])
    corridor = np.append(network.road_of_arc, -1)[arcs]  # -1: no road, there and where a path has ended
    return Parcels(
        faction=np.repeat(order, [len(units) for units, _ in split]),
        origin=head[arcs[:, 0]],
        destination=tail[arcs.max(axis=1, initial=-1)],  # arcs to the sink have the highest numbers
        units=np.concatenate([units for units, _ in split]),
        delay_h=np.append(network.delay_h, 0.0)[corridor].sum(axis=1),
        survival=np.append(1 - network.risk, 1.0)[corridor].prod(axis=1),
    )
