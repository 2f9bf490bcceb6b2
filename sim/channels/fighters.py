"""Fighters: volunteers leave for a front, are trapped or killed there, and come home.

What happens: residents leave to fight elsewhere; when they are cut off or killed, their
quarter is alarmed; who returns brings weapons.

    leave: volunteers_per_hour x logistic(u / tau)           for those able to fight
    alarm[n, c] = X / (X + half),   X = toll of the own volunteers + trapped weight x siege x volunteers there
    home:  hazard 1 / tour, times the share of the way that is open

Source: the round of May 2013 began on rumours of trapped volunteers; rates assumed.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim import kernels
from sim.neighbourhoods import City
from sim.parameters import Parameters, param
from sim.seen import Seen
from sim.theatre import Theatre

Floats = npt.NDArray[np.float64]


class FightersParameters(Parameters):
    """The channel of volunteers."""

    on: bool = True
    weight: float = param(
        0.40,
        unit="1",
        low=0.0,
        high=2.0,
        grade="assumed",
        doc="what full alarm adds to solidarity",
        source="rumours of trapped volunteers opened the round of May 2013 (press)",
    )
    volunteers_per_hour: float = param(
        4e-4,
        unit="1/h",
        low=0.0,
        high=0.1,
        grade="assumed",
        doc="hazard of leaving for a front at full propensity",
        source="tens of volunteers from a quarter",
    )
    tour_days: float = param(
        30.0,
        unit="d",
        low=0.5,
        high=1000.0,
        grade="assumed",
        doc="mean stay at a front",
        source="weeks",
    )
    trapped_weight: float = param(
        0.08,
        unit="1",
        low=0.0,
        high=10.0,
        grade="assumed",
        doc="what one trapped volunteer counts against one killed",
        source="rumours count, if less than deaths",
    )
    toll_half: float = param(
        8.0,
        unit="people",
        low=0.1,
        high=10000.0,
        grade="assumed",
        doc="toll of own volunteers at half alarm",
        source="a dozen families in one quarter",
    )
    weapons_home: float = param(
        1.0,
        unit="1",
        low=0.0,
        high=10.0,
        grade="assumed",
        doc="weapons that a returning volunteer brings",
        source="returnees come armed",
    )


def alarm(seen: Seen, city: City, theatre: Theatre, p: FightersParameters) -> Floats:
    """Return the alarm of each group, [G] in 0 to 1."""
    x = np.empty(city.groups)
    kernels.channels.fighters(
        seen.volunteer_toll, seen.volunteers, seen.siege, city.volunteer_place, city.volunteer_faction,
        p.trapped_weight, p.toll_half, x,
    )  # fmt: skip
    return x


def enlist_per_hour(seen: Seen, city: City, p: FightersParameters) -> Floats:
    """Return the hazard of leaving for a front at full propensity, [G]; nobody gets into a place under siege."""
    open_way = 1.0 - city.at_their_front(seen.siege)
    return np.where(city.volunteer_place >= 0, p.volunteers_per_hour * open_way, 0.0)


def home_per_hour(seen: Seen, city: City, p: FightersParameters) -> Floats:
    """Return the hazard of coming home from a front, [G]; the way is as open as the siege leaves it."""
    return np.asarray((1.0 - city.at_their_front(seen.siege)) / (24.0 * p.tour_days))
