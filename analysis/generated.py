"""A scenario made to measure: two countries in which every resident is modelled, of any size.

    country(25_000_000, days=30)

Towns follow the rank-size rule (Zipf 1949) in each country. A town is laid out in pairs of
quarters. In one pair of `PAIRS_A_LINE` an Amber and a Blue quarter face each other across a street
with soldiers on it; the others are Grey and have no quarrel. In the larger country there is a town
that is fought over for every `TOWNS_A_FRONT` others. Nothing is drawn by lot, and nothing in it stands
for a real place: the shares of the two countries are those of Syria and Lebanon, the rest is
invented. It is there to measure and to test with, and tells nothing about a conflict.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import tomli_w

from sim.raster import LocalPlane
from sim.scenario import Scenario

BEGINS = datetime(2001, 5, 1)
SMALLEST, LARGEST = 1_000, 50_000_000
SHARES = {
    "inland": 0.804,
    "front": 0.02,
    "coast": 0.176,
}  # of the residents: 20.6 million of 25 inland, 4.4 on the coast
RESIDENTS_A_TOWN = 400_000  # on average
RESIDENTS_A_QUARTER = 50_000  # at most, about
DENSITY_KM2 = 25_000.0  # people; between those of the two quarters of Tripoli, 22,000 and 49,000
CELL_M, STREET_M = 20.0, 20.0
TOWNS_A_FRONT, PAIRS_A_LINE = 8, 4
ARMED_SHARE, ABLE_SHARE = 0.05, 0.12  # as in the quarters of Tripoli
TIES = 0.4  # of a quarter that has a quarrel, to one of the towns that are fought over
SOLDIERS_A_FORCE = 200
FIGHTERS_A_FRONT = {"league": 1_500, "crown": 4_000}
SOUTH, WEST, APART_DEG, TOWNS_A_ROW = 33.0, 35.6, 0.25, 8
CAPACITY_T_DAY, KM_PER_DEGREE, KM_H = 200.0, 111.0, 40.0

LIVELY = {
    "mobilisation.threshold": 0.60,
    "provocations.per_day": 0.4,
    "fire.hit_per_hour": 2e-6,
}
"""What makes unrest last everywhere: people act sooner, are provoked often, and are hit seldom enough to go on."""


@dataclass(frozen=True)
class Town:
    """Where a town lies, and how many live in it."""

    id: str
    name: str
    country: str
    latitude: float
    longitude: float
    residents: int
    contested: bool


@dataclass(frozen=True)
class Pair:
    """Two quarters that face each other, in metres from the middle of their town."""

    id: str
    west: float
    south: float
    side: float  # of a quarter
    residents: tuple[int, int]  # west and east of the street
    communities: tuple[str, str]
    soldiers: bool

    @property
    def faces(self) -> bool:
        """Whether its quarters have a quarrel."""
        return self.communities != ("grey", "grey")


def country(residents: int, *, days: float = 30.0, lively: bool = False) -> Scenario:
    """Return a scenario of two countries with so many residents, of whom every one is modelled.

    `lively` lets all pairs of quarters face each other, with a few per cent mobilised or under cover all the time.
    """
    if not SMALLEST <= residents <= LARGEST:
        raise ValueError(f"{residents:,} residents: a generated country has {SMALLEST:,} to {LARGEST:,}")
    towns = list(_towns(residents))
    scenario = Scenario.from_toml(tomli_w.dumps(_tree(towns, residents, days, lively)), name="generated")
    return scenario.with_values(LIVELY, origin="lively") if lively else scenario


# --- who lives where -----------------------------------------------------------------------------------


def _towns(residents: int) -> Iterator[Town]:
    """Yield the towns, the largest of each part first, on a grid of the map."""
    people = dict(zip(SHARES, _split(residents, list(SHARES.values())), strict=True))
    number = {part: max(1, round(people[part] / RESIDENTS_A_TOWN)) for part in SHARES}
    number["front"] = max(1, round(number["inland"] / TOWNS_A_FRONT))
    row = 0
    for part in SHARES:
        sizes = _split(people[part], [1.0 / rank for rank in range(1, number[part] + 1)])
        for k, size in enumerate(sizes):
            yield Town(
                id=f"{part}_{k}",
                name=f"{part.capitalize()} {k + 1}",
                country="Coast" if part == "coast" else "Inland",
                latitude=round(SOUTH + APART_DEG * (row + k // TOWNS_A_ROW), 4),
                longitude=round(WEST + APART_DEG * (k % TOWNS_A_ROW), 4),
                residents=size,
                contested=part == "front",
            )
        row += math.ceil(number[part] / TOWNS_A_ROW)


def _pairs(town: Town, lively: bool) -> Iterator[Pair]:
    """Yield the pairs of quarters of a town, row by row, as nearly a square as they go."""
    number = max(1, round(town.residents / (2 * RESIDENTS_A_QUARTER)))
    columns = max(1, round(math.sqrt(number / 2)))  # a pair is twice as wide as high
    side = 1000.0 * math.sqrt(town.residents / (2 * number) / DENSITY_KM2)
    wide, high = 2 * side + 2 * STREET_M, side + STREET_M
    for k, people in enumerate(_split(town.residents, [1.0] * number)):
        column, row = k % columns, k // columns
        quarrel = ("amber", "blue") if column % 2 == 0 else ("blue", "amber")  # like borders on like between pairs
        soldiers = k % PAIRS_A_LINE == 0
        yield Pair(
            id=f"{town.id}_{k}",
            west=(column - columns / 2) * wide,
            south=(row - math.ceil(number / columns) / 2) * high,
            side=side,
            residents=(people // 2, people - people // 2),
            communities=quarrel if soldiers or lively else ("grey", "grey"),
            soldiers=soldiers,
        )


def _split(total: int, weights: list[float]) -> list[int]:
    """Split people in proportion to weights; what is left over goes to the first."""
    parts = [int(total * w / math.fsum(weights)) for w in weights]
    parts[0] += total - sum(parts)
    return parts


# --- the file ------------------------------------------------------------------------------------------


def _tree(towns: list[Town], residents: int, days: float, lively: bool) -> dict[str, Any]:
    fronts = [town for town in towns if town.contested]
    pairs = [(town, pair) for town in towns for pair in _pairs(town, lively)]
    return {
        "format": 1,
        "scenario": {
            "id": f"country-{residents}",
            "title": f"Two generated countries, {residents:,} residents",
            "summary": "Towns by the rank-size rule, in quarters that face each other; made to measure speed.",
        },
        "clock": {"start": BEGINS, "days": days},
        "communities": {
            "amber": {"name": "Amber", "hostility": {"blue": 0.6}},
            "blue": {"name": "Blue", "hostility": {"amber": 0.6}},
            "grey": {"name": "Grey"},
        },
        "places": {town.id: _place(town, [pair for at, pair in pairs if at is town]) for town in towns},
        "fronts": {town.id: {"place": town.id} for town in fronts},
        "neighbourhoods": {
            f"{pair.id}_{'we'[east]}": _quarter(town, pair, east, fronts[i % len(fronts)])
            for i, (town, pair) in enumerate(pairs)
            for east in (0, 1)
        },
        "lines_of_contact": {pair.id: _line(town, pair) for town, pair in pairs if pair.faces},
        "factions": {
            "league": _faction("The League", "amber", {"crown": -1.0}, fronts),
            "crown": _faction("The Crown", "blue", {"league": -1.0}, fronts) | {"kind": "state", "fire": "area"},
        },
        "patrons": {
            "harbour": {
                "name": "A patron overseas",
                "backs": {"league": 1.0},
                "delivers_t_day": {towns[-1].id: 10.0 * len(fronts)},
            },
            "capital": {
                "name": "A patron by air",
                "backs": {"crown": 1.0},
                "delivers_t_day": {towns[0].id: 25.0 * len(fronts)},
            },
        },
        "corridors": {f"road_{k}": _road(k, *ends) for k, ends in enumerate(_roads(towns))},
        "security_forces": {
            f"guard_{pair.id}": {
                "name": f"Guard of {pair.id}",
                "place": town.id,
                "line": pair.id,
                "constituency": {"amber": 0.5, "blue": 0.5},
                "standing": SOLDIERS_A_FORCE,
                "reserve": 2 * SOLDIERS_A_FORCE,
            }
            for town, pair in pairs
            if pair.soldiers
        },
        "events": {
            f"assault_{town.id}": {
                "kind": "offensive",
                "at": BEGINS + timedelta(hours=30),
                "text": f"The Crown assaults {town.name}.",
                "place": town.id,
                "attackers": ["crown"],
            }
            for town in fronts
        },
    }


def _place(town: Town, pairs: list[Pair]) -> dict[str, Any]:
    people: dict[str, int] = {}
    for pair in pairs:
        for community, number in zip(pair.communities, pair.residents, strict=True):
            people[community] = people.get(community, 0) + number
    held = {"league": 0.8, "crown": 0.2} if town.contested else {}
    return {
        "name": town.name,
        "country": town.country,
        "latitude": town.latitude,
        "longitude": town.longitude,
        "population": town.residents,
        "communities": {community: number / town.residents for community, number in people.items()},
        "control": held,
        "cell_m": CELL_M,
    }


def _quarter(town: Town, pair: Pair, east: int, front: Town) -> dict[str, Any]:
    community, people = pair.communities[east], pair.residents[east]
    quarter: dict[str, Any] = {
        "name": f"{town.name}, quarter {pair.id.rsplit('_', 1)[-1]} {('west', 'east')[east]}",
        "place": town.id,
        "residents": people,
        "communities": {community: 1.0},
        "rectangle": {
            "west": pair.west + east * (pair.side + STREET_M),
            "south": pair.south,
            "width": pair.side,
            "height": pair.side,
        },
        "able": ABLE_SHARE,
    }
    if pair.faces:
        faction = {"amber": "league", "blue": "crown"}[community]
        quarter["armed"] = {community: ARMED_SHARE * people}
        quarter["volunteers"] = {community: {"faction": faction, "place": front.id}}
    if pair.faces and front.id != town.id:
        quarter["ties"] = {community: {front.id: TIES}}
    return quarter


def _line(town: Town, pair: Pair) -> dict[str, Any]:
    x = pair.west + pair.side + STREET_M / 2
    longitude, latitude = LocalPlane(town.longitude, town.latitude).to_degrees(
        [x, x], [pair.south, pair.south + pair.side]
    )
    path = [[float(lon), float(lat)] for lon, lat in zip(longitude, latitude, strict=True)]
    return {"name": f"Street of {pair.id}", "between": [f"{pair.id}_w", f"{pair.id}_e"], "path": path}


def _faction(name: str, community: str, stance: dict[str, float], fronts: list[Town]) -> dict[str, Any]:
    each = FIGHTERS_A_FRONT[name.removeprefix("The ").lower()]
    return {
        "name": name,
        "constituency": {community: 1.0},
        "stance": stance,
        "fighters": each * len(fronts),
        "deployed": {town.id: 1.0 for town in fronts},
        "stock_days": {town.id: 4.0 for town in fronts},
    }


def _roads(towns: list[Town]) -> Iterator[tuple[Town, Town]]:
    """Yield the roads: from each town to the next of the list, and to the one north of it on the map."""
    yield from pairwise(towns)
    at = {(town.latitude, town.longitude): town for town in towns}
    following = set(pairwise(town.id for town in towns))
    for town in towns:
        north = at.get((round(town.latitude + APART_DEG, 4), town.longitude))
        if north is not None and (town.id, north.id) not in following:
            yield town, north


def _road(k: int, one: Town, other: Town) -> dict[str, Any]:
    east = (other.longitude - one.longitude) * math.cos(math.radians(one.latitude))
    km = KM_PER_DEGREE * math.hypot(east, other.latitude - one.latitude)
    return {
        "name": f"Road {k + 1}",
        "between": [one.id, other.id],
        "capacity_t_day": CAPACITY_T_DAY,
        "delay_h": round(km / KM_H, 1),
    }
