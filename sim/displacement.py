"""Displacement: who leaves, where to, and who comes back.

What happens: under fire residents leave; each chooses a destination by nearness,
road and kin; when home has been quiet they return.

    weight[g, q] = share of g's community in q ^ kin_exponent x exp(-travel time / scale)
                   x road/(road + half) x half/(half + fighters firing in q)

over places q other than home that can be reached. Flee (Suleimenova, Bell & Groen 2017)
is the reference for scores of destinations.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from sim.corridors import Network
from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]


class DisplacementParameters(Parameters):
    """Hazards of leaving and returning, and the choice of a destination."""

    flee_per_hour: float = param(
        0.006,
        unit="1/h",
        low=0.0,
        high=1.0,
        grade="assumed",
        doc="hazard of leaving under heavy fire",
        source="civilians in Qusayr: about 25,000 in mid-May, over 10,000 on 1 June 2013",
    )
    flee_half: float = param(
        1e-3,
        unit="1/h",
        low=1e-8,
        high=1.0,
        grade="assumed",
        doc="hazard of being hit in the open at which the hazard of leaving is half its greatest",
        source="a town under assault against a street with sniping",
    )
    exposure_half: float = param(
        0.05,
        unit="1",
        low=1e-5,
        high=10.0,
        grade="assumed",
        doc="danger lived through (expected hits) that doubles the hazard of leaving",
        source="those who were near leave first",
    )
    return_per_day: float = param(
        0.02,
        unit="1/d",
        low=0.0,
        high=5.0,
        grade="assumed",
        doc="rate of return when home is quiet",
        source="weeks; people return to Tripoli's quarters, few to Qusayr",
    )
    distance_scale_h: float = param(
        3.0,
        unit="h",
        low=0.1,
        high=100.0,
        grade="literature",
        doc="travel time at which a destination's weight falls by e",
        source="Flee (Suleimenova, Bell & Groen 2017) weighs destinations by inverse distance",
    )
    kin_exponent: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=5.0,
        grade="assumed",
        doc="exponent of the share of one's own community there",
        source="people go where they have kin",
    )
    road_half_t_day: float = param(
        20.0,
        unit="t/d",
        low=0.1,
        high=10000.0,
        grade="assumed",
        doc="capacity of the narrowest road on the way at which a destination has half its weight",
        source="tracks carry fewer people than highways",
    )
    battle_half: float = param(
        50.0,
        unit="people",
        low=0.1,
        high=100000.0,
        grade="assumed",
        doc="fighters firing in a place at which it has half its weight as a destination",
        source="people do not flee into a battle; a skirmish of a few dozen fighters keeps many away",
    )


def destinations(theatre: Theatre, city: City, p: DisplacementParameters) -> Floats:
    """Return cumulative weights of where those who flee go, [G, P]; the last column is 1."""
    hours, road = ways(theatre)
    town = np.maximum(1.0, theatre.population.sum(axis=1))
    kin = (theatre.population / town[:, None]) ** p.kin_exponent  # [P, C]
    reach = np.exp(-hours[city.place] / p.distance_scale_h) * road[city.place] / (road[city.place] + p.road_half_t_day)
    weight = kin[:, city.community].T * reach * p.battle_half / (p.battle_half + theatre.firing)
    weight[np.arange(city.groups), city.place] = 0.0
    total = weight.sum(axis=1)
    lost = total <= 0  # no way out by road: the nearest place
    near = theatre.distance_km + np.where(np.eye(len(theatre.places), dtype=np.bool_), np.inf, 0.0)
    weight[lost, np.argmin(near[city.place[lost]], axis=1)] = 1.0
    summed = np.cumsum(weight, axis=1)
    return np.asarray(summed / summed[:, -1:])


def ways(theatre: Theatre) -> tuple[Floats, Floats]:
    """Return travel time in h and the narrowest road in t/day on the quickest way between places, [P, P] each."""
    return _ways(theatre.network, theatre.sealed.tobytes())


@lru_cache(maxsize=8)
def _ways(net: Network, sealed: bytes) -> tuple[Floats, Floats]:
    """Search the roads once for each set of sealed ones: they change seldom."""
    from scipy.sparse import csr_array  # here, because importing it takes longer than checking a scenario
    from scipy.sparse.csgraph import dijkstra

    P = net.places
    usable = ~np.frombuffer(sealed, np.bool_) & (net.capacity_t_day > 0)
    a, b, delay = net.end_a[usable], net.end_b[usable], np.maximum(net.delay_h[usable], 1e-6)
    graph = np.full((P, P), np.inf)
    width = np.zeros((P, P))
    for i, j, h, c in zip(a, b, delay, net.capacity_t_day[usable], strict=True):
        if h < graph[i, j] or (h == graph[i, j] and c > width[i, j]):
            graph[i, j] = graph[j, i] = h
            width[i, j] = width[j, i] = c
    sparse = csr_array(np.where(np.isfinite(graph), graph, 0.0))
    hours, before = dijkstra(sparse, directed=False, return_predecessors=True)
    road = np.zeros((P, P))
    for origin in range(P):
        for place in np.argsort(hours[origin], kind="stable"):
            last = before[origin, place]
            if last >= 0:
                so_far = np.inf if last == origin else road[origin, last]
                road[origin, place] = min(so_far, width[last, place])
    hours.flags.writeable = road.flags.writeable = False  # they are shared
    return hours, road


def settle_arrivals(city: City, hours: float) -> None:
    """Count those who have come from outside the modelled places in `hours` since the start.

    The flow is given data: arrivals weigh on their hosts, but take no part in the fighting.
    """
    city.arrived[:] = np.floor(city.arrivals_per_day * hours / 24.0).astype(np.int64)
