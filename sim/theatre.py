"""The table of the theatre: places by factions, and what is under way between them.

Every mechanism of the regional scale reads and writes columns of this table, each
column by one owner (named beside it). Indices: p place, f faction, c community, k corridor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.corridors import Network

if TYPE_CHECKING:
    from sim.schema import ScenarioFile

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

EARTH_KM = 6371.0


@dataclass(frozen=True)
class March:
    """Fighters on their way to a place, due at a step."""

    due: int
    place: int
    faction: int
    fighters: int


@dataclass(frozen=True)
class Delivery:
    """Supplies on their way to a place, due at a step, in tonnes after losses."""

    due: int
    place: int
    faction: int
    tonnes: float


@dataclass
class Theatre:
    """Places, factions and communities by index, and the state of the regional scale."""

    # who and where: fixed
    places: tuple[str, ...]
    factions: tuple[str, ...]
    communities: tuple[str, ...]
    latitude: Floats
    longitude: Floats
    distance_km: Floats  # [P, P]
    population: Floats  # [P, C]
    neutral: Bools  # [P] nobody holds it
    coalition: Bools  # [F, F] column g fights on the side of row f
    enemy: Bools  # [F, F]
    enmity: Floats  # [F, F] how hard row f fights column g, 0 to 1
    constituency: Floats  # [F, C]
    hostility: Floats  # [C, C]
    solidarity: Floats  # [C, C], 1 on the diagonal
    outside: Bools  # [F]
    holder: Ints  # [F] the faction in whose name ground is held
    contact: Floats  # [F]
    firepower: Floats  # [F]
    area_fire: Bools  # [F]
    road_order: tuple[int, ...]
    network: Network
    barred: Bools  # [K, F]
    source_t: Floats  # [P, F] t/day that enter the theatre
    fronts: Ints  # places fought over
    cover: Floats  # [P]
    skirmish: Floats  # [P]
    # state, and who writes it
    control: Floats  # [P, F] fronts
    fighters: Ints  # [P, F] fronts and factions
    hurt: Ints  # [P, F] fronts
    killed: Ints  # [P, F] fronts: since the start
    volunteers: Ints  # [P, F] residents
    readiness: Floats  # [P, F] fronts
    resolve: Floats  # [P, F] factions
    resolve_at_start: Floats  # [F]
    stock_t: Floats  # [P, F] supply
    wanted_t: Floats  # [P, F] demand in t/day, supply
    effect: Floats  # [P, F] effectiveness by supply, supply
    assault: Floats  # [P, F] intensity ordered, events
    pausing: Bools  # [P, F] whether those who assault rest between two pushes, fronts
    pressed: Floats  # [P, F] intensity of the assaults that are under way, fronts
    urge: Floats  # [F] factor on the intensity of assaults, diplomacy
    calm: Floats  # [F] factor on the intensity of fighting, diplomacy
    hopes: Floats  # [F] what talks add to resolve in this step, diplomacy
    sealed: Bools  # [K] events
    toll: Floats  # [P, C] memory of the killed and wounded, record keeper
    usual: Floats  # [P, C] the toll people are used to, record keeper
    news: Floats  # [C] events
    engaged: Floats  # [P, F] fighters in contact, fronts
    heard_of: Floats  # [P, F] fighters in contact as people remember it, channel of alliances
    firing: Floats  # [P] effective fighters firing, fronts
    slain_rate: Floats  # [P, F] killed an hour for each fighter there, fronts
    flow_t: Floats  # [K, F] supply
    through_t: Floats  # [P, F] t/day of supplies that come, go or pass through, supply
    open_share: Floats  # [K, F] supply
    value: Floats  # [P, F] factions
    marches: list[March] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)  # by when they are due
    delivered_t: float = 0.0
    used_t: float = 0.0
    destroyed_t: float = 0.0
    lost_t: float = 0.0  # on the way, to interdiction
    _nearness: dict[float, Floats] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, file: ScenarioFile) -> Theatre:
        """Build the table as it stands at the start of a scenario."""
        places, factions, communities = tuple(file.places), tuple(file.factions), tuple(file.communities)
        p_of, f_of, c_of = index(places), index(factions), index(communities)
        P, F, C = len(places), len(factions), len(communities)
        towns, armies = list(file.places.values()), list(file.factions.values())
        latitude = np.array([t.latitude for t in towns])
        longitude = np.array([t.longitude for t in towns])
        stance = _stances(file, f_of)
        control = np.zeros((P, F))
        population = np.zeros((P, C))
        for p, town in enumerate(towns):
            for name, share in town.control.items():
                control[p, f_of[name]] = share
            for name, share in town.communities.items():
                population[p, c_of[name]] = share * town.population
        fighters = np.zeros((P, F), np.int64)
        stock_t = np.zeros((P, F))
        for f, army in enumerate(armies):
            spread = np.array([army.deployed.get(name, 0.0) for name in places])
            fighters[:, f] = apportion(army.fighters, spread)
            days = np.array([army.stock_days.get(name, file.stock.target_days) for name in places])
            stock_t[:, f] = days * fighters[:, f] * file.supply.use_t_per_fighter_day
        constituency = np.zeros((F, C))
        for f, army in enumerate(armies):
            for name, share in army.constituency.items():
                constituency[f, c_of[name]] = share
        source_t = np.zeros((P, F))
        for patron in file.patrons.values():
            for place, tonnes in patron.delivers_t_day.items():
                for faction, share in patron.backs.items():
                    source_t[p_of[place], f_of[faction]] += tonnes * share
        roads = list(file.corridors.values())
        fronts = {p_of[x.place] for x in file.fronts.values()}
        fronts |= {p_of[e.place] for e in file.events.values() if e.kind == "offensive"}
        enemy = stance < 0
        opposed = (fighters[:, :, None] > 0) & (fighters[:, None, :] > 0) & enemy[None]
        fronts |= set(np.flatnonzero(opposed.any(axis=(1, 2))).tolist())
        cover, skirmish = np.ones(P), np.zeros(P)
        for front in file.fronts.values():
            cover[p_of[front.place]] = front.cover
            skirmish[p_of[front.place]] = front.skirmish
        resolve = np.array([a.resolve for a in armies])
        network = Network(
            places=P,
            corridor_ids=tuple(file.corridors),
            end_a=np.array([p_of[r.between[0]] for r in roads], np.int64),
            end_b=np.array([p_of[r.between[1]] for r in roads], np.int64),
            capacity_t_day=np.array([r.capacity_t_day for r in roads], np.float64),
            delay_h=np.array([r.delay_h for r in roads], np.float64),
            risk=np.array([r.risk for r in roads], np.float64),
        )
        barred = np.zeros((len(roads), F), np.bool_)
        for k, road in enumerate(roads):
            for name in road.barred:
                barred[k, f_of[name]] = True
        order = sorted(range(F), key=lambda f: (armies[f].road_order, f))
        return cls(
            places=places,
            factions=factions,
            communities=communities,
            latitude=latitude,
            longitude=longitude,
            distance_km=distances_km(latitude, longitude),
            population=population,
            neutral=control.sum(axis=1) == 0,
            coalition=(stance > 0) | np.eye(F, dtype=np.bool_),
            enemy=enemy,
            enmity=np.maximum(0.0, -stance),
            constituency=constituency,
            hostility=_between_communities(file, c_of, "hostility", 0.0),
            solidarity=_between_communities(file, c_of, "solidarity", 1.0),
            holder=np.array([f_of[a.holds_for or name] for name, a in file.factions.items()], np.int64),
            outside=np.array([a.outside for a in armies], np.bool_),
            contact=np.array([a.contact for a in armies]),
            firepower=np.array([a.firepower for a in armies]),
            area_fire=np.array([a.fire == "area" for a in armies], np.bool_),
            road_order=tuple(order),
            network=network,
            barred=barred,
            source_t=source_t,
            fronts=np.array(sorted(fronts), np.int64),
            cover=cover,
            skirmish=skirmish,
            control=control,
            fighters=fighters,
            hurt=np.zeros((P, F), np.int64),
            killed=np.zeros((P, F), np.int64),
            volunteers=np.zeros((P, F), np.int64),
            readiness=np.ones((P, F)),
            resolve=np.tile(resolve, (P, 1)),
            resolve_at_start=resolve,
            stock_t=stock_t,
            wanted_t=np.zeros((P, F)),
            effect=np.ones((P, F)),
            assault=np.zeros((P, F)),
            pausing=np.zeros((P, F), np.bool_),
            pressed=np.zeros((P, F)),
            urge=np.ones(F),
            calm=np.ones(F),
            hopes=np.zeros(F),
            sealed=np.array([r.sealed for r in roads], np.bool_),
            toll=np.zeros((P, C)),
            usual=np.zeros((P, C)),
            news=np.zeros(C),
            engaged=np.zeros((P, F)),
            heard_of=np.zeros((P, F)),
            firing=np.zeros(P),
            slain_rate=np.zeros((P, F)),
            flow_t=np.zeros((len(roads), F)),
            through_t=np.zeros((P, F)),
            open_share=np.zeros((len(roads), F)),
            value=np.zeros((P, F)),
        )

    @property
    def present(self) -> Ints:
        """Fighters and volunteers able to fight, [P, F]."""
        return self.fighters + self.volunteers

    @cached_property
    def inhabitants(self) -> Floats:
        """The people of each place, of whatever community, [P]."""
        return np.asarray(self.population.sum(axis=1))

    @cached_property
    def hostile_to(self) -> Floats:
        """How hostile each faction's constituency is to each community, [F, C]."""
        return self.constituency @ self.hostility

    @cached_property
    def kindred(self) -> Floats:
        """Solidarity with those who are not one's own, [C, C]."""
        return np.asarray(self.solidarity - np.eye(len(self.communities)))

    @cached_property
    def strange(self) -> Floats:
        """How little row c takes the dead of column d for its own, [C, C]."""
        return np.asarray(1.0 - self.solidarity)

    def nearness(self, reach_km: float) -> Floats:
        """Return exp(-distance / reach) between places, [P, P]; distances are fixed, so it is worked out once."""
        if reach_km not in self._nearness:
            self._nearness[reach_km] = np.asarray(np.exp(-self.distance_km / reach_km))
        return self._nearness[reach_km]

    @property
    def side_share(self) -> Floats:
        """Share of each place held by each faction's side, [P, F]."""
        return np.minimum(1.0, self.control @ self.coalition.T)

    def power_shares(self) -> Floats:
        """Return the part of the combat power in each place that stands on the side of each faction, [P, F]."""
        power = (self.present * self.contact * self.firepower * self.effect)[:, None]
        ours = np.where(self.coalition, power, 0.0).sum(axis=2)
        theirs = np.where(self.enemy, power, 0.0).sum(axis=2)
        return np.asarray(np.divide(ours, ours + theirs, out=np.ones_like(ours), where=ours + theirs > 0))


def index(names: tuple[str, ...]) -> dict[str, int]:
    """Return the position of each name."""
    return {name: i for i, name in enumerate(names)}


def apportion(total: int, weights: Floats) -> Ints:
    """Split an integer in proportion to weights (n,) by largest remainder; ties go to the lower index."""
    return np.asarray(apportion_each(np.array([total]), weights)[0])


def apportion_each(totals: Ints, weights: Floats) -> Ints:
    """Split each integer (t,) in proportion to the same weights (n,): a row each, [t, n]."""
    whole = np.zeros((totals.size, weights.size), np.int64)
    if weights.sum() <= 0:
        return whole
    exact = totals[:, None] * weights / weights.sum()
    whole[:] = np.floor(exact)
    most_owed = np.argsort(whole - exact, axis=1, kind="stable")
    for row, short, first in zip(whole, totals - whole.sum(axis=1), most_owed, strict=True):
        row[first[:short]] += 1
    return whole


def distances_km(latitude: Floats, longitude: Floats) -> Floats:
    """Return great-circle distances between all places, [P, P]."""
    phi, lam = np.radians(latitude), np.radians(longitude)
    h = (
        np.sin((phi[:, None] - phi) / 2) ** 2
        + np.cos(phi[:, None]) * np.cos(phi) * np.sin((lam[:, None] - lam) / 2) ** 2
    )
    return np.asarray(2 * EARTH_KM * np.arcsin(np.minimum(1.0, np.sqrt(h))))


def half_life_factor(hours: float, half_life_h: float) -> float:
    """Return what is left after `hours` of something with that half-life."""
    return math.exp2(-hours / half_life_h)


def _stances(file: ScenarioFile, f_of: dict[str, int]) -> Floats:
    """Return signed stances [F, F]; a stance said by one side only holds for both."""
    said = np.full((len(f_of), len(f_of)), np.nan)
    for name, faction in file.factions.items():
        for other, sign in faction.stance.items():
            said[f_of[name], f_of[other]] = sign
    both = np.where(np.isnan(said), said.T, said)
    return np.nan_to_num(both, nan=0.0)


def _between_communities(file: ScenarioFile, c_of: dict[str, int], what: str, own: float) -> Floats:
    table = np.zeros((len(c_of), len(c_of)))
    for name, community in file.communities.items():
        for other, value in getattr(community, what).items():
            table[c_of[name], c_of[other]] = value
    np.fill_diagonal(table, own)
    return table
